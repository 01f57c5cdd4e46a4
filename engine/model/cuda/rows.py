"""Launches of the fused kernels on token rows [L, D]; the result is the input of a product (`Rows`) where one follows.

`fp8` says in which format the rows go on, `tail` how many side columns the product wants.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.model.cuda import eight_bit, kernels
from engine.model.cuda.kernels import TensorDescriptor
from engine.model.cuda.norms import Norms
from engine.model.rope import Phases
from engine.precision.products import FP8, Rows

QUERIES, KEYS = 64, 128  # tile of the attention in eight bits: with 4 warps and 3 stages the fastest of 16 on an H200

WARPS = {"norm": 8, "queries_keys_values": 8, "rotate": 8, "rms": 8, "merge": 16, "gelu": 8}  # as measured on an H200


def norm(
    x: Tensor, scale: Tensor, shift: Tensor, eps: float, *, fp8: bool, add: Tensor | None = None,
    gate: Tensor | None = None, keep: torch.dtype | None = None, round_in: bool = False, round_norm: bool = False,
    one_plus: bool = True, groups: int = 1, tail: int = 0,
) -> tuple[Rows, Tensor]:  # fmt: skip
    """Layer norm of x + add * gate, scaled and shifted ([groups, D]); and that sum, as `keep` or `x` itself."""
    length, dim = x.shape
    kept = x if keep is None else torch.empty_like(x, dtype=keep)
    out = _rows(length, dim, x.device, fp8=fp8, tail=tail)
    kernels.norm[(length,)](
        x, add, gate, kept, scale, shift, out.values, out.scale, dim, length // groups, eps,
        HAS_Y=add is not None, HAS_GATE=gate is not None, KEEP=keep is not None, ROUND_IN=round_in,
        ROUND_NORM=round_norm, ONE_PLUS=one_plus, FP8=fp8, TAIL=tail, BLOCK=kernels.power_of_two(dim), num_warps=WARPS["norm"],
    )  # fmt: skip
    return out, kept


def queries_keys_values(
    qkv: Tensor, norms: Norms, phases: Phases, k_out: Tensor, v_out: Tensor, first: Tensor, width: int,
    k_raw: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Rotated queries [L, D] of [L, 3D]; rotated keys and values go to rows `first[0]`… of `k_out` and `v_out`."""
    length, dim = qkv.shape[0], qkv.shape[1] // 3
    q_out = qkv.new_empty(length, dim)
    kernels.queries_keys_values[(length, 3)](
        qkv, norms.q, norms.k, phases.cos, phases.sin, q_out, k_out, v_out, k_raw, first, dim, width // 2, norms.eps,
        RAW=k_raw is not None, BLOCK=kernels.power_of_two(dim), num_warps=WARPS["queries_keys_values"],
    )  # fmt: skip
    return q_out


def queries_keys(qkv: Tensor, norms: Norms, phases: Phases, k_out: Tensor, first: Tensor, width: int) -> Tensor:
    """The same in eight bits, without values: coded queries [L, D]; coded keys go to rows `first[0]`… of `k_out`."""
    length, dim = qkv.shape[0], qkv.shape[1] // 3
    q_out = qkv.new_empty(length, dim, dtype=FP8)
    eight_bit.queries_keys[(length, 2)](
        qkv, norms.q, norms.k, phases.cos, phases.sin, q_out, k_out, first, norms.q_factor, norms.k_factor, dim,
        width // 2, norms.eps, BLOCK=kernels.power_of_two(dim), num_warps=WARPS["queries_keys_values"],
    )  # fmt: skip
    return q_out


