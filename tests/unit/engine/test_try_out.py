"""What a worker tries out while it warms up: all that a lost context's replay will run, and no trace of it afterwards."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine.catalog import SHAPES
from engine.memory import context_bytes, working
from engine.model.block_engine import BlockEngine
from engine.model.cuda.attend import Places
from engine.model.rings import RingReader
from engine.worker import try_out as try_out_module
from engine.worker.try_out import try_out
from tests.unit.engine.model_rig import SETTINGS, conditions, new_context, pocket_engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> BlockEngine:
    return pocket_engine(tmp_path_factory.mktemp("models") / "pocket")


def test_where_kernels_are_compiled_a_ring_with_a_gap_is_tried_too(
    engine: BlockEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _first_latents(engine)
    kernels, forward = set[tuple[bool, bool]](), engine.transformer.forward

    def watched(noisy: torch.Tensor, at: Any, memory: RingReader, *rest: Any) -> torch.Tensor:
        length = noisy.shape[1] * noisy.shape[2] * noisy.shape[3] // 4
        place = Places().of(memory.block, memory.oldest, memory.ring.rows // length, length, noisy.device)
        kernels.add((place.has_gap, length % 16 == memory.sink.rows % 16 == 0))
        return forward(noisy, at, memory, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(engine.transformer, "forward", watched)
        patch.setattr(engine.transformer, "is_fused", True)
        try_out(engine, "cpu")
    assert kernels == {(False, False), (False, True), (True, True)}
    assert torch.equal(_first_latents(engine), before)


def test_where_nothing_is_compiled_warming_up_stays_one_block(engine: BlockEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.worker.try_out.try_rings", None)
    try_out(engine, "cpu")


def test_trying_the_rings_takes_no_more_of_a_device_than_the_block_did() -> None:
    shape = SHAPES["live-avatar-14b"]

    def peak(width: int, height: int, frames: int, *moments: str) -> int:
        passing = [moment for moment in working.moments(shape, width, height, "fp8", "fp8", 32) if moment.name in moments]
        held = context_bytes(shape, width, height, 3, frames, "fp8")
        return held + max(moment.total_bytes for moment in passing)

    of_block = peak(try_out_module._SIDE, try_out_module._SIDE, 12, "step", "prefill", "modulation", "decode")
    assert peak(try_out_module._WIDTH, try_out_module._HEIGHT, 24, "step") < of_block


def _first_latents(engine: BlockEngine) -> torch.Tensor:
    context, _ = new_context(engine)
    given = conditions()
    engine.begin(context, given, SETTINGS)
    engine.denoise_block(context, given, SETTINGS, 0)
    return context.latents(0).clone()
