"""Kernels for keys and values in eight bits: writing them, and attention over ring and sink.

Keys [rows, D] are codes of key * k_factor; values lie transposed, [D, rows], codes of value / v_scale: the matrix units
take eight-bit operands only along the axis that is summed over. Sums are float32.

Shapes: L queries, h heads, d head width, D = h*d.
"""

from __future__ import annotations

from engine.model.cuda.kernels import jit, normed_row, tl, turned


@jit
def queries_keys(
    qkv: tl.tensor,
    q_weight: tl.tensor,
    k_weight: tl.tensor,
    cos: tl.tensor,
    sin: tl.tensor,
    q_out: tl.tensor,
    k_out: tl.tensor,
    first: tl.tensor,
    q_factor: tl.tensor,
    k_factor: tl.tensor,
    D: tl.tensor,
    half_width: tl.tensor,
    eps: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    """Rows [L, 3D]: queries and keys normed, rotated and coded; keys go to rows `first[0]`… of `k_out`."""
    row = tl.program_id(0).to(tl.int64)
    which = tl.program_id(1)
    offsets = tl.arange(0, BLOCK)
    mask = offsets < D
    start = row * 3 * D + which * D
    if which == 0:
        value = turned(normed_row(qkv, q_weight, start, offsets, mask, D, eps), cos, sin, row, half_width, BLOCK // 2, D // 2)
        tl.store(q_out + row * D + offsets, (value * q_factor).to(tl.float8e4nv), mask=mask)
    else:
        value = turned(normed_row(qkv, k_weight, start, offsets, mask, D, eps), cos, sin, row, half_width, BLOCK // 2, D // 2)
        tl.store(k_out + (tl.load(first) + row) * D + offsets, (value * k_factor).to(tl.float8e4nv), mask=mask)


@jit
def values(
    x: tl.tensor,
    scale: tl.tensor,
    out: tl.tensor,
    rows: tl.tensor,
    x_stride: tl.tensor,
    x_first: tl.tensor,
    out_stride: tl.tensor,
    first: tl.tensor,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    ALIGNED: tl.constexpr,
) -> None:
    """x [rows, D] from column `x_first` on -> codes, transposed, in columns `first[0]`… of `out` [D, …]; ALIGNED: that is
    a multiple of 16."""
    begin = tl.load(first)
    if ALIGNED:
        begin = tl.multiple_of(begin, 16)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = (tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)).to(tl.int64)
    value = tl.load(x + row[:, None].to(tl.int64) * x_stride + x_first + column[None, :], mask=(row < rows)[:, None])
    value = value.to(tl.float32) * (1.0 / tl.load(scale))
    value = tl.minimum(tl.maximum(value, -448.0), 448.0).to(tl.float8e4nv)
    place = out + column[:, None] * out_stride + begin + row[None, :]
    tl.store(place, tl.trans(value), mask=(row < rows)[None, :])


@jit
def rotate(
    x: tl.tensor,
    cos: tl.tensor,
    sin: tl.tensor,
    out: tl.tensor,
    factor: tl.tensor,
    D: tl.tensor,
    half_width: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    """Keys [S, D], rotated and coded."""
    row = tl.program_id(0).to(tl.int64)
    offsets = tl.arange(0, BLOCK)
    mask = offsets < D
    value = tl.load(x + row * D + offsets, mask=mask, other=0.0).to(tl.float32)
    value = turned(value, cos, sin, row, half_width, BLOCK // 2, D // 2)
    tl.store(out + row * D + offsets, (value * factor).to(tl.float8e4nv), mask=mask)


@jit
def _tile(
    mixed: tl.tensor,
    total: tl.tensor,
    largest: tl.tensor,
    q: tl.tensor,
    keys: tl.tensor,
    vals: tl.tensor,
    head: tl.tensor,
    start: tl.tensor,
    end: tl.tensor,
    scale: tl.tensor,
    WIDTH: tl.constexpr,
    KEYS: tl.constexpr,
    MASK: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """One tile of keys more in the running softmax. Shares are scaled by 2**8, so that small ones keep their bits."""
    logits = tl.dot(q, keys.load([start, head * WIDTH]).T)
    if MASK:
        logits = tl.where((start + tl.arange(0, KEYS) < end)[None, :], logits, -float("inf"))
    now = tl.maximum(largest, tl.max(logits, 1) * scale)
    share = tl.math.exp2(logits * scale - (now - 8.0)[:, None])
    shrink = tl.math.exp2(largest - now)
    total = total * shrink + tl.sum(share, 1)
    mixed = mixed * shrink[:, None]
    mixed = tl.dot(share.to(tl.float8e4nv), vals.load([head * WIDTH, start]).T, mixed)
    return mixed, total, now


@jit
def _span(
    mixed: tl.tensor,
    total: tl.tensor,
    largest: tl.tensor,
    q: tl.tensor,
    keys: tl.tensor,
    vals: tl.tensor,
    head: tl.tensor,
    begin: tl.tensor,
    end: tl.tensor,
    scale: tl.tensor,
    WIDTH: tl.constexpr,
    KEYS: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """All keys of rows `begin` to `end`."""
    whole = begin + (end - begin) // KEYS * KEYS
    for start in tl.range(begin, whole, KEYS):
        mixed, total, largest = _tile(
            mixed, total, largest, q, keys, vals, head, start, end, scale, WIDTH, KEYS, False
        )  # fmt: skip
    if whole < end:
        mixed, total, largest = _tile(mixed, total, largest, q, keys, vals, head, whole, end, scale, WIDTH, KEYS, True)
    return mixed, total, largest


@jit
def attention(
    q: tl.tensor,
    ring_k: tl.tensor,
    ring_v: tl.tensor,
    sink_k: tl.tensor,
    sink_v: tl.tensor,
    v_scale: tl.tensor,
    out: tl.tensor,
    place: tl.tensor,
    L: tl.tensor,
    sink_rows: tl.tensor,
    scale: tl.tensor,
    D: tl.tensor,
    TWO_PARTS: tl.constexpr,
    WIDTH: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
) -> None:
    """q [L, D] over ring rows [0, place[1]) and, with TWO_PARTS, [place[2], place[3]), and all of the sink -> out [L, D].

    Keys and values are tensor descriptors. `scale` holds 1/sqrt(d), log2(e) and the factors of the codes.
    """
    head = tl.program_id(1)
    rows = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    places = rows[:, None].to(tl.int64) * D + head * WIDTH + tl.arange(0, WIDTH)[None, :]
    mask = (rows < L)[:, None]
    query = tl.load(q + places, mask=mask, other=0.0)
    mixed = tl.zeros((QUERIES, WIDTH), tl.float32)
    total = tl.zeros((QUERIES,), tl.float32)
    largest = tl.full((QUERIES,), -1e30, tl.float32)
    mixed, total, largest = _span(
        mixed, total, largest, query, ring_k, ring_v, head, 0, tl.load(place + 1), scale, WIDTH, KEYS
    )  # fmt: skip
    if TWO_PARTS:
        mixed, total, largest = _span(
            mixed, total, largest, query, ring_k, ring_v, head, tl.load(place + 2), tl.load(place + 3), scale, WIDTH, KEYS
        )  # fmt: skip
    mixed, total, largest = _span(
        mixed, total, largest, query, sink_k, sink_v, head, 0, sink_rows, scale, WIDTH, KEYS
    )  # fmt: skip
    mixed = mixed * (tl.load(v_scale) / total)[:, None]
    tl.store(out + places, mixed.to(tl.bfloat16), mask=mask)
