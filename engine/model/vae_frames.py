"""The decoder's last levels on a CPU, one frame after another and in strips of rows: what is worked on stays in its caches.

The sums are those of `engine.model.vae_parts`, in the same order; there all twelve frames of a block pass each layer at
once, hundreds of megabytes at 384 x 256, which was what took most of the time. A strip's three temporal taps lie side by
side in a small buffer of its own, and whatever follows the convolution is done while its strip is still at hand.

Shapes: T frames, H, W height and width, C channels; one frame is [H, W, C].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.model.vae_parts import CausalConv, Resample, ResidualBlock, RMSNorm, Stream

STRIP_BYTES = 4 << 20  # of a strip with its taps: 1 to 4 MiB are equally fast, and fewer strips keep threads waiting less often
_TINY = 1e-12  # as in F.normalize

Consume = Callable[[slice, Tensor], object]  # takes the rows' place in the frame and what the convolution gives for them


def can_decode(z: Tensor, stream: Stream) -> bool:
    """This way is for float32 on a CPU, once the decoder is warm, without gradients."""
    return z.device.type == "cpu" and z.dtype == torch.float32 and not stream.is_first and not torch.is_grad_enabled()


def decode(first: nn.Module, layers: list[nn.Module], head: nn.ModuleList, z: Tensor, stream: Stream) -> Tensor:
    """[n, h, w, 16] -> [4n, 8h, 8w, 3] of a decoder that is warm; layers up to the last temporal one take all frames at once."""
    x = first(z, stream)
    late = 1 + max(
        (i for i, layer in enumerate(layers) if isinstance(layer, Resample) and layer.is_temporal), default=-1
    )
    for layer in layers[:late]:
        x = layer(x, stream)
    late_levels = _LateLevels(layers[late:], head, stream)
    frames = torch.stack([late_levels.frame(frame) for frame in x])
    late_levels.leave()
    return frames


class _LateLevels:
    """Layers without temporal resampling, and for each of their convolutions the two frames before."""

    def __init__(self, layers: list[nn.Module], head: nn.ModuleList, stream: Stream) -> None:
        assert stream.before is not None
        self._layers, self._head, self._stream = layers, head, stream
        self._past = [(frames[0], frames[1]) for frames in stream.before[len(stream.after) :]]
        self._at = 0  # the next convolution

    def frame(self, x: Tensor) -> Tensor:
        """[h, w, C] -> [H, W, 3]"""
        self._at = 0
        for layer in self._layers:
            x = self._residual(layer, x) if isinstance(layer, ResidualBlock) else layer(x[None], self._stream)[0]
        norm, _, conv = self._head
        assert isinstance(conv, CausalConv)
        out = x.new_empty(*x.shape[:2], conv.weight.shape[0])
        self._convolve(conv, _normed(norm, x), lambda rows, y: out[rows].copy_(y))
        return out

    def leave(self) -> None:
        """Remember each convolution's last two frames. They may lie where they go to, one place on."""
        for older, newer in self._past:
            place = self._stream.place(older.new_empty(2, *older.shape))
            place[0].copy_(older)
            place[1].copy_(newer)

    def _residual(self, block: ResidualBlock, x: Tensor) -> Tensor:
        before, _, first, between, _, _, second = block.residual
        assert isinstance(first, CausalConv) and isinstance(second, CausalConv)
        inner = x.new_empty(*x.shape[:2], first.weight.shape[0])
        self._convolve(first, _normed(before, x), lambda rows, y: _norm_into(inner[rows], between, y))
        out = torch.empty_like(inner)

        def add(rows: slice, y: Tensor) -> None:
            torch.add(y, x[rows] if block.shortcut is None else block.shortcut(x[rows], None), out=out[rows])

        self._convolve(second, inner, add)
        return out

    def _convolve(self, conv: CausalConv, x: Tensor, consume: Consume) -> None:
        """A convolution over this frame and the two before it, strip by strip."""
        (older, newer), width, channels = self._past[self._at], x.shape[1], x.shape[2]
        strips = list(_strips(x, conv.taps))
        beside = x.new_empty(max(end - start for start, end in strips) + 2, width, conv.taps * channels)
        for start, end in strips:
            taps = beside[: end - start + 2]
            above, below = start == 0, end == len(x)  # there is nothing: zeros
            inside = taps[int(above) : len(taps) - int(below)]
            seen = slice(max(start - 1, 0), min(end + 1, len(x)))
            for tap, frame in enumerate((older, newer, x)):
                inside[..., tap * channels : (tap + 1) * channels].copy_(frame[seen])
            if above:
                taps[0].zero_()
            if below:
                taps[-1].zero_()
            y = F.conv2d(taps.permute(2, 0, 1)[None], conv.side_by_side(), conv.bias, padding=(0, 1))
            consume(slice(start, end), y[0].permute(1, 2, 0))
        self._past[self._at] = newer, x
        self._at += 1


def _strips(x: Tensor, times: int) -> Iterator[tuple[int, int]]:
    """Rows [start, end) of frame x, whose `times`-fold takes at most `STRIP_BYTES`, of nearly the same height each."""
    height = len(x)
    count = min(height, -(-x.numel() * x.element_size() * times // STRIP_BYTES))
    return pairwise(height * n // count for n in range(count + 1))


def _normed(norm: nn.Module, x: Tensor) -> Tensor:
    """Norm and SiLU of a frame."""
    out = torch.empty_like(x)
    for start, end in _strips(x, 3):
        _norm_into(out[start:end], norm, x[start:end])
    return out


def _norm_into(out: Tensor, norm: nn.Module, x: Tensor) -> None:
    """Norm and SiLU of some rows [r, W, C]."""
    assert isinstance(norm, RMSNorm)
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min_(_TINY)
    F.silu(torch.mul(torch.div(x, length), norm.scaled_gamma(), out=out), inplace=True)
