"""Clips as the transformer sees them: latents, speech features, prompts; kept for a while and used more than once.

A pool per picture format holds the newest clips; every step brings some new ones and draws its batch from the pool, so
drawing and encoding cost a part of a step only. Shapes: K blocks, h, w latent height and width, A feature width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from engine.catalog import BLOCK_FRAMES, BLOCK_LATENTS
from engine.model.config import MOTION_LATENTS
from engine.model.vae import VideoAutoencoder
from engine.training.clips import Cast, Casting
from engine.training.faces import mouth_box
from engine.training.roles import Style
from engine.training.stage_speech import hear_batch
from engine.training.video_batch import encode_batch, normalised

_STILL_LATENTS = 7  # of a portrait; those that follow equal the last one
_LEAD_FRAMES = 9  # of the portrait before a video's frames: what the decoder has seen when a video begins
_MOUTH_WEIGHT = 4.0
_TENSORS = ("latents", "motion", "renewed", "speech", "weight", "is_start")


@dataclass(frozen=True)
class Scenes:
    """A batch: `latents` [B, 16, 3K, h, w], `motion` [B, 16, 19, h, w], `renewed` [B, 16, 1, h, w] (a latent of another
    moment of the same video), `speech` [B, K, 25, A, 12], `weight` [B, 1, 1, h, w] (more around the mouth)."""

    latents: Tensor
    motion: Tensor
    renewed: Tensor
    speech: Tensor
    weight: Tensor
    is_start: Tensor
    prompts: list[str]

    @property
    def reference(self) -> Tensor:
        """The portrait's latent [B, 16, 1, h, w]."""
        return self.motion[:, :, :1]

    def take(self, places: np.ndarray) -> Scenes:
        """Some of these clips."""
        index = torch.from_numpy(places).to(self.latents.device)
        picked = {name: getattr(self, name)[index] for name in _TENSORS}
        return Scenes(**picked, prompts=[self.prompts[int(i)] for i in places])

    def then(self, other: Scenes, most: int) -> Scenes:
        """These and the other's, the newest `most` of them."""
        joined = {name: torch.cat([getattr(self, name), getattr(other, name)])[-most:] for name in _TENSORS}
        return Scenes(**joined, prompts=(self.prompts + other.prompts)[-most:])


class SceneMaker:
    """Frozen encoders that turn casts into scenes. With a style the video shows it, while the portrait stays as it is."""

    def __init__(self, casting: Casting, vae: VideoAutoencoder, speech: nn.Module, style: Style | None = None) -> None:
        self.casting, self.vae, self.speech = casting, vae, speech
        self.style = style or Style()

    @torch.no_grad()
    def make(self, number: int, count: int, blocks: int, width: int, height: int) -> Scenes:
        """Batch `number` of the endless crowd. A clip that does not begin its video has another moment before it."""
        frames = BLOCK_FRAMES * blocks
        cast = self.casting.draw(number, count, frames + 2 * BLOCK_FRAMES)
        return self.encode(cast, frames, 2 * BLOCK_FRAMES, width, height)

    @torch.no_grad()
    def encode(self, cast: Cast, frames: int, skipped: int, width: int, height: int) -> Scenes:
        """Scenes of a cast: where a video begins the first frames are used, else those after `skipped`."""
        begin = self.style.frames(cast, 0, frames, width, height)
        late = self.style.frames(cast, skipped, skipped + frames, width, height)
        choice = cast.is_start.view(-1, 1, 1, 1, 1)
        video = torch.where(choice, begin, late)
        still = cast.portraits(width, height)
        heard = self._hear(cast.sound, frames + skipped)
        speech = torch.where(choice[:, 0], heard[..., :frames], heard[..., skipped : skipped + frames])
        first = self.latents(torch.cat([_repeated(still, _LEAD_FRAMES), begin[:, :4]], dim=1))[:, :, -1:]
        return self.scenes(video, still, first, speech, cast.is_start, cast.prompts, mouth_weight(cast, width, height))

    def scenes(
        self,
        video: Tensor,
        still: Tensor,
        first: Tensor | None,
        speech: Tensor,
        is_start: Tensor,
        prompts: list[str],
        weight: Tensor,
    ) -> Scenes:
        """From frames [B, 12K, 3, H, W], portraits [B, 3, H, W] and features [B, 25, A, 12K]."""
        latents = self.latents(torch.cat([_repeated(still, _LEAD_FRAMES), video], dim=1))[:, :, 1 + _LEAD_FRAMES // 4 :]
        calm = self.latents(_repeated(still, 1 + 4 * (_STILL_LATENTS - 1)))
        motion = torch.cat([calm, calm[:, :, -1:].expand(-1, -1, MOTION_LATENTS - _STILL_LATENTS, -1, -1)], dim=2)
        blocks = latents.shape[2] // BLOCK_LATENTS
        features = speech.unflatten(-1, (blocks, BLOCK_FRAMES)).permute(0, 3, 1, 2, 4).contiguous()
        own = latents[:, :, :1]
        renewed = own if first is None else torch.where(is_start.view(-1, 1, 1, 1, 1), own, first)
        return Scenes(latents, motion, renewed, features, weight, is_start, prompts)

    def latents(self, video: Tensor) -> Tensor:
        """Frames [B, 1 + 4n, 3, H, W] -> normalised latents [B, 16, 1 + n, h, w]."""
        with torch.autocast(video.device.type, torch.bfloat16, enabled=video.is_cuda):
            pieces = [encode_batch(self.vae, part)[0] for part in video.split(8)]
        return normalised(self.vae, torch.cat(pieces))

    def _hear(self, sound: Tensor, frames: int) -> Tensor:
        return hear_batch(self.speech, sound, frames)


class Pool:
    """Scenes of every format, renewed step by step."""

    def __init__(self, maker: SceneMaker, *, size: int, fresh: int, blocks: int, largest: int) -> None:
        self.maker, self.size, self.fresh, self.blocks, self.largest = maker, size, fresh, blocks, largest
        self._kept: dict[tuple[int, int], Scenes] = {}

    def batch(self, number: int, count: int) -> Scenes:
        """A batch for step `number`, all of one format."""
        width, height = self.maker.casting.format(number, self.largest)
        count = max(1, int(count * min(1.0, 192 * 128 * 1.5 / (width * height))))
        kept = self._kept.get((width, height))
        fresh = self.fresh if kept is not None else max(self.fresh, count)
        made = self.maker.make(number, fresh, self.blocks, width, height)
        kept = made if kept is None else kept.then(made, self.size)
        self._kept[width, height] = kept
        rng = self.maker.casting.rng(number, 4)
        return kept.take(rng.choice(len(kept.prompts), count, replace=len(kept.prompts) < count))


def mouth_weight(cast: Cast, width: int, height: int) -> Tensor:
    """[B, 1, 1, h, w]: how much errors count, more around each mouth, one on average."""
    weight = torch.ones(cast.who.count, 1, 1, height // 8, width // 8, device=cast.sound.device)
    for place, (left, top, right, bottom) in enumerate(mouth_box(cast.who, width, height)):
        weight[place, ..., max(0, top // 8) : -(-bottom // 8), left // 8 : -(-right // 8)] = _MOUTH_WEIGHT
    return weight / weight.mean(dim=(-1, -2), keepdim=True)


def _repeated(still: Tensor, frames: int) -> Tensor:
    return still.unsqueeze(1).expand(-1, frames, -1, -1, -1)
