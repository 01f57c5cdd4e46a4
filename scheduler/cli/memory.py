"""`role_scheduler memory plan`: where everything would lie on a GPU, how fast it would be, and what could give way."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.catalog import PRESETS, SHAPES, SIZES
from engine.config import Settings, fit_size, round_up_infer_frames
from engine.errors import SettingsError
from engine.memory import (
    GIB,
    KV_FORMS,
    PLACES,
    PRECISIONS,
    USABLE_RATIO,
    Device,
    Load,
    Room,
    Verdict,
    all_rungs,
    device_named,
    find_device,
    make_plan,
    speed_of,
)
from scheduler.cli.exits import ExitCode
from scheduler.cli.flags import settings_refusal
from scheduler.cli.memory_tables import as_json_object, show_plan
from scheduler.cli.output import AsJson, print_json, say
from scheduler.cli.place import bad_usage, parse_pairs
from scheduler.probe import Probe, smallest

app = typer.Typer(help="How much memory a video takes, and where it lies.", no_args_is_help=True)

MODELS = {"14b": "live-avatar-14b", "pocket": "pocket"}
DEFAULT_PRESET = {"14b": "standard", "pocket": "pocket"}
DEFAULT_VOICE_S = 60.0
MAX_GIB = 1 << 20
_CODES = {
    Verdict.FITS: ExitCode.OK, Verdict.FITS_DEGRADED: ExitCode.FITS_DEGRADED,
    Verdict.DOES_NOT_FIT: ExitCode.DOES_NOT_FIT, Verdict.CANNOT_TELL: ExitCode.CANNOT_TELL,
}  # fmt: skip


def _one_of(*words: str) -> str:
    return f"One of {', '.join(words)}."


@app.command(name="plan")
def plan(
    size: Annotated[str | None, typer.Option("--size", help=f"Area budget. {_one_of(*SIZES)}")] = None,
    preset: Annotated[str | None, typer.Option("--preset", help=f"Named settings. {_one_of(*PRESETS)}")] = None,
    steps: Annotated[int | None, typer.Option("--steps", "--sample_steps", help="Denoising steps, 3 to 5.")] = None,
    infer_frames: Annotated[
        int | None,
        typer.Option("--infer-frames", "--infer_frames", help="Frames per clip, in twelves (rounded up)."),
    ] = None,
    portrait_size: Annotated[
        str, typer.Option("--portrait-size", metavar="W*H", help="The portrait's pixels: the real size follows them.")
    ] = "1280*720",
    precision: Annotated[
        str | None,
        typer.Option("--precision", help=f"Of the weights. {_one_of(*PRECISIONS)} Without it, fp8 where the device has it."),
    ] = None,
    kv: Annotated[
        str | None, typer.Option("--kv", help=f"Of the rings. {_one_of(*KV_FORMS)} Without it, as the weights.")
    ] = None,
    gpus: Annotated[
        int | None, typer.Option("--gpus", help="GPUs of this kind; each runs a copy. Default: those found here, else 1.")
    ] = None,
    memory_gib: Annotated[
        float | None, typer.Option("--memory-gib", help="Cap per GPU; without it, what the device has usable.")
    ] = None,
    host_gib: Annotated[float | None, typer.Option("--host-gib", help="Host memory for it; without it, no limit.")] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="Kind of GPU (h200, 4090, …); without it, the one found here.")
    ] = None,
    figure: Annotated[
        list[str] | None,
        typer.Option(
            "--figure", metavar="NAME=VALUE",
            help="Your own speed: products_tflops, attention_tflops, decode_ms_per_megapixel, link_gb_per_s, all four.",
        ),
    ] = None,
    contexts: Annotated[int, typer.Option("--contexts", help="Jobs in memory at once, the playing one included.")] = 1,
    roles: Annotated[
        int, typer.Option("--roles", help="Roles kept, the playing one included; several are kept ready for the stage.")
    ] = 1,
    adapter_rank: Annotated[
        int, typer.Option("--adapter-rank", help="Room for adapters: the sum of the ranks that play at once; 0: none.")
    ] = 0,
    text_encoder: Annotated[str, typer.Option("--text-encoder", help=_one_of(*PLACES))] = "host",
    consent: Annotated[
        bool, typer.Option("--consent", help="Fewer steps or a smaller picture are agreed to.")
    ] = False,
    model: Annotated[str, typer.Option("--model", help=_one_of(*MODELS))] = "14b",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Where weights, rings and everything else would lie, the peak, the time per block, and the ladder below it.

    Exit 0 fits, 10 fits degraded, 11 does not fit, 12 cannot tell.
    """
    if model not in MODELS:
        raise bad_usage(f"model {model!r} is unknown.", field="model", hint=f"Use one of {', '.join(MODELS)}.")
    portrait = _portrait(portrait_size)
    try:
        settings = _settings(preset or DEFAULT_PRESET[model], size, steps, infer_frames)
        width, height = fit_size(settings.size, *portrait)
        room = _room(device, _bytes(memory_gib, "memory-gib"), _bytes(host_gib, "host-gib"), gpus, model)
        precision = precision or ("fp8" if room.device is None or room.device.has_fp8 else "bf16")
        voice_s = DEFAULT_VOICE_S if settings.clips is None else settings.clips * settings.infer_frames / 25
        load = Load(
            shape=SHAPES[MODELS[model]], width=width, height=height, steps=settings.steps,
            infer_frames=settings.infer_frames, precision=precision, kv=kv or precision, contexts=contexts, voice_s=voice_s,
            roles_ready=roles, adapters=roles if adapter_rank > 0 else 0, adapter_rank=adapter_rank,
            text_encoder=text_encoder, portrait=portrait,
        )  # fmt: skip
        if figure:
            room = _with_figures(room, figure, precision)
        chosen, rungs = make_plan(load, room, has_consent=consent), all_rungs(load, room)
    except SettingsError as error:
        raise settings_refusal(error) from error
    if as_json:
        print_json(as_json_object(chosen, rungs, settings.size, portrait_size))
    else:
        if infer_frames and infer_frames != settings.infer_frames:
            say(f"infer_frames {infer_frames} is not a multiple of 12: {settings.infer_frames} is used.")
        show_plan(chosen, rungs, settings.size, portrait_size)
    raise typer.Exit(_CODES[chosen.verdict])


