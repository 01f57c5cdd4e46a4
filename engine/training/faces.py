"""Talking faces as flat illustrations, drawn by formulas in torch: any size, any device, endless, no file needed.

`draw_faces` is a pure function of identity, motion and size: the same input gives the same bits on one device. Shapes:
B people, T frames, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engine.training.backdrop import draw_body, draw_scene
from engine.training.features import draw_eyes, draw_glasses, draw_mouth, draw_nose
from engine.training.hair import draw_back_hair, draw_beard, draw_front_hair, draw_hat
from engine.training.identity import Identity
from engine.training.motion import Motion
from engine.training.pen import Choices, Pen
from engine.training.sdf import cover, ellipse, glow, paint, shade, stroke

Layer = Callable[[Pen, Tensor], Tensor]
FRAMES_AT_ONCE = 24  # of all people together; bounds the memory, changes no bit


def draw_faces(who: Identity, motion: Motion, width: int, height: int, choices: Choices | None = None) -> Tensor:
    """Frames [B, T, 3, H, W] in 0..1. Identity and motion lie on the same device.

    `choices` says which choices may occur, where looking is too dear; drawing what nobody has changes no bit.
    """
    frames = motion.opening.shape[1]
    still = Pen.begin(who, Motion.neutral(who.count, 1, who.size.device), width, height, choices)
    scene = draw_scene(still)
    step = max(1, FRAMES_AT_ONCE if who.size.device.type == "cpu" else frames)
    pieces = []
    for first in range(0, frames, step):
        pieces.append(_frames(still, motion.frames(first, first + step), scene, width, height))
    return torch.cat(pieces, dim=1)


def portrait(who: Identity, width: int, height: int, choices: Choices | None = None) -> Tensor:
    """One neutral frame of each person, mouth shut: [B, 3, H, W] in 0..1."""
    return draw_faces(who, Motion.neutral(who.count, 1, who.size.device), width, height, choices)[:, 0]


def mouth_box(who: Identity, width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Where each portrait's mouth is and moves: (left, top, right, bottom) in pixels."""
    page = Pen.begin(who, Motion.neutral(who.count, 1, who.size.device), width, height).page
    half, size = min(width, height) / 2, who.size
    drop = float(-page.y.mean())
    middle = (drop - 0.05 + who.mouth_height * size) * half + height / 2
    left, right = round(width / 2 - 0.22 * half), round(width / 2 + 0.22 * half)
    return [(left, round(y - 0.11 * half), right, min(height, round(y + 0.21 * half))) for y in middle.tolist()]


def _frames(still: Pen, motion: Motion, scene: Tensor, width: int, height: int) -> Tensor:
    """Layer over layer; what is small is drawn in a window only, which changes no bit and saves most of the time."""
    page = Pen.begin(still.who, motion, width, height, still.choices)
    canvas = scene.expand(-1, motion.opening.shape[1], -1, -1, -1).contiguous()

    def draw(part: Layer, *window: float) -> None:
        pen = Pen.begin(still.who, motion, width, height, still.choices, (window[0], window[1], window[2]))
        where = (..., pen.rows, pen.columns)
        canvas[where] = part(pen, canvas[where])

    draw(draw_back_hair, 1.05, -1.4, 1.4)
    draw(_neck, 0.55, 0.1, 1.0)
    canvas = draw_body(page, canvas)
    draw(_ears, 0.8, -0.5, 0.6)
    draw(_face, 0.75, -1.0, 0.95)
    if still.has("beard", 1, 2, 3):
        draw(draw_beard, 0.75, -0.4, 0.95)
    draw(draw_mouth, 0.42, 0.1, 0.8)
    draw(draw_nose, 0.3, -0.3, 0.4)
    draw(draw_eyes, 0.6, -0.45, 0.3)
    draw(draw_front_hair, 0.95, -1.2, 0.85)
    if still.has("glasses", 1, 2):
        draw(draw_glasses, 0.75, -0.45, 0.4)
    if still.has("hat", 1):
        draw(draw_hat, 0.95, -1.2, 0.0)
    return canvas.clamp_(0.0, 1.0)


def _neck(pen: Pen, canvas: Tensor) -> Tensor:
    head, px = pen.head, pen.pixel
    neck = torch.maximum(head.x.abs() - 0.19 - 0.16 * (head.y - 0.62).clamp(min=0), 0.3 - head.y)
    collar = ellipse(pen.page.at(0.0, 0.70), 0.26, 0.16)
    skin = cover(torch.minimum(torch.maximum(neck, pen.page.y - 0.86), collar), px)
    canvas = paint(canvas, pen.colour("skin") * 0.92, skin)
    jaw = ellipse(head.at(0.0, 0.16), pen.of("face_width") * 0.92, 0.52)
    return shade(canvas, 0.72, skin * glow(jaw, 0.1))


def _ears(pen: Pen, canvas: Tensor) -> Tensor:
    head, px = pen.head.mirrored(), pen.pixel
    at = head.at(pen.of("face_width") + 0.005, 0.05)
    ear = ellipse(at, 0.06, 0.105)
    canvas = paint(canvas, pen.colour("skin") * 0.95, cover(ear, px))
    canvas = shade(canvas, 0.78, 0.8 * cover(ellipse(at.at(-0.004, 0.0), 0.03, 0.062), px, 2))
    ring = ellipse(head.at(pen.of("face_width") + 0.015, 0.19), 0.028, 0.028)
    return paint(canvas, pen.ink(0.92, 0.78, 0.36), pen.of("has_earrings") * cover(ring, px))


def _face(pen: Pen, canvas: Tensor) -> Tensor:
    """Skin with a light and a dark side, cheeks, and the lines of age."""
    head, px = pen.head, pen.pixel
    skin = cover(pen.skull(), px)
    canvas = paint(canvas, pen.colour("skin"), skin)
    side = torch.sign(pen.of("light"))
    canvas = shade(canvas, 0.84, skin * glow(-(ellipse(head.at(0.10 * side, -0.05), 0.44, 0.62)) + 0.02, 0.12))
    canvas = shade(canvas, 1.12, skin * 0.8 * glow(ellipse(head.at(0.13 * side, -0.18), 0.2, 0.14), 0.2))
    blush = glow(ellipse(head.mirrored().at(0.255, 0.15), 0.05, 0.035), 0.09)
    canvas = paint(canvas, pen.colour("skin") * pen.ink(1.0, 0.80, 0.78), skin * blush * 0.6)
    fold = stroke(head.mirrored().at(0.175, 0.24).tilted(1.15).bent(1.6), 0.075, 0.005)
    deep = pen.of("age") * 0.8 + 0.35 * pen.of("mood").clamp(0, 1)
    canvas = shade(canvas, 0.78, skin * deep * cover(fold, px, 2))
    for y in (-0.30, -0.25):
        canvas = shade(
            canvas, 0.86, skin * pen.of("age") * cover(stroke(head.at(0.0, y).bent(0.25), 0.2, 0.004), px, 2)
        )
    return canvas
