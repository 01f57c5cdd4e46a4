"""The model's published flags: parsed everywhere, refused with a sentence where not built, never ignored."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.catalog import PRESETS, SHAPES, SIZES
from engine.config import Settings, preset_named, round_up_infer_frames
from engine.errors import SettingsError
from scheduler.cli.place import bad_usage
from scheduler.errors import SchedulerError

_MODEL = "Model"
_DEVICES = "Devices"


def _option(name: str, text: str, panel: str, **more: Any) -> Any:
    return typer.Option(name, help=text, rich_help_panel=panel, **more)


Size = Annotated[
    str | None, _option("--size", f"Area budget; the shape follows the portrait. One of {', '.join(SIZES)}.", _MODEL)
]
NumClip = Annotated[int | None, _option("--num_clip", "Clips at most; without it the voice decides.", _MODEL)]
InferFrames = Annotated[int | None, _option("--infer_frames", "Frames per clip, in twelves (rounded up).", _MODEL)]
SampleSteps = Annotated[int | None, _option("--sample_steps", "Denoising steps, 3 to 5.", _MODEL)]
BaseSeed = Annotated[int | None, _option("--base_seed", "Seed of the noise; -1 draws one and says which.", _MODEL)]
SampleSolver = Annotated[str | None, _option("--sample_solver", "euler.", _MODEL)]
SampleGuideScale = Annotated[float | None, _option("--sample_guide_scale", "0: there is no guidance.", _MODEL)]
OnlineDecode = Annotated[
    bool, _option("--enable_online_decode", "Accepted: blocks are always decoded as they come.", _MODEL)
]
LoadLora = Annotated[
    bool, _option("--load_lora", "Merge the adapter of --lora_path_dmd while loading; `generate` only.", _MODEL)
]
LoraPathDmd = Annotated[
    str | None, _option("--lora_path_dmd", "Distillation adapter, a file or folder; `generate` only.", _MODEL)
]
CkptDir = Annotated[Path | None, _option("--ckpt_dir", "Model directory or public checkpoint.", _MODEL)]
OffloadModel = Annotated[
    str | None, _option("--offload_model", "True or False; True is not built yet: refused.", _DEVICES)
]
NumGpusDit = Annotated[
    int | None, _option("--num_gpus_dit", "GPUs of the transformer; more than 1 is not built yet.", _DEVICES)
]
UlyssesSize = Annotated[
    int | None, _option("--ulysses_size", "Sequence-parallel size; more than 1 is not built yet.", _DEVICES)
]
VaeParallel = Annotated[bool, _option("--enable_vae_parallel", "Decoder on its own GPU; not built yet.", _DEVICES)]

HEADS = SHAPES["live-avatar-14b"].num_heads
LEGAL_GROUPS = "1 (one GPU); 3 with --enable_vae_parallel or 4 without (4 GPUs); 4 with --enable_vae_parallel (5 GPUs)"


@dataclass(frozen=True, kw_only=True)
class ModelFlags:
    """The published flags as given; None and False mean not given."""

    size: str | None = None
    num_clip: int | None = None
    infer_frames: int | None = None
    sample_steps: int | None = None
    base_seed: int | None = None
    sample_solver: str | None = None
    sample_guide_scale: float | None = None
    enable_online_decode: bool = False
    load_lora: bool = False
    lora_path_dmd: str | None = None
    offload_model: str | None = None
    num_gpus_dit: int | None = None
    ulysses_size: int | None = None
    enable_vae_parallel: bool = False


@dataclass(frozen=True, kw_only=True)
class CheckedFlags:
    """What goes on to the scheduler or the engine, and what a person should be told."""

    size: str | None
    steps: int | None
    infer_frames: int | None
    num_clip: int | None
    seed: int | None
    notes: tuple[str, ...] = ()

    def as_request(self) -> dict[str, Any]:
        """The keys of a submission that were given."""
        chosen = {
            "size": self.size, "steps": self.steps, "infer_frames": self.infer_frames,
            "num_clip": self.num_clip, "seed": self.seed,
        }  # fmt: skip
        return {name: value for name, value in chosen.items() if value is not None}


def check_flags(flags: ModelFlags, preset: str | None = None, *, can_merge: bool = False) -> CheckedFlags:
    """Check the flags together. Raises a refusal that names the legal choice, or says that a mode is not built yet.

    `can_merge`: weights are loaded for this video alone, so an adapter may be merged into them.
    """
    _refuse_illegal_devices(flags)
    _refuse_unbuilt(flags)
    _refuse_illegal_merge(flags, can_merge)
    notes: list[str] = []
    frames = flags.infer_frames
    if frames is not None and frames > 0 and frames % 12:
        frames = round_up_infer_frames(frames)
        notes.append(f"infer_frames {flags.infer_frames} is not a multiple of 12: {frames} is used.")
    seed = flags.base_seed
    if seed == -1:
        seed = secrets.randbelow(2**31)
        notes.append(f"base_seed -1: {seed} was drawn.")
    try:
        if preset is not None:
            preset_named(preset)
        Settings.from_preset(
            preset or next(iter(PRESETS)), size=flags.size, steps=flags.sample_steps, infer_frames=frames,
            clips=flags.num_clip, seed=seed, solver=flags.sample_solver, guide_scale=flags.sample_guide_scale,
        )  # fmt: skip
    except SettingsError as error:
        raise settings_refusal(error) from error
    return CheckedFlags(
        size=flags.size, steps=flags.sample_steps, infer_frames=frames, num_clip=flags.num_clip, seed=seed,
        notes=tuple(notes),
    )  # fmt: skip


_PUBLISHED_NAMES = {"steps": "sample_steps", "clips": "num_clip", "seed": "base_seed"}


def settings_refusal(error: SettingsError) -> SchedulerError:
    """A refusal of the engine's settings, under the flag's published name."""
    field = _PUBLISHED_NAMES.get(error.field or "", error.field)
    flag = f"--{field}: " if field and field not in error.detail else ""
    return bad_usage(f"{flag}{error.detail or error}", field=field, hint=error.hint)


def _refuse_illegal_devices(flags: ModelFlags) -> None:
    """Combinations that no hardware runs, with the legal ones named."""
    gpus = 1 if flags.num_gpus_dit is None else flags.num_gpus_dit
    ulysses = 1 if flags.ulysses_size is None else flags.ulysses_size
    if (gpus, flags.enable_vae_parallel) not in {(1, False), (3, True), (4, False), (4, True)}:
        vae = " with" if flags.enable_vae_parallel else " without"
        raise bad_usage(
            f"--num_gpus_dit {gpus}{vae} --enable_vae_parallel is not a legal combination.", field="num_gpus_dit",
            hint=f"Legal values of --num_gpus_dit: {LEGAL_GROUPS}. On 8 GPUs: replicas or two such groups.",
        )  # fmt: skip
    if ulysses != 1 and (ulysses != gpus or ulysses < 1 or HEADS % ulysses):
        raise bad_usage(
            f"--ulysses_size {ulysses} with --num_gpus_dit {gpus} is not a legal combination.", field="ulysses_size",
            hint=f"Use 1, or --num_gpus_dit and --ulysses_size equal and a divisor of the {HEADS} heads: 4 and 4.",
        )  # fmt: skip
    if flags.offload_model is not None and flags.offload_model.lower() not in ("true", "false"):
        raise bad_usage(f"--offload_model {flags.offload_model!r} is not True or False.", field="offload_model")


def _refuse_unbuilt(flags: ModelFlags) -> None:
    """Modes that exist in the published program and are not built here yet."""
    unbuilt = {
        "num_gpus_dit": ((flags.num_gpus_dit or 1) > 1, "Several GPUs for one video are not built yet."),
        "ulysses_size": ((flags.ulysses_size or 1) > 1, "Sequence parallel is not built yet."),
        "enable_vae_parallel": (flags.enable_vae_parallel, "A decoder on its own GPU is not built yet."),
        "offload_model": ((flags.offload_model or "").lower() == "true", "Offloading the model is not built yet."),
    }
    for field, (is_asked, sentence) in unbuilt.items():
        if is_asked:
            raise SchedulerError(400, "not_built", f"--{field}: {sentence}", field=field, hint="Leave the flag out.")


def _refuse_illegal_merge(flags: ModelFlags, can_merge: bool) -> None:
    """The distillation adapter is part of the weights, and a job takes the studio's weights as they are."""
    field = "load_lora" if flags.load_lora else "lora_path_dmd"
    if not flags.load_lora and flags.lora_path_dmd is None:
        return
    if not can_merge:
        raise bad_usage(
            f"--{field}: a job is made with the weights that the studio has loaded.", field=field,
            hint="Merge the adapter beforehand: role_scheduler weights convert SOURCE TARGET --lora ADAPTER",
        )  # fmt: skip
    if not flags.load_lora or flags.lora_path_dmd is None:
        raise bad_usage(
            f"--{field}: --load_lora and --lora_path_dmd belong together.", field=field,
            hint="Give both to merge the adapter, or neither where it is merged already.",
        )  # fmt: skip
