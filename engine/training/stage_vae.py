"""First stage: the autoencoder learns to carry drawn faces through 16 channels per 8 x 8 pixels and 4 frames.

Losses need no other network: absolute and squared error, errors of edges at three scales, errors of change in time, and
errors in what moves counted more. A little noise on the latents and a weak pull towards the normal distribution make
latents that a diffusion model can make; afterwards their mean and spread are measured and written into the card.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.training.clips import Cast, Casting
from engine.training.parts import named, new_vae
from engine.training.size import Scale
from engine.training.video_batch import decode_batch, encode_batch

_PULL = 1e-4  # of the pull towards the normal distribution
_MOVING = 3.0  # how much more errors count where something has changed since the portrait
_STILL_FRAMES = 5  # a clip that begins at its portrait shows it for so long
_STATISTICS_BATCHES = 8
CROP = (192, 128)
_USES = 4  # steps per drawn batch
_KEPT_BATCHES = 48  # to choose from: about 2 GB of a GPU


class VaeStage:
    """Trains `VideoAutoencoder`. A stage that is resumed begins with no drawn batches and gathers them anew."""

    name = "vae"
    learning_rate = 1.5e-3

    def __init__(self, casting: Casting, scale: Scale, seed: int) -> None:
        self.casting, self.scale = casting, scale
        self.vae = new_vae(seed).to(casting.device)
        self._drawn: deque[Tensor] = deque(maxlen=_KEPT_BATCHES)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Encoder and decoder."""
        return {name: p for name, p in named("vae", self.vae).items() if isinstance(p, nn.Parameter)}

    def loss(self, number: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Reconstruction of one batch."""
        video = self._video(number)
        with torch.autocast(video.device.type, torch.bfloat16, enabled=video.is_cuda):
            mean, log_variance = encode_batch(self.vae, video)
            log_variance = log_variance.clamp(-20.0, 4.0)
            noise = torch.randn(mean.shape, device=mean.device, generator=self._noise(number, mean.device))
            z = mean + (0.5 * log_variance).exp() * noise
            made = decode_batch(self.vae, z)
        pull = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).mean()
        error = made - video
        change = (video - video[:, :1]).abs().amax(dim=2, keepdim=True)
        weight = 1.0 + _MOVING * F.max_pool2d((change > 0.1).float().flatten(0, 1), 5, 1, 2).unflatten(
            0, change.shape[:2]
        )
        loss = (weight * (error.abs() + 4.0 * error.square())).mean() + _edges(error) + _PULL * pull
        loss = loss + 0.7 * (weight[:, 1:] * (error[:, 1:] - error[:, :-1]).abs()).mean()
        psnr = -10 * torch.log10((made.clamp(-1, 1) - video).square().mean() / 4)
        return loss, {"psnr_db": psnr, "latent_spread": mean.std()}

    @torch.no_grad()
    def facts(self) -> dict[str, Any]:
        """Mean and spread of every latent channel over pictures that were not trained on."""
        total = squares = torch.zeros(16, dtype=torch.float64, device=self.casting.device)
        count = 0
        for number in range(_STATISTICS_BATCHES):
            unseen = 10_000_000 + number * _USES
            video = _pixels(_cropped(self._new_batch(unseen), self.casting.rng(unseen, 2)))
            mean, _ = encode_batch(self.vae, video)
            flat = mean.transpose(0, 1).flatten(1).double()
            total, squares, count = total + flat.sum(1), squares + flat.square().sum(1), count + flat.shape[1]
        centre = total / count
        spread = (squares / count - centre.square()).clamp(min=1e-6).sqrt()
        return {
            "latents_mean": [round(float(x), 4) for x in centre], "latents_std": [round(float(x), 4) for x in spread],
        }  # fmt: skip

    def _video(self, number: int) -> Tensor:
        """[B, T, 3, H, W]: one of the batches drawn lately, in a window of its own, every other time mirrored."""
        if number % _USES == 0 or not self._drawn:
            self._drawn.append(self._new_batch(number))
        rng = self.casting.rng(number, 2)
        coded = self._drawn[int(rng.integers(len(self._drawn)))]
        video = _pixels(_cropped(coded, rng))
        return video.flip(-1) if rng.random() < 0.5 else video

    def _new_batch(self, number: int) -> Tensor:
        """uint8 [B, T, 3, H, W]: half the clips begin at their portrait, which stands still for a moment. Drawing takes
        thousands of small operations, more than a step of training: so each batch is used several times."""
        width, height = self.casting.format(number // _USES, self.scale.largest)
        cast = self.casting.draw(number, self.scale.vae_clips, self.scale.vae_frames)
        video = _with_still(cast, self.scale.vae_frames, width, height)
        return ((video + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)

    def _noise(self, number: int, device: torch.device) -> torch.Generator:
        return torch.Generator(device).manual_seed(self.casting.seed * 1_000_003 + number)


def _pixels(coded: Tensor) -> Tensor:
    """uint8 as -1..1."""
    return coded.float() / 127.5 - 1


def _with_still(cast: Cast, frames: int, width: int, height: int) -> Tensor:
    video = cast.frames(0, frames, width, height)
    still = cast.portraits(width, height).unsqueeze(1).expand(-1, _STILL_FRAMES, -1, -1, -1)
    begins = torch.cat([still, video[:, : frames - _STILL_FRAMES]], dim=1)
    return torch.where(cast.is_start.view(-1, 1, 1, 1, 1), begins, video)


def _cropped(video: Tensor, rng: np.random.Generator) -> Tensor:
    """A window no larger than 192 x 128 (either way round) of larger pictures."""
    height, width = video.shape[-2:]
    wide, high = CROP if width >= height else CROP[::-1]
    wide, high = min(wide, width), min(high, height)
    left, top = int(rng.integers(0, width - wide + 1)), int(rng.integers(0, height - high + 1))
    return video[..., top : top + high, left : left + wide].contiguous()


def _edges(error: Tensor) -> Tensor:
    """Errors of differences between neighbours, at three scales."""
    total = error.new_zeros(())
    flat = error.flatten(0, 1)
    for _ in range(3):
        across, down = flat[..., 1:] - flat[..., :-1], flat[..., 1:, :] - flat[..., :-1, :]
        total = total + 0.5 * (across.abs().mean() + down.abs().mean())
        flat = F.avg_pool2d(flat, 2)
    return total
