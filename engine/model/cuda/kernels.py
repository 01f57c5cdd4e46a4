"""Fused kernels: one program per token row. Arithmetic in float32, rounded where the plain code rounds.

Every kernel that feeds a product writes its row as bfloat16, or as eight-bit codes with one scale per row (`FP8`).
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _emit(value, out, scales, row, offsets, mask, D, FP8: tl.constexpr):
    value = value.to(tl.bfloat16)
    if FP8:
        wide = value.to(tl.float32)
        scale = tl.maximum(tl.max(tl.abs(tl.where(mask, wide, 0.0)), axis=0), 1e-12) / 448.0
        tl.store(scales + row, scale)
        tl.store(out + row * D + offsets, (wide / scale).to(tl.float8e4nv), mask=mask)
    else:
        tl.store(out + row * D + offsets, value, mask=mask)


@triton.jit
def norm(
    x, y, gate, kept, scale, shift, out, scales, D, group, eps,
    HAS_Y: tl.constexpr, HAS_GATE: tl.constexpr, KEEP: tl.constexpr, ROUND_IN: tl.constexpr,
    ROUND_NORM: tl.constexpr, ONE_PLUS: tl.constexpr, FP8: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
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
    _emit(value, out, scales, row, offsets, mask, D, FP8)


@triton.jit
def _rms(x, weight, row_start, offsets, mask, D, eps):
    wide = tl.load(x + row_start + offsets, mask=mask, other=0.0).to(tl.float32)
    normed = (wide * tl.rsqrt(tl.sum(wide * wide, axis=0) / D + eps)).to(tl.bfloat16).to(tl.float32)
    return (normed * tl.load(weight + offsets, mask=mask, other=0.0).to(tl.float32)).to(tl.bfloat16).to(tl.float32)


@triton.jit
def _turn(value, cos, sin, row, HALF_WIDTH, HALF: tl.constexpr, half_D):
    """Rotate adjacent pairs of one row; every head has the same phases."""
    even, odd = tl.split(tl.reshape(value, (HALF, 2)))
    pair = tl.arange(0, HALF)
    place = row * HALF_WIDTH + pair % HALF_WIDTH
    c = tl.load(cos + place, mask=pair < half_D, other=0.0)
    s = tl.load(sin + place, mask=pair < half_D, other=0.0)
    return tl.reshape(tl.join(even * c - odd * s, even * s + odd * c), (2 * HALF,))


@triton.jit
def queries_keys_values(
    qkv, q_weight, k_weight, cos, sin, q_out, k_out, v_out, k_raw, first, D, half_width, eps,
    RAW: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Rows [L, 3D]: norm and rotate q; norm, rotate and store k at `first`; store v at `first`. RAW: k un-rotated too."""
    row = tl.program_id(0).to(tl.int64)
    which = tl.program_id(1)
    offsets = tl.arange(0, BLOCK)
    mask = offsets < D
    start = row * 3 * D + which * D
    if which == 0:
        value = _turn(_rms(qkv, q_weight, start, offsets, mask, D, eps), cos, sin, row, half_width, BLOCK // 2, D // 2)
        tl.store(q_out + row * D + offsets, value.to(tl.bfloat16), mask=mask)
    elif which == 1:
        value = _rms(qkv, k_weight, start, offsets, mask, D, eps)
        if RAW:
            tl.store(k_raw + row * D + offsets, value.to(tl.bfloat16), mask=mask)
        value = _turn(value, cos, sin, row, half_width, BLOCK // 2, D // 2)
        tl.store(k_out + (first + row) * D + offsets, value.to(tl.bfloat16), mask=mask)
    else:
        copied = tl.load(qkv + start + offsets, mask=mask, other=0.0)
        tl.store(v_out + (first + row) * D + offsets, copied, mask=mask)


@triton.jit
def rotate(x, cos, sin, out, D, half_width, BLOCK: tl.constexpr):
    """Rows [S, D] rotated."""
    row = tl.program_id(0).to(tl.int64)
    offsets = tl.arange(0, BLOCK)
    mask = offsets < D
    value = tl.load(x + row * D + offsets, mask=mask, other=0.0).to(tl.float32)
    value = _turn(value, cos, sin, row, half_width, BLOCK // 2, D // 2)
    tl.store(out + row * D + offsets, value.to(tl.bfloat16), mask=mask)


@triton.jit
def rms(x, weight, out, D, eps, BLOCK: tl.constexpr):
    """Root-mean-square norm of rows [L, D]."""
    row = tl.program_id(0).to(tl.int64)
    offsets = tl.arange(0, BLOCK)
    mask = offsets < D
    value = _rms(x, weight, row * D, offsets, mask, D, eps)
    tl.store(out + row * D + offsets, value.to(tl.bfloat16), mask=mask)


@triton.jit
def merge(
    a, a_log, b, b_log, out, scales, D, width, rows, HAS_B: tl.constexpr, FP8: tl.constexpr, BLOCK: tl.constexpr
):
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
    _emit(value, out, scales, row, offsets, mask, D, FP8)


@triton.jit
def gelu(x, out, scales, D, FP8: tl.constexpr, BLOCK: tl.constexpr):
    """The tanh form of GELU on rows [L, D]."""
    row = tl.program_id(0).to(tl.int64)
    offsets = tl.arange(0, BLOCK)
    mask = offsets < D
    value = tl.load(x + row * D + offsets, mask=mask, other=0.0).to(tl.float32)
    value = value * tl.sigmoid(1.5957691216057308 * (value + 0.044715 * value * value * value))
    _emit(value, out, scales, row, offsets, mask, D, FP8)


@triton.jit
def unit_silu(x, gamma, out, C, pixels, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """The decoder's norm and SiLU: each pixel's channels over their length, times gamma. Rounded as the plain code."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    offsets = tl.arange(0, BLOCK)
    mask = (row < pixels)[:, None] & (offsets < C)[None, :]
    place = row[:, None] * C + offsets[None, :]
    wide = tl.load(x + place, mask=mask, other=0.0).to(tl.float32)
    length = tl.maximum(tl.sqrt(tl.sum(wide * wide, axis=1)), 1e-12)
    normed = (wide / length[:, None]).to(tl.bfloat16).to(tl.float32)
    factor = tl.load(gamma + offsets, mask=offsets < C, other=0.0).to(tl.float32)
    value = (normed * factor[None, :]).to(tl.bfloat16).to(tl.float32)
    tl.store(out + place, (value * tl.sigmoid(value)).to(tl.bfloat16), mask=mask)
