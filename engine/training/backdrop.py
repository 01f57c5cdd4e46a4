"""What stands still in a drawing: scene and clothes. Drawn once per video."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.pen import Pen
from engine.training.sdf import box, cover, ellipse, glow, paint, shade, stroke

_BOOKS = ((0.70, 0.36, 0.30), (0.30, 0.44, 0.58), (0.86, 0.72, 0.42), (0.40, 0.56, 0.44), (0.58, 0.44, 0.60))


def draw_scene(pen: Pen) -> Tensor:
    """The scene behind each person, [B, 1, 3, H, W]."""
    page = pen.page
    wash = 1.06 - 0.12 * (page.y * 0.5 + 0.5) + 0.05 * pen.of("light") * page.x
    canvas = (pen.colour("backdrop") * wash.unsqueeze(2)).clamp(0, 1)
    for number, scene in enumerate((_room, _office, _classroom, _garden, _studio, _window)):
        if pen.has("scene", number):
            canvas = scene(pen, canvas)
    far = glow(ellipse(page.at(0.0, -0.1), 1.0, 1.0), 1.2)
    return shade(canvas, 0.86, (1.0 - far).expand(canvas.shape[0], -1, -1, -1))


def _room(pen: Pen, canvas: Tensor) -> Tensor:
    """A wall with a picture and a skirting of lighter paint."""
    mine, page, px = pen.is_one("scene", 0), pen.page, pen.pixel
    canvas = shade(canvas, 1.25, mine * cover(box(page.at(-1.02, -0.42), 0.26, 0.34, 0.02), px))
    canvas = shade(canvas, 0.86, mine * cover(box(page.at(-1.02, -0.42), 0.21, 0.29), px))
    canvas = shade(canvas, 1.5, mine * cover(ellipse(page.at(-0.98, -0.5), 0.09, 0.09), px))
    return shade(canvas, 0.93, (mine * cover(0.42 - page.y, px)).expand(*canvas.shape[:2], *canvas.shape[3:]))


def _office(pen: Pen, canvas: Tensor) -> Tensor:
    """Shelves with books on both sides."""
    mine, page, px = pen.is_one("scene", 1), pen.page, pen.pixel
    sides = page.mirrored()
    for row, top in enumerate((-0.62, 0.02, 0.66)):
        canvas = shade(canvas, 0.82, mine * cover(box(sides.at(1.05, top - 0.2), 0.36, 0.22, 0.01), px))
        for number in range(6):
            tall = 0.12 + 0.045 * ((number * 7 + row * 3) % 3)
            spine = box(sides.at(0.76 + 0.1 * number, top - tall), 0.038, tall, 0.008)
            canvas = paint(canvas, pen.ink(*_BOOKS[(number * 2 + row) % len(_BOOKS)]), 0.72 * mine * cover(spine, px))
        canvas = shade(canvas, 0.62, mine * cover(box(sides.at(1.05, top + 0.025), 0.38, 0.025), px))
    return canvas


def _classroom(pen: Pen, canvas: Tensor) -> Tensor:
    """A board in a wooden frame, with chalk."""
    mine, page, px = pen.is_one("scene", 2), pen.page, pen.pixel
    board = box(page.at(0.0, -0.28), 1.36, 0.62, 0.02)
    canvas = paint(canvas, pen.ink(0.86, 0.80, 0.68), mine * cover(-board, px))
    canvas = paint(canvas, pen.ink(0.62, 0.44, 0.28), mine * cover(board.abs() - 0.025, px))
    for x, y, half, tilt in (
        (-1.0, -0.6, 0.2, 0.0),
        (-1.04, -0.45, 0.14, 0.1),
        (1.0, -0.62, 0.16, -0.1),
        (1.02, -0.3, 0.2, 0.0),
    ):
        canvas = shade(canvas, 1.55, 0.7 * mine * cover(stroke(page.at(x, y).tilted(tilt), half, 0.008), px, 2))
    return shade(canvas, 1.55, 0.7 * mine * cover(ellipse(page.at(-1.0, -0.16), 0.14, 0.14).abs() - 0.008, px, 2))


def _garden(pen: Pen, canvas: Tensor) -> Tensor:
    """Sky, a hill and round bushes, out of focus."""
    mine, page, px = pen.is_one("scene", 3), pen.page, pen.pixel
    sky = glow(page.y + 0.1, 0.7)
    canvas = torch.lerp(
        canvas, pen.ink(0.74, 0.87, 0.96).expand_as(canvas), (mine * sky).unsqueeze(2).expand_as(canvas)
    )
    canvas = paint(canvas, pen.ink(0.56, 0.74, 0.48), mine * cover(ellipse(page.at(0.5, 1.1), 2.0, 0.95), px, 5))
    for x, y, r in ((-1.1, 0.15, 0.42), (1.05, 0.0, 0.36), (-0.7, 0.42, 0.25), (1.4, 0.3, 0.4)):
        canvas = paint(canvas, pen.ink(0.40, 0.60, 0.40), 0.85 * mine * cover(ellipse(page.at(x, y), r, r), px, 7))
        canvas = shade(
            canvas, 1.2, 0.5 * mine * cover(ellipse(page.at(x - r * 0.2, y - r * 0.25), r * 0.5, r * 0.5), px, 9)
        )
    return canvas


def _studio(pen: Pen, canvas: Tensor) -> Tensor:
    """Dark, with lights far away."""
    mine, page, px = pen.is_one("scene", 4), pen.page, pen.pixel
    canvas = shade(canvas, 1.35, mine * glow(ellipse(page.at(0.0, -0.1), 0.75, 0.75), 0.8))
    for x, y, r in (
        (-1.1, -0.55, 0.13),
        (-0.78, 0.1, 0.08),
        (1.0, -0.3, 0.15),
        (1.25, 0.35, 0.1),
        (0.8, -0.75, 0.07),
        (-1.3, 0.3, 0.1),
    ):
        canvas = shade(canvas, 1.35, mine * cover(ellipse(page.at(x, y), r, r), px, 4))
    return canvas


def _window(pen: Pen, canvas: Tensor) -> Tensor:
    """A window with crossbars on one side, a plant on the other."""
    mine, page, px = pen.is_one("scene", 5), pen.page, pen.pixel
    pane = box(page.at(-0.95, -0.3), 0.42, 0.6, 0.02)
    canvas = paint(canvas, pen.ink(0.66, 0.84, 0.95), mine * cover(pane, px))
    canvas = shade(canvas, 1.5, mine * cover(pane, px) * glow(ellipse(page.at(-1.05, 0.05), 0.3, 0.12), 0.2))
    bars = torch.minimum(
        pane.abs() - 0.022, torch.maximum(torch.minimum((page.x + 0.95).abs(), (page.y + 0.3).abs()) - 0.014, pane)
    )
    canvas = paint(canvas, pen.ink(0.97, 0.97, 0.95), mine * cover(bars, px))
    for tilt, length in ((-0.9, 0.26), (-0.45, 0.34), (0.0, 0.38), (0.45, 0.34), (0.9, 0.26)):
        leaf = ellipse(page.at(1.02, 0.42).tilted(tilt).at(0.0, -length), 0.07, length)
        canvas = paint(canvas, pen.ink(0.36, 0.58, 0.42), mine * cover(leaf, px))
        canvas = shade(
            canvas,
            0.85,
            mine
            * cover(stroke(page.at(1.02, 0.42).tilted(tilt + torch.pi / 2).at(-length, 0), length * 0.8, 0.006), px),
        )
    return paint(canvas, pen.ink(0.78, 0.48, 0.36), mine * cover(box(page.at(1.02, 0.66), 0.15, 0.26, 0.04), px))


def draw_body(pen: Pen, canvas: Tensor) -> Tensor:
    """Shoulders and clothes over a canvas; the neck belongs to the head."""
    page, px = pen.page, pen.pixel
    width = pen.of("shoulders")
    trunk = torch.minimum(ellipse(page.at(0.0, 1.27), width, 0.6), box(page.at(0.0, 1.8), width, 0.6, 0.1))
    body = cover(trunk, px)
    canvas = paint(canvas, pen.colour("cloth"), body)
    canvas = shade(canvas, 0.82, body * glow(-trunk - 0.02, 0.16) * 0.5)
    side = (page.x * pen.of("light") * -1.0 + 0.1).clamp(0, 1)
    canvas = shade(canvas, 0.8, body * side)
    canvas = shade(
        canvas, 0.8, body * cover(stroke(page.mirrored().at(width * 0.72, 1.15).tilted(1.35), 0.25, 0.006), px, 2)
    )
    canvas = _collar(pen, canvas, body)
    return _lapels(pen, canvas, body)


def _collar(pen: Pen, canvas: Tensor, body: Tensor) -> Tensor:
    """Neckline of a sweater, cords of a hoodie."""
    page, px = pen.page, pen.pixel
    sweater, hoodie = pen.is_one("garment", 0), pen.is_one("garment", 3)
    ring = ellipse(page.at(0.0, 0.70), 0.27, 0.15)
    canvas = shade(canvas, 0.78, sweater * body * cover(ring.abs() - 0.032, px))
    canvas = shade(canvas, 0.9, sweater * body * cover((ring - 0.075).abs() - 0.006, px))
    hood = ellipse(page.at(0.0, 0.72), 0.46, 0.2)
    canvas = shade(canvas, 0.84, hoodie * body * cover(hood, px))
    canvas = shade(canvas, 0.68, hoodie * body * cover(hood.abs() - 0.012, px))
    cord = stroke(page.mirrored().at(0.12, 0.97).tilted(1.5), 0.14, 0.013)
    return paint(canvas, pen.colour("under"), hoodie * cover(cord, px))


def _lapels(pen: Pen, canvas: Tensor, body: Tensor) -> Tensor:
    """Shirt collar, buttons; jacket with tie."""
    page, px = pen.page, pen.pixel
    both, shirt, suit = page.mirrored(), pen.is_one("garment", 1), pen.is_one("garment", 2)
    opening = torch.maximum(both.x - (1.12 - page.y) * 0.42, 0.6 - page.y)
    canvas = paint(canvas, pen.colour("under"), suit * body * cover(opening, px))
    knot = box(page.at(0.0, 0.80), 0.055, 0.05, 0.02)
    tie = torch.maximum(both.x - 0.035 - (page.y - 0.8) * 0.12, 0.78 - page.y)
    tie_colour = pen.colour("cloth").flip(2) * 0.8
    canvas = paint(canvas, tie_colour, suit * body * cover(torch.maximum(torch.minimum(knot, tie), opening), px))
    lapel = torch.maximum(opening.abs() - 0.07, 0.6 - page.y)
    canvas = shade(canvas, 0.72, suit * body * cover(torch.maximum(lapel, -opening), px))
    wing = both.at(0.14, 0.80).tilted(-0.75)
    canvas = paint(canvas, pen.colour("under"), suit * cover(box(wing, 0.13, 0.055, 0.015), px))
    canvas = shade(canvas, 1.2, shirt * cover(box(wing, 0.15, 0.065, 0.015), px))
    canvas = shade(canvas, 0.75, shirt * cover(box(wing, 0.15, 0.065, 0.015).abs() - 0.006, px))
    canvas = shade(canvas, 0.78, shirt * body * cover(both.x - 0.008, px) * cover(0.84 - page.y, px))
    for y in (0.97, 1.12, 1.3):
        canvas = paint(
            canvas, pen.ink(0.95, 0.95, 0.92), shirt * body * cover(ellipse(page.at(0.03, y), 0.016, 0.016), px)
        )
    return canvas
