"""The autoencoder of `engine.model.vae` for batches of whole videos, differentiable: the same weights, the same sums.

The engine streams one video through the layers; training sees short videos whole. Shapes: B videos, T frames, C channels,
H, W pixels; h, w latent height and width. Inside, channels come last: [B, T, H, W, C].
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.model.vae import VideoAutoencoder
from engine.model.vae_parts import AttentionBlock, CausalConv, Resample, ResidualBlock, RMSNorm
from engine.training.norm_taps import EPSILON, NormTaps
from engine.training.precision import full_precision


def encode_batch(vae: VideoAutoencoder, video: Tensor) -> tuple[Tensor, Tensor]:
    """Frames [B, 1 + 4n, 3, H, W] in -1..1 -> posterior mean and log variance, [B, 16, 1 + n, h, w] each, not normalised."""
    x = _conv(vae.encoder.conv1, video.permute(0, 1, 3, 4, 2))
    for layer in (*vae.encoder.downsamples, *vae.encoder.middle):
        x = _layer(layer, x)
    moments = _conv(vae.conv1, _head(vae.encoder.head, x)).permute(0, 4, 1, 2, 3)
    mean, log_variance = moments.float().chunk(2, dim=1)
    return mean, log_variance


def decode_batch(vae: VideoAutoencoder, z: Tensor) -> Tensor:
    """Latents [B, 16, 1 + n, h, w], not normalised -> frames [B, 1 + 4n, 3, H, W], not clamped."""
    x = _conv(vae.conv2, z.permute(0, 2, 3, 4, 1))
    x = _conv(vae.decoder.conv1, x)
    for layer in (*vae.decoder.middle, *vae.decoder.upsamples):
        x = _layer(layer, x)
    return _head(vae.decoder.head, x).permute(0, 1, 4, 2, 3).float()


def normalised(vae: VideoAutoencoder, mean: Tensor) -> Tensor:
    """Latents [B, 16, n, h, w] as the transformer sees them."""
    centre, spread = _statistics(vae.config.latents_mean, vae.config.latents_std, mean.device)
    return (mean - centre) / spread


def denormalised(vae: VideoAutoencoder, latents: Tensor) -> Tensor:
    """Inverse of `normalised`."""
    centre, spread = _statistics(vae.config.latents_mean, vae.config.latents_std, latents.device)
    return latents * spread + centre


@lru_cache(maxsize=16)
def _statistics(mean: tuple[float, ...], spread: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Both as [1, 16, 1, 1, 1], kept on the device: a recorded step must copy nothing over."""
    first, second = (torch.tensor(x, device=device).view(1, -1, 1, 1, 1) for x in (mean, spread))
    return first, second


def _layer(layer: nn.Module, x: Tensor) -> Tensor:
    match layer:
        case ResidualBlock():
            return _residual(layer, x)
        case AttentionBlock():
            return _attend(layer, x)
        case Resample(is_up=True):
            return _up(layer, x)
        case Resample():
            return _down(layer, x)
    raise TypeError(f"no batched form of {type(layer).__name__}")


def _residual(block: ResidualBlock, x: Tensor) -> Tensor:
    parts = block.residual
    shortcut = x if block.shortcut is None else _conv(block.shortcut, x)
    y = _normed_conv(parts[0], parts[2], x)
    return _normed_conv(parts[3], parts[6], y) + shortcut


def _attend(block: AttentionBlock, x: Tensor) -> Tensor:
    qkv = F.linear(_norm(block.norm, x), block.to_qkv.weight.flatten(1), block.to_qkv.bias)
    q, k, v = qkv.flatten(0, 1).flatten(1, 2).unsqueeze(1).chunk(3, dim=-1)
    mixed = F.scaled_dot_product_attention(q, k, v).view(x.shape)
    return x + F.linear(mixed, block.proj.weight.flatten(1), block.proj.bias)


def _up(layer: Resample, x: Tensor) -> Tensor:
    """The first frame takes no part in doubling time and is forgotten by it."""
    if layer.is_temporal and x.shape[1] > 1:
        doubled = _conv(layer.time_conv, x[:, 1:])
        even, odd = doubled.chunk(2, dim=-1)
        x = torch.cat([x[:, :1], torch.stack([even, odd], dim=2).flatten(1, 2)], dim=1)
    large = F.interpolate(_images(x), scale_factor=2.0, mode="nearest-exact")
    weight, bias = _kernel(layer)
    return _videos(F.conv2d(large, weight, bias, padding=1), x.shape[1])


