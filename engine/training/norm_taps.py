"""Norm, SiLU and the three temporal taps of the next convolution in one pass over memory, and one on the way back.

On a GPU the autoencoder's step is bound by memory, and library kernels for norms take a whole group of threads for each
pixel, of which sixteen channels keep few busy: half of the step went there. On other devices the same is said in plain
operations by `engine.training.video_batch`. Shapes: B videos, T frames, H, W pixels, C channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engine.model.cuda.kernels import jit, power_of_two, tl

EPSILON = 1e-12  # against division by zero
_TILE = 4096  # numbers per program


class NormTaps(torch.autograd.Function):
    """x [B, T, H, W, C], gamma [C] -> [B, T, H, W, 3 C]: silu(x / rms(x) * gamma) of every frame beside those of the two
    frames before it, zeros before the first. Arithmetic in float32, the result in the type of `x`. Needs triton."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gamma: Tensor) -> Tensor:
        """As the class says."""
        x, gamma = x.contiguous(), gamma.float().contiguous()
        grid, sizes = _launch(x)
        taps = x.new_empty(*x.shape[:-1], 3 * x.shape[-1])
        spread_normed[grid](x, gamma, taps, x.shape[1], x.shape[2] * x.shape[3], x.shape[4], EPSILON, **sizes)
        ctx.save_for_backward(x, gamma)
        return taps

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of `x` and `gamma`; nothing but these two was kept, the rest is worked out anew."""
        x, gamma = ctx.saved_tensors
        grid, sizes = _launch(x)
        grad, slopes = torch.empty_like(x), x.new_empty(*grid, x.shape[4], dtype=torch.float32)
        gather_normed[grid](
            x, gamma, grads[0].contiguous(), grad, slopes, x.shape[1], x.shape[2] * x.shape[3], x.shape[4], EPSILON, **sizes
        )
        return grad, slopes.flatten(0, 1).sum(0)


def _launch(x: Tensor) -> tuple[tuple[int, int], dict[str, int]]:
    """Programs by frame and by tile of pixels; how large a tile is."""
    block = power_of_two(x.shape[4])
    rows = max(1, _TILE // block)
    return (x.shape[0] * x.shape[1], -(-x.shape[2] * x.shape[3] // rows)), {"ROWS": rows, "BLOCK": block, "num_warps": 8}


@jit
def spread_normed(
    x: tl.tensor,
    gamma: tl.tensor,
    taps: tl.tensor,
    frames: tl.tensor,
    pixels: tl.tensor,
    channels: tl.tensor,
    eps: tl.tensor,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """A tile of one frame goes to its own place, and to the places of the two frames after it."""
    place = tl.program_id(0)
    frame = place % frames
    rows = (tl.program_id(1) * ROWS + tl.arange(0, ROWS))[:, None]
    columns = tl.arange(0, BLOCK)[None, :]
    mask = (rows < pixels) & (columns < channels)
    has_next, has_second = rows < (frames - 1 - frame) * pixels, rows < (frames - 2 - frame) * pixels
    start = place.to(tl.int64) * pixels
    value = tl.load(x + (start + rows) * channels + columns, mask=mask, other=0.0).to(tl.float32)
    slope = tl.load(gamma + columns, mask=columns < channels, other=0.0)
    scale = tl.rsqrt(tl.sum(value * value, axis=1) / channels + eps)[:, None]
    normed = value * scale * slope
    out = (normed * tl.sigmoid(normed)).to(taps.dtype.element_ty)
    own = taps + (start + rows) * 3 * channels + columns
    step = pixels.to(tl.int64) * 3 * channels
    tl.store(own + 2 * channels, out, mask=mask)
    tl.store(own + step + channels, out, mask=mask & has_next)
    tl.store(own + 2 * step, out, mask=mask & has_second)
    nothing = tl.zeros((ROWS, BLOCK), taps.dtype.element_ty)
    tl.store(own + channels, nothing, mask=mask & (rows < (1 - frame) * pixels))
    tl.store(own, nothing, mask=mask & (rows < (2 - frame) * pixels))


@jit
def gather_normed(
    x: tl.tensor,
    gamma: tl.tensor,
    grads: tl.tensor,
    out: tl.tensor,
    slopes: tl.tensor,
    frames: tl.tensor,
    pixels: tl.tensor,
    channels: tl.tensor,
    eps: tl.tensor,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """The way back of `spread_normed`; gamma's part as one row per program."""
    place, tile = tl.program_id(0), tl.program_id(1)
    frame = place % frames
    rows = (tile * ROWS + tl.arange(0, ROWS))[:, None]
    columns = tl.arange(0, BLOCK)[None, :]
    mask = (rows < pixels) & (columns < channels)
    has_next, has_second = rows < (frames - 1 - frame) * pixels, rows < (frames - 2 - frame) * pixels
    start = place.to(tl.int64) * pixels
    own = grads + (start + rows) * 3 * channels + columns
    step = pixels.to(tl.int64) * 3 * channels
    grad = tl.load(own + 2 * channels, mask=mask, other=0.0).to(tl.float32)
    grad += tl.load(own + step + channels, mask=mask & has_next, other=0.0).to(tl.float32)
    grad += tl.load(own + 2 * step, mask=mask & has_second, other=0.0).to(tl.float32)
    value = tl.load(x + (start + rows) * channels + columns, mask=mask, other=0.0).to(tl.float32)
    slope = tl.load(gamma + columns, mask=columns < channels, other=0.0)
    scale = tl.rsqrt(tl.sum(value * value, axis=1) / channels + eps)[:, None]
    unit = value * scale
    gate = tl.sigmoid(unit * slope)
    grad = grad * gate * (1 + unit * slope * (1 - gate))
    mine = slopes + (place * tl.num_programs(1) + tile) * channels + columns
    tl.store(mine, tl.sum(grad * unit, axis=0)[None, :], mask=columns < channels)
    grad = grad * slope
    grad = scale * (grad - unit * (tl.sum(grad * unit, axis=1)[:, None] / channels))
    tl.store(out + (start + rows) * channels + columns, grad.to(out.dtype.element_ty), mask=mask)
