"""Third and fourth stage: the transformer learns to make latents, first beside true history, then on its own.

`TeacherStage`: flow matching at the very noise levels of the schedules for three to five steps. Several blocks pass at
once; history is noisy at the same step, as the rings of the engine hold it.

`DistilStage`: roll-outs as the engine makes them, with rings of the model's own noisy samples. At every step the latents
that the answer implies must be the true ones, from wherever the roll-out has got to: few steps and long videos are
practised, not hoped for. No gradient flows into earlier steps or blocks, so it is robust and cheap.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.catalog import BLOCK_LATENTS, ModelShape
from engine.model.attention import KeysValues
from engine.model.sampler import euler_step, schedule
from engine.model.transformer import Transformer
from engine.training.clips import Formats
from engine.training.network import (
    RING_BLOCKS,
    Given,
    Places,
    Ring,
    attend_all,
    distances,
    encode_audio,
    encode_text,
    prefill,
    velocity,
)  # fmt: skip
from engine.training.parts import POCKET, encode_tokens, named, new_text, new_transformer, prompt_tokens
from engine.training.precision import mixed_precision
from engine.training.recording import Tensors
from engine.training.scenes import Pool, Scenes

STEPS, STEP_SHARES = (3, 4, 5), (0.42, 0.46, 0.12)
CLEAN_SIGMA, CLEAN_WEIGHT = 0.05, 0.05  # the last step sees nearly no noise, and what it answers hardly matters
ROLL_FORMATS: Formats = ((192, 128, 0.6), (128, 192, 0.2), (384, 256, 0.2))
_FIRST_BLOCK_WEIGHT = 0.5  # of a clip whose history is cut off
_ONLINE_SHARE = 0.75  # of videos whose reference is renewed after the first clip
_FAR_SHARE, _FAR_BLOCKS, _NEAR_BLOCKS = 0.15, 4000, 160


class Student:
    """Transformer and text encoder."""

    def __init__(self, device: torch.device, seed: int, shape: ModelShape = POCKET) -> None:
        self.device = device
        self.transformer: Transformer = new_transformer(shape, seed).to(device)
        self.text = new_text(seed).to(device)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Of both."""
        both = {**named("transformer", self.transformer), **named("text", self.text)}
        unused = {"transformer.cond_encoder.weight"}  # the pose branch: only its bias takes part
        return {name: p for name, p in both.items() if isinstance(p, nn.Parameter) and name not in unused}

    def given(self, batch: Tensors) -> Given:
        """Everything a batch is conditioned on. Sink 0 is that of a clip's first four blocks, sink 1 of the others.

        Most videos renew the reference after their first clip; a clip from later in such a video knows nothing else.
        """
        text = encode_text(self.transformer, encode_tokens(self.text, batch["tokens"]))
        reference, is_online = batch["motion"][:, :, :1], batch["is_online"]
        references = [
            torch.where(renews.view(-1, 1, 1, 1, 1), batch["renewed"], reference)
            for renews in (is_online & ~batch["is_start"], is_online)
        ]
        sinks = [prefill(self.transformer, reference, batch["motion"], text) for reference in references]
        rows, columns = batch["latents"].shape[-2] // 2, batch["latents"].shape[-1] // 2
        return Given(text, encode_audio(self.transformer, batch["speech"]), sinks, rows, columns)

    def inputs(self, scenes: Scenes, rng: np.random.Generator) -> Tensors:
        """What of a batch does not depend on how it is denoised."""
        count = len(scenes.prompts)
        is_online = torch.from_numpy(rng.random(count) < _ONLINE_SHARE).to(self.device)
        tokens = prompt_tokens(scenes.prompts, self.transformer.config.text_len, self.device)
        first = first_blocks(rng, scenes.is_start)
        return {**scenes.tensors(), "tokens": tokens, "is_online": is_online, "first": first}


