"""`generate`: one video, without queue and roles, with the flags of the published inference program."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from engine.catalog import PRESETS
from scheduler.cli import flags as published
from scheduler.cli.child import follow
from scheduler.cli.exits import ExitCode
from scheduler.cli.output import AsJson, note, say
from scheduler.cli.place import DEFAULT_DATA, DataDir, bad_usage
from scheduler.cli.show import progress_show
from scheduler.core.counted import counted
from scheduler.errors import SchedulerError
from scheduler.launcher import ensure_model
from scheduler.preflight import CannotStart
from scheduler.serve_options import ServeOptions
from scheduler.show import Show
from scheduler.spawn import python_module

CONVERTED = ".converted"  # beside the models: what the engine makes of published .pth files
_INPUT_REFUSED = 3  # the engine's exit code for a portrait, voice or model that cannot be used


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(name="generate")(generate)


def generate(
    image: Annotated[Path, typer.Option("--image", help="The portrait.")],
    audio: Annotated[Path, typer.Option("--audio", help="The voice.")],
    prompt: Annotated[str, typer.Option("--prompt", help="What the picture should show.")] = "",
    ckpt_dir: published.CkptDir = None,
    save_file: Annotated[Path, typer.Option("--save_file", help="Where the video goes.")] = Path("output.mp4"),
    preset: Annotated[
        str | None, typer.Option("--preset", help=f"One of {', '.join(PRESETS)}; the flags below replace its settings.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="CPU threads; part of what the bits depend on.")
    ] = None,
    size: published.Size = None,
    sample_steps: published.SampleSteps = None,
    num_clip: published.NumClip = None,
    infer_frames: published.InferFrames = None,
    base_seed: published.BaseSeed = None,
    sample_solver: published.SampleSolver = None,
    sample_guide_scale: published.SampleGuideScale = None,
    enable_online_decode: published.OnlineDecode = False,
    load_lora: published.LoadLora = False,
    lora_path_dmd: published.LoraPathDmd = None,
    offload_model: published.OffloadModel = None,
    num_gpus_dit: published.NumGpusDit = None,
    ulysses_size: published.UlyssesSize = None,
    enable_vae_parallel: published.VaeParallel = False,
    data: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Make one video here and now, in a process of its own; no daemon is needed."""
    preset = preset or ("pocket" if ckpt_dir is None else "standard")
    checked = published.check_flags(
        published.ModelFlags(
            size=size, num_clip=num_clip, infer_frames=infer_frames, sample_steps=sample_steps, base_seed=base_seed,
            sample_solver=sample_solver, sample_guide_scale=sample_guide_scale,
            enable_online_decode=enable_online_decode, load_lora=load_lora, lora_path_dmd=lora_path_dmd,
            offload_model=offload_model, num_gpus_dit=num_gpus_dit, ulysses_size=ulysses_size,
            enable_vae_parallel=enable_vae_parallel,
        ),
        preset, can_merge=True,
    )  # fmt: skip
    for flag, path in (("image", image), ("audio", audio)):
        if not path.is_file():
            raise bad_usage(f"--{flag}: there is no file {path}.", field=flag)
    for remark in checked.notes:
        note(remark)
    model_dir = ckpt_dir if ckpt_dir is not None else _pocket_model(data)
    given: dict[str, object] = {
        "ckpt_dir": model_dir, "image": image, "audio": audio, "prompt": prompt, "save_file": save_file, "threads": threads,
        "lora_path_dmd": lora_path_dmd, "cache_dir": data / "models" / CONVERTED, **_settings(preset, checked),
    }  # fmt: skip
    words = [part for name, value in given.items() if value is not None for part in (f"--{name}", str(value))]
    words += ["--load_lora"] if load_lora else []
    raise typer.Exit(_run(python_module("engine.generate", "--json", *words), as_json))


def _settings(preset: str, checked: published.CheckedFlags) -> dict[str, object]:
    """The preset's settings under the engine's flags, those that were given replaced."""
    chosen = PRESETS[preset]
    return {
        "size": checked.size or chosen.size,
        "sample_steps": checked.steps or chosen.steps,
        "infer_frames": checked.infer_frames or chosen.infer_frames,
        "num_clip": checked.num_clip or chosen.clips,
        "base_seed": checked.seed,
    }


def _pocket_model(data: Path) -> Path:
    """The pocket model of the data directory, made on first use."""
    options = ServeOptions(data_dir=data)
    try:
        options.model_dir.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise bad_usage(
            f"The data directory {data} cannot be written ({error.strerror}), so the pocket model has no place.",
            field="data", hint="Choose another with --data DIR, or name a model with --ckpt_dir.",
        ) from error  # fmt: skip
    try:
        ensure_model(options, note)
    except CannotStart as error:
        raise SchedulerError(500, "no_model", str(error), hint="Name another with --ckpt_dir.") from error
    return options.model_dir


def _run(command: list[str], as_json: bool) -> int:
    """Run the engine and show its progress; its exit code. With --json its own lines go through, and its error is JSON."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as words, progress_show(as_json=as_json) as show:
        code = follow(command, words, say if as_json else _Follower(show).take)
        words.seek(0)
        reason = [line for line in words.read().splitlines() if line.strip()]
    if code == ExitCode.OK:
        return ExitCode.OK
    if code == ExitCode.INTERRUPTED:
        return ExitCode.INTERRUPTED
    status = 400 if code in (_INPUT_REFUSED, ExitCode.WRONG_USAGE) else 500
    message = reason[-1] if reason else f"The engine ended with code {code}."
    raise SchedulerError(status, "generate_refused" if status == 400 else "generate_failed", message)


class _Follower:
    """Turns the engine's JSON lines into a bar and sentences."""

    def __init__(self, show: Show) -> None:
        self._show = show
        self._total = 1
        self._stage = ""

    def take(self, line: str) -> None:
        """One line."""
        try:
            event = json.loads(line)
        except ValueError:  # a library's own words
            self._show.say(line)
            return
        match event.get("event"):
            case "Converting":
                if event["what"] != self._stage:
                    self._show.say(f"first use of these weights: {event['what']}, {event['total'] / 1e9:.2f} GB")
                self._stage = event["what"]
            case "NotTrained":
                self._show.say("These weights are not trained: the video shows moving noise, not a face.")
            case "JobStarted":
                self._total = int(event["total_blocks"])
                self._show.say(f"{counted(self._total, 'block')} of {event['width']}x{event['height']}")
            case "BlockDone":
                done = int(event["block"]) + 1
                self._show.update("video", "video", done, self._total, f"{event['seconds']:.2f} s per block")
            case "Done":
                self._show.say(f"{event['path']}: {event['frames']} frames, sha256 {event['sha256']}")
            case _:
                pass  # an event of a newer engine
