"""Three roles that an adapter can teach: another person than the portrait, or another way of drawing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.training.faces import draw_faces
from engine.training.identity import CAPTAIN, Identity
from engine.training.motion import Motion
from engine.training.pen import Choices
from engine.training.sdf import colour

Paint = Callable[[Tensor], Tensor]


def _as_drawn(video: Tensor) -> Tensor:
    return video


def pencil(video: Tensor) -> Tensor:
    """A pencil drawing on warm paper, its lines on the dark side of edges: [B, T, 3, H, W] in -1..1 -> the same.

    Lines are as soft as what the autoencoder can show: of sharper ones it made 25 dB, of these 30.
    """
    flat = video.flatten(0, 1)
    near = _blurred((flat * _luma(flat)).sum(1, keepdim=True))
    line = (10 * (_blurred(_blurred(near)) - near)).clamp(min=0)
    light = (0.5 + 0.5 * (flat * _luma(flat)).sum(1, keepdim=True) - line).clamp(-1, 1)
    paper = colour((0.93, 0.88, 0.76), video.device).view(1, 3, 1, 1)
    ink = colour((-0.75, -0.76, -0.70), video.device).view(1, 3, 1, 1)
    return torch.lerp(ink, paper, (light + 1) / 2).unflatten(0, video.shape[:2])


def _blurred(grey: Tensor) -> Tensor:
    """[N, 1, H, W] through a binomial window of five pixels each way."""
    window = colour((1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16), grey.device)
    padded = F.pad(grey, (2, 2, 2, 2), mode="replicate")
    return F.conv2d(F.conv2d(padded, window.view(1, 1, 1, 5)), window.view(1, 1, 5, 1))


def dusk(video: Tensor) -> Tensor:
    """Evening light: violet shadows, orange heights."""
    flat = video.flatten(0, 1)
    grey = ((flat * _luma(flat)).sum(1, keepdim=True) + 1) / 2
    shadow = colour((-0.62, -0.72, -0.18), video.device).view(1, 3, 1, 1)
    height = colour((1.0, 0.62, 0.12), video.device).view(1, 3, 1, 1)
    toned = torch.lerp(shadow, height, grey)
    return (0.72 * toned + 0.28 * flat).clamp(-1, 1).unflatten(0, video.shape[:2])


def _luma(like: Tensor) -> Tensor:
    return colour((0.299, 0.587, 0.114), like.device).view(1, 3, 1, 1)


@dataclass(frozen=True)
class Style:
    """What an adapter adds: fields of the identity set to a value for everybody, and a way of painting frames. `star` is the
    seed of the person whose portrait the example role has: half of the clips are theirs, the others anybody's."""

    star: int | None = None
    changes: dict[str, float | tuple[float, float, float]] = field(default_factory=dict)
    paint: Paint = _as_drawn

    def frames(self, who: Identity, motion: Motion, width: int, height: int, choices: Choices | None = None) -> Tensor:
        """Frames of people in this style, [B, T, 3, H, W] in -1..1."""
        dressed = who.but(**self.changes) if self.changes else who
        return self.paint(draw_faces(dressed, motion, width, height, choices) * 2 - 1)


ROLES: dict[str, Style] = {
    "captain": Style(
        51,
        {
            "hat": CAPTAIN,
            "beard": 2.0,
            "hair": (0.93, 0.92, 0.9),
            "garment": 2.0,
            "cloth": (0.13, 0.18, 0.36),
            "glasses": 0.0,
        }
    ),
    "pencil": Style(49, paint=pencil),
    "dusk": Style(48, paint=dusk),
}