def _down(layer: Resample, x: Tensor) -> Tensor:
    """The first frame passes; then pairs of frames are joined, each seeing the one before."""
    weight, bias = _kernel(layer)
    small = _videos(F.conv2d(_images(F.pad(x, (0, 0, 0, 1, 0, 1))), weight, bias, stride=2), x.shape[1])
    if not layer.is_temporal or x.shape[1] == 1:
        return small
    return torch.cat([small[:, :1], _halved(layer.time_conv, small)], dim=1)


def _halved(conv: nn.Module, x: Tensor) -> Tensor:
    """Every second frame, from the pairs after the first frame, each seeing the one before."""
    assert isinstance(conv, CausalConv)
    return _tapped(conv, torch.cat([x[:, tap : x.shape[1] - 2 + tap : 2] for tap in range(3)], dim=-1))


def _head(head: nn.ModuleList, x: Tensor) -> Tensor:
    return _normed_conv(head[0], head[2], x)


def _normed_conv(norm: nn.Module, conv: nn.Module, x: Tensor) -> Tensor:
    """Norm, SiLU, causal convolution."""
    assert isinstance(norm, RMSNorm) and isinstance(conv, CausalConv)
    if x.is_cuda:
        return _tapped(conv, NormTaps.apply(x, norm.gamma.flatten()))  # type: ignore[no-untyped-call]
    return _conv(conv, F.silu(_norm(norm, x)))


def _norm(norm: nn.Module, x: Tensor) -> Tensor:
    """As the engine's norm, x / |x| * sqrt(C) * gamma, in one operation: x / rms(x) * gamma."""
    assert isinstance(norm, RMSNorm)
    with full_precision(x.device):
        return F.rms_norm(x, x.shape[-1:], norm.gamma.flatten().to(x.dtype), eps=EPSILON)


def _conv(conv: nn.Module, x: Tensor) -> Tensor:
    """Causal convolution of [B, T, H, W, C]; zeros stand for frames before the first."""
    assert isinstance(conv, CausalConv)
    if conv.taps == 1:
        return F.linear(x, conv.weight.flatten(1), conv.bias)
    return _tapped(conv, _Taps.apply(x))  # type: ignore[no-untyped-call]


def _tapped(conv: CausalConv, taps: Tensor) -> Tensor:
    """The three temporal taps lie side by side in the channels [B, T, H, W, 3 C] of one 2-D convolution."""
    weight = conv.weight.transpose(1, 2).flatten(1, 2)
    if not conv.is_spatial:
        return F.linear(taps, weight.flatten(1), conv.bias)
    weight = weight.contiguous(memory_format=torch.channels_last)
    return _videos(F.conv2d(_images(taps), weight, conv.bias, padding=1), taps.shape[1])


class _Taps(torch.autograd.Function):
    """[B, T, H, W, C] -> [B, T, H, W, 3 C]: every frame beside the two before it, zeros before the first.

    Padding and joining do the same with four times the memory traffic, most of it on the way back.
    """

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        taps, channels = x.new_empty(*x.shape[:-1], 3 * x.shape[-1]), x.shape[-1]
        taps[..., 2 * channels :] = x
        for past in (1, 2):
            part = taps[..., (2 - past) * channels : (3 - past) * channels]
            part[:, :past] = 0
            part[:, past:] = x[:, :-past]
        return taps

    @staticmethod
    def backward(_ctx: Any, *grads: Tensor) -> Tensor:
        oldest, middle, newest = grads[0].chunk(3, dim=-1)
        total = newest.clone(memory_format=torch.contiguous_format)
        total[:, :-1] += middle[:, 1:]
        total[:, :-2] += oldest[:, 2:]
        return total


def _images(x: Tensor) -> Tensor:
    """[B, T, H, W, C] -> [B*T, C, H, W], which torch sees as channels-last images."""
    return x.flatten(0, 1).permute(0, 3, 1, 2)


def _videos(x: Tensor, frames: int) -> Tensor:
    return x.permute(0, 2, 3, 1).unflatten(0, (-1, frames))


def _kernel(layer: Resample) -> tuple[Tensor, Tensor | None]:
    conv = layer.resample[1]
    assert isinstance(conv, nn.Conv2d)
    return conv.weight, conv.bias
