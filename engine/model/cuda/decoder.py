"""The streaming decoder with fused kernels: the same layers as `engine.model.vae`, for bfloat16 on CUDA.

Norm and SiLU write straight into the frames that the next convolution reads, biases and shortcuts are added in one pass.
With few channels a convolution runs over single frames with the three temporal taps side by side, else in three
dimensions.

Shapes: T frames, H, W height and width, C channels; activations [T, H, W, C].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.model.cuda import kernels
from engine.model.vae_parts import MEMORY_FRAMES, CausalConv, Resample, ResidualBlock, RMSNorm, Stream

FEW_CHANNELS = 128
TAPS = 3
LANES = 8
TILE = 4096  # numbers per program


def decode(decoder: nn.Module, z: Tensor, stream: Stream) -> Tensor:
    """[n, h, w, 16] -> [4n, 8h, 8w, 3] with a warm stream, as the plain decoder's `forward`."""
    x = decoder.conv1(z, stream).contiguous()  # type: ignore[operator]
    for layer in [*decoder.middle, *decoder.upsamples]:  # type: ignore[misc]
        if isinstance(layer, ResidualBlock):
            x = _residual(layer, x, stream)
        elif isinstance(layer, Resample):
            x = _double(layer, x, stream)
        else:
            x = layer(x, stream)
    norm, _, conv = decoder.head  # type: ignore[misc]
    return _norm_silu_conv(norm, conv, x, None, stream) + conv.bias


def _residual(block: ResidualBlock, x: Tensor, stream: Stream) -> Tensor:
    parts = block.residual
    shortcut = x if block.shortcut is None else block.shortcut(x, None)
    inner = _norm_silu_conv(parts[0], parts[2], x, None, stream)
    inner = _norm_silu_conv(parts[3], parts[6], inner, parts[2].bias, stream)  # type: ignore[arg-type]
    return _join(inner, parts[6].bias, shortcut)  # type: ignore[arg-type]


def _double(layer: Resample, x: Tensor, stream: Stream) -> Tensor:
    if layer.is_temporal:
        doubled = layer.time_conv(x, stream)  # channels hold an even and an odd frame
        x = doubled.unflatten(-1, (2, -1)).movedim(-2, 1).flatten(0, 1)
    frames, height, width, channels = x.shape
    large = x.new_empty(frames, 2 * height, 2 * width, channels)
    block = kernels.power_of_two(channels)
    tile = max(1, TILE // block)
    kernels.double[(frames * height, -(-width // tile))](
        x.contiguous(), large, channels, width, ROWS=tile, BLOCK=block, num_warps=8
    )
    conv = layer.resample[1]
    weight = conv.weight.contiguous(memory_format=torch.channels_last)  # type: ignore[operator,union-attr]
    out = F.conv2d(large.permute(0, 3, 1, 2), weight, None, padding=1).permute(0, 2, 3, 1)
    return _join(out, conv.bias, None)  # type: ignore[arg-type]


def _norm_silu_conv(norm: nn.Module, conv: nn.Module, x: Tensor, bias: Tensor | None, stream: Stream) -> Tensor:
    """Convolution, without its bias, of the normed and activated x + bias behind the two frames before it."""
    assert isinstance(norm, RMSNorm) and isinstance(conv, CausalConv) and stream.before is not None
    frames, height, width, channels = x.shape
    past = stream.before[len(stream.after)]
    if channels > FEW_CHANNELS or frames < MEMORY_FRAMES:
        extended = x.new_empty(MEMORY_FRAMES + frames, height, width, channels)
        extended[:MEMORY_FRAMES].copy_(past)
        _unit_silu(norm, x, bias, extended, taps=1)
        stream.leave(extended[-MEMORY_FRAMES:])
        return conv.in_three_dimensions(extended, None)
    beside = x.new_empty(frames, height, width, TAPS, channels)
    block = kernels.power_of_two(channels)
    tile = max(1, TILE // block)
    kernels.spread[(-(-height * width // tile),)](
        past, beside, channels, height * width, ROWS=tile, BLOCK=block, num_warps=8
    )
    _unit_silu(norm, x, bias, beside, taps=TAPS, last=stream.place(past))
    weight, out = conv.side_by_side(), conv.bias.shape[0]
    if out % LANES:  # fewer outputs than the matrix units take: empty ones are computed and cut away
        weight = F.pad(weight, (0, 0, 0, 0, 0, 0, 0, -out % LANES)).contiguous(memory_format=torch.channels_last)
    return F.conv2d(beside.flatten(3).permute(0, 3, 1, 2), weight, None, padding=1).permute(0, 2, 3, 1)[..., :out]


def _unit_silu(
    norm: RMSNorm, x: Tensor, bias: Tensor | None, out: Tensor, *, taps: int, last: Tensor | None = None
) -> None:
    frames, pixels, channels = x.shape[0], x.shape[1] * x.shape[2], x.shape[3]
    block = kernels.power_of_two(channels)
    tile = max(1, TILE // block)
    kernels.unit_silu[(-(-pixels // tile), frames)](
        x.contiguous(), bias, norm.scaled_gamma(), out, last, channels, pixels, out.shape[0],
        HAS_BIAS=bias is not None, HAS_LAST=last is not None, TAPS=taps, FIRST=MEMORY_FRAMES, ROWS=tile, BLOCK=block, num_warps=8,
    )  # fmt: skip


def _join(x: Tensor, bias: Tensor, shortcut: Tensor | None) -> Tensor:
    """x + bias + shortcut, in `x`'s memory."""
    x, channels = x.contiguous(), x.shape[3]
    block = kernels.power_of_two(channels)
    tile = max(1, TILE // block)
    pixels = x.numel() // channels
    kernels.join[(-(-pixels // tile),)](
        x, bias, None if shortcut is None else shortcut.contiguous(), x, channels, pixels,
        HAS_SHORTCUT=shortcut is not None, ROWS=tile, BLOCK=block, num_warps=8,
    )  # fmt: skip
    return x
