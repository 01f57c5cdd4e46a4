"""First stage: the autoencoder learns to carry drawn faces through 16 channels per 8 x 8 pixels and 4 frames.

Losses need no other network: absolute and squared error, errors of edges at three scales, errors of change in time, and
errors in what moves counted more. A little noise on the latents and a weak pull towards the normal distribution make
latents that a diffusion model can make; afterwards their mean and spread are measured and written into the card.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.training.clips import Casting, people_of
from engine.training.faces import draw_faces, portrait
from engine.training.parts import named, new_vae
from engine.training.pen import EVERY_CHOICE
from engine.training.precision import mixed_precision
from engine.training.recording import Recorder, Tensors
from engine.training.size import Scale
from engine.training.video_batch import decode_batch, encode_batch

_PULL = 1e-4  # of the pull towards the normal distribution
_MOVING = 3.0  # how much more errors count where something has changed since the portrait
_STILL_FRAMES = 5  # a clip that begins at its portrait shows it for so long
_STATISTICS_BATCHES = 8
CROP = 80  # pixels, either way: rather many frames than large ones
_USES = 10  # steps between drawings
_KEPT_CLIPS = 256  # to choose from: about 2 GB of a GPU


class VaeStage:
    """Trains `VideoAutoencoder`. A stage that is resumed begins with no drawn clips and gathers them anew."""

    name = "vae"
    learning_rate = 1.5e-3
    uses_muon = True

    def __init__(self, casting: Casting, scale: Scale, seed: int) -> None:
        self.casting, self.scale = casting, scale
        self.vae = new_vae(seed).to(casting.device)
        self._draw = Recorder(_drawn_clips, casting.device)
        self._drawn: deque[Tensor] = deque(maxlen=_KEPT_CLIPS)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Encoder and decoder."""
        return {name: p for name, p in named("vae", self.vae).items() if isinstance(p, nn.Parameter)}

    def batch(self, number: int) -> tuple[Hashable, Tensors]:
        """`video` [B, T, 3, H, W] and `noise` for its latents."""
        video = self._video(number)
        count, frames, _, height, width = video.shape
        shape = (count, 16, 1 + (frames - 1) // 4, height // 8, width // 8)
        draws = torch.Generator(video.device).manual_seed(self.casting.seed * 1_000_003 + number)
        return None, {"video": video, "noise": torch.randn(shape, device=video.device, generator=draws)}

    def loss(self, key: Hashable, batch: Tensors) -> tuple[Tensor, Tensors]:
        """Reconstruction of one batch."""
        video = batch["video"]
        with mixed_precision(video.device):
            mean, log_variance = encode_batch(self.vae, video)
            log_variance = log_variance.clamp(-20.0, 4.0)
            z = mean + (0.5 * log_variance).exp() * batch["noise"]
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
            rng = self.casting.rng(unseen, 2)
            video = _pixels(torch.stack([_part(clip, len(clip), rng) for clip in self._new_clips(unseen)]))
            mean, _ = encode_batch(self.vae, video)
            flat = mean.transpose(0, 1).flatten(1).double()
            total, squares, count = total + flat.sum(1), squares + flat.square().sum(1), count + flat.shape[1]
        centre = total / count
        spread = (squares / count - centre.square()).clamp(min=1e-6).sqrt()
        return {
            "latents_mean": [round(float(x), 4) for x in centre], "latents_std": [round(float(x), 4) for x in spread],
        }  # fmt: skip

    def _video(self, number: int) -> Tensor:
        """[B, T, 3, H, W]: clips drawn lately, each in a window of its own, some mirrored. Long ones and short ones take
        turns: what the layers remember settles over many frames, but the frames of one clip teach much the same."""
        if number % _USES == 0 or not self._drawn:
            self._drawn.extend(self._new_clips(number))
        rng, scale = self.casting.rng(number, 2), self.scale
        count, frames = (scale.vae_long, scale.vae_frames) if number % 2 else (scale.vae_short, scale.vae_short_frames)
        chosen = rng.choice(len(self._drawn), count, replace=len(self._drawn) < count)
        return _pixels(torch.stack([_part(self._drawn[int(place)], frames, rng) for place in chosen]))

    def _new_clips(self, number: int) -> list[Tensor]:
        """uint8 [T, 3, H, W] each: half of them begin at their portrait, which stands still for a moment. Drawing takes
        thousands of small operations, more than a step of training: so each clip is used many times."""
        size = self.casting.format(number // _USES, largest=self.scale.largest)
        cast = self.casting.draw(number, self.scale.vae_clips, self.scale.vae_frames)
        inputs = {**cast.drawable(0, self.scale.vae_frames), "is_start": cast.is_start}
        return list(self._draw(size, inputs)["coded"].clone())


def _drawn_clips(size: Hashable, cast: Tensors) -> Tensors:
    assert isinstance(size, tuple)
    width, height = size
    who, motion = people_of(cast)
    choices = None if who.size.device.type == "cpu" else EVERY_CHOICE
    video = draw_faces(who, motion, width, height, choices)
    still = portrait(who, width, height, choices).unsqueeze(1).expand(-1, _STILL_FRAMES, -1, -1, -1)
    begins = torch.cat([still, video[:, :-_STILL_FRAMES]], dim=1)
    video = torch.where(cast["is_start"].view(-1, 1, 1, 1, 1), begins, video)
    return {"coded": (video * 255).round().clamp(0, 255).to(torch.uint8)}


def _pixels(coded: Tensor) -> Tensor:
    """uint8 as -1..1."""
    return coded.float() / 127.5 - 1


def _part(clip: Tensor, frames: int, rng: np.random.Generator) -> Tensor:
    """So many frames of a clip [T, 3, H, W] in a square window, every other time mirrored."""
    height, width = clip.shape[-2:]
    wide, high = min(CROP, width), min(CROP, height)
    left, top = int(rng.integers(0, width - wide + 1)), int(rng.integers(0, height - high + 1))
    first = int(rng.integers(0, len(clip) - frames + 1))
    part = clip[first : first + frames, :, top : top + high, left : left + wide]
    return part.flip(-1) if rng.random() < 0.5 else part


def _edges(error: Tensor) -> Tensor:
    """Errors of differences between neighbours, at three scales."""
    total = error.new_zeros(())
    flat = error.flatten(0, 1)
    for _ in range(3):
        across, down = flat[..., 1:] - flat[..., :-1], flat[..., 1:, :] - flat[..., :-1, :]
        total = total + 0.5 * (across.abs().mean() + down.abs().mean())
        flat = F.avg_pool2d(flat, 2)
    return total
