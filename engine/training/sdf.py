"""Drawing with signed distances: shapes as formulas, edges smoothed over one pixel, layers painted over each other.

Coordinates: x to the right, y down, the shorter side of the picture runs from -1 to 1. A distance is negative inside a
shape. Everything broadcasts: planes are [B, T, H, W] (videos, frames, rows, columns), parameters [B, 1, 1, 1] or
[B, T, 1, 1], colours [B, 1 or T, 3, 1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor


@dataclass(frozen=True)
class Plane:
    """Where every pixel lies: `x`, `y`, broadcastable to [B, T, H, W]; `pixel` is the width of one."""

    x: Tensor
    y: Tensor
    pixel: float

    @classmethod
    def of_picture(cls, width: int, height: int, device: torch.device | str) -> Plane:
        """The whole picture, [1, 1, H, W]."""
        pixel = 2.0 / min(width, height)
        x = (torch.arange(width, device=device) + 0.5 - width / 2) * pixel
        y = (torch.arange(height, device=device) + 0.5 - height / 2) * pixel
        return cls(x.view(1, 1, 1, -1), y.view(1, 1, -1, 1), pixel)

    def moved(self, dx: Tensor, dy: Tensor, roll: Tensor, size: Tensor | float = 1.0) -> Plane:
        """The plane as something sees it that was turned by `roll` (radians), enlarged by `size`, moved by dx, dy."""
        x, y = (self.x - dx) / size, (self.y - dy) / size
        cos, sin = roll.cos(), roll.sin()
        return Plane(x * cos + y * sin, y * cos - x * sin, self.pixel)

    def at(self, x: Tensor | float, y: Tensor | float) -> Plane:
        """The plane with its origin moved to (x, y)."""
        return Plane(self.x - x, self.y - y, self.pixel)

    def mirrored(self) -> Plane:
        """Left and right alike: x is a distance from the middle."""
        return Plane(self.x.abs(), self.y, self.pixel)

    def tilted(self, angle: Tensor | float) -> Plane:
        """The plane turned by `angle` about its origin."""
        if not isinstance(angle, Tensor):
            angle = torch.full((), angle, dtype=self.x.dtype, device=self.x.device)
        return self.moved(torch.zeros_like(angle), torch.zeros_like(angle), angle)

    def bent(self, bend: Tensor | float) -> Plane:
        """Straight lines become parabolas: y - bend * x²."""
        return Plane(self.x, self.y - bend * self.x.square(), self.pixel)


@lru_cache(maxsize=256)
def colour(values: tuple[float, float, float], device: torch.device) -> Tensor:
    """A fixed colour [3], kept on the device: copying it over each time would wait for everything before it."""
    return torch.tensor(values, device=device)


def ellipse(at: Plane, rx: Tensor | float, ry: Tensor | float) -> Tensor:
    """Distance to an ellipse about the origin, exact near its edge to first order."""
    u, v = at.x / rx, at.y / ry
    radius = (u.square() + v.square() + 1e-8).sqrt()
    slope = ((u / rx).square() + (v / ry).square() + 1e-8).sqrt()
    return radius * (radius - 1.0) / slope


def box(at: Plane, rx: Tensor | float, ry: Tensor | float, corner: Tensor | float = 0.0) -> Tensor:
    """Distance to a rectangle with half sides rx, ry and round corners."""
    dx, dy = at.x.abs() - rx + corner, at.y.abs() - ry + corner
    outside = (dx.clamp(min=0).square() + dy.clamp(min=0).square()).sqrt()
    return outside + torch.maximum(dx, dy).clamp(max=0) - corner


def stroke(at: Plane, half: Tensor | float, thickness: Tensor | float) -> Tensor:
    """Distance to a horizontal line of half length `half` with round ends."""
    dx = (at.x.abs() - half).clamp(min=0)
    return (dx.square() + at.y.square()).sqrt() - thickness


def lens(at: Plane, half: Tensor | float, above: Tensor | float, below: Tensor | float, bend: Tensor | float) -> Tensor:
    """Distance, roughly, to the shape between two parabolas that meet at x = ±half: lips, eyes.

    `above` and `below` are its heights in the middle, `bend` lowers the corners (negative: lifts them).
    """
    u2 = (at.x / half).square()
    middle = bend * (u2 - 0.4)
    arch = (1.0 - u2).clamp(min=-0.5)
    upper, lower = middle - above * arch, middle + below * arch
    return torch.maximum(torch.maximum(upper - at.y, at.y - lower), (at.x.abs() - half) * 0.5)


def cover(distance: Tensor, pixel: float, soft: float = 1.0) -> Tensor:
    """How much of each pixel a shape covers, 0 to 1; `soft` widens the edge to so many pixels."""
    return (0.5 - distance / (pixel * soft)).clamp(0.0, 1.0)


def glow(distance: Tensor, reach: Tensor | float) -> Tensor:
    """A soft shape: 1 inside, falling smoothly to 0 at `reach` outside."""
    t = (1.0 - distance / reach).clamp(0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def paint(canvas: Tensor, colour: Tensor, alpha: Tensor) -> Tensor:
    """Canvas [B, T, 3, H, W] with a colour laid over it where `alpha` [B, T, H, W] says so."""
    return torch.lerp(canvas, colour.expand_as(canvas), alpha.unsqueeze(2).expand_as(canvas))


def shade(canvas: Tensor, factor: float, alpha: Tensor) -> Tensor:
    """Canvas darkened (factor below 1) or lightened towards white (above 1)."""
    amount = alpha.unsqueeze(2)
    if factor <= 1.0:
        return canvas * (1.0 - (1.0 - factor) * amount)
    return canvas + (1.0 - canvas) * (factor - 1.0) * amount
