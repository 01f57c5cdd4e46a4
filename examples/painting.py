"""A small canvas for flat, smooth shapes: outlines through points, plain or shaded colours, soft shadows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Point = tuple[float, float]
Colour = tuple[int, int, int]
_SAMPLES = 3  # each pixel is the mean of 3x3


def mixed(first: Colour, second: Colour, part: float) -> Colour:
    """`first` with this part (0 … 1) of `second`."""
    return tuple(round(a + (b - a) * part) for a, b in zip(first, second, strict=True))  # type: ignore[return-value]


def smooth(points: Sequence[Point], *, steps: int = 12, closed: bool = True) -> list[Point]:
    """A curve through all points (Catmull-Rom), `steps` pieces between neighbours."""
    given = np.asarray(points, float)
    count = len(given)
    ends = [given[-1:], given, given[:2]] if closed else [given[:1], given, given[-1:]]
    padded = np.concatenate(ends)
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    curve = []
    for i in range(count if closed else count - 1):
        a, b, c, d = padded[i : i + 4]
        curve.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return [(float(x), float(y)) for x, y in np.concatenate([*curve, given[-1:]] if not closed else curve)]


def mirrored(right: Sequence[Point], centre: float = 320) -> list[Point]:
    """The closed outline whose right half is given from top to bottom, as (distance from the centre, y)."""
    whole = [(centre + x, y) for x, y in right] + [(centre - x, y) for x, y in reversed(right) if x]
    return smooth(whole)


def ellipse(x: float, y: float, rx: float, ry: float) -> list[Point]:
    """Points of an ellipse about (x, y)."""
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    return list(zip((x + rx * np.cos(angle)).tolist(), (y + ry * np.sin(angle)).tolist(), strict=True))


class Canvas:
    """A picture in the making. Lengths are in pixels of the finished picture."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._pixels = np.zeros((height, width, 3), np.float64)

    def fill(self, top: Colour, bottom: Colour) -> None:
        """A colour that changes from top to bottom."""
        whole = _Box(0, 0, self.width, self.height)
        self._blend(whole, np.ones((self.height, self.width)), top, bottom, (0, self.height))

    def shape(
        self,
        outline: Sequence[Point],
        top: Colour,
        bottom: Colour | None = None,
        *,
        soft: float = 0,
        strength: float = 1,
        within: Sequence[Point] | None = None,
        without: Sequence[Point] | None = None,
    ) -> None:
        """A filled outline; `soft` blurs its edge, `strength` is its opacity.

        `within` keeps it to another outline, `without` leaves one open.
        """
        box = self._around(outline, soft)
        mask = box.polygon(outline, soft) * strength
        if within is not None:
            mask = mask * box.polygon(within)
        if without is not None:
            mask = mask * (1 - box.polygon(without))
        heights = [y for _, y in outline]
        self._blend(box, mask, top, bottom or top, (min(heights), max(heights)))

    def line(
        self, points: Sequence[Point], width: float, colour: Colour, *, soft: float = 0, strength: float = 1
    ) -> None:
        """A stroke with round ends."""
        box = self._around(points, soft, width)
        self._blend(box, box.stroke(points, width, soft) * strength, colour, colour, (0, 1))

    def ring(self, outer: Sequence[Point], inner: Sequence[Point], colour: Colour) -> None:
        """What lies between two outlines."""
        self.shape(outer, colour, without=inner)

    def image(self) -> Image.Image:
        """The picture, RGB."""
        return Image.fromarray(np.rint(np.clip(self._pixels, 0, 255)).astype(np.uint8))

    def _around(self, points: Sequence[Point], soft: float, width: float = 0) -> _Box:
        """The part of the canvas that these points can touch."""
        margin = 4 * soft + width + 2
        across, down = zip(*points, strict=True)
        left, top = max(int(min(across) - margin), 0), max(int(min(down) - margin), 0)
        right, bottom = int(max(across) + margin) + 1, int(max(down) + margin) + 1
        return _Box(left, top, max(min(right, self.width), left), max(min(bottom, self.height), top))

    def _blend(self, box: _Box, mask: np.ndarray, top: Colour, bottom: Colour, span: tuple[float, float]) -> None:
        rows = np.arange(box.top, box.bottom)
        place = np.clip((rows - span[0]) / max(span[1] - span[0], 1), 0, 1)[:, None, None]
        colour = np.asarray(top, float) + place * (np.asarray(bottom, float) - np.asarray(top, float))
        pixels = self._pixels[box.top : box.bottom, box.left : box.right]
        pixels += mask[:, :, None] * (colour - pixels)


@dataclass(frozen=True)
class _Box:
    """A part of the canvas. Its masks are float [H, W], 0 … 1."""

    left: int
    top: int
    right: int
    bottom: int

    def polygon(self, outline: Sequence[Point], soft: float = 0) -> np.ndarray:
        large, draw = self._sheet()
        draw.polygon(self._scaled(outline), fill=255)
        return self._reduced(large, soft)

    def stroke(self, points: Sequence[Point], width: float, soft: float) -> np.ndarray:
        large, draw = self._sheet()
        radius = width * _SAMPLES / 2
        draw.line(self._scaled(points), fill=255, width=round(width * _SAMPLES), joint="curve")
        for x, y in self._scaled(points):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
        return self._reduced(large, soft)

    def _sheet(self) -> tuple[Image.Image, ImageDraw.ImageDraw]:
        size = ((self.right - self.left) * _SAMPLES, (self.bottom - self.top) * _SAMPLES)
        large = Image.new("L", size)
        return large, ImageDraw.Draw(large)

    def _scaled(self, points: Sequence[Point]) -> list[Point]:
        return [((x - self.left) * _SAMPLES, (y - self.top) * _SAMPLES) for x, y in points]

    def _reduced(self, large: Image.Image, soft: float) -> np.ndarray:
        if not large.width or not large.height:
            return np.zeros((self.bottom - self.top, self.right - self.left))  # it lies beside the canvas
        small = large.reduce(_SAMPLES)
        if soft:
            small = small.filter(ImageFilter.GaussianBlur(soft))
        return np.asarray(small, np.float64) / 255
