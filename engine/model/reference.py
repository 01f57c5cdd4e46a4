"""`compat="reference"`: a whole video with the published single-device semantics, accidents included.

Used to compare with the published implementation; the engine proper (`block_engine.py`) mends these:
every clip is decoded anew behind 92 re-encoded motion latents, the first clip loses three frames, the reference frame's
distance is handed in (the published code draws it unseeded), the sink holds at most 2800 rows and rope 45000 frames.

Shapes: H, W pixels; h, w latent height and width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.catalog import BLOCK_LATENTS
from engine.errors import SettingsError
from engine.model.attention import KeysValues
from engine.model.packer import last_motion
from engine.model.rings import KeyStore, RingReader, SinkWriter
from engine.model.rope import block_positions, phases, sink_positions, sink_shift
from engine.model.sampler import euler_step, schedule
from engine.model.speech import block_features
from engine.model.transformer import Transformer, sink_rows
from engine.model.vae import VideoAutoencoder
from engine.model.vae_parts import Stream

BUFFER_FRAMES = 365  # the still image, five times 73
PUSHED_FRAMES = 73
LOST_FRAMES = 3  # of the first clip
MAX_SINK_ROWS = 2800
MAX_LATENT_FRAMES = 45_000


@dataclass(frozen=True)
class ReferenceVideo:
    """`latents` per clip [16, n, h, w], `frames` [3, all, H, W], the model's answers per block [steps, 16, 3, h, w],
    and the sink's inputs of every prefill (reference latent, last 19 motion latents)."""

    latents: list[Tensor]
    frames: Tensor
    velocities: list[Tensor]
    sinks: list[tuple[Tensor, Tensor]]


class ReferenceRun:
    """One video. `distance(block, step)` replaces the published code's unseeded draw from 4..30."""

    def __init__(
        self, transformer: Transformer, vae: VideoAutoencoder, steps: int, distance: Callable[[int, int], int]
    ) -> None:
        self.transformer, self.vae = transformer, vae
        self.plan, self.distance = schedule(steps), distance

    def video(
        self, image: Tensor, text_rows: Tensor, features: Tensor, noise: Tensor, *, online_decode: bool
    ) -> ReferenceVideo:
        """Image [3, H, W] in [-1, 1], text rows [n, text_dim], speech [25, A, t], noise [clips, 16, n, h, w]."""
        buffer = image.unsqueeze(1).expand(-1, BUFFER_FRAMES, -1, -1)
        reference = self.vae.encode(buffer[:, :5])[:, 1:2]
        motion = self.vae.encode(buffer)
        text = self.transformer.encode_text(text_rows)
        self._open_stores(noise.shape[2:])
        sinks = [self._prefill(reference, motion, text)]
        latents: list[Tensor] = []
        velocities, frames = [], []
        decoded_with = motion
        for clip, clip_noise in enumerate(noise):
            if clip == 1 and online_decode:
                sinks.append(self._prefill(latents[0][:, :1], decoded_with, text))
            clean, answers = self._clip(clip, clip_noise, features, text)
            latents.append(clean)
            velocities += answers
            kept = self._decode(decoded_with, clean, is_first=clip == 0)
            frames.append(kept)
            buffer = torch.cat([buffer, kept[:, -PUSHED_FRAMES:]], dim=1)[:, -BUFFER_FRAMES:]
            if clip + 1 < len(noise):
                decoded_with = self.vae.encode(buffer)
        return ReferenceVideo(latents, torch.cat(frames, dim=1), velocities, sinks)

    def _open_stores(self, clip_shape: torch.Size) -> None:
        frames, self.rows, self.columns = clip_shape[0], clip_shape[1] // 2, clip_shape[2] // 2
        self.head_dim = self.transformer.config.head_dim
        sink = sink_rows(self.rows, self.columns)
        if sink > MAX_SINK_ROWS:
            raise SettingsError(f"the reference's sink holds {MAX_SINK_ROWS} rows, not {sink}.", field="size")
        self.sink = self._store(sink)
        self.rings = [self._store(frames * self.rows * self.columns) for _ in range(self.plan.steps)]

    def _store(self, rows: int) -> KeyStore:
        config, like = self.transformer.config, self.transformer.patch_embedding.weight
        shape = (config.num_layers, rows, config.num_heads, config.head_dim)
        return KeyStore(like.new_zeros(shape), like.new_zeros(shape))

    def _prefill(self, reference: Tensor, motion: Tensor, text: list[KeysValues]) -> tuple[Tensor, Tensor]:
        at = phases(sink_positions(0, self.rows, self.columns), self.head_dim)
        still = self.transformer.modulation(0.0)
        self.transformer.prefill(reference, motion, text, still, SinkWriter(self.sink, at))
        return reference, last_motion(motion)

    def _clip(self, clip: int, noise: Tensor, features: Tensor, text: list[KeysValues]) -> tuple[Tensor, list[Tensor]]:
        blocks = noise.shape[1] // BLOCK_LATENTS
        clean, answers = [], []
        for index, block_noise in enumerate(noise.split(BLOCK_LATENTS, dim=1)):
            x, velocities = self._block(clip * blocks + index, block_noise, features, text)
            clean.append(x)
            answers.append(velocities)
        return torch.cat(clean, dim=1), answers

    def _block(self, block: int, x: Tensor, features: Tensor, text: list[KeysValues]) -> tuple[Tensor, Tensor]:
        first = BLOCK_LATENTS * block
        if first + BLOCK_LATENTS > MAX_LATENT_FRAMES:
            raise SettingsError(f"the reference ends at latent frame {MAX_LATENT_FRAMES}.", field="num_clip")
        audio = self.transformer.encode_audio(block_features(features, block))
        block_phases = phases(block_positions(first, self.rows, self.columns), self.head_dim)
        answers = []
        for step, ring in enumerate(self.rings):
            shift = sink_shift(first, self.distance(block, step))
            sink_phases = phases(sink_positions(shift, self.rows, self.columns), self.head_dim)
            memory = RingReader(ring, self.sink, block, block_phases, sink_phases)
            answers.append(
                self.transformer(x, self.transformer.modulation(self.plan.timesteps[step]), memory, text, audio)
            )
            x = euler_step(x, answers[-1], self.plan.sigmas[step], self.plan.sigmas[step + 1])
        return x, torch.stack(answers)

    def _decode(self, motion: Tensor, clean: Tensor, *, is_first: bool) -> Tensor:
        """Frames of a clip [3, n, H, W], decoded behind its motion latents."""
        frames, _ = self.vae.decode(torch.cat([motion, clean], dim=1), Stream(before=None))
        kept = frames[:, -4 * clean.shape[1] :]
        return kept[:, LOST_FRAMES:] if is_first else kept
