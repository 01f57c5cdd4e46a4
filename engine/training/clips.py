"""Training clips without end: people, voices and the frames that belong together, made on the device as they are needed.

A batch is a function of (seed, number) alone: a stage that is resumed goes on with what it would have seen. Shapes: B
clips, T video frames, N samples, H, W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.catalog import FPS, SPEECH_RATE
from engine.training.espeak import unpack
from engine.training.faces import draw_faces, portrait
from engine.training.identity import Identity, draw_people
from engine.training.listening import motion_of
from engine.training.motion import Motion
from engine.training.recording import Tensors
from engine.training.voices import CONTROL_RATE, draw_script, speak

# Pictures (width, height) that are practised, with their share. Few: each is recorded anew, which takes seconds.
Formats = tuple[tuple[int, int, float], ...]
FORMATS: Formats = ((192, 128, 0.55), (128, 192, 0.15), (160, 160, 0.1), (384, 256, 0.2))
_SAMPLES_PER_FRAME = SPEECH_RATE // FPS
_TAIL_S = 0.12  # beyond the last frame, so that the speech encoder has heard all of it
_SPOKEN_SHARE = 0.35  # of clips that use recordings where there are any
_QUIET_SHARE = 0.06  # of clips in which nobody speaks
_STAR_SHARE = 0.5  # of clips, where there is a star
_FEW_SEED = 2026  # the same few people in every stage
_OTHER_PROMPTS = (
    "Explain the topic to everyone in a friendly tone", "a person speaking to the camera", "talking head, even light",
    "Present our new product with energy", "Answer the question in simple words", "",
)  # fmt: skip


@dataclass(frozen=True)
class Cast:
    """People with voices and the motion these cause: everything but the frames. `is_start` [B]: the video begins here."""

    who: Identity
    prompts: list[str]
    sound: Tensor  # [B, N]
    motion: Motion  # [B, T]
    is_start: Tensor

    def frames(self, first: int, last: int, width: int, height: int) -> Tensor:
        """Drawn frames [B, last - first, 3, H, W] in -1..1."""
        return draw_faces(self.who, self.motion.frames(first, last), width, height) * 2 - 1

    def drawable(self, first: int, last: int) -> Tensors:
        """People and part of their motion as plain tensors; `people_of` reads them."""
        motion = self.motion.frames(first, last)
        named = {f"who.{f.name}": getattr(self.who, f.name) for f in fields(Identity)}
        return {**named, **{f"motion.{f.name}": getattr(motion, f.name) for f in fields(Motion)}}

    def portraits(self, width: int, height: int) -> Tensor:
        """[B, 3, H, W] in -1..1."""
        return portrait(self.who, width, height) * 2 - 1


def people_of(tensors: Tensors) -> tuple[Identity, Motion]:
    """What `Cast.drawable` made plain."""
    who = Identity(**{f.name: tensors[f"who.{f.name}"] for f in fields(Identity)})
    return who, Motion(**{f.name: tensors[f"motion.{f.name}"] for f in fields(Motion)})


class Casting:
    """Draws batches. `recordings` are µ-law samples of spoken sentences, or None; `people` limits how many there are; `star`
    is the seed of one who comes in half of all clips."""

    def __init__(
        self, seed: int, device: torch.device | str, recordings: np.ndarray | None = None, people: int | None = None,
        star: int | None = None,
    ) -> None:  # fmt: skip
        self.seed, self.device, self.recordings = seed, torch.device(device), recordings
        self._few = None if people is None else draw_people(np.random.default_rng(_FEW_SEED), people)
        self._star = None if star is None else draw_people(np.random.default_rng(star), 1)

    def rng(self, number: int, purpose: int = 0) -> np.random.Generator:
        """The generator of batch `number`."""
        return np.random.default_rng([self.seed, number, purpose])

    def draw(self, number: int, count: int, frames: int, start_share: float = 0.5) -> Cast:
        """Batch `number`: `count` people for `frames` video frames."""
        rng = self.rng(number)
        people = (
            draw_people(rng, count)
            if self._few is None
            else self._few.take(rng.integers(0, len(self._few.prompts), count))
        )
        if self._star is not None:
            is_star = rng.random(count) < _STAR_SHARE
            people = people.then(self._star).take(np.where(is_star, count, np.arange(count)))
        who = people.identity.to(self.device)
        sound = self.sounds(rng, count, frames)
        idle = torch.from_numpy(rng.random((count, 6), dtype=np.float32)).to(self.device)
        is_start = torch.from_numpy(rng.random(count) < start_share).to(self.device)
        motion = motion_of(sound, frames, energy=who.energy, idle=idle, is_start=is_start)
        prompts = [prompt if rng.random() < 0.7 else str(rng.choice(_OTHER_PROMPTS)) for prompt in people.prompts]
        return Cast(who, prompts, sound, motion, is_start)

    def sounds(self, rng: np.random.Generator, count: int, frames: int) -> Tensor:
        """Voices [count, N] for so many video frames: formulas, recordings, silence."""
        samples = frames * _SAMPLES_PER_FRAME + round(_TAIL_S * SPEECH_RATE)
        seconds = samples / SPEECH_RATE + 1 / CONTROL_RATE
        scripts = np.stack([draw_script(rng, seconds) for _ in range(count)])
        noise = torch.Generator(self.device).manual_seed(int(rng.integers(2**62)))
        sound = speak(torch.from_numpy(scripts).to(self.device), noise).sound[:, :samples]
        sound = F.pad(sound, (0, samples - sound.shape[1]))
        kind = rng.random(count)
        for place in range(count):
            if kind[place] < _QUIET_SHARE:
                sound[place] = _still(rng, samples, sound.device)
            elif self.recordings is not None and kind[place] < _QUIET_SHARE + _SPOKEN_SHARE:
                first = int(rng.integers(0, len(self.recordings) - samples))
                sound[place] = torch.from_numpy(unpack(self.recordings[first : first + samples])).to(sound.device)
        return sound

    def format(self, number: int, formats: Formats = FORMATS, largest: int = 384) -> tuple[int, int]:
        """(width, height) of batch `number`, no side beyond `largest`."""
        allowed = [(w, h, share) for w, h, share in formats if max(w, h) <= largest] or [(64, 64, 1.0)]
        shares = np.array([share for _, _, share in allowed])
        chosen = self.rng(number, 1).choice(len(allowed), p=shares / shares.sum())
        return allowed[chosen][0], allowed[chosen][1]


def _still(rng: np.random.Generator, samples: int, device: torch.device) -> Tensor:
    """Nothing at all, or the hiss of a quiet room."""
    if rng.random() < 0.5:
        return torch.zeros(samples, device=device)
    return torch.from_numpy(rng.normal(0, 10 ** rng.uniform(-4, -2.6), samples).astype(np.float32)).to(device)
