"""Rotary positions, one token at a time, as complex numbers."""

from __future__ import annotations

import numpy as np

Array = np.ndarray
Position = tuple[int, int, int]  # frame, row, column


def block_grid(first: int, rows: int, columns: int) -> list[Position]:
    return [(first + f, r, c) for f in range(3) for r in range(rows) for c in range(columns)]


def sink_grid(shift: int, rows: int, columns: int) -> list[Position]:
    full = [(r, c) for r in range(rows) for c in range(columns)]
    half = [(r, c) for r in spread(rows, rows // 2) for c in spread(columns, columns // 2)]
    quarter = [(r, c) for r in spread(rows, rows // 4) for c in spread(columns, columns // 4)]
    grid = [(30 + shift, r, c) for r, c in full] + [(-1, r, c) for r, c in full] + [(-3, r, c) for r, c in half]
    return grid + [(f, r, c) for f in (-19, -14, -9, -4) for r, c in quarter]


def spread(length: int, count: int) -> list[int]:
    return [int(x) for x in np.linspace(0, length - 1, count)]


def phase(position: Position, head_dim: int) -> Array:
    """[d / 2] unit numbers, rounded to half precision part by part."""
    part = 2 * (head_dim // 6)
    numbers = []
    for value, width in zip(position, (head_dim - 2 * part, part, part), strict=True):
        for j in range(width // 2):
            angle = value / 10000.0 ** (2 * j / width)
            numbers.append(complex(np.float16(np.cos(angle)), np.float16(np.sin(angle))))
    return np.array(numbers)


def rotate(x: Array, grid: list[Position]) -> Array:
    """[tokens, heads, d] -> the same, every adjacent pair turned by its phase."""
    out = np.empty_like(x)
    for token, position in enumerate(grid):
        turned = (x[token, :, 0::2] + 1j * x[token, :, 1::2]) * phase(position, x.shape[2])
        out[token, :, 0::2], out[token, :, 1::2] = turned.real, turned.imag
    return out
