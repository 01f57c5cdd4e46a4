"""Eyes, brows, nose, mouth, glasses: what moves in a face."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.pen import Pen
from engine.training.sdf import Plane, box, cover, ellipse, glow, lens, paint, shade, stroke


def draw_eyes(pen: Pen, canvas: Tensor) -> Tensor:
    """Both eyes with lids, and the brows."""
    for side in (-1.0, 1.0):
        head = pen.head.at(side * pen.of("eye_gap"), pen.of("eye_height"))
        canvas = _eye(pen, canvas, Plane(head.x * side, head.y, head.pixel), side)
        canvas = _brow(pen, canvas, Plane(head.x * side, head.y, head.pixel))
    return canvas


def _eye(pen: Pen, canvas: Tensor, at: Plane, side: float) -> Tensor:
    px, size = pen.pixel, pen.of("eye_size")
    smile = pen.of("mood").clamp(0, 1)
    awake = 1.0 - pen.now("blink")
    half, above, below = 0.088 * size, (0.052 - 0.006 * smile) * size, (0.032 - 0.006 * smile) * size
    open_shape = lens(at, half, above * awake - below * 0.6 * (1.0 - awake), below, 0.0)
    socket = lens(at, half, above, below, 0.0)
    canvas = shade(canvas, 0.86, 0.5 * glow(socket, 0.05))
    canvas = paint(canvas, pen.colour("skin") * 0.93, cover(socket, px))
    white = cover(open_shape, px)
    canvas = paint(canvas, pen.ink(0.97, 0.97, 0.96), white)
    iris = at.at((0.022 * side) * pen.now("gaze"), -0.004)
    canvas = paint(canvas, pen.colour("eye") * 0.62, white * cover(ellipse(iris, 0.047 * size, 0.047 * size), px))
    canvas = paint(
        canvas, pen.colour("eye") * 1.1, white * cover(ellipse(iris.at(0, 0.006), 0.036 * size, 0.036 * size), px)
    )
    canvas = paint(canvas, pen.ink(0.05, 0.05, 0.07), white * cover(ellipse(iris, 0.021 * size, 0.021 * size), px))
    canvas = shade(canvas, 2.0, white * cover(ellipse(iris.at(-0.016 * side, -0.018), 0.012, 0.012), px))
    canvas = shade(canvas, 0.7, white * glow(at.y + above * awake - 0.012, 0.014) * 0.6)
    # The lash line follows the upper lid, which comes down to the lower one.
    lid = at.y + (above * awake - below * 0.6 * (1.0 - awake)) * (1.0 - (at.x / half).square()).clamp(min=-0.2)
    lash = torch.maximum(lid.abs() - 0.0125 * size, at.x.abs() - half * 1.08)
    canvas = paint(canvas, pen.ink(0.16, 0.11, 0.11), cover(lash, px))
    crease = stroke(at.at(0.0, -0.082 * size).bent(2.2), 0.062 * size, 0.004)
    return shade(
        canvas,
        0.72,
        0.8 * cover(crease, px, 1.5)
        + pen.of("age") * 0.5 * cover(stroke(at.at(0.0, 0.075).bent(-2.5), 0.06, 0.004), px, 1.5),
    )


def _brow(pen: Pen, canvas: Tensor, at: Plane) -> Tensor:
    height = -0.145 - 0.04 * pen.now("brow") - 0.006 * pen.of("mood")
    tilt = pen.of("brow_tilt") * 0.5 + 0.06 - 0.12 * (-pen.of("mood")).clamp(min=0)
    line = at.at(0.004, height).tilted(tilt).bent(1.6)
    thickness = pen.of("brow_weight") * (1.15 - 1.6 * (line.x + 0.02).clamp(-0.1, 0.2))
    return paint(canvas, pen.colour("hair") * 0.72, 0.92 * cover(stroke(line, 0.088, thickness), pen.pixel))


def draw_nose(pen: Pen, canvas: Tensor) -> Tensor:
    """A soft ridge, the tip's shadow and nostrils."""
    head, px, size = pen.head, pen.pixel, pen.of("nose")
    side = torch.sign(pen.of("light"))
    canvas = shade(canvas, 0.9, 0.7 * glow(stroke(head.at(-0.03 * side, 0.04).tilted(torch.pi / 2), 0.08, 0.006), 0.03))
    canvas = shade(canvas, 1.25, 0.5 * glow(ellipse(head.at(0.012 * side, 0.105), 0.02, 0.02), 0.035))
    tip = stroke(head.at(0.0, 0.152 * size.clamp(0.95, 1.1)).bent(-3.2), 0.052 * size, 0.0075)
    canvas = shade(canvas, 0.66, 0.85 * cover(tip, px, 1.5))
    return shade(
        canvas,
        0.72,
        0.6 * cover(stroke(head.mirrored().at(0.062 * size, 0.13).bent(8.0).tilted(1.2), 0.018, 0.006), px, 1.5),
    )


