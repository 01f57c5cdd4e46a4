"""A context that was lost is filled again from the durable latents: smooth, not identical."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.model.block_engine import BlockEngine
from engine.model.context import Context
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
    own = slice(0, context.rings()[0].rows // 4)  # block 4 lies where block 0 lay
    assert torch.allclose(context.rings()[0].k[0][own], lost.rings()[0].k[0][own], atol=1e-5)


def test_what_a_refilled_ring_does_not_know_is_not_looked_at(engine: BlockEngine) -> None:
    lost, _ = new_context(engine)
    engine.begin(lost, conditions(), SETTINGS)
    latents, _ = make_blocks(engine, lost, conditions(), 6)
    videos = []
    for rest in (0.0, float("nan")):
        context, _ = new_context(engine)
        engine.rebuild(context, conditions(), SETTINGS, latents)
        assert context.oldest == 5
        length = context.rings()[0].rows // 4
        for ring in context.rings():
            for slot in (0, 2, 3):  # block 5 lies in slot 1; 6, 7 and 8 write theirs before they read
                ring.k[:, slot * length : (slot + 1) * length] = rest
                ring.v[:, slot * length : (slot + 1) * length] = rest
        videos.append(torch.cat(make_blocks(engine, context, conditions(), 5)[0], dim=1))
    assert bool(videos[0].isfinite().all())
    assert torch.equal(*videos)


def test_refilled_context_is_found_as_it_is_by_another_process(engine: BlockEngine) -> None:
    lost, _ = new_context(engine)
    engine.begin(lost, conditions(), SETTINGS)
    latents, _ = make_blocks(engine, lost, conditions(), 5)
    context, buffer = new_context(engine)
    assert context.oldest == lost.oldest == 0
    engine.rebuild(context, conditions(), SETTINGS, latents)
    assert Context(context.layout, buffer).oldest == 4
    engine.begin(context, conditions(), SETTINGS)
    assert Context(context.layout, buffer).oldest == 0


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
