"""Layers of the video autoencoder on channels-last frames, and the memory of its causal convolutions.

Shapes: T frames, H, W height and width, C channels; activations are [T, H, W, C].
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEMORY_FRAMES = 2  # a temporal kernel of 3 looks two frames back


@dataclass
class Stream:
    """The last two input frames of every causal convolution, in the order of use.

    `before` is what the previous piece of video left behind (None at the very beginning); `after` collects what this
    piece leaves, copied into the tensors of `into` where these are given. `before` is only read.
    """

    before: list[Tensor] | None
    into: list[Tensor] | None = None
    after: list[Tensor] = field(default_factory=list)

    @property
    def is_first(self) -> bool:
        """No frame has been seen yet."""
        return self.before is None

    def next(self) -> Stream:
        """The stream for the next piece."""
        return Stream(before=self.after)

    def extend(self, x: Tensor) -> Tensor:
        """[T, H, W, C] -> [2 + T, H, W, C] with the two frames before; zeros stand for frames before the first."""
        past = x.new_zeros(MEMORY_FRAMES, *x.shape[1:]) if self.before is None else self.before[len(self.after)]
        extended = torch.cat([past, x])
        self.leave(extended[-MEMORY_FRAMES:])
        return extended

    def begin(self, x: Tensor) -> None:
        """Leave zeros: at the very beginning, temporal upsampling does not take part and forgets the first frame."""
        self.leave(x.new_zeros(MEMORY_FRAMES, *x.shape[1:]))

    def leave(self, frames: Tensor) -> None:
        """Remember two frames of the next convolution."""
        self.place(frames).copy_(frames)

    def place(self, like: Tensor) -> Tensor:
        """Where the next convolution's two frames are remembered; the caller writes them."""
        place = torch.empty_like(like) if self.into is None else self.into[len(self.after)]
        self.after.append(place)
        return place


class CausalConv(nn.Module):
    """3-D convolution whose temporal extent (3 or 1) reaches back only; run as a convolution over single frames."""

    def __init__(self, channels: int, out: int, kernel: tuple[int, int, int] = (3, 3, 3)) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out, channels, *kernel))
        self.bias = nn.Parameter(torch.empty(out))
        self.taps, self.is_spatial = kernel[0], kernel[1] > 1
        self._flat: Tensor | None = None
        self._deep: Tensor | None = None

    def forward(self, x: Tensor, stream: Stream | None) -> Tensor:
        """[T, H, W, C] -> [T, H, W, out]; `stream` may be None where the temporal extent is 1."""
        if self.taps > 1:
            assert stream is not None
            x = stream.extend(x)
        return self.over(x)

    def over(self, frames: Tensor, stride: int = 1) -> Tensor:
        """Valid convolution in time over frames that include the past: [T + 2, H, W, C] -> [T, H, W, out]."""
        if self.taps > 1 and self.is_spatial and frames.is_cuda:
            return self.in_three_dimensions(frames, self.bias)
        if self.taps > 1:
            last = frames.shape[0] - self.taps
            frames = torch.cat([frames[tap : last + tap + 1 : stride] for tap in range(self.taps)], dim=-1)
        return _conv2d(frames, self.side_by_side(), self.bias, 1) if self.is_spatial else self._pointwise(frames)

    def in_three_dimensions(self, frames: Tensor, bias: Tensor | None) -> Tensor:
        """The plain 3-D convolution on channels-last frames, for which CUDA has fast kernels."""
        if self._deep is None or self._deep.device != self.weight.device:
            self._deep = self.weight.contiguous(memory_format=torch.channels_last_3d)
        out = F.conv3d(frames.permute(3, 0, 1, 2)[None], self._deep, bias, padding=(0, 1, 1))
        return out[0].permute(1, 2, 3, 0)

    def _pointwise(self, frames: Tensor) -> Tensor:
        return F.linear(frames, self.side_by_side().flatten(1), self.bias)

    def side_by_side(self) -> Tensor:
        """The weight with temporal taps in the channel axis: [out, taps*C, kh, kw]; made once."""
        if self._flat is None or self._flat.device != self.weight.device:
            flat = self.weight.transpose(1, 2).flatten(1, 2)
            self._flat = flat.contiguous(
                memory_format=torch.channels_last if self.is_spatial else torch.contiguous_format
            )
        return self._flat


