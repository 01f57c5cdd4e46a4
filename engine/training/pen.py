"""What every part of a drawing needs: where pixels lie, who is drawn, how they move."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.training.identity import Identity
from engine.training.motion import Motion
from engine.training.sdf import Plane, colour

CHOICES = ("hair_style", "garment", "glasses", "beard", "scene", "hat")
Choices = dict[str, frozenset[int]]
EVERY_CHOICE: Choices = {name: frozenset(range(8)) for name in CHOICES}  # for drawings that may not ask who is there


@dataclass(frozen=True)
class Pen:
    """`page` is the picture's plane, `head` the same as the head sees it (both half-side units)."""

    page: Plane
    head: Plane
    who: Identity
    motion: Motion
    choices: Choices  # which of a field's choices occur: what nobody has is not drawn
    rows: slice
    columns: slice

    @classmethod
    def begin(
        cls, who: Identity, motion: Motion, width: int, height: int, choices: Choices | None = None,
        window: tuple[float, float, float] | None = None,
    ) -> Pen:  # fmt: skip
        """A pen for frames of `width` x `height` pixels, or for a window of them: half its width, its top, its bottom."""
        page = Plane.of_picture(width, height, who.size.device)
        rows, columns = slice(0, height), slice(0, width)
        if window is not None:
            half, top, bottom = (side / page.pixel for side in window)
            lift = 0.0 if width >= height else 0.12 * (height / width - 1.0) / page.pixel
            columns = slice(max(0, int(width / 2 - half)), min(width, int(width / 2 + half) + 1))
            rows = slice(max(0, int(height / 2 + lift + top)), min(height, int(height / 2 + lift + bottom) + 1))
            page = Plane(page.x[..., columns], page.y[..., rows, :], page.pixel)
        size = who.size.view(-1, 1, 1, 1)
        drop = 0.0 if width >= height else 0.12 * (height / width - 1.0)
        # The head turns about the neck: what lies higher moves further.
        right, down, roll = (x[..., None, None] for x in (motion.right, motion.down, motion.roll))
        pivot = 0.5
        dx = right - pivot * roll.sin() * -1.0
        dy = down - 0.05 + drop + pivot * (1.0 - roll.cos())
        head = page.moved(dx, dy, roll, size)
        seen = choices if choices is not None else {
            name: frozenset(int(x) for x in getattr(who, name).tolist()) for name in CHOICES
        }  # fmt: skip
        return cls(page.at(0.0, drop), head, who, motion, seen, rows, columns)

    def has(self, name: str, *choices: int) -> bool:
        """Somebody has one of these choices."""
        return not self.choices[name].isdisjoint(choices)

    def skull(self) -> Tensor:
        """Distance to the face's outline; the chin follows the jaw when the mouth opens."""
        head = self.head
        lower = head.y.clamp(min=0.0)
        drop = 0.055 * self.now("opening")
        chin = self.of("face_height") * (1.0 + drop * (head.y > 0).to(drop.dtype))
        narrow = 1.0 - self.of("jaw") * (lower / 0.6).square().clamp(max=1.1)
        u, v = (head.x / narrow / self.of("face_width")).abs(), (head.y / chin).abs()
        radius = (u.pow(2.25) + v.pow(2.25) + 1e-8).pow(1 / 2.25)
        return (radius - 1.0) * self.of("face_width")

    def mouth_y(self) -> Tensor:
        """Where the mouth is below the head's middle."""
        return self.of("mouth_height") + 0.012 * self.now("opening")

    def of(self, name: str) -> Tensor:
        """A number of each person, [B, 1, 1, 1]."""
        value: Tensor = getattr(self.who, name)
        return value.view(-1, 1, 1, 1)

    def colour(self, name: str) -> Tensor:
        """A colour of each person, [B, 1, 3, 1, 1]."""
        value: Tensor = getattr(self.who, name)
        return value.view(-1, 1, 3, 1, 1)

    def now(self, name: str) -> Tensor:
        """A movement, [B, T, 1, 1]."""
        value: Tensor = getattr(self.motion, name)
        return value[..., None, None]

    def is_one(self, name: str, *choices: int) -> Tensor:
        """1 where a person's choice is one of these, else 0; [B, 1, 1, 1]."""
        value = self.of(name)
        return torch.stack([value == choice for choice in choices]).any(0).to(value.dtype)

    def ink(self, red: float, green: float, blue: float) -> Tensor:
        """A fixed colour, [1, 1, 3, 1, 1]."""
        return colour((red, green, blue), self.who.size.device).view(1, 1, 3, 1, 1)

    @property
    def pixel(self) -> float:
        """Width of a pixel."""
        return self.page.pixel
