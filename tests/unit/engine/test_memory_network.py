"""The planner's weights and adapters are, to the byte, those of the fused network; it is built here, not run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from torch import Tensor

from engine.adapters import Adapter
from engine.catalog import SHAPES
from engine.memory import Load, Room, make_plan
from engine.memory.adapters import SCRATCH_PIECES, SCRATCH_ROWS, fitted_bytes
from engine.memory.weights import cold_bytes, transformer_bytes, travelling_layer_bytes
from engine.model.cuda import kernels
from engine.model.random_weights import random_adapter, random_conditions, random_engine

SMALL = dataclasses.replace(
    SHAPES["pocket"], name="small", dim=96, num_heads=3, num_layers=3, audio_inject_layers=(0, 2), ffn_dim=112, vae_dim=8,
    text_len=64, dtype="bfloat16",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _readable_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without triton the kernels are read only, their language is not there to be imported."""
    if not hasattr(kernels, "tl"):
        monkeypatch.setattr(kernels, "tl", None, raising=False)


def tensors(part: object) -> Iterator[Tensor]:
    """All tensors in nested dataclasses, sequences and products."""
    if isinstance(part, Tensor):
        yield part
    elif dataclasses.is_dataclass(part):
        for field in dataclasses.fields(part):
            yield from tensors(getattr(part, field.name))
    elif isinstance(part, list | tuple):
        for one in part:
            yield from tensors(one)


def size(found: Iterator[Tensor]) -> int:
    """Bytes of all of them."""
    return sum(tensor.numel() * tensor.element_size() for tensor in found)


@pytest.mark.parametrize("rank", [0, 8, 70])
@pytest.mark.parametrize("precision", ["bf16", "fp8"])
def test_weights_and_adapters_take_what_the_fused_network_maps(precision: str, rank: int) -> None:
    from engine.model.cuda import side

    engine = random_engine(SMALL, "cpu", precision, kv=None, adapter_rank=rank)
    network: Any = engine.transformer
    inside = [*network._layers, *network._injectors, *network._adaptive]
    outer = sum(p.numel() * p.element_size() for p in network.state_dict().values())
    assert outer + size(tensors(inside)) == transformer_bytes(SMALL, precision, rank)
    crosses = [layer.cross for layer in network._layers]
    per_prompt = size(product.weight for cross in crosses for product in (cross.k, cross.v))
    injected = [(one.k, one.v) for one in network._injectors]
    per_block = size(p.weight for pair in injected for p in pair) + size(p.weight for p in network._adaptive)
    assert cold_bytes(SMALL, precision, rank) == (per_prompt, per_block)
    if rank:
        adapter = Adapter.of(random_adapter(SMALL, "cpu", rank, 0.02), float(rank), "whole")
        assert engine.fit([adapter]).total_bytes == fitted_bytes(SMALL, precision, rank)
        assert (side.ROWS, side.PIECES) == (SCRATCH_ROWS, SCRATCH_PIECES)
    else:
        layer = network._layers.take(1)
        every_step = (layer.qkv, layer.o, layer.cross.q, layer.cross.o, layer.grow, layer.shrink)
        assert size(product.weight for product in every_step) == travelling_layer_bytes(SMALL, precision)


def test_roles_made_ready_take_what_the_planner_counts() -> None:
    shape = dataclasses.replace(SMALL, dtype="float32")
    conditions = random_conditions(shape, 64, 128, "cpu", 12)
    ready = random_engine(shape, "cpu", "plain").make_ready(conditions, 64, 128)
    load = Load(shape=shape, width=64, height=128, roles_ready=2, voice_s=12 / 25)
    counted = next(part for part in make_plan(load, Room()).parts if part.name == "role conditions")
    assert counted.gpu_bytes == 2 * size(iter(ready.values()))
