"""Rotary positions in three axes (frame, row, column), rounded the way the model was trained.

A head of width d splits into three parts of complex pairs: d - 4*(d//6) numbers for the frame, 2*(d//6) each for row
and column (128 = 44 + 42 + 42). cos and sin are rounded to half precision before use; the rotation itself runs in
float64. Phases are computed from the positions, not looked up: there is no table that a long video could run out of.

Shapes: n tokens, d head width, h heads; latent grid of `rows` x `columns` tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.catalog import BLOCK_LATENTS

THETA = 10000.0
REFERENCE_FRAME = 30  # where the reference frame stands until the video comes near
MOTION_2X_FRAME = -3  # the two frames before the newest: one position
MOTION_4X_FRAMES = (-19, -14, -9, -4)  # the sixteen before those: four positions


@dataclass(frozen=True)
class Phases:
    """cos and sin of every token, [n, d/2], float64 holding half-precision values."""

    cos: Tensor
    sin: Tensor


def phases(positions: Tensor, head_dim: int) -> Phases:
    """Phases of tokens at `positions` [n, 3] (frame, row, column); frames may be negative."""
    small = 2 * (head_dim // 6)
    parts = []
    for axis, width in enumerate((head_dim - 2 * small, small, small)):
        exponents = torch.arange(0, width, 2, dtype=torch.float64, device=positions.device) / width
        inverse = 1.0 / torch.pow(THETA, exponents)
        parts.append(torch.outer(positions[:, axis].to(torch.float64), inverse))
    angles = torch.cat(parts, dim=1)
    return Phases(angles.cos().half().double(), angles.sin().half().double())


def rotate(x: Tensor, phase: Phases) -> Tensor:
    """Rotate adjacent pairs of `x` [n, h, d] by the tokens' phases; float64 inside, `x`'s dtype outside."""
    pairs = x.double().unflatten(-1, (-1, 2))
    real, imaginary = pairs.unbind(-1)
    cos, sin = phase.cos.unsqueeze(1), phase.sin.unsqueeze(1)
    rotated = torch.stack((real * cos - imaginary * sin, real * sin + imaginary * cos), dim=-1)
    return rotated.flatten(-2).float().to(x.dtype)


def block_positions(first_frame: int, rows: int, columns: int) -> Tensor:
    """Positions [3*rows*columns, 3] of a block whose first latent frame is `first_frame`."""
    return _grid([first_frame + i for i in range(BLOCK_LATENTS)], range(rows), range(columns))


def sink_positions(shift: int, rows: int, columns: int) -> Tensor:
    """Positions of the sink tokens: reference, newest motion frame, two before, sixteen before.

    Only the reference moves with `shift`. Coarse motion groups are spread over the fine grid's rows and columns.
    """
    groups = [
        _grid([REFERENCE_FRAME + shift], range(rows), range(columns)),
        _grid([-1], range(rows), range(columns)),
        _grid([MOTION_2X_FRAME], _spread(rows, 2), _spread(columns, 2)),
        _grid(MOTION_4X_FRAMES, _spread(rows, 4), _spread(columns, 4)),
    ]
    return torch.cat(groups)


def sink_shift(first_frame: int, distance: int) -> int:
    """How far the reference frame has moved for a block that starts at `first_frame`: it stays `distance` ahead."""
    return max(0, first_frame - (REFERENCE_FRAME - distance))


def _spread(length: int, factor: int) -> list[int]:
    return np.linspace(0, length - 1, length // factor).astype(int).tolist()


def _grid(frames: object, rows: object, columns: object) -> Tensor:
    axes = [torch.tensor(list(axis)) for axis in (frames, rows, columns)]  # type: ignore[call-overload]
    return torch.cartesian_prod(*axes)
