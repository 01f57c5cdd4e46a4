"""Working memory: what is alive for a moment and then gone, as lists of the tensors that exist at the worst points.

The lists follow the fused code in `engine.model.cuda` (bfloat16 on a GPU). What stays for the whole job is not here.

Shapes: L tokens of a block, S rows of the sink, D model width, F feed-forward width; decoder activations [T, H, W, C].
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from engine.catalog import BLOCK_LATENTS, ModelShape
from engine.memory.context import (
    ITEM_BYTES,
    LATENT_CHANNELS,
    VAE_RES_BLOCKS,
    VAE_TEMPORAL_UPSAMPLE,
    decoder_memory,
    ring_rows,
    sink_rows,
)  # fmt: skip
from engine.memory.weights import audio_parameters

FEW_CHANNELS = 128  # at most so many: the decoder lays three temporal taps side by side (engine.model.cuda.decoder)
TAPS = 3
MEMORY_FRAMES = 2
FLOAT = 4

# Reserved by the allocator beyond what is alive at once, as a share of the worst moment: blocks of different sizes leave
# gaps. It brings the four measured peaks of docs/benchmarks.md within 1.6 % (0.13 to 0.59 were seen, run by run).
ALLOCATOR_SLACK_RATIO = 0.32


@dataclass(frozen=True)
class Moment:
    """A point in time with the tensors that are alive, name and bytes."""

    name: str
    parts: tuple[tuple[str, int], ...]

    @property
    def total_bytes(self) -> int:
        """All of them together."""
        return sum(size for _, size in self.parts)


def moments(
    shape: ModelShape, width: int, height: int, precision: str, chunk: int = BLOCK_LATENTS
) -> tuple[Moment, ...]:
    """Every moment that could be the worst; width and height in pixels, `chunk` latents through the decoder at once."""
    tokens, sink = ring_rows(width, height, 4 * BLOCK_LATENTS), sink_rows(width, height)
    return (
        layer_moment(shape, "step", tokens, sink, precision),
        layer_moment(shape, "prefill", sink, sink, precision),
        audio_moment(shape),
        decode_moment(shape, width, height, chunk),
    )


def worst_moment(shape: ModelShape, width: int, height: int, precision: str, chunk: int = BLOCK_LATENTS) -> Moment:
    """The moment that needs most."""
    return max(moments(shape, width, height, precision, chunk), key=lambda moment: moment.total_bytes)


def layer_moment(shape: ModelShape, name: str, rows: int, sink: int, precision: str) -> Moment:
    """A pass through a layer, at its attention or at its feed-forward part, whichever holds more."""
    item = ITEM_BYTES[shape.dtype]
    dim, wide = rows * shape.dim, rows * shape.ffn_dim
    code = 1 if precision == "fp8" else item  # bytes per number of what enters a product
    stream = ("residual in float32", FLOAT * dim)
    attention = (
        stream, ("normed rows", code * dim), ("queries, keys, values", 3 * item * dim), ("rotated queries", item * dim),
        ("rotated sink keys", item * sink * shape.dim), ("over ring", item * dim), ("over sink", item * dim),
        ("log-sums", 2 * FLOAT * rows * shape.num_heads), ("merged rows", code * dim),
    )  # fmt: skip
    feed_forward = (
        stream, ("normed rows", code * dim), ("rotated sink keys", item * sink * shape.dim), ("over text", item * dim),
        ("wide rows", item * wide), ("activated rows", code * wide), ("result", item * dim),
    )  # fmt: skip
    return max((Moment(name, parts) for parts in (attention, feed_forward)), key=lambda moment: moment.total_bytes)


def audio_moment(shape: ModelShape) -> Moment:
    """The audio projector computes in float32: its weights are widened for the moment."""
    wide = 0 if shape.dtype == "float32" else FLOAT * audio_parameters(shape)
    return Moment("audio", (("audio projector in float32", wide),))


def decode_moment(shape: ModelShape, width: int, height: int, latents: int = BLOCK_LATENTS) -> Moment:
    """The decoder's worst layer for so many latent frames at once."""
    return max(_decoder_layers(shape, width, height, latents), key=lambda moment: moment.total_bytes)


def rearranged_bytes(shape: ModelShape) -> int:
    """Second copies of the decoder's convolution weights, laid out for its kernels at their first use."""
    item = ITEM_BYTES[shape.dtype]
    outs = [out for _, _, out in _convolutions(shape)]
    total = 0
    for (name, _, channels), out in zip(decoder_memory(shape), outs, strict=True):
        if name.endswith("time_conv"):
            total += TAPS * channels * out
        else:
            total += 27 * channels * out * (2 if channels <= FEW_CHANNELS and name != "conv1" else 1)
    return total * item


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


def latent_bytes(shape: ModelShape, width: int, height: int, frames: int) -> int:
    """Latent frames in the model's dtype."""
    return frames * LATENT_CHANNELS * (width // 8) * (height // 8) * ITEM_BYTES[shape.dtype]
