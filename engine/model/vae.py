"""The video autoencoder, causal in time: 4 video frames x 8 x 8 pixels <-> one latent of 16 channels.

Parameter names are those of the public file. Work goes on channels-last frames [frames, height, width, channels]: on a
CPU a causal 3x3x3 convolution is one 2-D convolution per frame over the three temporal taps side by side in the channel
axis, which is the same sum and, with few channels, several times as fast as a 3-D convolution. Every one with a temporal
extent remembers its last two input frames in a `Stream`, so a video may be fed in pieces: the result is the same.

The first latent frame stands for one video frame, every further one for four.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.catalog import BLOCK_LATENTS
from engine.memory.decoding import latents_at_a_time
from engine.model import vae_frames
from engine.model.vae_parts import AttentionBlock, CausalConv, Resample, ResidualBlock, RMSNorm, Stream

# Normalisation of latents, the public values.
LATENTS_MEAN = (
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
    0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921,
)  # fmt: skip
LATENTS_STD = (
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
    3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class VaeConfig:
    """Shape of the autoencoder, in the field names of the public configuration (misspelling included)."""

    dim: int = 96
    z_dim: int = 16
    dim_mult: tuple[int, ...] = (1, 2, 4, 4)
    num_res_blocks: int = 2
    temperal_downsample: tuple[bool, ...] = (False, True, True)
    latents_mean: tuple[float, ...] = field(default=LATENTS_MEAN)
    latents_std: tuple[float, ...] = field(default=LATENTS_STD)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> VaeConfig:
        """From plain data; unknown fields are ignored."""
        known: dict[str, Any] = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        lists = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
        return cls(**{**known, **lists})


class Encoder(nn.Module):
    """Frames to latent statistics."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        widths = [config.dim * mult for mult in (1, *config.dim_mult)]
        self.conv1 = CausalConv(3, widths[0])
        layers: list[nn.Module] = []
        for level, (width, out) in enumerate(itertools.pairwise(widths)):
            layers += [ResidualBlock(width if i == 0 else out, out) for i in range(config.num_res_blocks)]
            if level < len(config.temperal_downsample):
                layers.append(Resample(out, "down", is_temporal=config.temperal_downsample[level]))
        self.downsamples = nn.ModuleList(layers)
        self.middle = nn.ModuleList([ResidualBlock(out, out), AttentionBlock(out), ResidualBlock(out, out)])
        self.head = nn.ModuleList([RMSNorm(out, 3), nn.SiLU(), CausalConv(out, 2 * config.z_dim)])

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        """[1 or 4n, H, W, 3] -> [1 or n, H/8, W/8, 32]"""
        return _through(self.conv1, [*self.downsamples, *self.middle], self.head, x, stream)


