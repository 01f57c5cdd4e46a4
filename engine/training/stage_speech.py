"""Second stage: the speech encoder learns to hear how a mouth moves.

A wav2vec2 of small width is trained from nothing: from the plain mean of its 25 hidden states, which is what the
transformer's audio projector begins with, one linear layer must tell mouth, brows and head of every video frame. That
layer is thrown away; the encoder keeps the public layout, and the transformer learns its own weights over the states.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.catalog import FPS
from engine.model.config import SPEECH_LAYERS
from engine.model.speech import FEATURE_RATE, GRID_RATE, grid_index, normalise
from engine.training.clips import Casting
from engine.training.motion import Motion
from engine.training.parts import POCKET, named, new_speech
from engine.training.precision import full_precision, mixed_precision
from engine.training.recording import Tensors
from engine.training.size import Scale

_TOLD = ("opening", "width", "teeth", "tongue", "blink", "brow", "right", "down", "roll")
_GAIN = (1.0, 0.7, 0.7, 0.5, 0.5, 0.5, 12.0, 12.0, 10.0)  # brings all to about the same size, the mouth first


_USES = 3  # steps per batch of voices: writing what they say takes the host longer than a step takes the device
_KEPT_BATCHES = 64


class SpeechStage:
    """Trains `Wav2Vec2Model`."""

    name = "speech"
    learning_rate = 1e-3
    uses_muon = False

    def __init__(self, casting: Casting, scale: Scale, seed: int) -> None:
        self.casting, self.scale = casting, scale
        self.model = new_speech(seed).to(casting.device)
        self._spoken: deque[tuple[Tensor, Tensor]] = deque(maxlen=_KEPT_BATCHES)
        torch.manual_seed(seed)
        self.told = nn.Linear(POCKET.audio_dim, len(_TOLD)).to(casting.device)

    def parameters(self) -> dict[str, nn.Parameter]:
        """The encoder and the layer that is thrown away afterwards."""
        both = {**named("speech", self.model), **named("told", self.told)}
        return {name: p for name, p in both.items() if isinstance(p, nn.Parameter)}

    def batch(self, number: int) -> tuple[Hashable, Tensors]:
        """`sound` [B, N] and the motion to tell of it, `wanted` [B, T, 9]."""
        if number % _USES == 0 or not self._spoken:
            cast = self.casting.draw(number, self.scale.speech_clips, round(self.scale.speech_seconds * FPS))
            self._spoken.append((cast.sound, _targets(cast.motion, cast.who.energy)))
        sound, wanted = self._spoken[int(self.casting.rng(number, 2).integers(len(self._spoken)))]
        return None, {"sound": _roughened(sound, self.casting, number), "wanted": wanted.clone()}

    def loss(self, key: Hashable, batch: Tensors) -> tuple[Tensor, Tensors]:
        """Error of the told motion."""
        sound, wanted = batch["sound"], batch["wanted"]
        with mixed_precision(sound.device):
            heard = hear_batch(self.model, sound, wanted.shape[1])
            told = self.told(heard.mean(1).transpose(1, 2).float())
        error = F.smooth_l1_loss(told.float(), wanted, beta=0.2, reduction="none").mean((0, 1))
        change = F.l1_loss(told[:, 1:, :4] - told[:, :-1, :4], wanted[:, 1:, :4] - wanted[:, :-1, :4])
        mouth, rest = error[:4], error[4:]
        loss = (2.0 * mouth[0] + mouth[1:].sum() + 0.5 * rest.sum()) / len(_TOLD) + 0.2 * change
        return loss, {
            "opening_match": _match(told[..., 0], wanted[..., 0]),
            "width_match": _match(told[..., 1], wanted[..., 1]),
        }

    def facts(self) -> dict[str, Any]:
        """Nothing more to say."""
        return {}


def hear_batch(model: nn.Module, sound: Tensor, frames: int) -> Tensor:
    """Voices [B, N] -> features [B, 25, A, frames], as `engine.model.speech.hear` makes them one by one."""
    waves = torch.stack([normalise(one) for one in sound])
    out = model(waves, output_hidden_states=True)
    states = torch.stack([*out.hidden_states[:-1], out.last_hidden_state], dim=1).float()  # [B, 25, t50, A]
    assert states.shape[1] == SPEECH_LAYERS
    with full_precision(states.device):
        return states.transpose(2, 3) @ _to_frames(states.shape[2], frames, states.device)


@lru_cache(maxsize=64)
def _to_frames(length: int, frames: int, device: torch.device) -> Tensor:
    """The way from states at 50 Hz over the 30 Hz grid to video frames as one matrix [t50, frames].

    A matrix product costs a tenth of interpolating and picking, most of all on the way back. Kept on the device.
    """
    grid = int(length / FEATURE_RATE * GRID_RATE)
    lines = F.interpolate(torch.eye(length)[None], size=grid, mode="linear", align_corners=True)[0]
    index = grid_index(frames)
    return (lines[:, index.clamp(max=grid - 1)] * (index < grid)).to(device)


def _targets(motion: Motion, energy: Tensor) -> Tensor:
    """[B, T, 9]; how lively somebody is cannot be heard."""
    columns = []
    for name, gain in zip(_TOLD, _GAIN, strict=True):
        value: Tensor = getattr(motion, name)
        columns.append(gain * (value / energy.unsqueeze(1) if name in ("brow", "right", "down", "roll") else value))
    return torch.stack(columns, dim=-1)


def _roughened(sound: Tensor, casting: Casting, number: int) -> Tensor:
    """A little noise and a tilt of the spectrum, different for each voice: rooms and microphones differ."""
    rng = casting.rng(number, 3)
    count = sound.shape[0]
    draws = torch.Generator(sound.device).manual_seed(int(rng.integers(2**62)))
    level = torch.from_numpy((10 ** rng.uniform(-4.5, -2.0, (count, 1))).astype("float32")).to(sound.device)
    tilt = torch.from_numpy(rng.uniform(-0.5, 0.5, (count, 1)).astype("float32")).to(sound.device)
    noisy = sound + level * sound.abs().amax(1, keepdim=True) * torch.randn(
        sound.shape, generator=draws, device=sound.device
    )
    return noisy + tilt * F.pad(noisy, (1, 0))[:, :-1]


def _match(mine: Tensor, wanted: Tensor) -> Tensor:
    """Correlation of two tracks [B, T] over everything."""
    a, b = mine.flatten().float() - mine.float().mean(), wanted.flatten() - wanted.mean()
    return (a * b).sum() / (a.norm() * b.norm()).clamp(min=1e-6)
