"""`python -m engine.training.pocket --stage all --device cuda --minutes 26 --out DIR`: train the pocket model.

Stages: `vae`, `speech`, `transformer`, `distil`, then an adapter for each example role (`role-captain`, `role-pencil`,
`role-dusk`), each with its own time; `ship` writes the files that belong to the package. `all` shares the minutes out and
ships. Every stage ends in files of at most 15 MB and can be resumed. Exit codes: 0 done, 1 failed, 64 wrong usage.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from engine.errors import EngineError
from engine.model.pocket import write_trained
from engine.model.vae import VideoAutoencoder
from engine.training.clips import Casting
from engine.training.espeak import load_recordings
from engine.training.export import ship, ship_adapters
from engine.training.loop import Stage, train
from engine.training.parts import load_named, load_parts, new_speech, new_vae
from engine.training.roles import ROLES
from engine.training.scenes import Pool, SceneMaker
from engine.training.size import Scale, scale_for
from engine.training.stage_role import ROLE_FORMATS, RoleStage
from engine.training.stage_speech import SpeechStage
from engine.training.stage_transformer import ROLL_FORMATS, DistilStage, Student, TeacherStage
from engine.training.stage_vae import VaeStage

SHARES = {
    "vae": 0.26, "speech": 0.09, "transformer": 0.34, "distil": 0.22,
    "role-captain": 0.03, "role-pencil": 0.03, "role-dusk": 0.03,
}  # fmt: skip
_CROWDS = {name: number for number, name in enumerate(SHARES)}  # every stage sees other people


def main(arguments: list[str]) -> int:
    """Command line."""
    options = _parsed(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("there is no CUDA device here; use --device cpu for a trial at a tiny scale", file=sys.stderr)
        return 64
    prepare_device(options.device)
    try:
        wanted = [*SHARES, "ship"] if options.stage == "all" else [options.stage]
        for name in wanted:
            if name == "ship":
                _ship(options.out)
                continue
            minutes = options.minutes * (SHARES[name] if options.stage == "all" else 1.0)
            voices = _recordings(options.voices)
            stage = build_stage(name, options.out, options.seed, options.device, voices, people=options.people)
            train(
                stage, options.out, seconds=60 * minutes, seed=options.seed, device=torch.device(options.device),
                resume=options.resume, max_steps=options.max_steps, sitting_s=60 * options.sitting,
            )  # fmt: skip
    except EngineError as error:
        print(f"{error} {error.hint}".strip(), file=sys.stderr)
        return 1
    return 0


def _ship(out: Path) -> None:
    total = ship(out, out / "shipped")
    write_trained(out / "model", out / "shipped")
    adapters = ship_adapters(out, out / "adapters", out / "model")
    print(f"{out / 'shipped'}: {total} bytes; {out / 'model'}: the same as float32; adapters: {len(adapters)}", flush=True)


def build_stage(
    name: str, out: Path, seed: int, device: str, recordings: np.ndarray | None = None, *, scale: Scale | None = None,
    people: int | None = None,
) -> Stage:  # fmt: skip
    """A stage with what the stages before it left in `out`. Raises WeightsError naming the one that is missing."""
    scale = scale or scale_for(device)
    role = name.removeprefix("role-") if name.startswith("role-") else None
    star = None if role is None or people is not None else ROLES[role].star
    casting = Casting(seed * 10 + _CROWDS[name], device, recordings, people, star)
    if name == "vae":
        return VaeStage(casting, scale, seed)
    if name == "speech":
        return SpeechStage(casting, scale, seed)
    vae, speech = load_encoders(out, device)
    maker = SceneMaker(casting, vae, speech, None if role is None else ROLES[role])
    student = Student(torch.device(device), seed)
    if name == "transformer":
        return TeacherStage(student, Pool(maker, scale, scale.blocks), scale.clips)
    load_student(student, out / ("transformer.safetensors" if role is None else "distil.safetensors"))
    if role is None:
        return DistilStage(student, Pool(maker, scale, scale.roll_blocks, ROLL_FORMATS), scale.roll_clips)
    return RoleStage(role, student, Pool(maker, scale, scale.role_blocks, ROLE_FORMATS), scale.role_clips, seed)


def load_encoders(out: Path, device: str) -> tuple[VideoAutoencoder, nn.Module]:
    """The trained autoencoder and speech encoder, frozen."""
    tensors, card = load_parts(out / "vae.safetensors")
    facts: dict[str, Any] = {name: tuple(values) for name, values in card.get("facts", {}).items()}
    vae = new_vae(**facts)
    load_named(vae, tensors, "vae")
    speech = new_speech()
    heard, _ = load_parts(out / "speech.safetensors")
    load_named(speech, heard, "speech")
    return vae.to(device).requires_grad_(False), speech.to(device).requires_grad_(False)


def load_student(student: Student, path: Path) -> None:
    """Fill a student from a stage's file."""
    tensors, _ = load_parts(path)
    tensors["transformer.cond_encoder.weight"] = student.transformer.cond_encoder.weight.detach().cpu()
    load_named(student.transformer, tensors, "transformer")
    load_named(student.text, tensors, "text")


def _recordings(path: Path | None) -> np.ndarray | None:
    return None if path is None else load_recordings(path)


def prepare_device(device: str) -> None:
    """Process-wide settings that training wants: TF32 products, convolutions chosen by a short trial."""
    torch.set_float32_matmul_precision("high")
    if device == "cuda":
        torch.backends.cudnn.benchmark, torch.backends.cudnn.benchmark_limit = True, 4
        torch.backends.cuda.matmul.allow_tf32 = True


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m engine.training.pocket", description=__doc__)
    parser.add_argument("--stage", choices=("all", *SHARES, "ship"), required=True)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--minutes", type=_positive(float), default=26.0, help="of this stage, or of all together")
    parser.add_argument(
        "--sitting", type=_positive(float), default=math.inf, help="stop after so many minutes, to go on with --resume"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the stages' files")
    parser.add_argument("--resume", action="store_true", help="go on with a stage that was cut off")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--voices", type=Path, help="recordings made by python -m engine.training.espeak")
    parser.add_argument("--people", type=_positive(int), help="practise on so few people only, for trials")
    parser.add_argument("--max_steps", type=_positive(int), help="stop earlier, for trials")
    return parser.parse_args(arguments)


def _positive(kind: type[float] | type[int]) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} is not positive")
        return value

    return read


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