def draw_mouth(pen: Pen, canvas: Tensor) -> Tensor:
    """Lips, and between them cavity, tongue and teeth."""
    px, mood = pen.pixel, pen.of("mood")
    opening, width, teeth = pen.now("opening"), pen.now("width"), pen.now("teeth")
    at = pen.head.at(0.0, pen.mouth_y())
    half = pen.of("mouth_width") * (1.0 + 0.16 * width.clamp(min=0) - 0.36 * (-width).clamp(min=0) + 0.08 * mood)
    bend = -0.045 * mood * (1.0 - 0.5 * opening)
    up = 0.034 * opening + 0.012 * teeth * (opening > 0.02).to(opening.dtype)
    down = 0.125 * opening * (1.0 + 0.12 * (-width).clamp(min=0))
    full = pen.of("lips") * (1.0 + 0.25 * (-width).clamp(min=0))
    bow = 1.0 - 0.3 * torch.exp(-(at.x / 0.03).square())
    outer = lens(at, half * 1.06, up + 0.03 * full * bow, down + 0.038 * full, bend)
    inner = lens(at, half * 0.93, up, down, bend)
    canvas = shade(canvas, 0.85, 0.6 * glow(ellipse(at.at(0.0, down + 0.068), half * 0.5, 0.004), 0.03))
    canvas = paint(canvas, pen.colour("lip"), cover(outer, px))
    upper = cover(outer, px) * cover(at.y - bend * ((at.x / half).square() - 0.4), px)
    canvas = shade(canvas, 0.84, upper * 0.8)
    canvas = shade(
        canvas, 1.18, 0.6 * cover(outer, px) * glow(ellipse(at.at(0.0, down + 0.02), half * 0.45, 0.004), 0.016)
    )
    gap = cover(inner, px) * (opening * 18.0).clamp(0.0, 1.0)
    canvas = paint(canvas, pen.ink(0.27, 0.07, 0.09), gap)
    tongue = ellipse(
        at.at(0.0, down - 0.012 + 0.03 * (1.0 - pen.now("tongue"))), half * 0.62, 0.026 + 0.03 * pen.now("tongue")
    )
    canvas = paint(canvas, pen.ink(0.80, 0.40, 0.42), gap * cover(tongue, px))
    edge = at.y + up - bend * ((at.x / half).square() - 0.4) - (0.014 + 0.026 * teeth)
    canvas = paint(canvas, pen.ink(0.97, 0.96, 0.93), gap * cover(edge, px) * cover(at.x.abs() - half * 0.72, px, 3))
    seam = stroke(at.at(0.0, -bend * 0.4).bent(bend / half.square()), half * 0.95, 0.0065)
    return shade(canvas, 0.42, cover(seam, px, 1.5) * (1.0 - opening * 18.0).clamp(0.0, 1.0) * 0.9)


def draw_glasses(pen: Pen, canvas: Tensor) -> Tensor:
    """Round or square frames with a bridge, arms, and a reflection."""
    px, both = pen.pixel, pen.head.mirrored()
    at = both.at(pen.of("eye_gap") + 0.008, pen.of("eye_height") + 0.008)
    dark = pen.ink(0.15, 0.13, 0.16)
    bridge = stroke(pen.head.at(0.0, pen.of("eye_height") - 0.02).bent(3.0), 0.05, 0.011)
    arm = stroke(both.at(pen.of("eye_gap") + 0.21, pen.of("eye_height") - 0.02), 0.07, 0.012)
    for choice, rim in ((1, ellipse(at, 0.142, 0.132)), (2, box(at, 0.142, 0.105, 0.04))):
        mine = pen.is_one("glasses", choice)
        canvas = shade(
            canvas, 1.12, mine * cover(rim, px) * glow(stroke(at.at(0.03, -0.03).tilted(-0.9), 0.1, 0.012), 0.02)
        )
        frame = torch.minimum(torch.minimum(rim.abs() - 0.0115, bridge), arm)
        canvas = paint(canvas, dark, mine * cover(frame, px))
    return canvas
