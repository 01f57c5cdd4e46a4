"""Hair, hat and beard: what lies behind the head, on it, and in the face."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.pen import Pen
from engine.training.sdf import box, cover, ellipse, glow, paint, shade, stroke

SHORT, PARTED, LONG, CURLY, BOB, TIED, BALD = range(7)


def draw_back_hair(pen: Pen, canvas: Tensor) -> Tensor:
    """Hair that hangs or stands behind head and shoulders."""
    head, px, wide = pen.head, pen.pixel, pen.of("face_width")
    long = torch.minimum(
        ellipse(head.at(0.0, -0.12), wide + 0.14, 0.66), box(head.at(0.0, 0.42), wide + 0.14, 0.56, 0.2)
    )
    bob = torch.minimum(
        ellipse(head.at(0.0, -0.14), wide + 0.12, 0.62), box(head.at(0.0, 0.16), wide + 0.13, 0.36, 0.16)
    )
    waves = 0.025 * torch.cos(torch.atan2(head.y + 0.2, head.x) * 13)
    curly = ellipse(head.at(0.0, -0.18), wide + 0.22, 0.66) + waves
    bun = ellipse(head.at(0.0, -0.68), 0.19, 0.14)
    for style, shape in ((LONG, long), (BOB, bob), (CURLY, curly), (TIED, bun)):
        if not pen.has("hair_style", style):
            continue
        mask = pen.is_one("hair_style", style) * cover(shape, px)
        canvas = paint(canvas, pen.colour("hair") * 0.74, mask)
    return shade(canvas, 0.8, pen.is_one("hair_style", TIED) * cover(bun.abs() - 0.012, px))


def draw_front_hair(pen: Pen, canvas: Tensor) -> Tensor:
    """Hair on the head, above a hairline that differs by style."""
    skull = pen.skull()
    head, px, line = pen.head, pen.pixel, pen.of("hairline")
    cap = skull - 0.05
    side = head.x * torch.sign(pen.of("light"))
    lines = {
        SHORT: head.y + 0.40 + line - 0.16 * (head.x / 0.4).square(),
        PARTED: head.y + 0.46 + line - 0.50 * (side + 0.14).clamp(min=0) - 0.7 * (-side - 0.14).clamp(min=0),
        LONG: head.y + 0.50 + line - 1.1 * head.x.abs().pow(1.5) - 0.25 * (head.x.abs() - 0.3).clamp(min=0),
        CURLY: head.y + 0.36 + line - 0.35 * head.x.square() + 0.022 * torch.cos(head.x * 34),
        BOB: head.y + 0.24 + line - 2.2 * (head.x.abs() - 0.28).clamp(min=0) + 0.012 * torch.cos(head.x * 40),
        TIED: head.y + 0.44 + line - 0.42 * head.x.abs(),
    }
    for style, edge in lines.items():
        if not pen.has("hair_style", style):
            continue
        grown = cap - (0.06 if style == CURLY else 0.02 if style in (PARTED, LONG) else 0.0)
        limit = head.y - (0.5 if style in (LONG, BOB) else -0.02)
        shape = torch.maximum(torch.maximum(grown, edge), limit)
        mask = pen.is_one("hair_style", style) * cover(shape, px)
        canvas = shade(canvas, 0.8, pen.is_one("hair_style", style) * 0.55 * glow(shape, 0.05) * cover(skull, px))
        canvas = paint(canvas, pen.colour("hair"), mask)
        canvas = _shine(pen, canvas, mask, skull)
    return canvas


def _shine(pen: Pen, canvas: Tensor, mask: Tensor, skull: Tensor) -> Tensor:
    """A light band over the crown, darker roots, a few strands."""
    head = pen.head
    band = glow((skull + 0.085).abs() - 0.012, 0.035) * glow(
        ellipse(head.at(-0.12 * torch.sign(pen.of("light")), -0.5), 0.26, 0.2), 0.15
    )
    canvas = shade(canvas, 1.2, mask * band)
    strands = torch.cos((head.x + 0.35 * head.y * torch.sign(pen.of("light"))) * 46).clamp(min=0).pow(6)
    return shade(canvas, 0.87, mask * strands * 0.55)


def draw_hat(pen: Pen, canvas: Tensor) -> Tensor:
    """A captain's cap: white crown, dark band with a golden badge, shining peak."""
    head, px, mine = pen.head, pen.pixel, pen.is_one("hat", 1)
    wide = pen.of("face_width")
    crown = ellipse(head.at(0.0, -0.62), wide + 0.17, 0.22)
    canvas = paint(canvas, pen.ink(0.96, 0.96, 0.94), mine * cover(crown, px))
    canvas = shade(canvas, 0.82, mine * cover(crown, px) * glow(-crown - 0.01, 0.07) * cover(-0.62 - head.y, px))
    band = box(head.bent(0.35).at(0.0, -0.52), wide + 0.045, 0.07, 0.02)
    canvas = paint(canvas, pen.ink(0.12, 0.16, 0.32), mine * cover(band, px))
    peak = torch.maximum(ellipse(head.at(0.0, -0.46), wide * 0.92, 0.12), -0.47 - head.y)
    canvas = paint(canvas, pen.ink(0.09, 0.10, 0.15), mine * cover(peak, px))
    canvas = shade(canvas, 1.4, mine * cover(stroke(head.bent(-0.3).at(-0.1, -0.395), 0.13, 0.012), px, 3))
    return paint(canvas, pen.ink(0.93, 0.76, 0.32), mine * cover(ellipse(head.at(0.0, -0.54), 0.07, 0.055), px))


def draw_beard(pen: Pen, canvas: Tensor) -> Tensor:
    """Stubble, full beard or moustache; the lips are drawn over it."""
    skull, mouth_y = pen.skull(), pen.mouth_y()
    head, px = pen.head, pen.pixel
    skin = cover(skull, px)
    cheek = 0.12 + 1.5 * (head.x.abs() - 0.3).clamp(min=0) * -1.0
    lower = torch.maximum(cheek - head.y, 0.105 - ellipse(head.at(0.0, mouth_y - 0.17), 0.15, 0.10))
    low = skin * cover(lower, px, 3)
    canvas = paint(canvas, pen.colour("hair") * 0.8, pen.is_one("beard", 1) * low * 0.26)
    edge = torch.maximum(lower, skull - 0.02)
    canvas = paint(canvas, pen.colour("hair") * 0.92, pen.is_one("beard", 2) * cover(edge, px, 2))
    strands = torch.cos(head.x * 60).clamp(min=0).pow(4)
    canvas = shade(canvas, 0.86, pen.is_one("beard", 2) * cover(edge, px, 2) * strands * 0.4)
    half = head.mirrored().at(0.075, mouth_y - 0.058).tilted(0.25).bent(1.2)
    lip = stroke(half, 0.07, 0.027)
    return paint(canvas, pen.colour("hair") * 0.92, (pen.is_one("beard", 2) + pen.is_one("beard", 3)) * cover(lip, px))
