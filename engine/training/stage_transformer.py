"""Third and fourth stage: the transformer learns to make latents, first beside true history, then on its own.

`TeacherStage`: flow matching at the very noise levels of the schedules for three to five steps. Several blocks pass at
once; history is noisy at the same step, as the rings of the engine hold it.

`DistilStage`: roll-outs as the engine makes them, with rings of the model's own noisy samples. At every step the latents
that the answer implies must be the true ones, from wherever the roll-out has got to: few steps and long videos are
practised, not hoped for. No gradient flows into earlier steps or blocks, so it is robust and cheap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.catalog import BLOCK_LATENTS, ModelShape
from engine.model.attention import KeysValues
from engine.model.sampler import Schedule, euler_step, schedule
from engine.model.transformer import Transformer
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
from engine.training.parts import POCKET, encode_prompts, named, new_text, new_transformer
from engine.training.scenes import Pool, Scenes

STEPS, STEP_SHARES = (3, 4, 5), (0.42, 0.46, 0.12)
CLEAN_SIGMA, CLEAN_WEIGHT = 0.05, 0.05  # the last step sees nearly no noise, and what it answers hardly matters
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

    def words(self, prompts: list[str]) -> list[KeysValues]:
        """Keys and values per layer of prompts."""
        rows = encode_prompts(self.text, prompts, self.transformer.config.text_len, self.device)
        return encode_text(self.transformer, rows)

    def given(self, scenes: Scenes, rng: np.random.Generator) -> Given:
        """Everything a batch is conditioned on. Sink 0 is that of a clip's first four blocks, sink 1 of the others.

        Most videos renew the reference after their first clip; a clip from later in such a video knows nothing else.
        """
        text = self.words(scenes.prompts)
        is_online = torch.from_numpy(rng.random(len(scenes.prompts)) < _ONLINE_SHARE).to(self.device)
        references = [
            torch.where(renews.view(-1, 1, 1, 1, 1), scenes.renewed, scenes.reference)
            for renews in (is_online & ~scenes.is_start, is_online)
        ]
        sinks = [prefill(self.transformer, reference, scenes.motion, text) for reference in references]
        rows, columns = scenes.latents.shape[-2] // 2, scenes.latents.shape[-1] // 2
        return Given(text, encode_audio(self.transformer, scenes.speech), sinks, rows, columns)


class TeacherStage:
    """Trains a `Student` beside true history."""

    name = "transformer"
    learning_rate = 1.5e-3

    def __init__(self, student: Student, pool: Pool, clips: int) -> None:
        self.student, self.pool, self.clips = student, pool, clips

    def parameters(self) -> dict[str, nn.Parameter]:
        """Transformer and text encoder."""
        return self.student.parameters()

    def loss(self, number: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Error of the velocity, every clip at its own denoise step."""
        scenes, rng = self.pool.batch(number, self.clips), self.pool.maker.casting.rng(number, 5)
        device, count, blocks = self.student.device, scenes.latents.shape[0], scenes.latents.shape[2] // BLOCK_LATENTS
        sigma, timestep = noise_levels(rng, count, device)
        noise = torch.randn(scenes.latents.shape, device=device, generator=_generator(rng, device))
        level = sigma.view(-1, 1, 1, 1, 1)
        noisy = (1 - level) * scenes.latents + level * noise
        first = first_blocks(rng, scenes.is_start)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            given = self.student.given(scenes, rng)
            distance = distances(rng, count, blocks, device)
            places = Places.of(self.student.transformer, first, blocks, given.rows, given.columns, distance)
            sinks = sinks_in_use(blocks)
            answer = velocity(self.student.transformer, noisy, timestep, given, attend_all(given, places, sinks))
        error = ((answer - (noise - scenes.latents)).square() * scenes.weight).mean((1, 3, 4))  # [B, 3K]
        per_clip = (error * _block_weight(scenes.is_start, error)).mean(1)
        weight = torch.where(sigma < CLEAN_SIGMA, CLEAN_WEIGHT, 1.0)
        implied = (noisy - level * answer - scenes.latents).square().mean((1, 2, 3, 4))
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

    def __init__(self, student: Student, pool: Pool, clips: int) -> None:
        self.student, self.pool, self.clips = student, pool, clips

    def parameters(self) -> dict[str, nn.Parameter]:
        """Transformer and text encoder."""
        return self.student.parameters()

    def loss(self, number: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Error of the implied latents along a roll-out; half of the blocks count, all are made."""
        scenes, rng = self.pool.batch(number, self.clips), self.pool.maker.casting.rng(number, 6)
        device, blocks = self.student.device, scenes.latents.shape[2] // BLOCK_LATENTS
        plan = schedule(int(rng.choice(STEPS, p=STEP_SHARES)))
        counted = set(rng.permutation(blocks)[: max(1, blocks // 2)].tolist())
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            roll = RollOut(self.student, scenes, plan, rng)
            losses, final = [], []
            for block in range(blocks):
                error, made = roll.block(block, is_counted=block in counted)
                losses += error
                final.append((made - roll.truth(block)).square().mean())
        return torch.stack(losses).mean(), {"final_error": torch.stack(final).mean(), "last_block_error": final[-1]}

    def facts(self) -> dict[str, Any]:
        """Nothing more to say."""
        return {}


class RollOut:
    """Block after block with rings of the model's own samples."""

    def __init__(self, student: Student, scenes: Scenes, plan: Schedule, rng: np.random.Generator) -> None:
        self.student, self.scenes, self.plan, self.rng = student, scenes, plan, rng
        self.given = student.given(scenes, rng)
        self.first = first_blocks(rng, scenes.is_start)
        self.sinks = sinks_in_use(scenes.latents.shape[2] // BLOCK_LATENTS)
        self.rings = [Ring() for _ in range(plan.steps)]
        self.noise = _generator(rng, student.device)

    def truth(self, block: int) -> Tensor:
        """The true latents [B, 16, 3, h, w] of a block."""
        return self.scenes.latents[:, :, block * BLOCK_LATENTS : (block + 1) * BLOCK_LATENTS]

    def block(self, block: int, *, is_counted: bool) -> tuple[list[Tensor], Tensor]:
        """(losses of the steps, clean latents) of the next block."""
        truth, device = self.truth(block), self.student.device
        x = torch.randn(truth.shape, device=device, generator=self.noise)
        given = Given(
            self.given.text,
            _of_block(self.given, truth.shape[0], block),
            self.given.sinks,
            self.given.rows,
            self.given.columns,
        )
        losses = []
        for step in range(self.plan.steps):
            sigma = float(self.plan.sigmas[step])
            distance = distances(self.rng, truth.shape[0], 1, device)
            places = Places.of(self.student.transformer, self.first + block, 1, given.rows, given.columns, distance)
            timestep = self.plan.timesteps[step].to(device).expand(truth.shape[0])
            with torch.set_grad_enabled(is_counted and torch.is_grad_enabled()):
                attend = self.rings[step].attend(given, places, self.sinks[block])
                answer = velocity(self.student.transformer, x, timestep, given, attend)
                if is_counted and sigma > CLEAN_SIGMA:
                    losses.append(((x - sigma * answer - truth).square() * self.scenes.weight).mean())
            x = euler_step(x, answer.detach(), self.plan.sigmas[step].to(device), self.plan.sigmas[step + 1].to(device))
        return losses, x


def _of_block(given: Given, count: int, block: int) -> list[tuple[KeysValues, Tensor, Tensor]]:
    """The audio of one block out of that of all."""

    def cut(x: Tensor) -> Tensor:
        return x.unflatten(0, (count, -1))[:, block * BLOCK_LATENTS : (block + 1) * BLOCK_LATENTS].flatten(0, 1)

    return [((cut(k), cut(v)), cut(shift), cut(scale)) for (k, v), shift, scale in given.audio]


def noise_levels(rng: np.random.Generator, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """sigma and timestep [count]: steps of schedules as they are used."""
    sigmas, timesteps = [], []
    for _ in range(count):
        plan = schedule(int(rng.choice(STEPS, p=STEP_SHARES)))
        step = int(rng.integers(plan.steps - 1)) if rng.random() < 0.92 else plan.steps - 1
        sigmas.append(float(plan.sigmas[step]))
        timesteps.append(float(plan.timesteps[step]))
    return torch.tensor(sigmas, device=device), torch.tensor(timesteps, device=device)


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
