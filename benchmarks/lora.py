"""`python -m benchmarks.lora --shape 14b`: what training an adapter takes on a GPU, beside a base of random weights.

In one run, one after the other: the base in eight bits and in bfloat16, layers computed again on the way back or kept. Prints
JSON: milliseconds per step (the first, which compiles, left out), peak memory, and what `train_lora` would have planned.
Exit codes: 0 every plan held and stayed below twice what was taken, losses are finite and every pair was moved; 1 not; 64 no
GPU here.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import sys
import time
from typing import Any

import torch

from engine.catalog import BLOCK_FRAMES, BLOCK_LATENTS, SHAPES
from engine.memory import GIB
from engine.model.config import TransformerConfig
from engine.model.random_weights import draw, random_conditions
from engine.model.speech import block_features
from engine.model.transformer import Transformer
from engine.model.weights import empty_weights
from engine.training.frozen import frozen
from engine.training.loop import Card, Run
from engine.training.lora_plan import plan_bytes
from engine.training.recording import own_stream
from engine.training.stage_lora import LoraStage, Prepared

SHAPE_NAMES = {"14b": "live-avatar-14b", "pocket": "pocket"}
ROOMY = 2.0  # a plan beyond so many times what is taken refuses too much


def measure(options: argparse.Namespace, precision: str, *, is_recomputed: bool) -> dict[str, Any]:
    """Some steps of one kind."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    shape = SHAPES[SHAPE_NAMES[options.shape]]
    config = TransformerConfig.from_shape(shape)
    width, height = (int(x) for x in options.size.split("*"))
    with empty_weights():
        sizes = {name: tuple(value.shape) for name, value in Transformer(config).state_dict().items()}
    model = frozen(
        config, sizes, lambda name: draw(name, sizes[name], "cuda", torch.bfloat16, 0), {}, is_eight_bit=precision == "fp8"
    )
    weights = torch.cuda.memory_allocated() - before
    stage = LoraStage(
        model, [_clip(options, width, height)], rank=options.rank, alpha=options.rank / 2, blocks=options.blocks, seed=1,
        learning_rate=1e-3, is_recomputed=is_recomputed,
    )  # fmt: skip
    untouched = {name: value.detach().clone() for name, value in stage.parameters().items() if name.endswith("lora_B.weight")}
    device = torch.device("cuda")
    run = Run(stage, stage.parameters(), Card(stage.name, 1, "cuda"), device, 1e9, None, lambda _: None, is_recorded=False)
    with own_stream(device):
        run.step()
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(options.steps):
            run.step()
        torch.cuda.synchronize()
    step_ms = (time.perf_counter() - began) / options.steps * 1e3
    with torch.no_grad():
        loss = float(stage.loss(*stage.batch(0))[0])
    moved = sum(not torch.equal(value, untouched[name]) for name, value in stage.parameters().items() if name in untouched)
    plan = plan_bytes(
        config, width, height, options.rank, options.blocks, item=2, is_eight_bit=precision == "fp8",
        is_recomputed=is_recomputed,
    )  # fmt: skip
    needed = sum(plan.values()) - plan["encoders"]  # which are not here
    peak = torch.cuda.max_memory_allocated() - before
    return {
        "precision": precision, "recompute": is_recomputed, "step_ms": round(step_ms, 1),
        "weights_gib": round(weights / GIB, 2), "peak_gib": round(peak / GIB, 2), "planned_gib": round(needed / GIB, 2),
        "planned_over_peak": round(needed / peak, 2), "loss": round(loss, 4),
        "pairs_moved": moved, "pairs": len(untouched),
        "is_good": peak <= needed <= ROOMY * peak and math.isfinite(loss) and moved == len(untouched),
    }  # fmt: skip


def _clip(options: argparse.Namespace, width: int, height: int) -> Prepared:
    shape = SHAPES[SHAPE_NAMES[options.shape]]
    made = random_conditions(shape, width, height, "cuda", BLOCK_FRAMES * (options.blocks + 2))
    speech = torch.stack([block_features(made["speech"], block) for block in range(options.blocks)])
    latents = torch.randn(16, BLOCK_LATENTS * options.blocks, height // 8, width // 8, device="cuda")
    return Prepared(latents, speech, made["reference"], made["motion"], made["text"])


def main(arguments: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lora", description=__doc__)
    parser.add_argument("--shape", choices=SHAPE_NAMES, default="14b")
    parser.add_argument("--size", default="384*256")
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", default=["fp8+recompute", "fp8", "bf16+recompute", "bf16"])
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print("there is no CUDA device here", file=sys.stderr)
        return 64
    runs: list[dict[str, Any]] = []
    for kind in options.kinds:
        precision, _, way = kind.partition("+")
        try:
            runs.append(measure(options, precision, is_recomputed=way == "recompute"))
        except torch.cuda.OutOfMemoryError as error:
            runs.append({"precision": precision, "recompute": bool(way), "out_of_memory": str(error)[:120], "is_good": None})
    facts = {name: getattr(options, name) for name in ("shape", "size", "blocks", "rank", "steps")}
    command = "python -m benchmarks.lora " + " ".join(sys.argv[1:])
    device = torch.cuda.get_device_name()
    print(json.dumps({"date": time.strftime("%Y-%m-%d"), "device": device, "command": command, **facts, "runs": runs}, indent=1))
    return 0 if all(run["is_good"] is not False for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
