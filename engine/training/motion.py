"""How a face moves: mouth, lids, brows and head per video frame, all tensors [B, T]."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class Motion:
    """Mouth: `opening` 0..1, `width` -1 (round) .. 1 (wide), `teeth` and `tongue` 0..1. Lids: `blink` 0..1.

    `brow` -1..1 (up), `gaze` -1..1 (right), head: `right` and `down` in units of half the picture, `roll` in radians.
    """

    opening: Tensor
    width: Tensor
    teeth: Tensor
    tongue: Tensor
    blink: Tensor
    brow: Tensor
    gaze: Tensor
    right: Tensor
    down: Tensor
    roll: Tensor

    @classmethod
    def neutral(cls, count: int, frames: int, device: torch.device | str = "cpu") -> Motion:
        """Nobody moves, all mouths are shut: what a portrait shows."""
        still = torch.zeros(count, frames, device=device)
        return cls(**{f.name: still for f in fields(cls)})

    def frames(self, first: int, last: int) -> Motion:
        """Part of the time."""
        return Motion(**{f.name: getattr(self, f.name)[:, first:last] for f in fields(self)})

    def chosen(self, is_start: Tensor, before: int) -> Motion:
        """All but the last `before` frames where `is_start` [B] says so, all but the first elsewhere."""
        frames, first = self.opening.shape[1] - before, is_start.unsqueeze(1)
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return Motion(**{name: torch.where(first, x[:, :frames], x[:, before:]) for name, x in values.items()})

    def then(self, other: Motion) -> Motion:
        """This, and afterwards the other."""
        pairs = ((f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Motion(**{name: torch.cat([mine, theirs], dim=1) for name, mine, theirs in pairs})