class TeacherStage:
    """Trains a `Student` beside true history."""

    name = "transformer"
    learning_rate = 2.5e-3
    uses_muon = True

    def __init__(self, student: Student, pool: Pool, clips: int) -> None:
        self.student, self.pool, self.clips = student, pool, clips

    def parameters(self) -> dict[str, nn.Parameter]:
        """Transformer and text encoder."""
        return self.student.parameters()

    def batch(self, number: int) -> tuple[Hashable, Tensors]:
        """Clips, every one at its own denoise step."""
        scenes, rng = self.pool.batch(number, self.clips), self.pool.maker.casting.rng(number, 5)
        device, count, blocks = self.student.device, scenes.latents.shape[0], scenes.latents.shape[2] // BLOCK_LATENTS
        sigma, timestep = noise_levels(rng, count, device)
        noise = torch.randn(scenes.latents.shape, device=device, generator=_generator(rng, device))
        drawn = {"sigma": sigma, "timestep": timestep, "noise": noise, "distance": distances(rng, count, blocks, device)}
        return None, {**self.student.inputs(scenes, rng), **drawn}

    def loss(self, key: Hashable, batch: Tensors) -> tuple[Tensor, Tensors]:
        """Error of the velocity."""
        latents, noise, sigma = batch["latents"], batch["noise"], batch["sigma"]
        blocks = latents.shape[2] // BLOCK_LATENTS
        level = sigma.view(-1, 1, 1, 1, 1)
        noisy = (1 - level) * latents + level * noise
        with mixed_precision(self.student.device):
            given = self.student.given(batch)
            places = Places.of(
                self.student.transformer, batch["first"], blocks, given.rows, given.columns, batch["distance"]
            )
            attend = attend_all(given, places, sinks_in_use(blocks))
            answer = velocity(self.student.transformer, noisy, batch["timestep"], given, attend)
        error = ((answer - (noise - latents)).square() * batch["weight"]).mean((1, 3, 4))  # [B, 3K]
        per_clip = (error * _block_weight(batch["is_start"], error)).mean(1)
        weight = torch.where(sigma < CLEAN_SIGMA, CLEAN_WEIGHT, 1.0)
        implied = (noisy - level * answer - latents).square().mean((1, 2, 3, 4))
        return (per_clip * weight).sum() / weight.sum(), {
            "latent_error": (implied * (sigma > CLEAN_SIGMA)).sum() / (sigma > CLEAN_SIGMA).sum().clamp(min=1),
        }

    def facts(self) -> dict[str, Any]:
        """Nothing more to say."""
        return {}


