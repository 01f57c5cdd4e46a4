"""`train_lora --base_model DIR --dataset FOLDER --output_dir DIR`: teach a model a role from its own footage.

Writes `adapter.safetensors` in the published adapter's names, `adapter.json` (steps, losses, settings) and
`adapter.svg`. The base stays as it is. On a CPU the pocket model takes minutes. What the training will need is added up
before anything is loaded, and refused where it does not fit. Exit codes: 0 done, 1 failed, 3 an input was refused, 64
wrong usage.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import torch

from engine.catalog import SIZES
from engine.config import fit_size
from engine.errors import EngineError, MediaError, SettingsError, WeightsError
from engine.model.adapter_file import MAX_RANK
from engine.model.checkpoint.model_files import open_model
from engine.model.loading import DTYPES
from engine.training.adapters import file_metadata
from engine.training.footage import aspect_of, read_footage
from engine.training.frozen import PRECISIONS, load_frozen
from engine.training.loop import train
from engine.training.lora_plan import GIB, plan_bytes
from engine.training.parts import load_parts
from engine.training.stage_lora import LoraStage, prepare


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    options = _parsed(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(options)
    except (MediaError, WeightsError, SettingsError) as error:
        print(f"{error} {error.hint}".strip(), file=sys.stderr)
        return 3
    except EngineError as error:
        print(f"{error} {error.hint}".strip(), file=sys.stderr)
        return 1
    except OSError as error:
        if error.filename is None or options.output_dir not in [Path(error.filename), *Path(error.filename).parents]:
            raise
        print(f"{error.filename}: {error.strerror}. Name another --output_dir, or free some space.", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    if options.device == "cuda" and not torch.cuda.is_available():
        print("there is no CUDA device here; use --device cpu", file=sys.stderr)
        return 64
    files = open_model(options.base_model)
    manifest = files.manifest
    width, height = fit_size(options.size, *aspect_of(options.dataset))
    is_eight_bit = "fp8" in (options.precision, manifest.precision)
    plan = plan_bytes(
        manifest.transformer, width, height, options.rank, options.blocks, item=DTYPES[manifest.dtype].itemsize,
        is_eight_bit=is_eight_bit, is_recomputed=options.recompute,
    )  # fmt: skip
    free = _free_bytes(options.device)
    print(
        f"{width}x{height}: needs {sum(plan.values()) / GIB:.2f} GiB of {free / GIB:.2f} free ({_listed(plan)})",
        flush=True,
    )
    if sum(plan.values()) > free:
        raise SettingsError(
            f"training needs {sum(plan.values()) / GIB:.1f} GiB, {free / GIB:.1f} are free.", field="size",
            hint="Choose a smaller --size, fewer --blocks, --recompute, or --precision fp8.",
        )  # fmt: skip
    options.output_dir.mkdir(parents=True, exist_ok=True)  # before an hour of work, not after it
    footage = read_footage(options.dataset, width, height)
    prepared, base_sha256 = prepare(files, footage, width, height, options.device)
    print(f"{len(footage)} clips, {sum(len(clip.frames) for clip in footage)} frames", flush=True)
    if options.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    model = load_frozen(files, options.device, options.precision)
    alpha = options.rank / 2 if options.alpha is None else options.alpha
    stage = LoraStage(
        model, prepared, rank=options.rank, alpha=alpha, blocks=options.blocks,
        seed=options.seed, learning_rate=options.learning_rate, is_recomputed=options.recompute,
    )  # fmt: skip
    card = train(
        stage, options.output_dir, seconds=60 * options.minutes, seed=options.seed, device=torch.device(options.device),
        resume=False, max_steps=options.steps, is_resumable=False, is_recorded=False,  # the plan above has no room for recordings
    )  # fmt: skip
    _finish(options.output_dir, base_sha256, options.rank, alpha)
    done = {"adapter": str(options.output_dir / "adapter.safetensors"), "steps": card.steps, "seconds": round(card.seconds, 1)}
    losses = {name: value if math.isfinite(value) else None for name, value in card.losses.items()}  # JSON has no NaN
    print(json.dumps({**done, "losses": losses, **_taken(options.device, plan)}))
    return 0


def _finish(folder: Path, base_sha256: str, rank: int, alpha: float) -> None:
    """Turn the stage's file into the adapter's: bfloat16, with what an adapter says of itself.

    EngineError, and no file, where a role would show nobody with it, or nobody else than without it.
    """
    from safetensors.torch import save

    path, part = folder / "adapter.safetensors", folder / "adapter.safetensors.part"
    tensors, _ = load_parts(path)
    is_sound = all(bool(value.isfinite().all()) for value in tensors.values())
    has_learnt = any(bool(value.any()) for name, value in tensors.items() if name.endswith("lora_B.weight"))
    if not (is_sound and has_learnt):
        path.unlink()
        why = "has learnt nothing: no step had a sound loss" if is_sound else "holds numbers that are none"
        raise EngineError(f"The adapter {why}.", hint="Use a smaller --learning_rate, or other clips.")
    plain = {name: value.to(torch.bfloat16).contiguous() for name, value in sorted(tensors.items())}
    # Written here and not by the library, whose files only their owner may read: the studio may be somebody else.
    part.write_bytes(save(plain, metadata=file_metadata(rank, alpha, base_sha256)))
    part.rename(path)


def _free_bytes(device: str) -> int:
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _taken(device: str, plan: dict[str, int]) -> dict[str, float]:
    """What training took on a GPU, beside what was planned for it (encoders are gone by then)."""
    if device != "cuda":
        return {}
    planned = sum(plan.values()) - plan["encoders"]
    return {"peak_gib": round(torch.cuda.max_memory_allocated() / GIB, 2), "planned_gib": round(planned / GIB, 2)}


def _listed(plan: dict[str, int]) -> str:
    return ", ".join(f"{name} {size / GIB:.2f}" for name, size in plan.items())


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(prog="train_lora", description=__doc__)
    parser.add_argument("--base_model", type=Path, required=True, help="model directory (model.json and its files)")
    parser.add_argument("--dataset", type=Path, required=True, help="folder of clips")
    parser.add_argument("--output_dir", type=Path, required=True, help="an adapter that lies there is replaced")
    parser.add_argument("--size", choices=SIZES, default="192*128", metavar="SIZE", help="area budget, 192*128 if absent")
    parser.add_argument("--rank", type=_rank, default=8, help=f"1 to {MAX_RANK}, 8 if absent")
    parser.add_argument("--alpha", type=_above_zero, help="rank / 2 if absent, as in the published adapter")
    parser.add_argument("--minutes", type=_above_zero, default=10.0, help="10 if absent")
    parser.add_argument("--steps", type=_at_least_one, help="stop earlier")
    parser.add_argument("--blocks", type=_at_least_one, default=4, help="blocks of 0.48 s per training window, 4 if absent")
    parser.add_argument("--learning_rate", type=_above_zero, default=2e-3, help="0.002 if absent")
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="stored", help="fp8: a bfloat16 base's large layers in eight bits"
    )
    parser.add_argument("--recompute", action="store_true", help="less memory, a third more time")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


class _Parser(argparse.ArgumentParser):
    """Ends with 64 where the usage is wrong, as `role_scheduler` does."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and end."""
        self.print_usage(sys.stderr)
        self.exit(64, f"{self.prog}: error: {message}\n")


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def _rank(text: str) -> int:
    value = _at_least_one(text)
    if value > MAX_RANK:
        raise argparse.ArgumentTypeError(f"{text} is more than {MAX_RANK}, and no role could use it")
    return value


def _above_zero(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return value


def settings_of(path: Path) -> dict[str, Any]:
    """Rank, alpha and base of an adapter's file. Raises WeightsError."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: {error}.", path=str(path)) from error


if __name__ == "__main__":
    sys.exit(main())
