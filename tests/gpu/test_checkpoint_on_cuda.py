"""A converted directory of weights on a CUDA device."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():
    pytest.skip("no CUDA device", allow_module_level=True)

from engine.config import Settings
from engine.model.block_engine import BlockEngine
from engine.model.checkpoint.adapters import AdapterFile
from engine.model.checkpoint.conversion import Order, convert
from engine.model.context import Context
from engine.model.loading import load_engine
from engine.model.random_weights import random_conditions
from tests.unit.engine.public_rig import CONFIG, write_adapter, write_public

SETTINGS = Settings(size="192*128", steps=3, seed=7)
WIDTH, HEIGHT = 128, 64
FUSED = dataclasses.replace(CONFIG, dim=256, ffn_dim=512, num_heads=4)  # as wide as the fused kernels want it
FP8_TOLERANCE = 0.15


def latents(engine: BlockEngine) -> torch.Tensor:
    """Three blocks of it."""
    given = random_conditions(engine.shape, WIDTH, HEIGHT, "cuda", 60)
    layout = engine.layout(WIDTH, HEIGHT, SETTINGS.steps)
    context, made = Context(layout, torch.zeros(layout.total_bytes, dtype=torch.uint8, device="cuda")), []
    engine.begin(context, given, SETTINGS)
    for block in range(3):
        made.append(engine.make_block(context, given, SETTINGS, block).latents.clone())
        context.flip(block + 1)
    return torch.cat(made, dim=1).float()


@pytest.mark.parametrize("is_merged", [False, True])
def test_directory_converted_to_eight_bits_makes_the_bits_of_the_public_one_so_read(tmp_path: Path, is_merged: bool) -> None:
    write_public(tmp_path / "public", config=FUSED)
    adapter = AdapterFile(write_adapter(tmp_path / "liveavatar.safetensors", config=FUSED), alpha=4.0) if is_merged else None
    convert(Order(source=tmp_path / "public", target=tmp_path / "converted", precision="fp8", adapter=adapter))
    converted = load_engine(tmp_path / "converted", device="cuda")
    assert converted.transformer.is_fused and converted.shape.dtype == "bfloat16"
    got = latents(converted)
    assert torch.equal(got, latents(load_engine(tmp_path / "public", device="cuda", precision="fp8", adapter=adapter)))
    plain = latents(load_engine(tmp_path / "public", device="cuda", precision="plain", adapter=adapter))
    assert float((got - plain).norm() / plain.norm()) < FP8_TOLERANCE