class DistilStage:
    """Trains a `Student` on what it makes itself."""

    name = "distil"
    learning_rate = 5e-4
    uses_muon = True
    # (steps, which half of the blocks counts): few ways, since each is recorded anew
    ways: tuple[tuple[int, int], ...] = ((4, 0), (3, 1))

    def __init__(self, student: Student, pool: Pool, clips: int) -> None:
        self.student, self.pool, self.clips = student, pool, clips

    def parameters(self) -> dict[str, nn.Parameter]:
        """Transformer and text encoder."""
        return self.student.parameters()

    def batch(self, number: int) -> tuple[Hashable, Tensors]:
        """Clips and the number of steps; every other block counts, all are made."""
        scenes, rng = self.pool.batch(number, self.clips), self.pool.maker.casting.rng(number, 6)
        count, blocks, device = len(scenes.prompts), scenes.latents.shape[2] // BLOCK_LATENTS, self.student.device
        steps, half = self.ways[int(rng.integers(len(self.ways)))]
        counted = half if blocks > 1 else 0
        drawn = {
            "noise": torch.randn(scenes.latents.shape, device=device, generator=_generator(rng, device)),
            "distance": distances(rng, count, blocks * steps, device),
        }
        return (steps, counted), {**self.student.inputs(scenes, rng), **drawn}

    def loss(self, key: Hashable, batch: Tensors) -> tuple[Tensor, Tensors]:
        """Error of the implied latents along a roll-out."""
        assert isinstance(key, tuple)
        steps, counted = key
        with mixed_precision(self.student.device):
            roll = RollOut(self.student, batch, steps)
            losses, final = [], []
            for block in range(batch["latents"].shape[2] // BLOCK_LATENTS):
                error, made = roll.block(block, is_counted=block % 2 == counted)
                losses += error
                final.append((made - roll.of_block("latents", block)).square().mean())
        return torch.stack(losses).mean(), {"final_error": torch.stack(final).mean(), "last_block_error": final[-1]}

    def facts(self) -> dict[str, Any]:
        """Nothing more to say."""
        return {}


class RollOut:
    """Block after block with rings of the model's own samples."""

    def __init__(self, student: Student, batch: Tensors, steps: int) -> None:
        self.student, self.batch, self.steps = student, batch, steps
        self.sigmas, self.timesteps = _levels(steps)
        self.given = student.given(batch)
        self.sinks = sinks_in_use(batch["latents"].shape[2] // BLOCK_LATENTS)
        self.rings = [Ring() for _ in range(steps)]

    def of_block(self, name: str, block: int) -> Tensor:
        """A block's part [B, 16, 3, h, w] of latents or noise."""
        return self.batch[name][:, :, block * BLOCK_LATENTS : (block + 1) * BLOCK_LATENTS]

    def block(self, block: int, *, is_counted: bool) -> tuple[list[Tensor], Tensor]:
        """(losses of the steps, clean latents) of the next block."""
        truth, x = self.of_block("latents", block), self.of_block("noise", block)
        given = replace(self.given, audio=_of_block(self.given, truth.shape[0], block))
        model, losses = self.student.transformer, []
        for step in range(self.steps):
            sigma = self.sigmas[step]
            distance = self.batch["distance"][:, block * self.steps + step, None]
            places = Places.of(model, self.batch["first"] + block, 1, given.rows, given.columns, distance)
            timestep = torch.full((truth.shape[0],), self.timesteps[step], device=x.device)
            with torch.set_grad_enabled(is_counted and torch.is_grad_enabled()):
                attend = self.rings[step].attend(given, places, self.sinks[block])
                answer = velocity(model, x, timestep, given, attend)
                if is_counted and sigma > CLEAN_SIGMA:
                    losses.append(((x - sigma * answer - truth).square() * self.batch["weight"]).mean())
            now, later = (torch.full((), level, device=x.device) for level in self.sigmas[step : step + 2])
            x = euler_step(x, answer.detach(), now, later)
        return losses, x


def _of_block(given: Given, count: int, block: int) -> list[tuple[KeysValues, Tensor, Tensor]]:
    """The audio of one block out of that of all."""

    def cut(x: Tensor) -> Tensor:
        return x.unflatten(0, (count, -1))[:, block * BLOCK_LATENTS : (block + 1) * BLOCK_LATENTS].flatten(0, 1)

    return [((cut(k), cut(v)), cut(shift), cut(scale)) for (k, v), shift, scale in given.audio]


@lru_cache(maxsize=8)
def _levels(steps: int) -> tuple[list[float], list[float]]:
    """Sigmas and timesteps of a schedule as plain numbers."""
    plan = schedule(steps)
    return plan.sigmas.tolist(), plan.timesteps.tolist()


def noise_levels(rng: np.random.Generator, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """sigma and timestep [count]: steps of schedules as they are used."""
    sigmas, timesteps = [], []
    for _ in range(count):
        plan = schedule(int(rng.choice(STEPS, p=STEP_SHARES)))
        step = int(rng.integers(plan.steps - 1)) if rng.random() < 0.92 else plan.steps - 1
        sigmas.append(float(plan.sigmas[step]))
        timesteps.append(float(plan.timesteps[step]))
    return torch.tensor(sigmas).to(device), torch.tensor(timesteps).to(device)


def first_blocks(rng: np.random.Generator, is_start: Tensor) -> Tensor:
    """Number of each clip's first block [B]: 0 where the video begins, else anywhere in a long video."""
    count = is_start.shape[0]
    near = rng.integers(RING_BLOCKS, _NEAR_BLOCKS, count)
    far = rng.integers(RING_BLOCKS, _FAR_BLOCKS, count)
    drawn = torch.from_numpy(np.where(rng.random(count) < _FAR_SHARE, far, near)).to(is_start.device)
    return torch.where(is_start, torch.zeros_like(drawn), drawn)


def sinks_in_use(blocks: int) -> list[int]:
    """Which sink each block uses: another one after the first clip."""
    return [int(block >= RING_BLOCKS) for block in range(blocks)]


def _block_weight(is_start: Tensor, error: Tensor) -> Tensor:
    """[B, 3K]: less for the first block of a clip that does not begin its video."""
    weight = torch.ones_like(error)
    weight[:, :BLOCK_LATENTS] = torch.where(is_start.unsqueeze(1), 1.0, _FIRST_BLOCK_WEIGHT)
    return weight


def _generator(rng: np.random.Generator, device: torch.device) -> torch.Generator:
    return torch.Generator(device).manual_seed(int(rng.integers(2**62)))
