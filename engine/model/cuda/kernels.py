"""Fused kernels: one program per token row. Arithmetic in float32, rounded where the plain code rounds.

Every kernel that feeds a product writes its row as bfloat16, or as eight-bit codes with one scale per row (`FP8`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

try:
    import triton
    import triton.language as tl
    from triton.tools.tensor_descriptor import TensorDescriptor

    jit: Callable[..., Any] = triton.jit
except ModuleNotFoundError:  # a machine without CUDA: the module can be read, its kernels cannot run

    class Absent:
        """What stands for a kernel that cannot be compiled here."""

        def __init__(self, kernel: Callable[..., None]) -> None:
            self.name = kernel.__name__

        def __getitem__(self, _grid: object) -> NoReturn:
            raise ModuleNotFoundError(f"the kernel {self.name} needs triton, which is not installed.", name="triton")

    jit = TensorDescriptor = Absent
    tl: Any = None  # type: ignore[no-redef]


def power_of_two(size: int) -> int:
    """The smallest power of two that is at least `size`: blocks have such sizes."""
    return 1 << (size - 1).bit_length()


@jit
def _emit(
    value: tl.tensor,
    out: tl.tensor,
    scales: tl.tensor,
    row: tl.tensor,
    offsets: tl.tensor,
    mask: tl.tensor,
    D: tl.tensor,
    FP8: tl.constexpr,
    TAIL: tl.constexpr,
) -> None:
    """One row of a product's input; its `TAIL` side columns (a multiple of 128) are zero until an adapter fills them."""
    value = value.to(tl.bfloat16)
    start = out + row * (D + TAIL)
    if FP8:
        wide = value.to(tl.float32)
        largest = tl.maximum(tl.max(tl.abs(tl.where(mask, wide, 0.0)), axis=0), 1e-12)
        top: tl.constexpr = 448.0 if TAIL == 0 else 112.0  # see ROW_HEADROOM in engine.precision.products
        tl.store(scales + row, largest / top)
        tl.store(start + offsets, (wide * (top / largest)).to(tl.float8e4nv), mask=mask)
    else:
        tl.store(start + offsets, value, mask=mask)
    for part in tl.static_range(TAIL // 128):
        tl.store(start + D + part * 128 + tl.arange(0, 128), tl.zeros((128,), tl.float32).to(out.dtype.element_ty))


@jit
def norm(
    x: tl.tensor,
    y: tl.tensor,
    gate: tl.tensor,
    kept: tl.tensor,
    scale: tl.tensor,
    shift: tl.tensor,
    out: tl.tensor,
    scales: tl.tensor,
    D: tl.tensor,
    group: tl.tensor,
    eps: tl.tensor,
    HAS_Y: tl.constexpr,
    HAS_GATE: tl.constexpr,
    KEEP: tl.constexpr,
    ROUND_IN: tl.constexpr,
    ROUND_NORM: tl.constexpr,
    ONE_PLUS: tl.constexpr,
    FP8: tl.constexpr,
    TAIL: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """x (+ y * gate) -> kept; its layer norm times (1 +) scale plus shift -> out. `group` rows share scale and shift."""
    row = tl.program_id(0).to(tl.int64)
    offsets = tl.arange(0, BLOCK)
    mask = offsets < D
    wide = tl.load(x + row * D + offsets, mask=mask, other=0.0).to(tl.float32)
    if HAS_Y:
        added = tl.load(y + row * D + offsets, mask=mask, other=0.0).to(tl.float32)
        if HAS_GATE:
            added = added * tl.load(gate + offsets, mask=mask, other=0.0).to(tl.float32)
        wide += added
    if KEEP:
        tl.store(kept + row * D + offsets, wide.to(kept.dtype.element_ty), mask=mask)
    if ROUND_IN:
        wide = wide.to(tl.bfloat16).to(tl.float32)
    mean = tl.sum(wide, axis=0) / D
    centred = tl.where(mask, wide - mean, 0.0)
    normed = centred * tl.rsqrt(tl.sum(centred * centred, axis=0) / D + eps)
    if ROUND_NORM:
        normed = normed.to(tl.bfloat16).to(tl.float32)
    place = (row // group) * D + offsets
    factor = tl.load(scale + place, mask=mask, other=0.0).to(tl.float32)
    if ONE_PLUS:
        factor += 1.0
    value = normed * factor + tl.load(shift + place, mask=mask, other=0.0).to(tl.float32)
    _emit(value, out, scales, row, offsets, mask, D, FP8, TAIL)


@jit
def normed_row(
    x: tl.tensor,
    weight: tl.tensor,
    row_start: tl.tensor,
    offsets: tl.tensor,
    mask: tl.tensor,
    D: tl.tensor,
    eps: tl.tensor,
) -> tl.tensor:
    """One row's root-mean-square norm, float32 with the plain code's roundings."""
    wide = tl.load(x + row_start + offsets, mask=mask, other=0.0).to(tl.float32)
    normed = (wide * tl.rsqrt(tl.sum(wide * wide, axis=0) / D + eps)).to(tl.bfloat16).to(tl.float32)
    return (normed * tl.load(weight + offsets, mask=mask, other=0.0).to(tl.float32)).to(tl.bfloat16).to(tl.float32)


@jit
def turned(
    value: tl.tensor,
    cos: tl.tensor,
    sin: tl.tensor,
    row: tl.tensor,
    HALF_WIDTH: tl.tensor,
    HALF: tl.constexpr,
    half_D: tl.tensor,
) -> tl.tensor:
    """Rotate adjacent pairs of one row; every head has the same phases."""
    even, odd = tl.split(tl.reshape(value, (HALF, 2)))
    pair = tl.arange(0, HALF)
    place = row * HALF_WIDTH + pair % HALF_WIDTH
    c = tl.load(cos + place, mask=pair < half_D, other=0.0)
    s = tl.load(sin + place, mask=pair < half_D, other=0.0)
    return tl.reshape(tl.join(even * c - odd * s, even * s + odd * c), (2 * HALF,))


@jit
def queries_keys_values(
    qkv: tl.tensor,
    q_weight: tl.tensor,
    k_weight: tl.tensor,
    cos: tl.tensor,
    sin: tl.tensor,
    q_out: tl.tensor,
    k_out: tl.tensor,
    v_out: tl.tensor,
    k_raw: tl.tensor,
    first: tl.tensor,
    D: tl.tensor,
    half_width: tl.tensor,
    eps: tl.tensor,
    RAW: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Rows [L, 3D]: norm and rotate q; norm, rotate and store k from row `first[0]` on, v too. RAW: k un-rotated as well."""
    row = tl.program_id(0).to(tl.int64)
    which = tl.program_id(1)
    offsets = tl.arange(0, BLOCK)
    mask = offsets < D
    start = row * 3 * D + which * D
    if which == 0:
        value = turned(normed_row(qkv, q_weight, start, offsets, mask, D, eps), cos, sin, row, half_width, BLOCK // 2, D // 2)
        tl.store(q_out + row * D + offsets, value.to(tl.bfloat16), mask=mask)
    elif which == 1:
        value = normed_row(qkv, k_weight, start, offsets, mask, D, eps)
        if RAW:
            tl.store(k_raw + row * D + offsets, value.to(tl.bfloat16), mask=mask)
        value = turned(value, cos, sin, row, half_width, BLOCK // 2, D // 2)
        tl.store(k_out + (tl.load(first) + row) * D + offsets, value.to(tl.bfloat16), mask=mask)
    else:
        copied = tl.load(qkv + start + offsets, mask=mask, other=0.0)
        tl.store(v_out + (tl.load(first) + row) * D + offsets, copied, mask=mask)


@jit
def rotate(
    x: tl.tensor,
    cos: tl.tensor,
    sin: tl.tensor,
    out: tl.tensor,
    D: tl.tensor,
    half_width: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    """Rows [S, D] rotated."""
    row = tl.program_id(0).to(tl.int64)
    offsets = tl.arange(0, BLOCK)
    mask = offsets < D
    value = tl.load(x + row * D + offsets, mask=mask, other=0.0).to(tl.float32)
    value = turned(value, cos, sin, row, half_width, BLOCK // 2, D // 2)
    tl.store(out + row * D + offsets, value.to(tl.bfloat16), mask=mask)


@jit
def rms(x: tl.tensor, weight: tl.tensor, out: tl.tensor, D: tl.tensor, eps: tl.tensor, BLOCK: tl.constexpr) -> None:
    """Root-mean-square norm of rows [L, D]."""
    row = tl.program_id(0).to(tl.int64)
    offsets = tl.arange(0, BLOCK)
    mask = offsets < D
    value = normed_row(x, weight, row * D, offsets, mask, D, eps)
    tl.store(out + row * D + offsets, value.to(tl.bfloat16), mask=mask)


@jit
def merge(
    a: tl.tensor,
    a_log: tl.tensor,
    b: tl.tensor,
    b_log: tl.tensor,
    out: tl.tensor,
    scales: tl.tensor,
    D: tl.tensor,
    width: tl.tensor,
    rows: tl.tensor,
    HAS_B: tl.constexpr,
    FP8: tl.constexpr,
    TAIL: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Join attention over two sets of keys by their log-sums [heads, rows]; a, b [rows, D]."""
    row = tl.program_id(0).to(tl.int64)
    offsets = tl.arange(0, BLOCK)
    mask = offsets < D
    value = tl.load(a + row * D + offsets, mask=mask, other=0.0).to(tl.float32)
    if HAS_B:
        place = (offsets // width) * rows + row
        difference = tl.load(b_log + place, mask=mask, other=0.0) - tl.load(a_log + place, mask=mask, other=0.0)
        share = tl.sigmoid(difference)
        value += share * (tl.load(b + row * D + offsets, mask=mask, other=0.0).to(tl.float32) - value)
    _emit(value, out, scales, row, offsets, mask, D, FP8, TAIL)


@jit
def gelu(
    x: tl.tensor,
    out: tl.tensor,
    scales: tl.tensor,
    D: tl.tensor,
    FP8: tl.constexpr,
    TAIL: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """The tanh form of GELU on rows [L, D]."""
    row = tl.program_id(0).to(tl.int64)
    offsets = tl.arange(0, BLOCK)
    mask = offsets < D
    value = tl.load(x + row * D + offsets, mask=mask, other=0.0).to(tl.float32)
    value = value * tl.sigmoid(1.5957691216057308 * (value + 0.044715 * value * value * value))
    _emit(value, out, scales, row, offsets, mask, D, FP8, TAIL)


@jit
def unit_silu(
    x: tl.tensor,
    bias: tl.tensor,
    gamma: tl.tensor,
    out: tl.tensor,
    last: tl.tensor,
    C: tl.tensor,
    frame_pixels: tl.tensor,
    frames: tl.tensor,
    HAS_BIAS: tl.constexpr,
    HAS_LAST: tl.constexpr,
    TAPS: tl.constexpr,
    FIRST: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """The decoder's norm and SiLU of x + bias: each pixel's channels over their length, times gamma; rounded as the plain
    code. Frame t goes to place FIRST + t of `out` (TAPS 1), or into the three temporal taps that see it (TAPS 3); the
    last two also to `last`."""
    pixel = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    frame = tl.program_id(1).to(tl.int64)
    offsets = tl.arange(0, BLOCK)
    mask = (pixel < frame_pixels)[:, None] & (offsets < C)[None, :]
    wide = tl.load(x + (frame * frame_pixels + pixel)[:, None] * C + offsets[None, :], mask=mask, other=0.0).to(
        tl.float32
    )
    if HAS_BIAS:
        wide += tl.load(bias + offsets, mask=offsets < C, other=0.0).to(tl.float32)[None, :]
        wide = wide.to(tl.bfloat16).to(tl.float32)
    length = tl.maximum(tl.sqrt(tl.sum(wide * wide, axis=1)), 1e-12)
    normed = (wide * (1.0 / length)[:, None]).to(tl.bfloat16).to(tl.float32)
    factor = tl.load(gamma + offsets, mask=offsets < C, other=0.0).to(tl.float32)
    value = (normed * factor[None, :]).to(tl.bfloat16).to(tl.float32)
    value = (value * tl.sigmoid(value)).to(tl.bfloat16)
    for tap in tl.static_range(TAPS):
        to = frame + FIRST - tap
        place = ((to * frame_pixels + pixel)[:, None] * TAPS + tap) * C + offsets[None, :]
        tl.store(out + place, value, mask=mask & (to < frames))
    if HAS_LAST:
        place = ((frame - frames + 2) * frame_pixels + pixel)[:, None] * C + offsets[None, :]
        tl.store(last + place, value, mask=mask & (frame >= frames - 2))


@jit
def spread(
    past: tl.tensor, out: tl.tensor, C: tl.tensor, frame_pixels: tl.tensor, ROWS: tl.constexpr, BLOCK: tl.constexpr
) -> None:
    """The two frames before, into the temporal taps that see them: of frame 0 both, of frame 1 the newer."""
    pixel = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    offsets = tl.arange(0, BLOCK)
    mask = (pixel < frame_pixels)[:, None] & (offsets < C)[None, :]
    for frame in tl.static_range(2):
        value = tl.load(past + (frame * frame_pixels + pixel)[:, None] * C + offsets[None, :], mask=mask)
        for to in tl.static_range(frame + 1):
            place = ((to * frame_pixels + pixel)[:, None] * 3 + frame - to) * C + offsets[None, :]
            tl.store(out + place, value, mask=mask)


@jit
def join(
    x: tl.tensor,
    bias: tl.tensor,
    shortcut: tl.tensor,
    out: tl.tensor,
    C: tl.tensor,
    pixels: tl.tensor,
    HAS_SHORTCUT: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """x + bias (+ shortcut) of pixels [..., C]."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    offsets = tl.arange(0, BLOCK)
    mask = (row < pixels)[:, None] & (offsets < C)[None, :]
    place = row[:, None] * C + offsets[None, :]
    wide = tl.load(x + place, mask=mask, other=0.0).to(tl.float32)
    wide += tl.load(bias + offsets, mask=offsets < C, other=0.0).to(tl.float32)[None, :]
    wide = wide.to(tl.bfloat16)
    if HAS_SHORTCUT:
        wide = (wide.to(tl.float32) + tl.load(shortcut + place, mask=mask, other=0.0).to(tl.float32)).to(tl.bfloat16)
    tl.store(out + place, wide, mask=mask)


@jit
def double(
    x: tl.tensor, out: tl.tensor, C: tl.tensor, width: tl.tensor, ROWS: tl.constexpr, BLOCK: tl.constexpr
) -> None:
    """Every pixel of [rows, width, C] four times: [2 rows, 2 width, C]."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    offsets = tl.arange(0, BLOCK)
    mask = (column < width)[:, None] & (offsets < C)[None, :]
    value = tl.load(x + (row * width + column)[:, None] * C + offsets[None, :], mask=mask, other=0.0)
    for down in tl.static_range(2):
        for right in tl.static_range(2):
            to = (2 * row + down) * 2 * width + 2 * column + right
            tl.store(out + to[:, None] * C + offsets[None, :], value, mask=mask)