class Decoder(nn.Module):
    """Latents to frames."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        widths = [config.dim * mult for mult in (config.dim_mult[-1], *config.dim_mult[::-1])]
        self.conv1 = CausalConv(config.z_dim, widths[0])
        self.middle = nn.ModuleList(
            [ResidualBlock(widths[0], widths[0]), AttentionBlock(widths[0]), ResidualBlock(widths[0], widths[0])]
        )
        layers: list[nn.Module] = []
        upsample = config.temperal_downsample[::-1]
        for level, (width, out) in enumerate(itertools.pairwise(widths)):
            entering = width if level == 0 else width // 2  # the upsampler before it halved the channels
            layers += [ResidualBlock(entering if i == 0 else out, out) for i in range(config.num_res_blocks + 1)]
            if level < len(upsample):
                layers.append(Resample(out, "up", is_temporal=upsample[level]))
        self.upsamples = nn.ModuleList(layers)
        self.head = nn.ModuleList([RMSNorm(out, 3), nn.SiLU(), CausalConv(out, 3)])

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        """[n, h, w, 16] -> [4n (1 for the very first), 8h, 8w, 3]"""
        return _through(self.conv1, [*self.middle, *self.upsamples], self.head, x, stream)


class VideoAutoencoder(nn.Module):
    """Encoder, decoder and the normalisation of latents."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        self.config = config
        self._constants: dict[tuple[torch.dtype, torch.device], tuple[Tensor, Tensor]] = {}
        self.encoder = Encoder(config)
        self.conv1 = CausalConv(2 * config.z_dim, 2 * config.z_dim, kernel=(1, 1, 1))
        self.conv2 = CausalConv(config.z_dim, config.z_dim, kernel=(1, 1, 1))
        self.decoder = Decoder(config)

    def encode(self, video: Tensor, chunk: int | None = None) -> Tensor:
        """Frames [3, 1 + 4n, H, W] in [-1, 1] -> normalised latents [16, 1 + n, H/8, W/8] (posterior mean)."""
        frames = video.permute(1, 2, 3, 0)
        stream = Stream(before=None)
        moments = [self.encoder(frames[:1], stream)]
        for piece in frames[1:].split(chunk or 4 * _at_a_time(frames[:, ::8, ::8])) if len(frames) > 1 else ():
            stream = stream.next()
            moments.append(self.encoder(piece, stream))
        mean, _ = self.conv1(torch.cat(moments), None).chunk(2, dim=-1)
        centre, scale = self._normalisation(video)
        return ((mean - centre) * scale).permute(3, 0, 1, 2).contiguous()

    def decode(self, latents: Tensor, stream: Stream, chunk: int = 3) -> tuple[Tensor, Stream]:
        """Normalised latents [16, n, h, w] -> frames [3, 4n, 8h, 8w] in [-1, 1], and the stream to go on with.

        A stream that is at its beginning gives one frame for its first latent.
        """
        z = self._to_decoder(latents)
        pieces = [z[:1]] if stream.is_first else []
        pieces += list(z[len(pieces) :].split(chunk)) if z.shape[0] > len(pieces) else []
        frames = []
        for piece in pieces:
            frames.append(self._decode(piece, stream))
            stream = stream.next()
        return torch.cat(frames).clamp_(-1.0, 1.0).permute(3, 0, 1, 2), stream

    def warm_up(self, latents: Tensor, state: list[Tensor]) -> None:
        """Let the decoder see latents [16, n, h, w] from the beginning; what it remembers then is written to `state`."""
        z = self._to_decoder(latents)
        self._decode(z[:1], Stream(before=None, into=state))
        for piece in z[1:].split(_at_a_time(z)):
            self._decode(piece, Stream(before=state, into=state))

    def decode_block(self, latents: Tensor, before: list[Tensor], after: list[Tensor]) -> Tensor:
        """One block [16, 3, h, w] -> frames [3, 12, 8h, 8w]; reads a warm decoder's state, writes the next one's.

        A convolution reads its state before it writes the next, so all pieces but the first may do so in one place.
        """
        frames, z = [], self._to_decoder(latents)
        for piece in z.split(_at_a_time(z)):
            frames.append(self._decode(piece, Stream(before=before, into=after)))
            before = after
        return torch.cat(frames).clamp_(-1.0, 1.0).permute(3, 0, 1, 2)

    def _to_decoder(self, latents: Tensor) -> Tensor:
        """Latents [16, n, h, w] as the decoder takes them: [n, h, w, 16] in the autoencoder's own scale."""
        centre, scale = self._normalisation(latents)
        return self.conv2(latents.permute(1, 2, 3, 0) / scale + centre, None)

    def _decode(self, z: Tensor, stream: Stream) -> Tensor:
        """The decoder; once it is warm, on a CPU frame by frame and on CUDA in bfloat16 with fused kernels."""
        if vae_frames.can_decode(z, stream):
            decoder = self.decoder
            return vae_frames.decode(decoder.conv1, [*decoder.middle, *decoder.upsamples], decoder.head, z, stream)
        if not z.is_cuda or z.dtype != torch.bfloat16 or stream.is_first:
            return self.decoder(z, stream)
        from engine.model.cuda.decoder import decode  # needs triton

        return decode(self.decoder, z, stream)

    def _normalisation(self, like: Tensor) -> tuple[Tensor, Tensor]:
        key = like.dtype, like.device
        if key not in self._constants:
            centre, spread = (
                torch.tensor(x, dtype=like.dtype, device=like.device)
                for x in (self.config.latents_mean, self.config.latents_std)
            )
            self._constants[key] = centre, 1.0 / spread
        return self._constants[key]


def _at_a_time(latents: Tensor) -> int:
    """How many latents [n, h, w, C] pass at once: a large picture on a device takes gigabytes each, and gains no speed."""
    return latents_at_a_time(latents.shape[1] * latents.shape[2]) if latents.is_cuda else BLOCK_LATENTS


def _through(first: nn.Module, layers: list[nn.Module], head: nn.ModuleList, x: Tensor, stream: Stream) -> Tensor:
    x = first(x, stream)
    for layer in layers:
        x = layer(x, stream)
    return head[2](F.silu(head[0](x)), stream)
