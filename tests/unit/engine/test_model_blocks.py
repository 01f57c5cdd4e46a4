"""Blocks as a worker makes them: deterministic, redone with the same bits, in any process, with any accident in between."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.errors import ContextLost, SettingsError
from engine.model.block_engine import BlockEngine
from engine.model.context import Context
from tests.unit.engine.model_rig import (
    HEIGHT,
    SETTINGS,
    WIDTH,
    conditions,
    make_blocks,
    new_context,
    pocket_engine,
    with_settings,
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> BlockEngine:
    return pocket_engine(tmp_path_factory.mktemp("models") / "pocket")


@pytest.fixture(scope="module")
def straight(engine: BlockEngine) -> tuple[list[Tensor], list[np.ndarray]]:
    """Five blocks without any accident."""
    context, _ = new_context(engine)
    engine.begin(context, conditions(), SETTINGS)
    return make_blocks(engine, context, conditions(), 5)


def same(got: tuple[list[Tensor], list[np.ndarray]], want: tuple[list[Tensor], list[np.ndarray]]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(got[0], want[0], strict=True)) and all(
        np.array_equal(a, b) for a, b in zip(got[1], want[1], strict=True)
    )


def test_every_block_has_twelve_frames_and_three_latents(straight: tuple[list[Tensor], list[np.ndarray]]) -> None:
    for latents, frames in zip(*straight, strict=True):
        assert latents.shape == (16, 3, HEIGHT // 8, WIDTH // 8)
        assert (frames.shape, frames.dtype) == ((12, HEIGHT, WIDTH, 3), np.uint8)


def test_random_weights_give_frames_that_vary_in_space_and_time(
    straight: tuple[list[Tensor], list[np.ndarray]],
) -> None:
    video = np.concatenate(straight[1]).astype(float)
    assert 20 < video.mean() < 235
    assert video.std(axis=(1, 2)).min() > 2
    assert video.std(axis=0).mean() > 2


def test_same_recipe_gives_the_same_bits_in_another_engine(
    straight: tuple[list[Tensor], list[np.ndarray]], tmp_path: Path
) -> None:
    other = pocket_engine(tmp_path / "pocket")
    torch.manual_seed(99)  # a global generator must not matter
    context, _ = new_context(other)
    other.begin(context, conditions(), SETTINGS)
    assert same(make_blocks(other, context, conditions(), 5), straight)


def test_another_seed_gives_another_video(engine: BlockEngine, straight: tuple[list[Tensor], list[np.ndarray]]) -> None:
    context, _ = new_context(engine)
    engine.begin(context, conditions(), with_settings(seed=8))
    latents, _ = make_blocks(engine, context, conditions(), 1, with_settings(seed=8))
    assert not torch.equal(latents[0], straight[0][0])


@pytest.mark.parametrize(
    ("block", "killed_at"),
    [(0, ("step", 0)), (0, ("decode", 0)), (3, ("step", 2)), (3, ("sink", 0)), (4, ("decode", 0))],
)
def test_killed_block_is_made_again_with_the_same_bits(
    engine: BlockEngine, straight: tuple[list[Tensor], list[np.ndarray]], block: int, killed_at: tuple[str, int]
) -> None:
    context, buffer = new_context(engine)
    engine.begin(context, conditions(), SETTINGS)
    before = make_blocks(engine, context, conditions(), block)

    def die(phase: str, index: int) -> None:
        if (phase, index) == killed_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.make_block(context, conditions(), SETTINGS, block, die)
    _spoil_what_a_dead_worker_may_have_written(context, block)
    revived = Context(context.layout, buffer)
    assert revived.blocks_done == block
    after = make_blocks(engine, revived, conditions(), 5 - block)
    assert same((before[0] + after[0], before[1] + after[1]), straight)


def _spoil_what_a_dead_worker_may_have_written(context: Context, block: int) -> None:
    """Everything that the part of the block that was being made writes."""
    if context.blocks_denoised > block:
        for place in context.decoder(block + 1):
            place.fill_(77)
    else:
        _spoil_what_denoising_writes(context, block)


def _spoil_what_denoising_writes(context: Context, block: int) -> None:
    """Small state and latents in the other half, the block's ring slots, the sink that is not in use."""
    for name in ("state", "first_latent", "latents"):
        context.half(block + 1)[name].fill_(77)
    unused = context.sink(1 - context.sink_half(block))
    unused.k.fill_(math.nan)
    unused.v.fill_(math.nan)
    length = 3 * (WIDTH // 16) * (HEIGHT // 16)
    for ring in context.rings():
        first = block * length % ring.rows
        ring.k[:, first : first + length] = math.nan
        ring.v[:, first : first + length] = math.nan


def test_denoising_one_block_ahead_changes_no_bit(
    engine: BlockEngine, straight: tuple[list[Tensor], list[np.ndarray]]
) -> None:
    context, _ = new_context(engine)
    engine.begin(context, conditions(), SETTINGS)
    latents, frames = [], []
    engine.denoise_block(context, conditions(), SETTINGS, 0)
    for block in range(5):
        made = engine.decode_block(context, conditions(), SETTINGS, block)
        engine.denoise_block(context, conditions(), SETTINGS, block + 1)
        context.flip(block + 1)
        latents.append(made.latents)
        frames.append(made.frames)
    assert same((latents, frames), straight)


@pytest.mark.parametrize("block", [0, 2, 3])
@pytest.mark.parametrize("killed_at", [("step", 1), ("sink", 0), None])
def test_killed_one_block_ahead_loses_neither_block(
    engine: BlockEngine, straight: tuple[list[Tensor], list[np.ndarray]], block: int, killed_at: tuple[str, int] | None
) -> None:
    context, buffer = new_context(engine)
    engine.begin(context, conditions(), SETTINGS)
    before = make_blocks(engine, context, conditions(), block)

    def die(phase: str, index: int) -> None:
        if (phase, index) == killed_at:
            raise KeyboardInterrupt

    engine.make_block(context, conditions(), SETTINGS, block)  # its frames are on their way to the disk
    with contextlib.suppress(KeyboardInterrupt):
        engine.denoise_block(context, conditions(), SETTINGS, block + 1, die)
    if context.blocks_denoised == block + 1:
        _spoil_what_denoising_writes(context, block + 1)
    for place in context.decoder(block + 1):
        place.fill_(77)
    revived = Context(context.layout, buffer)
    assert (revived.blocks_done, revived.blocks_denoised) == (block, context.blocks_denoised)
    after = make_blocks(engine, revived, conditions(), 5 - block)
    assert same((before[0] + after[0], before[1] + after[1]), straight)


def test_two_blocks_ahead_are_refused(engine: BlockEngine) -> None:
    context, _ = new_context(engine)
    engine.begin(context, conditions(), SETTINGS)
    for block in range(2):
        engine.denoise_block(context, conditions(), SETTINGS, block)
    with pytest.raises(ContextLost, match="2 denoised, 0 done"):
        engine.denoise_block(context, conditions(), SETTINGS, 2)
    with pytest.raises(ContextLost, match="1 cannot be decoded"):
        engine.decode_block(context, conditions(), SETTINGS, 1)


def test_block_made_but_not_accepted_is_made_again_with_the_same_bits(
    engine: BlockEngine, straight: tuple[list[Tensor], list[np.ndarray]]
) -> None:
    context, _ = new_context(engine)
    engine.begin(context, conditions(), SETTINGS)
    engine.make_block(context, conditions(), SETTINGS, 0)
    assert same(make_blocks(engine, context, conditions(), 5), straight)


def test_killed_begin_leaves_a_context_that_is_not_begun(engine: BlockEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    context, buffer = new_context(engine)
    engine.begin(context, conditions(), SETTINGS)
    with monkeypatch.context() as patch:
        patch.setattr(engine.vae, "warm_up", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            engine.begin(context, conditions(), SETTINGS)
    again = Context(context.layout, buffer)
    assert not again.is_begun
    with pytest.raises(ContextLost):
        engine.make_block(again, conditions(), SETTINGS, 0)


def test_a_block_out_of_turn_is_refused(engine: BlockEngine) -> None:
    context, _ = new_context(engine)
    engine.begin(context, conditions(), SETTINGS)
    with pytest.raises(ContextLost):
        engine.make_block(context, conditions(), SETTINGS, 1)


def test_conditions_of_another_size_are_refused(engine: BlockEngine) -> None:
    context, _ = new_context(engine)
    with pytest.raises(SettingsError, match="64x128"):
        engine.begin(context, conditions(width=64, height=128), SETTINGS)


def test_settings_that_the_context_cannot_hold_are_refused(engine: BlockEngine) -> None:
    context, _ = new_context(engine)
    with pytest.raises(SettingsError):
        engine.begin(context, conditions(), with_settings(steps=4))
    with pytest.raises(SettingsError):
        engine.begin(context, conditions(), with_settings(infer_frames=96))


def test_shorter_clips_use_a_shorter_ring(engine: BlockEngine, straight: tuple[list[Tensor], list[np.ndarray]]) -> None:
    settings = with_settings(infer_frames=24, online_decode=False)
    context, _ = new_context(engine)
    engine.begin(context, conditions(), settings)
    latents, _ = make_blocks(engine, context, conditions(), 3, settings)
    assert not torch.equal(latents[2], straight[0][2])
    for ring in context.rings():
        assert bool(ring.k[:, ring.rows // 2 :].eq(0).all())


def test_progress_is_told_before_each_stage(engine: BlockEngine) -> None:
    context, _ = new_context(engine)
    settings = with_settings(infer_frames=12)
    engine.begin(context, conditions(), settings)
    told: list[tuple[str, int]] = []
    made = engine.make_block(context, conditions(), settings, 0, lambda phase, index: told.append((phase, index)))
    assert told == [("step", 0), ("step", 1), ("step", 2), ("sink", 0), ("decode", 0)]
    assert set(made.stage_ms) == {"audio", "denoise", "decode", "sink"}


def test_voice_changes_the_picture_and_silence_beyond_its_end_does_not_crash(engine: BlockEngine) -> None:
    loud, quiet = conditions(frames=30), conditions(frames=30)
    quiet["speech"] = torch.zeros_like(quiet["speech"])
    results = []
    for given in (loud, quiet):
        context, _ = new_context(engine)
        engine.begin(context, given, SETTINGS)
        results.append(make_blocks(engine, context, given, 4)[0])
    assert not torch.equal(results[0][0], results[1][0])
    assert all(bool(latents.isfinite().all()) for latents in results[0])
