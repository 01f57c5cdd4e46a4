"""The engine on a CUDA device against the CPU, and against itself."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

if not torch.cuda.is_available():
    pytest.skip("no CUDA device", allow_module_level=True)

from engine.catalog import SHAPES
from engine.config import Settings
from engine.model.block_engine import BlockEngine
from engine.model.context import Context
from engine.model.loading import load_engine
from engine.model.parity.kinds import run_case
from engine.model.pocket import write_pocket
from engine.model.random_weights import random_conditions, random_engine

SETTINGS = Settings(size="192*128", steps=3, seed=7)
WIDTH, HEIGHT = 128, 64
SMALL = dataclasses.replace(SHAPES["pocket"], dtype="bfloat16")
CASES = os.environ.get("GREENROOM_PARITY", "")
FP32_TOLERANCE = 2e-3  # largest absolute error of latents of magnitude 1 to 4, eight blocks long
BF16_TOLERANCE = 0.05  # relative, of all latents of eight blocks
FP8_TOLERANCE = 0.15


@pytest.fixture(autouse=True)
def _exact() -> None:
    torch.backends.cudnn.allow_tf32 = False


def _context(engine: BlockEngine, device: str) -> Context:
    layout = engine.layout(WIDTH, HEIGHT, SETTINGS.steps)
    return Context(layout, torch.zeros(layout.total_bytes, dtype=torch.uint8, device=device))


def _video(engine: BlockEngine, conditions: dict[str, Tensor], device: str, blocks: int = 8) -> Tensor:
    context, latents = _context(engine, device), []
    engine.begin(context, conditions, SETTINGS)
    for block in range(blocks):
        latents.append(engine.make_block(context, conditions, SETTINGS, block).latents)
        context.flip(block + 1)
    return torch.cat(latents, dim=1).float().cpu()


def _relative(got: Tensor, want: Tensor) -> float:
    return float((got - want).norm() / want.norm())


def _to(conditions: dict[str, Tensor], device: str) -> dict[str, Tensor]:
    return {name: value.to(device) for name, value in conditions.items()}


def test_float32_on_cuda_computes_what_the_cpu_computes(tmp_path: Path) -> None:
    write_pocket(tmp_path / "pocket", 0)
    given = random_conditions(SHAPES["pocket"], WIDTH, HEIGHT, "cpu", 120)
    want = _video(load_engine(tmp_path / "pocket"), given, "cpu")
    got = _video(load_engine(tmp_path / "pocket", device="cuda"), _to(given, "cuda"), "cuda")
    assert float((got - want).abs().max()) < FP32_TOLERANCE


@pytest.mark.parametrize(("precision", "tolerance"), [("bf16", BF16_TOLERANCE), ("fp8", FP8_TOLERANCE)])
def test_fused_layers_compute_what_the_plain_ones_compute(precision: str, tolerance: float) -> None:
    given = random_conditions(SMALL, WIDTH, HEIGHT, "cuda", 120)
    plain, fused = random_engine(SMALL, "cuda", "plain"), random_engine(SMALL, "cuda", precision)
    fused.vae = plain.vae
    for module in (plain.transformer, fused.transformer):
        assert module.patch_embedding.weight.dtype == torch.bfloat16
    exact = {name: value.float() for name, value in given.items()}
    wide = random_engine(SMALL, "cuda", "plain")
    wide.transformer.float()
    wide.vae.float()
    wide.shape = dataclasses.replace(SMALL, dtype="float32")
    want = _video(wide, exact, "cuda")
    from_plain, from_fused = (_relative(_video(e, given, "cuda"), want) for e in (plain, fused))
    print(f"{precision}: plain bfloat16 is {from_plain:.4f} from float32, fused {from_fused:.4f}")
    assert from_fused < tolerance


@pytest.mark.parametrize("precision", ["bf16", "fp8"])
def test_a_block_made_again_on_cuda_has_the_same_bits(precision: str) -> None:
    engine = random_engine(SMALL, "cuda", precision)
    given = random_conditions(SMALL, WIDTH, HEIGHT, "cuda", 120)
    context = _context(engine, "cuda")
    engine.begin(context, given, SETTINGS)
    for block in range(6):
        first, again = (engine.make_block(context, given, SETTINGS, block) for _ in range(2))
        assert torch.equal(first.latents, again.latents)
        assert (first.frames == again.frames).all()
        context.flip(block + 1)


def test_a_context_on_the_device_is_found_again_by_another_reader() -> None:
    engine = random_engine(SMALL, "cuda", "bf16")
    given = random_conditions(SMALL, WIDTH, HEIGHT, "cuda", 120)
    layout = engine.layout(WIDTH, HEIGHT, SETTINGS.steps)
    buffer = torch.zeros(layout.total_bytes, dtype=torch.uint8, device="cuda")
    first = Context(layout, buffer)
    engine.begin(first, given, SETTINGS)
    engine.make_block(first, given, SETTINGS, 0)
    first.flip(1)
    assert Context(layout, buffer).blocks_done == 1


@pytest.mark.skipif(not CASES, reason="GREENROOM_PARITY names no folder of golden cases")
@pytest.mark.parametrize("case", sorted(p.parent for p in Path(CASES).glob("*/config.json")), ids=lambda p: p.name)
def test_golden_case_on_cuda(case: Path) -> None:
    for result in run_case(case, "cuda"):
        assert result.is_passed, f"{result.demand}: {result.error} of {result.tolerance} at {result.worst}"
