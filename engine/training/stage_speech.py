"""Second stage: the speech encoder learns to hear how a mouth moves.

A wav2vec2 of small width is trained from nothing: from the plain mean of its 25 hidden states, which is what the
transformer's audio projector begins with, one linear layer must tell mouth, brows and head of every video frame. That
layer is thrown away; the encoder keeps the public layout, and the transformer learns its own weights over the states.
"""

from __future__ import annotations

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
from engine.training.size import Scale

_TOLD = ("opening", "width", "teeth", "tongue", "blink", "brow", "right", "down", "roll")
_GAIN = (1.0, 0.7, 0.7, 0.5, 0.5, 0.5, 12.0, 12.0, 10.0)  # brings all to about the same size, the mouth first


class SpeechStage:
    """Trains `Wav2Vec2Model`."""

    name = "speech"
    learning_rate = 1e-3

    def __init__(self, casting: Casting, scale: Scale, seed: int) -> None:
        self.casting, self.scale = casting, scale
        self.model = new_speech(seed).to(casting.device)
        torch.manual_seed(seed)
        self.told = nn.Linear(POCKET.audio_dim, len(_TOLD)).to(casting.device)

    def parameters(self) -> dict[str, nn.Parameter]:
        """The encoder and the layer that is thrown away afterwards."""
        both = {**named("speech", self.model), **named("told", self.told)}
        return {name: p for name, p in both.items() if isinstance(p, nn.Parameter)}

    def loss(self, number: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Error of the told motion."""
        frames = round(self.scale.speech_seconds * FPS)
        cast = self.casting.draw(number, self.scale.speech_clips, frames)
        sound = _roughened(cast.sound, self.casting, number)
        with torch.autocast(sound.device.type, torch.bfloat16, enabled=sound.is_cuda):
            heard = hear_batch(self.model, sound, frames)
            told = self.told(heard.mean(1).transpose(1, 2).float())
        wanted = _targets(cast.motion, cast.who.energy)
        error = F.smooth_l1_loss(told.float(), wanted, beta=0.2, reduction="none").mean((0, 1))
        change = F.l1_loss(told[:, 1:, :4] - told[:, :-1, :4], wanted[:, 1:, :4] - wanted[:, :-1, :4])
        loss = (
            error * torch.tensor((2.0, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5), device=error.device)
        ).mean() + 0.2 * change
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
    length = int(states.shape[2] / FEATURE_RATE * GRID_RATE)
    flat = states.flatten(0, 1).transpose(1, 2)
    grid = F.interpolate(flat, size=length, mode="linear", align_corners=True)
    index = grid_index(frames).to(sound.device)
    picked = grid[..., index.clamp(max=length - 1)] * (index < length)
    return picked.unflatten(0, states.shape[:2])


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