class RMSNorm(nn.Module):
    """Each pixel's channels divided by their length, times sqrt(C) and a weight."""

    def __init__(self, channels: int, extra_axes: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(channels, *[1] * extra_axes))

    def forward(self, x: Tensor) -> Tensor:
        """[..., C] -> [..., C]; the length is taken in float32."""
        return F.normalize(x.float(), dim=-1).to(x.dtype) * self.scaled_gamma()

    def scaled_gamma(self) -> Tensor:
        """[C]: the weight times sqrt(C)."""
        return self.gamma.flatten() * self.gamma.shape[0] ** 0.5


class ResidualBlock(nn.Module):
    """Two normed convolutions beside a shortcut."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.residual = nn.ModuleList(
            [
                RMSNorm(channels, 3), nn.SiLU(), CausalConv(channels, out),
                RMSNorm(out, 3), nn.SiLU(), nn.Identity(), CausalConv(out, out),
            ]
        )  # fmt: skip
        self.shortcut = CausalConv(channels, out, kernel=(1, 1, 1)) if channels != out else None

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        """[T, H, W, C] -> [T, H, W, out]"""
        shortcut = x if self.shortcut is None else self.shortcut(x, None)
        x = self.residual[2](F.silu(self.residual[0](x)), stream)
        return self.residual[6](F.silu(self.residual[3](x)), stream) + shortcut


class AttentionBlock(nn.Module):
    """Single-head attention among the pixels of each frame."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = RMSNorm(channels, 2)
        self.to_qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, _stream: Stream) -> Tensor:
        """[T, H, W, C] -> [T, H, W, C]"""
        qkv = F.linear(self.norm(x), self.to_qkv.weight.flatten(1), self.to_qkv.bias)
        q, k, v = qkv.flatten(1, 2).unsqueeze(1).chunk(3, dim=-1)
        mixed = F.scaled_dot_product_attention(q, k, v).squeeze(1).view(x.shape)
        return x + F.linear(mixed, self.proj.weight.flatten(1), self.proj.bias)


class Resample(nn.Module):
    """Doubles or halves height and width, and, if temporal, the number of frames."""

    def __init__(self, channels: int, direction: str, *, is_temporal: bool) -> None:
        super().__init__()
        self.is_up, self.is_temporal = direction == "up", is_temporal
        out = channels // 2 if self.is_up else channels
        # Place 0 is the reference's parameter-free upsampling or padding layer.
        self.resample = nn.ModuleList([nn.Identity(), nn.Conv2d(channels, out, 3)])
        if is_temporal:
            self.time_conv = CausalConv(channels, 2 * channels if self.is_up else channels, kernel=(3, 1, 1))

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        """[T, H, W, C] -> up: [T or 2T, 2H, 2W, C/2]; down: [T or T/2, H/2, W/2, C]"""
        return self._up(x, stream) if self.is_up else self._down(x, stream)

    def _kernel(self) -> tuple[Tensor, Tensor | None]:
        conv = self.resample[1]
        assert isinstance(conv, nn.Conv2d)
        return conv.weight, conv.bias

    def _up(self, x: Tensor, stream: Stream) -> Tensor:
        if self.is_temporal and stream.is_first:
            stream.begin(x)
        elif self.is_temporal:
            doubled = self.time_conv(x, stream)  # channels hold an even and an odd frame
            x = doubled.unflatten(-1, (2, -1)).movedim(-2, 1).flatten(0, 1)
        large = F.interpolate(x.permute(0, 3, 1, 2), scale_factor=2.0, mode="nearest-exact").permute(0, 2, 3, 1)
        return _conv2d(large, *self._kernel(), 1)

    def _down(self, x: Tensor, stream: Stream) -> Tensor:
        x = F.pad(x, (0, 0, 0, 1, 0, 1))
        weight, bias = self._kernel()
        x = F.conv2d(x.permute(0, 3, 1, 2), weight, bias, stride=2).permute(0, 2, 3, 1)
        if not self.is_temporal:
            return x
        past = stream.extend(x)
        # The first frame passes; afterwards pairs of frames are joined, each seeing one frame of the past.
        return x if stream.is_first else self.time_conv.over(past[1:], stride=2)


def _conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, padding: int) -> Tensor:
    """Convolution of frames [T, H, W, C], which torch sees as channels-last images."""
    return F.conv2d(x.permute(0, 3, 1, 2), weight, bias, padding=padding).permute(0, 2, 3, 1)