def _settings(preset: str, size: str | None, steps: int | None, infer_frames: int | None) -> Settings:
    frames = infer_frames if infer_frames is None or infer_frames <= 0 else round_up_infer_frames(infer_frames)
    return Settings.from_preset(preset, size=size, steps=steps, infer_frames=frames)


def _portrait(text: str) -> tuple[int, int]:
    width, star, height = text.replace("x", "*").partition("*")
    if not (star and width.isdigit() and height.isdigit() and 64 <= int(width) <= 65536 and 64 <= int(height) <= 65536):
        raise bad_usage(f"{text!r} is not W*H.", field="portrait-size", hint="For example: 1280*720, at least 64*64.")
    return int(width), int(height)


def _bytes(gib: float | None, field: str) -> int | None:
    if gib is None:
        return None
    if not 0 < gib < MAX_GIB:
        raise bad_usage(f"{gib} is not possible.", field=field, hint="Give GiB above 0, for example 22.15.")
    return int(gib * GIB)


def _room(device: str | None, cap: int | None, host: int | None, gpus: int | None, model: str) -> Room:
    """The named device or the one found here; without either, a room that only the cap limits."""
    kind, usable, count = _found(model) if device is None else (device_named(device), None, 1)
    caps = [limit for limit in (cap, usable) if limit is not None]
    return Room(device=kind, cap_bytes=min(caps) if caps else None, gpus=count if gpus is None else gpus, host_bytes=host)


def _found(model: str) -> tuple[Device | None, int | None, int]:
    """The smallest GPU that a house here would use, if its kind is known, what of its memory is usable, and how many there are;
    the pocket model's is the machine's own."""
    is_wanted = {"14b": lambda name: name != "cpu", "pocket": lambda name: name == "cpu"}[model]
    bodies = [one.body for one in Probe().read() if is_wanted(one.device)]
    body = smallest(bodies)
    total = body.get("memory_total_bytes")
    return find_device(body.get("name", "")), None if total is None else int(total * USABLE_RATIO), max(1, len(bodies))


def _with_figures(room: Room, figures: list[str], precision: str) -> Room:
    """The room with a person's own figures in place of the measured ones."""
    if room.device is None:
        raise bad_usage("figures belong to a device.", field="figure", hint="Name it with --device.")
    numbers: dict[str, float] = {}
    for name, value in parse_pairs(figures, "figure").items():
        try:
            numbers[name] = float(value)
        except ValueError as error:
            raise bad_usage(f"{value!r} is not a number.", field=f"figure {name}", hint="For example: 300.") from error
    speed = speed_of(numbers, precision)
    return Room(
        device=room.device.with_speed(speed), cap_bytes=room.cap_bytes, gpus=room.gpus, host_bytes=room.host_bytes
    )