def values(x: Tensor, column: int, scale: Tensor, out: Tensor, first: Tensor) -> None:
    """Values [rows, D] from a column of `x` on, coded and transposed into columns `first[0]`…, a multiple of the rows, of
    `out` [h, d, …]."""
    dim, tile = out.shape[0] * out.shape[1], 64
    eight_bit.values[(-(-x.shape[0] // tile), dim // min(tile, out.shape[1]))](
        x, scale, out, x.shape[0], x.stride(0), column, out.stride(1), first, ROWS=tile,
        COLUMNS=min(tile, out.shape[1]), ALIGNED=x.shape[0] % 16 == 0, num_warps=4,
    )  # fmt: skip


def rotate(x: Tensor, phases: Phases, out: Tensor, width: int, factor: float = 1.0) -> None:
    """Rows [S, D] rotated into `out`, coded with `factor` where that has eight bits."""
    length, dim = x.shape
    given = (x, phases.cos, phases.sin, out)
    block, warps = kernels.power_of_two(dim), WARPS["rotate"]
    if out.dtype == FP8:
        eight_bit.rotate[(length,)](*given, factor, dim, width // 2, BLOCK=block, num_warps=warps)
    else:
        kernels.rotate[(length,)](*given, dim, width // 2, BLOCK=block, num_warps=warps)


def attention(
    q: Tensor, ring_k: Tensor, ring_v: Tensor, place: Tensor, sink_k: Tensor, sink_v: Tensor, v_scale: Tensor,
    width: int, factors: float, *, has_gap: bool,
) -> Tensor:  # fmt: skip
    """Coded queries [L, D] over the parts of a coded ring that `place` (`engine.model.cuda.attend.Place`) names and all of
    a coded sink -> [L, D] bfloat16."""
    length, dim = q.shape
    out = q.new_empty(length, dim, dtype=torch.bfloat16)
    scale = math.log2(math.e) / (math.sqrt(width) * factors)
    eight_bit.attention[(-(-length // QUERIES), dim // width)](
        q, _keys(ring_k, width), _values(ring_v, width), _keys(sink_k, width), _values(sink_v, width), v_scale, out,
        place, length, sink_k.shape[0], scale, dim, TWO_PARTS=has_gap, WIDTH=width, QUERIES=QUERIES, KEYS=KEYS,
        num_warps=4, num_stages=3,
    )  # fmt: skip
    return out


def _keys(k: Tensor, width: int) -> TensorDescriptor:
    dim = k[0].numel()
    return TensorDescriptor(k, [k.shape[0], dim], [dim, 1], [KEYS, width])


def _values(v: Tensor, width: int) -> TensorDescriptor:
    return TensorDescriptor(v, [v.shape[0] * v.shape[1], v.shape[2]], [v.stride(1), 1], [width, KEYS])


def rms(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Root-mean-square norm of rows."""
    out = torch.empty_like(x)
    kernels.rms[(x.shape[0],)](
        x, weight, out, x.shape[1], eps, BLOCK=kernels.power_of_two(x.shape[1]), num_warps=WARPS["rms"]
    )
    return out


def merge(
    a: Tensor, a_log: Tensor | None, b: Tensor | None, b_log: Tensor | None, width: int, *, fp8: bool, tail: int = 0
) -> Rows:
    """Attention over two sets of keys as one, by their log-sums [heads, L]; without `b` only the change of format."""
    length, dim = a.shape
    if b is None and not fp8 and not tail:
        return Rows(a)
    out = _rows(length, dim, a.device, fp8=fp8, tail=tail)
    kernels.merge[(length,)](
        a, a_log, b, b_log, out.values, out.scale, dim, width, length, HAS_B=b is not None, FP8=fp8,
        TAIL=tail, BLOCK=kernels.power_of_two(dim), num_warps=WARPS["merge"],
    )  # fmt: skip
    return out


def gelu(x: Tensor, *, fp8: bool, tail: int = 0) -> Rows:
    """The tanh form of GELU."""
    length, dim = x.shape
    out = _rows(length, dim, x.device, fp8=fp8, tail=tail)
    kernels.gelu[(length,)](
        x, out.values, out.scale, dim, FP8=fp8, TAIL=tail, BLOCK=kernels.power_of_two(dim), num_warps=WARPS["gelu"]
    )
    return out


def _rows(length: int, dim: int, device: torch.device, *, fp8: bool, tail: int) -> Rows:
    values = torch.empty(length, dim + tail, device=device, dtype=FP8 if fp8 else torch.bfloat16)
    return Rows(values, torch.empty(length, 1, device=device) if fp8 else None)
