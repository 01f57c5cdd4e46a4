"""Four people who do not exist: frontal, evenly lit, mouth closed, looking into the camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from painting import Canvas, Colour, Point, ellipse, mirrored, mixed, smooth
from PIL import Image

WIDTH, HEIGHT = 640, 960
DARK, WHITE = (38, 28, 30), (252, 250, 246)


@dataclass(frozen=True, kw_only=True)
class Look:
    """How one person looks."""

    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    jaw: float  # half the width of the face at the mouth's height
    brow_width: float
    background: Callable[[Canvas], None]
    hair_behind: Callable[[Canvas, Colour], None]
    hair_before: Callable[[Canvas, Colour], None]
    clothes: Callable[[Canvas], None]
    extras: Callable[[Canvas], None] | None = None


def draw(look: Look) -> Image.Image:
    """The portrait, 640x960 RGB."""
    canvas = Canvas(WIDTH, HEIGHT)
    look.background(canvas)
    look.hair_behind(canvas, look.hair)
    _neck(canvas, look)
    look.clothes(canvas)
    _head(canvas, look)
    _eyes(canvas, look)
    _nose(canvas, look)
    _mouth(canvas, look)
    look.hair_before(canvas, look.hair)
    if look.extras:
        look.extras(canvas)
    return canvas.image()


def _shade(colour: Colour, part: float = 0.3) -> Colour:
    return mixed(colour, (92, 40, 40), part)


def _neck(canvas: Canvas, look: Look) -> None:
    neck = mirrored([(0, 560), (76, 570), (78, 690), (92, 735), (100, 790), (0, 830)])
    canvas.shape(neck, look.skin, mixed(look.skin, _shade(look.skin), 0.3))
    chin_shadow = mirrored([(0, 590), (80, 590), (82, 640), (44, 688), (0, 700)])
    canvas.shape(chin_shadow, _shade(look.skin, 0.42), soft=9, strength=0.7, within=neck)


def _head(canvas: Canvas, look: Look) -> list[Point]:
    for side in (-1, 1):
        ear = ellipse(320 + side * 158, 440, 24, 44)
        canvas.shape(ear, look.skin, _shade(look.skin, 0.2))
        canvas.shape(ellipse(320 + side * 160, 442, 10, 25), _shade(look.skin, 0.35), soft=4, strength=0.7)
    face = mirrored([(0, 205), (84, 222), (140, 290), (158, 390), (150, 480), (look.jaw, 555), (62, 618), (0, 636)])
    canvas.shape(face, mixed(look.skin, WHITE, 0.12), mixed(look.skin, _shade(look.skin), 0.22))
    for side in (-1, 1):
        edge = ellipse(320 + side * 182, 470, 42, 210)
        canvas.shape(edge, _shade(look.skin, 0.3), soft=16, strength=0.42, within=face)
        cheek = ellipse(320 + side * 92, 500, 36, 25)
        canvas.shape(cheek, mixed(look.skin, (226, 92, 84), 0.42), soft=15, strength=0.5, within=face)
    return face


def _eyes(canvas: Canvas, look: Look) -> None:
    for side in (-1, 1):
        x, y = 320 + side * 70, 420
        socket = ellipse(x, y - 8, 46, 28)
        canvas.shape(socket, _shade(look.skin, 0.24), soft=10, strength=0.55)
        upper = [(x - 37, y + 5), (x - 22, y - 13), (x, y - 19), (x + 22, y - 13), (x + 37, y + 5)]
        eye = smooth([*upper, (x + 20, y + 15), (x, y + 18), (x - 20, y + 15)])
        canvas.shape(eye, (226, 222, 220), WHITE)
        canvas.shape(ellipse(x, y - 1, 18.5, 18.5), mixed(look.iris, DARK, 0.5), within=eye)
        canvas.shape(ellipse(x, y, 16.5, 16.5), mixed(look.iris, DARK, 0.25), mixed(look.iris, WHITE, 0.22), within=eye)
        canvas.shape(ellipse(x, y - 1, 8, 8), (20, 16, 18), within=eye)
        canvas.shape(ellipse(x - 6, y - 8, 4.4, 4.4), WHITE)
        canvas.shape(ellipse(x + 6, y + 6, 2, 2), WHITE, strength=0.7)
        canvas.line(smooth(upper, closed=False), 5.5, mixed(look.hair, DARK, 0.75))
        crease = [(px, py - 12) for px, py in upper]
        canvas.line(smooth(crease, closed=False)[6:-6], 2.4, _shade(look.skin, 0.5), soft=0.8, strength=0.7)
        under = smooth([(x - 28, y + 15), (x, y + 22), (x + 28, y + 15)], closed=False)
        canvas.line(under, 2, _shade(look.skin, 0.45), soft=1, strength=0.5)
        _brow(canvas, look, x, side)


def _brow(canvas: Canvas, look: Look, x: float, side: int) -> None:
    w = look.brow_width
    inner, middle, outer = x - side * 44, x + side * 8, x + side * 50
    top = [(inner, 368 - w / 3), (middle, 356 - w / 2), (outer, 373)]
    bottom = [(middle, 358 + w / 2), (inner, 369 + w / 2)]
    brow = smooth([*top, *bottom], steps=10)
    canvas.shape(brow, mixed(look.hair, DARK, 0.3), soft=1.2, strength=0.92)


def _nose(canvas: Canvas, look: Look) -> None:
    dark = _shade(look.skin, 0.38)
    for side in (-1, 1):
        bridge = smooth([(320 + side * 22, 398), (320 + side * 15, 440), (320 + side * 24, 486)], closed=False)
        canvas.line(bridge, 8, dark, soft=7, strength=0.34)
        canvas.shape(ellipse(320 + side * 25, 499, 15, 12), dark, soft=5, strength=0.4)
        canvas.shape(ellipse(320 + side * 13, 507, 7, 3.6), mixed(dark, DARK, 0.45), soft=1.2, strength=0.85)
    canvas.shape(ellipse(320, 490, 11, 17), mixed(look.skin, WHITE, 0.5), soft=7, strength=0.55)
    canvas.shape(ellipse(320, 518, 24, 5), dark, soft=5, strength=0.5)


def _mouth(canvas: Canvas, look: Look) -> None:
    upper = smooth(
        [
            (260, 551),
            (296, 548),
            (312, 545),
            (320, 549),
            (328, 545),
            (344, 548),
            (380, 551),
            (350, 563),
            (320, 567),
            (290, 563),
        ]
    )
    lower = smooth([(264, 553), (290, 563), (320, 567), (350, 563), (376, 553), (350, 582), (320, 589), (290, 582)])
    canvas.shape(lower, look.lips, mixed(look.lips, WHITE, 0.14))
    canvas.shape(upper, mixed(look.lips, DARK, 0.2), mixed(look.lips, DARK, 0.08))
    line = smooth([(255, 547), (288, 562), (320, 567), (352, 562), (385, 547)], closed=False)
    canvas.line(line, 3, mixed(look.lips, DARK, 0.62))
    canvas.shape(ellipse(320, 577, 20, 4), WHITE, soft=4, strength=0.3)
    canvas.shape(ellipse(320, 604, 34, 6), _shade(look.skin, 0.4), soft=6, strength=0.5)
    for side in (-1, 1):
        canvas.shape(ellipse(320 + side * 69, 548, 5, 8), _shade(look.skin, 0.4), soft=4, strength=0.5)
