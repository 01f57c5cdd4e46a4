"""The autoencoder of `engine.model.vae` for batches of whole videos, differentiable: the same weights, the same sums.

The engine streams one video through the layers; training sees short videos whole. Shapes: B videos, T frames, C channels,
H, W pixels; h, w latent height and width. Inside, channels come last: [B, T, H, W, C].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.model.vae import VideoAutoencoder
from engine.model.vae_parts import AttentionBlock, CausalConv, Resample, ResidualBlock, RMSNorm


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
    centre, spread = (
        torch.tensor(x, device=mean.device).view(1, -1, 1, 1, 1)
        for x in (vae.config.latents_mean, vae.config.latents_std)
    )
    return (mean - centre) / spread


def denormalised(vae: VideoAutoencoder, latents: Tensor) -> Tensor:
    """Inverse of `normalised`."""
    centre, spread = (
        torch.tensor(x, device=latents.device).view(1, -1, 1, 1, 1)
        for x in (vae.config.latents_mean, vae.config.latents_std)
    )
    return latents * spread + centre


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
    y = _conv(parts[2], F.silu(_norm(parts[0], x)))
    return _conv(parts[6], F.silu(_norm(parts[3], y))) + shortcut


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
    return torch.cat([small[:, :1], _over_time(layer.time_conv, small, stride=2)], dim=1)


def _head(head: nn.ModuleList, x: Tensor) -> Tensor:
    return _conv(head[2], F.silu(_norm(head[0], x)))


def _norm(norm: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(norm, RMSNorm)
    return F.normalize(x.float(), dim=-1).to(x.dtype) * norm.scaled_gamma().to(x.dtype)


def _conv(conv: nn.Module, x: Tensor) -> Tensor:
    """Causal convolution of [B, T, H, W, C]; zeros stand for frames before the first."""
    assert isinstance(conv, CausalConv)
    if conv.taps == 1:
        return F.linear(x, conv.weight.flatten(1), conv.bias)
    return _over_time(conv, F.pad(x, (0, 0, 0, 0, 0, 0, 2, 0)))


def _over_time(conv: nn.Module, x: Tensor, stride: int = 1) -> Tensor:
    """Valid in time: the three temporal taps lie side by side in the channels of one 2-D convolution."""
    assert isinstance(conv, CausalConv)
    last = x.shape[1] - conv.taps
    taps = torch.cat([x[:, tap : last + tap + 1 : stride] for tap in range(conv.taps)], dim=-1)
    weight = conv.weight.transpose(1, 2).flatten(1, 2)
    if not conv.is_spatial:
        return F.linear(taps, weight.flatten(1), conv.bias)
    weight = weight.contiguous(memory_format=torch.channels_last)
    return _videos(F.conv2d(_images(taps), weight, conv.bias, padding=1), taps.shape[1])


def _images(x: Tensor) -> Tensor:
    """[B, T, H, W, C] -> [B*T, C, H, W], which torch sees as channels-last images."""
    return x.flatten(0, 1).permute(0, 3, 1, 2)


def _videos(x: Tensor, frames: int) -> Tensor:
    return x.permute(0, 2, 3, 1).unflatten(0, (-1, frames))


def _kernel(layer: Resample) -> tuple[Tensor, Tensor | None]:
    conv = layer.resample[1]
    assert isinstance(conv, nn.Conv2d)
    return conv.weight, conv.bias
