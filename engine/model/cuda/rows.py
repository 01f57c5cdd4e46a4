"""Launches of the fused kernels on token rows [L, D]; the result is the input of a product (`Rows`) where one follows.

`fp8` says in which format the rows go on.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.model.cuda import kernels
from engine.model.rope import Phases
from engine.precision.products import FP8, Rows

WARPS = {"norm": 8, "queries_keys_values": 8, "rotate": 8, "rms": 8, "merge": 16, "gelu": 8}  # as measured on an H200


def norm(
    x: Tensor, scale: Tensor, shift: Tensor, eps: float, *, fp8: bool, add: Tensor | None = None,
    gate: Tensor | None = None, keep: torch.dtype | None = None, round_in: bool = False, round_norm: bool = False,
    one_plus: bool = True, groups: int = 1,
) -> tuple[Rows, Tensor]:  # fmt: skip
    """Layer norm of x + add * gate, scaled and shifted ([groups, D]); and that sum, as `keep` or `x` itself."""
    length, dim = x.shape
    kept = x if keep is None else torch.empty_like(x, dtype=keep)
    out = _rows(length, dim, x.device, fp8=fp8)
    kernels.norm[(length,)](
        x, add, gate, kept, scale, shift, out.values, out.scale, dim, length // groups, eps,
        HAS_Y=add is not None, HAS_GATE=gate is not None, KEEP=keep is not None, ROUND_IN=round_in,
        ROUND_NORM=round_norm, ONE_PLUS=one_plus, FP8=fp8, BLOCK=kernels.power_of_two(dim), num_warps=WARPS["norm"],
    )  # fmt: skip
    return out, kept


def queries_keys_values(
    qkv: Tensor, q_weight: Tensor, k_weight: Tensor, phases: Phases, k_out: Tensor, v_out: Tensor, first: int, eps: float,
    width: int, k_raw: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Rotated queries [L, D] of [L, 3D]; rotated keys and values go to rows `first`… of `k_out` and `v_out`."""
    length, dim = qkv.shape[0], qkv.shape[1] // 3
    q_out = qkv.new_empty(length, dim)
    kernels.queries_keys_values[(length, 3)](
        qkv, q_weight, k_weight, phases.cos, phases.sin, q_out, k_out, v_out, k_raw, first, dim, width // 2, eps,
        RAW=k_raw is not None, BLOCK=kernels.power_of_two(dim), num_warps=WARPS["queries_keys_values"],
    )  # fmt: skip
    return q_out


def rotate(x: Tensor, phases: Phases, out: Tensor, width: int) -> None:
    """Rows [S, D] rotated into `out`."""
    rows, dim = x.shape
    kernels.rotate[(rows,)](
        x, phases.cos, phases.sin, out, dim, width // 2, BLOCK=kernels.power_of_two(dim), num_warps=WARPS["rotate"]
    )


def rms(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Root-mean-square norm of rows."""
    out = torch.empty_like(x)
    kernels.rms[(x.shape[0],)](
        x, weight, out, x.shape[1], eps, BLOCK=kernels.power_of_two(x.shape[1]), num_warps=WARPS["rms"]
    )
    return out


def merge(a: Tensor, a_log: Tensor | None, b: Tensor | None, b_log: Tensor | None, width: int, *, fp8: bool) -> Rows:
    """Attention over two sets of keys as one, by their log-sums [heads, L]; without `b` only the change of format."""
    length, dim = a.shape
    if b is None and not fp8:
        return Rows(a)
    out = _rows(length, dim, a.device, fp8=fp8)
    kernels.merge[(length,)](
        a, a_log, b, b_log, out.values, out.scale, dim, width, length, HAS_B=b is not None, FP8=fp8,
        BLOCK=kernels.power_of_two(dim), num_warps=WARPS["merge"],
    )  # fmt: skip
    return out


def gelu(x: Tensor, *, fp8: bool) -> Rows:
    """The tanh form of GELU."""
    out = _rows(x.shape[0], x.shape[1], x.device, fp8=fp8)
    kernels.gelu[(x.shape[0],)](
        x, out.values, out.scale, x.shape[1], FP8=fp8, BLOCK=kernels.power_of_two(x.shape[1]), num_warps=WARPS["gelu"]
    )
    return out


def _rows(length: int, dim: int, device: torch.device, *, fp8: bool) -> Rows:
    values = torch.empty(length, dim, device=device, dtype=FP8 if fp8 else torch.bfloat16)
    return Rows(values, torch.empty(length, 1, device=device) if fp8 else None)
