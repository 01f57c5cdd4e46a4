"""The first half of an adapter: rows [M, K] times `down` [T, K], written into the rows' own side columns.

The sum over K is cut into pieces that run side by side, because M and T alone would not fill the device; whichever piece
comes last adds all of them up in their order, so the result does not depend on who that was.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.model.cuda.kernels import jit, tl

ROWS, DEPTH_BYTES, PIECES = 64, 256, 2  # with 4 warps and 4 stages the fastest of 60 on an H200


@jit
def down(
    x: tl.tensor,
    weight: tl.tensor,
    factor: tl.tensor,
    partial: tl.tensor,
    arrived: tl.tensor,
    M: tl.tensor,
    K: tl.tensor,
    stride: tl.tensor,
    piece_length: tl.tensor,
    RANKS: tl.constexpr,
    ROWS: tl.constexpr,
    DEPTH: tl.constexpr,
    PIECES: tl.constexpr,
    FP8: tl.constexpr,
) -> None:
    """Grid (rows, pieces, ranks)."""
    block, piece, group = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    rows = block * ROWS + tl.arange(0, ROWS)
    ranks = group * RANKS + tl.arange(0, RANKS)
    mask = (rows < M)[:, None]
    total = tl.zeros((ROWS, RANKS), tl.float32)
    for start in tl.range(piece * piece_length, min(K, (piece + 1) * piece_length), DEPTH):
        depth = start + tl.arange(0, DEPTH)
        inside = (depth < K)[None, :]
        left = tl.load(x + rows[:, None].to(tl.int64) * stride + depth[None, :], mask=mask & inside, other=0.0)
        right = tl.load(weight + ranks[:, None] * K + depth[None, :], mask=inside, other=0.0)
        total = tl.dot(left, right.T, total)
    spot = tl.arange(0, ROWS)[:, None] * RANKS + tl.arange(0, RANKS)[None, :]
    tile = (group * tl.num_programs(0) + block) * PIECES
    tl.store(partial + (tile + piece).to(tl.int64) * (ROWS * RANKS) + spot, total)
    tl.debug_barrier()
    counter = arrived + group * tl.num_programs(0) + block
    if tl.atomic_add(counter, 1, sem="acq_rel") == PIECES - 1:
        total = tl.zeros((ROWS, RANKS), tl.float32)
        for other in tl.static_range(PIECES):
            place = partial + (tile + other).to(tl.int64) * (ROWS * RANKS) + spot
            total += tl.load(place, cache_modifier=".cg")
        total = total * tl.load(factor + ranks)[None, :]
        out = x + rows[:, None].to(tl.int64) * stride + K + ranks[None, :]
        if FP8:
            tl.store(out, tl.minimum(tl.maximum(total, -448.0), 448.0).to(tl.float8e4nv), mask=mask)
        else:
            tl.store(out, total.to(tl.bfloat16), mask=mask)
        tl.store(counter, 0)


class _Scratch:
    """Partial sums and counters by size, kept for good, because recorded steps know where they lie. Counters end at zero,
    where they begin."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int, torch.device], tuple[Tensor, Tensor]] = {}

    def of(self, tiles: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
        key = tiles, size, device
        if key not in self._kept:
            self._kept[key] = torch.empty(size, device=device), torch.zeros(tiles, device=device, dtype=torch.int32)
        return self._kept[key]


_scratch = _Scratch()


def fill_side_columns(x: Tensor, first_half: Tensor, factor: Tensor) -> None:
    """`x` [M, K + T]: its last T columns become the rest times `first_half` [T, K], times `factor` [T]."""
    ranks, inputs = first_half.shape
    rows, group = x.shape[0], min(ranks, 128)
    blocks, groups = -(-rows // ROWS), ranks // group
    tiles = blocks * groups
    partial, arrived = _scratch.of(tiles, tiles * PIECES * ROWS * group, x.device)
    depth = DEPTH_BYTES // x.element_size()
    piece_length = -(-inputs // (PIECES * depth)) * depth
    down[(blocks, PIECES, groups)](
        x, first_half, factor, partial, arrived, rows, inputs, x.stride(0), piece_length, RANKS=group, ROWS=ROWS,
        DEPTH=depth, PIECES=PIECES, FP8=x.dtype == torch.float8_e4m3fn, num_warps=4, num_stages=4,
    )  # fmt: skip
