"""The video autoencoder's working memory: what is alive in each layer of the decoder, and while a portrait is encoded.

The lists follow `engine.model.cuda.decoder` and, for the portrait, the plain `engine.model.vae_parts`.

Shapes: activations [T, H, W, C].
"""

from __future__ import annotations

import itertools

from engine.catalog import BLOCK_FRAMES, BLOCK_LATENTS, ModelShape
from engine.memory.context import (
    ITEM_BYTES,
    LATENT_CHANNELS,
    VAE_RES_BLOCKS,
    VAE_TEMPORAL_UPSAMPLE,
    decoder_memory,
)  # fmt: skip
from engine.memory.moment import Moment

LARGE_LATENT = 48 * 32  # pixels of a latent: 384x256
FEW_CHANNELS = 128  # at most so many: the decoder lays three temporal taps side by side (engine.model.cuda.decoder)
TAPS = 3
MEMORY_FRAMES = 2
FRAMES_PER_LATENT = BLOCK_FRAMES // BLOCK_LATENTS
FLOAT = 4


def latents_at_a_time(latent_pixels: int) -> int:
    """How many latents pass the autoencoder at once on a device: a large picture takes gigabytes each, and gains no
    speed."""
    return 1 if latent_pixels > LARGE_LATENT else BLOCK_LATENTS


def pieces_of(shape: ModelShape, width: int, height: int) -> int:
    """The same for a size in pixels; a float32 model is for the CPU, which takes whole blocks."""
    return BLOCK_LATENTS if shape.dtype == "float32" else latents_at_a_time((width // 8) * (height // 8))


def decode_moment(shape: ModelShape, width: int, height: int, latents: int) -> Moment:
    """The decoder's worst layer for so many latent frames at once, the block's earlier frames beside it."""
    worst = max(_decoder_layers(shape, width, height, latents), key=lambda moment: moment.total_bytes)
    made = FRAMES_PER_LATENT * (BLOCK_LATENTS - latents) * 3 * width * height * ITEM_BYTES[shape.dtype]
    return Moment("decode", (*worst.parts, ("frames made before", made)))


def portrait_moment(shape: ModelShape, width: int, height: int, latents: int) -> Moment:
    """Encoding a still portrait: the first residual block, whose second norm computes in float32."""
    numbers = FRAMES_PER_LATENT * latents * width * height * shape.vae_dim
    item = ITEM_BYTES[shape.dtype]
    return Moment("portrait", (
        ("input", item * numbers), ("between the convolutions", item * numbers),
        ("in float32", 0 if item == FLOAT else FLOAT * numbers), ("normed", FLOAT * numbers),
    ))  # fmt: skip


def rearranged_bytes(shape: ModelShape) -> int:
    """Second copies of the convolutions' weights, laid out for their kernels at the first use: the encoder's, and the
    decoder's, twice where frames lie side by side (its first frame takes the plain way)."""
    item = ITEM_BYTES[shape.dtype]
    total = sum(_encoder_convolutions(shape))
    for name, channels, out in _convolutions(shape):
        if name.endswith("time_conv"):
            total += TAPS * channels * out
        else:
            total += 27 * channels * out * (2 if channels <= FEW_CHANNELS and name != "conv1" else 1)
    return total * item


def _encoder_convolutions(shape: ModelShape) -> list[int]:
    """Weights of the encoder's convolutions with a temporal extent."""
    widths = [shape.vae_dim * mult for mult in (1, *shape.vae_dim_mult)]
    found, top = [27 * 3 * widths[0]], widths[-1]
    for level, (width, out) in enumerate(itertools.pairwise(widths)):
        found += [27 * width * out, 27 * out * out, *[27 * out * out] * 2 * (VAE_RES_BLOCKS - 1)]
        if level < len(VAE_TEMPORAL_UPSAMPLE) and VAE_TEMPORAL_UPSAMPLE[::-1][level]:
            found.append(TAPS * out * out)
    return [*found, *[27 * top * top] * 4, 27 * top * 2 * LATENT_CHANNELS]


def _convolutions(shape: ModelShape) -> list[tuple[str, int, int]]:
    """Name, input and output channels of the convolutions in `decoder_memory`."""
    memory = decoder_memory(shape)
    following = [channels for _, _, channels in memory[1:]] + [3]
    found = []
    for (name, _, channels), after in zip(memory, following, strict=True):
        if name.endswith("time_conv"):
            out = 2 * channels
        elif name.endswith("residual.6"):
            out = channels
        else:
            out = after
        found.append((name, channels, out))
    return found


def _decoder_layers(shape: ModelShape, width: int, height: int, latents: int) -> list[Moment]:
    item, pixels, frames = ITEM_BYTES[shape.dtype], (width // 8) * (height // 8), latents
    widths = [shape.vae_dim * mult for mult in (shape.vae_dim_mult[-1], *shape.vae_dim_mult[::-1])]
    found = []
    for level, (entering, out) in enumerate(itertools.pairwise(widths)):
        entering = entering if level == 0 else entering // 2
        for block in range(VAE_RES_BLOCKS + 1):
            found.append(_residual(entering if block == 0 else out, out, frames, pixels * item))
        if level < len(VAE_TEMPORAL_UPSAMPLE):
            after = frames * (2 if VAE_TEMPORAL_UPSAMPLE[level] else 1)
            found.append(_double(out, frames, after, pixels * item))
            frames, pixels = after, pixels * 4
    beside = _beside(out, frames) * pixels * item
    last = (
        ("input", out * frames * pixels * item),
        ("beside each other", beside),
        ("frames", 8 * frames * pixels * item),
    )
    return [*found, Moment("decode", last)]


def _residual(channels: int, out: int, frames: int, per_channel: int) -> Moment:
    """The second convolution: input (and shortcut), the first one's output, what is convolved, the output."""
    shortcut = 0 if channels == out else out * frames
    return Moment("decode", (
        ("input", channels * frames * per_channel), ("shortcut", shortcut * per_channel),
        ("between the convolutions", out * frames * per_channel), ("frames side by side", _beside(out, frames) * per_channel),
        ("output", out * frames * per_channel),
    ))  # fmt: skip


def _double(channels: int, frames: int, after: int, per_channel: int) -> Moment:
    """Twice the frames (or not), twice the height and width, half the channels."""
    doubled = 2 * channels * after if after > frames else 0  # the product's output, and the same in order of time
    return Moment("decode", (
        ("input", channels * frames * per_channel), ("doubled frames", doubled * per_channel),
        ("enlarged", 4 * channels * after * per_channel), ("output", 2 * channels * after * per_channel),
    ))  # fmt: skip


def _beside(channels: int, frames: int) -> int:
    """Numbers per pixel that a convolution in time reads."""
    return TAPS * channels * frames if channels <= FEW_CHANNELS else channels * (frames + MEMORY_FRAMES)
