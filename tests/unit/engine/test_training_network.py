"""The batched forward passes of training are those of the engine: same weights in, same numbers out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.catalog import SHAPES
from engine.model.block_engine import BlockEngine
from engine.model.context import Context
from engine.model.drawing import block_noise, reference_distance
from engine.model.random_weights import random_conditions, random_engine
from engine.model.sampler import euler_step, schedule
from engine.model.vae_parts import Stream
from engine.training import network
from engine.training.video_batch import decode_batch, denormalised, encode_batch, normalised
from tests.unit.engine.model_rig import SETTINGS, make_blocks

BLOCKS, SIDE = 6, 64
SETTINGS_HERE = replace(SETTINGS, seed=5)
SMALL = replace(SHAPES["pocket"], dim=64, ffn_dim=96, num_heads=2, num_layers=3, audio_inject_layers=(0, 2), vae_dim=8)
CLOSE = 2e-5


@pytest.fixture(scope="module")
def engine() -> BlockEngine:
    return random_engine(SMALL, "cpu", "plain", seed=1)


@pytest.fixture(scope="module")
def made(engine: BlockEngine) -> tuple[dict[str, Tensor], list[Tensor]]:
    """Conditions and the engine's own latents, block by block, across the renewal of the sink."""
    given = random_conditions(SMALL, SIDE, SIDE, "cpu", 12 * BLOCKS)
    layout = engine.layout(SIDE, SIDE, SETTINGS_HERE.steps)
    context = Context(layout, bytearray(layout.total_bytes))
    engine.begin(context, given, SETTINGS_HERE)
    latents, _ = make_blocks(engine, context, given, BLOCKS, SETTINGS_HERE)
    return given, latents


def _given(engine: BlockEngine, made: tuple[dict[str, Tensor], list[Tensor]], blocks: slice) -> network.Given:
    conditions, latents = made
    model = engine.transformer
    text = network.encode_text(model, conditions["text"][None])
    speech = conditions["speech"].unflatten(-1, (BLOCKS, 12)).permute(2, 0, 1, 3)[None, blocks]
    references = (conditions["reference"], latents[0][:, :1])
    sinks = [network.prefill(model, x[None], conditions["motion"][None], text) for x in references]
    return network.Given(text, network.encode_audio(model, speech), sinks, SIDE // 16, SIDE // 16)


@torch.no_grad()
def test_all_blocks_in_one_pass_equal_the_engine_block_by_block(
    engine: BlockEngine, made: tuple[dict[str, Tensor], list[Tensor]]
) -> None:
    model, plan = engine.transformer, schedule(SETTINGS_HERE.steps)
    given = _given(engine, made, slice(None))
    x = torch.cat([block_noise(SETTINGS_HERE, k, (16, 8, 8), torch.float32) for k in range(BLOCKS)], 1)[None]
    for step in range(plan.steps):
        distance = torch.tensor([[reference_distance(5, block, step) for block in range(BLOCKS)]])
        places = network.Places.of(model, torch.tensor([0]), BLOCKS, 4, 4, distance)
        attend = network.attend_all(given, places, [0] * 4 + [1] * (BLOCKS - 4))
        answer = network.velocity(model, x, plan.timesteps[step : step + 1], given, attend)
        x = euler_step(x, answer, plan.sigmas[step], plan.sigmas[step + 1])
    assert (x[0] - torch.cat(made[1], dim=1)).abs().max() < CLOSE


@torch.no_grad()
def test_roll_out_with_rings_equals_the_engine(engine: BlockEngine, made: tuple[dict[str, Tensor], list[Tensor]]) -> None:
    model, plan = engine.transformer, schedule(SETTINGS_HERE.steps)
    rings = [network.Ring() for _ in range(plan.steps)]
    for block in range(BLOCKS):
        given = _given(engine, made, slice(block, block + 1))
        x = block_noise(SETTINGS_HERE, block, (16, 8, 8), torch.float32)[None]
        for step, ring in enumerate(rings):
            distance = torch.tensor([[reference_distance(5, block, step)]])
            places = network.Places.of(model, torch.tensor([block]), 1, 4, 4, distance)
            attend = ring.attend(given, places, int(block >= 4))
            answer = network.velocity(model, x, plan.timesteps[step : step + 1], given, attend)
            x = euler_step(x, answer, plan.sigmas[step], plan.sigmas[step + 1])
        assert (x[0] - made[1][block]).abs().max() < CLOSE, block


@torch.no_grad()
def test_batched_autoencoder_equals_the_streaming_one(engine: BlockEngine) -> None:
    draws = torch.Generator().manual_seed(3)
    videos = torch.rand(2, 9, 3, 64, 96, generator=draws) * 2 - 1
    latents = normalised(engine.vae, encode_batch(engine.vae, videos)[0])
    frames = decode_batch(engine.vae, denormalised(engine.vae, latents)).clamp(-1, 1)
    for number in range(2):
        alone = engine.vae.encode(videos[number].transpose(0, 1))
        assert (alone - latents[number]).abs().max() < CLOSE
        shown, _ = engine.vae.decode(alone, Stream(before=None))
        assert (shown.transpose(0, 1) - frames[number]).abs().max() < 10 * CLOSE


def test_recomputed_layers_give_the_same_gradients(engine: BlockEngine, made: tuple[dict[str, Tensor], list[Tensor]]) -> None:
    model = random_engine(SMALL, "cpu", "plain", seed=1).transformer
    with torch.no_grad():
        given = _given(engine, made, slice(0, 2))
    places = network.Places.of(model, torch.tensor([0]), 2, 4, 4, torch.full((1, 2), 9))
    gradients = []
    for is_recomputed in (False, True):
        noisy = torch.cat(made[1][:2], dim=1)[None].clone().requires_grad_(True)
        attend = network.attend_all(given, places, [0, 0])
        answer = network.velocity(model, noisy, torch.tensor([700.0]), given, attend, is_recomputed=is_recomputed)
        answer.square().mean().backward()
        assert noisy.grad is not None
        gradients.append(noisy.grad)
    assert torch.equal(gradients[0], gradients[1])
