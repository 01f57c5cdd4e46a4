"""Clips as the transformer sees them: latents, speech features, prompts; kept for a while and used more than once.

A pool per picture format holds the newest clips; every step brings some new ones and draws its batch from the pool, so
drawing and encoding cost a part of a step only. Shapes: K blocks, h, w latent height and width, A feature width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from engine.catalog import BLOCK_FRAMES, BLOCK_LATENTS
from engine.model.config import MOTION_LATENTS
from engine.model.vae import VideoAutoencoder
from engine.training.clips import FORMATS, Cast, Casting, Formats, people_of
from engine.training.faces import mouth_box, portrait
from engine.training.pen import EVERY_CHOICE
from engine.training.precision import mixed_precision
from engine.training.recording import Recorder, Tensors
from engine.training.roles import Style
from engine.training.size import Scale
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

    def tensors(self) -> Tensors:
        """All but the prompts."""
        return {name: getattr(self, name) for name in _TENSORS}

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
        self._encode = Recorder(self._encoded, casting.device)

    @torch.no_grad()
    def make(self, number: int, count: int, blocks: int, width: int, height: int) -> Scenes:
        """Batch `number` of the endless crowd. A clip that does not begin its video has another moment before it."""
        frames, before = BLOCK_FRAMES * blocks, 2 * BLOCK_FRAMES
        cast = self.casting.draw(number, count, frames + before)
        inputs = {**cast.drawable(0, frames + before), "sound": cast.sound, "is_start": cast.is_start}
        made = {name: value.clone() for name, value in self._encode((width, height, before), inputs).items()}
        weight = mouth_weight(cast, width, height)
        return Scenes(**made, weight=weight, is_start=cast.is_start, prompts=cast.prompts)

    def _encoded(self, key: Hashable, cast: Tensors) -> Tensors:
        """`latents`, `motion`, `renewed` and `speech`: where a video begins its first frames are used, else later ones."""
        assert isinstance(key, tuple)
        width, height, before = key
        who, motion = people_of(cast)
        frames = motion.opening.shape[1] - before
        choices = None if who.size.device.type == "cpu" else EVERY_CHOICE
        shown = motion.frames(0, 4).then(motion.chosen(cast["is_start"], before))
        drawn = self.style.frames(who, shown, width, height, choices)
        begin, video = drawn[:, :4], drawn[:, 4:]
        still = portrait(who, width, height, choices) * 2 - 1
        heard = hear_batch(self.speech, cast["sound"], frames + before)
        speech = torch.where(cast["is_start"].view(-1, 1, 1, 1), heard[..., :frames], heard[..., before:])
        first = self.latents(torch.cat([_repeated(still, _LEAD_FRAMES), begin], dim=1))[:, :, -1:]
        return self._scene(video, still, first, speech, cast["is_start"])

    def _scene(self, video: Tensor, still: Tensor, first: Tensor, speech: Tensor, is_start: Tensor) -> Tensors:
        """From frames [B, 12K, 3, H, W], portraits [B, 3, H, W] and features [B, 25, A, 12K]."""
        latents = self.latents(torch.cat([_repeated(still, _LEAD_FRAMES), video], dim=1))[:, :, 1 + _LEAD_FRAMES // 4 :]
        calm = self.latents(_repeated(still, 1 + 4 * (_STILL_LATENTS - 1)))
        motion = torch.cat([calm, calm[:, :, -1:].expand(-1, -1, MOTION_LATENTS - _STILL_LATENTS, -1, -1)], dim=2)
        blocks = latents.shape[2] // BLOCK_LATENTS
        features = speech.unflatten(-1, (blocks, BLOCK_FRAMES)).permute(0, 3, 1, 2, 4).contiguous()
        renewed = torch.where(is_start.view(-1, 1, 1, 1, 1), latents[:, :, :1], first)
        return {"latents": latents, "motion": motion, "renewed": renewed, "speech": features}

    def latents(self, video: Tensor) -> Tensor:
        """Frames [B, 1 + 4n, 3, H, W] -> normalised latents [B, 16, 1 + n, h, w]."""
        with mixed_precision(video.device):
            pieces = [encode_batch(self.vae, part)[0] for part in video.split(8)]
        return normalised(self.vae, torch.cat(pieces))


class Pool:
    """Scenes of every format: `fresh` new ones every `uses` batches."""

    def __init__(self, maker: SceneMaker, scale: Scale, blocks: int, formats: Formats = FORMATS) -> None:
        self.maker, self.scale, self.blocks, self.formats = maker, scale, blocks, formats
        self._kept: dict[tuple[int, int], Scenes] = {}
        self._drawn: Counter[tuple[int, int]] = Counter()

    def batch(self, number: int, count: int) -> Scenes:
        """A batch for step `number`, all of one format."""
        width, height = self.maker.casting.format(number, self.formats, self.scale.largest)
        share = min(1.0, 192 * 128 * 1.5 / (width * height))
        count, fresh = max(1, int(count * share)), max(1, int(self.scale.fresh * share))
        kept = self._kept.get((width, height))
        if kept is None or self._drawn[width, height] % self.scale.uses == 0:
            made = self.maker.make(number, fresh, self.blocks, width, height)
            kept = made if kept is None else kept.then(made, self.scale.pool)
            self._kept[width, height] = kept
        self._drawn[width, height] += 1
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
