"""A context that was lost is filled again from the durable latents: smooth, not identical."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.model.block_engine import BlockEngine
from tests.unit.engine.model_rig import SETTINGS, conditions, make_blocks, new_context, pocket_engine, with_settings


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> BlockEngine:
    return pocket_engine(tmp_path_factory.mktemp("models") / "pocket")


@pytest.mark.parametrize("done", [2, 4, 6])
def test_rebuilt_context_goes_on_near_the_video_that_was_lost(engine: BlockEngine, done: int) -> None:
    lost, _ = new_context(engine)
    engine.begin(lost, conditions(), SETTINGS)
    latents, _ = make_blocks(engine, lost, conditions(), done)
    wanted, want_frames = make_blocks(engine, lost, conditions(), 1)

    context, _ = new_context(engine)
    engine.rebuild(context, conditions(), SETTINGS, latents)
    assert context.blocks_done == done
    got, got_frames = make_blocks(engine, context, conditions(), 1)
    assert bool(got[0].isfinite().all())
    fresh, fresh_frames = _a_video_that_knows_nothing_of_it(engine)
    assert _far(got[0], wanted[0]) < 0.5 * _far(fresh, wanted[0])
    assert _far(got_frames[0], want_frames[0]) < 0.5 * _far(fresh_frames, want_frames[0])


def test_first_step_ring_and_sink_come_back_as_they_were(engine: BlockEngine) -> None:
    lost, _ = new_context(engine)
    engine.begin(lost, conditions(), SETTINGS)
    latents, _ = make_blocks(engine, lost, conditions(), 5)
    context, _ = new_context(engine)
    engine.rebuild(context, conditions(), SETTINGS, latents)
    assert context.sink_half(5) == lost.sink_half(5) == 1
    assert torch.equal(context.sink(1).k, lost.sink(1).k)
    # At the first step the sample is pure noise, so the first layer's keys do not depend on what was lost.
    assert torch.allclose(context.rings()[0].k[0], lost.rings()[0].k[0], atol=1e-5)


def test_without_a_finished_block_a_rebuilt_context_is_a_fresh_one(engine: BlockEngine) -> None:
    fresh, _ = new_context(engine)
    engine.begin(fresh, conditions(), SETTINGS)
    context, _ = new_context(engine)
    engine.rebuild(context, conditions(), SETTINGS, [])
    assert torch.equal(
        make_blocks(engine, context, conditions(), 1)[0][0], make_blocks(engine, fresh, conditions(), 1)[0][0]
    )


def test_decoder_is_warmed_exactly_while_the_video_is_short(engine: BlockEngine, tmp_path: Path) -> None:
    lost, _ = new_context(engine)
    settings = with_settings(online_decode=False)
    engine.begin(lost, conditions(), settings)
    latents, _ = make_blocks(engine, lost, conditions(), 3, settings)
    context, _ = new_context(engine)
    engine.rebuild(context, conditions(), settings, latents)
    for got, want in zip(context.decoder(3), lost.decoder(3), strict=True):
        assert torch.allclose(got, want, atol=1e-4)


def _a_video_that_knows_nothing_of_it(engine: BlockEngine) -> tuple[torch.Tensor, np.ndarray]:
    context, _ = new_context(engine)
    settings = with_settings(seed=1234)
    engine.begin(context, conditions(3), settings)
    latents, frames = make_blocks(engine, context, conditions(3), 1, settings)
    return latents[0], frames[0]


def _far(a: torch.Tensor | np.ndarray, b: torch.Tensor | np.ndarray) -> float:
    return float(np.abs(np.asarray(a, dtype=float) - np.asarray(b, dtype=float)).mean())
