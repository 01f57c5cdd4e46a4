"""The flags of `engine.generate`, as published for the model, and the modes among them that are not built."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from engine.catalog import CLIP_FRAMES, SIZES
from engine.errors import SettingsError

EXIT_USAGE = 64
_LEGAL_GPUS = "1 GPU: num_gpus_dit 1; 4: 3 + VAE or 4 without; 5: 4 + VAE; 8: replicas or two groups"


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What was typed."""

    ckpt_dir: Path
    image: Path
    audio: Path
    prompt: str
    save_file: Path
    size: str
    sample_steps: int
    num_clip: int | None
    infer_frames: int
    base_seed: int
    sample_guide_scale: float
    sample_solver: str
    enable_online_decode: bool
    load_lora: bool
    lora_path_dmd: str | None
    offload_model: bool
    num_gpus_dit: int
    ulysses_size: int
    enable_vae_parallel: bool
    threads: int
    cache_dir: Path | None
    json: bool


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Wrong usage is 64 everywhere in this house."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def parse_flags(argv: Sequence[str] | None) -> Flags:
    """Parse; exits with 64 and a sentence where that is not possible."""
    parser = _Parser(
        prog="engine.generate", description="Make one talking video from a portrait, a voice and a prompt."
    )
    add = parser.add_argument
    add("--ckpt_dir", type=Path, required=True, help="model directory or public checkpoint")
    add("--image", type=Path, required=True, help="portrait")
    add("--audio", type=Path, required=True, help="voice; it decides the length")
    add("--prompt", required=True)
    add("--save_file", type=Path, default=Path("output.mp4"))
    add("--size", default="688*368", help=f"area budget, one of {', '.join(SIZES)}")
    add("--sample_steps", type=int, default=4, help="3, 4 or 5")
    add("--num_clip", type=int, help="at most this many clips")
    add("--infer_frames", type=int, default=CLIP_FRAMES, help="frames per clip, a multiple of 12")
    add("--base_seed", type=int, default=420, help="-1 draws one")
    add("--sample_guide_scale", type=float, default=0.0, help="0: the distilled model runs without guidance")
    add("--sample_solver", default="euler")
    add("--enable_online_decode", action=argparse.BooleanOptionalAction, default=True)
    add("--load_lora", action="store_true", help="merge the adapter of --lora_path_dmd while loading")
    add("--lora_path_dmd", help="distillation adapter: safetensors file or folder, for weights that have not merged it")
    add("--offload_model", type=_truth, default=False, help="not built yet")
    add("--num_gpus_dit", type=int, default=1, help="1; more is not built yet")
    add("--ulysses_size", type=int, default=1, help="1; more is not built yet")
    add("--enable_vae_parallel", action="store_true", help="not built yet")
    add("--threads", type=int, default=os.cpu_count() or 1, help="CPU threads; part of what the bits depend on")
    add("--cache_dir", type=Path, help="where converted .pth files are kept (default: .converted beside --ckpt_dir)")
    add("--json", action="store_true", help="progress as JSON lines")
    return Flags(**vars(parser.parse_args(argv)))


def refuse_unbuilt_modes(flags: Flags) -> None:
    """Raises SettingsError with a sentence for a mode that is not built or not possible: none is ignored."""
    if flags.infer_frames <= 0:
        raise SettingsError(
            f"--infer_frames is {flags.infer_frames}.", field="infer_frames", hint="Use 12, 24, 36 or 48."
        )
    if flags.threads <= 0:
        raise SettingsError(f"--threads is {flags.threads}.", field="threads", hint="Use at least 1.")
    if flags.ulysses_size not in (1, flags.num_gpus_dit):
        raise SettingsError(
            f"--ulysses_size {flags.ulysses_size} is not --num_gpus_dit {flags.num_gpus_dit}.", field="ulysses_size",
            hint=f"Give both the same number. {_LEGAL_GPUS}.",
        )  # fmt: skip
    if flags.num_gpus_dit != 1:
        raise SettingsError(
            f"--num_gpus_dit {flags.num_gpus_dit}: one video on several GPUs is not built yet.", field="num_gpus_dit",
            hint=f"Use 1. ({_LEGAL_GPUS}.)",
        )  # fmt: skip
    unbuilt = {
        "enable_vae_parallel": "decoding on a GPU of its own",
        "offload_model": "moving weights to host memory and back",
    }
    for name, what in unbuilt.items():
        if getattr(flags, name):
            raise SettingsError(f"--{name}: {what} is not built yet.", field=name, hint="Leave it out.")
    if flags.load_lora != (flags.lora_path_dmd is not None):
        given, other = ("load_lora", "lora_path_dmd") if flags.load_lora else ("lora_path_dmd", "load_lora")
        hint = "Give both to merge the adapter, or neither where it is merged already."
        raise SettingsError(f"--{given} without --{other} says not what to do.", field=given, hint=hint)


def _truth(text: str) -> bool:
    """True and False as the published command lines spell them."""
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither True nor False")
    return text.lower() == "true"
