"""How much memory a job's context takes, exact to the byte.

`context_tensors` is the one description of a context: the engine maps its buffer by it, the planner adds it up.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from math import prod

from engine.catalog import BLOCK_LATENTS, CLIP_FRAMES, ModelShape

HEADER_BYTES = 4096
ALIGNMENT_BYTES = 64
LATENT_CHANNELS = 16
VAE_RES_BLOCKS = 2
VAE_TEMPORAL_UPSAMPLE = (True, True, False)  # of the decoder, from the smallest picture up
V_COLUMNS = 64  # values in eight bits lie transposed; their rows are padded to a multiple of this
KV_FP8 = "fp8"
ITEM_BYTES = {"float32": 4, "bfloat16": 2, "float8": 1, "int64": 8}


@dataclass(frozen=True)
class TensorSpec:
    """One tensor of a context. `is_double`: it exists twice, one half is read while the other is written."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    is_double: bool

    @property
    def item_bytes(self) -> int:
        """Bytes of one copy, rounded up to the alignment."""
        size = prod(self.shape) * ITEM_BYTES[self.dtype]
        return -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES

    @property
    def total_bytes(self) -> int:
        """Bytes in the buffer."""
        return self.item_bytes * (2 if self.is_double else 1)


def ring_rows(width: int, height: int, infer_frames: int = CLIP_FRAMES) -> int:
    """Rows of one ring: the tokens of one clip."""
    return infer_frames // 4 * (width // 16) * (height // 16)


def sink_rows(width: int, height: int) -> int:
    """Rows of the sink: reference and newest motion frame in full, older motion frames coarser."""
    rows, columns = height // 16, width // 16
    return 2 * rows * columns + (rows // 2) * (columns // 2) + 4 * (rows // 4) * (columns // 4)


@functools.lru_cache(maxsize=256)  # asked several times for each job that is submitted, of few sizes
def context_tensors(
    shape: ModelShape, width: int, height: int, steps: int, infer_frames: int = CLIP_FRAMES, kv: str | None = None
) -> tuple[TensorSpec, ...]:
    """Every tensor of a job's context, in the order of the buffer: the rings come last, so that they can lie elsewhere.

    Width and height in pixels, multiples of 64. `kv` None keeps keys and values in the shape's type; "fp8" keeps ring
    keys, ring values and sink values in eight bits (sink keys are rotated at every use and stay wide).
    """
    latent = (LATENT_CHANNELS, height // 8, width // 8)
    specs = [TensorSpec(f"sink.{side}", *_sink(shape, width, height, side, kv), True) for side in "kv"]
    specs.append(TensorSpec("state", (8,), "int64", True))
    specs.append(TensorSpec("first_latent", latent, shape.dtype, True))
    specs.append(TensorSpec("latents", (LATENT_CHANNELS, BLOCK_LATENTS, *latent[1:]), shape.dtype, True))
    if kv == KV_FP8:
        specs.append(TensorSpec("v_scale", (shape.num_layers,), "float32", False))
    specs += [
        TensorSpec(f"decoder.{name}", (2, height // 8 * scale, width // 8 * scale, channels), shape.dtype, True)
        for name, scale, channels in decoder_memory(shape)
    ]
    return (*specs, *ring_tensors(shape, width, height, steps, infer_frames, kv))


def ring_tensors(
    shape: ModelShape, width: int, height: int, steps: int, infer_frames: int = CLIP_FRAMES, kv: str | None = None
) -> tuple[TensorSpec, ...]:
    """Keys and values of one clip, a ring per denoise step. In eight bits, values are [layers, heads, width, rows]."""
    rows, layers = ring_rows(width, height, infer_frames), shape.num_layers
    plain = (layers, rows, shape.num_heads, shape.head_dim)
    turned = (layers, shape.num_heads, shape.head_dim, -(-rows // V_COLUMNS) * V_COLUMNS)
    dtype = "float8" if kv == KV_FP8 else shape.dtype
    forms = {"k": plain, "v": turned if kv == KV_FP8 else plain}
    return tuple(TensorSpec(f"ring.{step}.{side}", forms[side], dtype, False) for step in range(steps) for side in "kv")


def _sink(shape: ModelShape, width: int, height: int, side: str, kv: str | None) -> tuple[tuple[int, ...], str]:
    """Shape and type of the sink's keys or values."""
    rows, heads = sink_rows(width, height), (shape.num_heads, shape.head_dim)
    if side == "k" or kv != KV_FP8:
        return (shape.num_layers, rows, *heads), shape.dtype
    return (shape.num_layers, *heads, -(-rows // V_COLUMNS) * V_COLUMNS), "float8"


@functools.lru_cache(maxsize=256)
def context_bytes(
    shape: ModelShape, width: int, height: int, steps: int, infer_frames: int = CLIP_FRAMES, kv: str | None = None
) -> int:
    """Size of a job's context, header included."""
    specs = context_tensors(shape, width, height, steps, infer_frames, kv)
    return HEADER_BYTES + sum(spec.total_bytes for spec in specs)


def decoder_memory(shape: ModelShape) -> list[tuple[str, int, int]]:
    """Convolutions of the decoder that remember two frames, in the order of use: name, picture scale, channels."""
    widths = [shape.vae_dim * mult for mult in (shape.vae_dim_mult[-1], *shape.vae_dim_mult[::-1])]
    memory = [("conv1", 1, LATENT_CHANNELS)]
    memory += [(f"middle.{block}.residual.{place}", 1, widths[0]) for block in (0, 2) for place in (2, 6)]
    index, scale = 0, 1
    for level, (width, out) in enumerate(itertools.pairwise(widths)):
        entering = width if level == 0 else width // 2
        for block in range(VAE_RES_BLOCKS + 1):
            memory.append((f"upsamples.{index}.residual.2", scale, entering if block == 0 else out))
            memory.append((f"upsamples.{index}.residual.6", scale, out))
            index += 1
        if level < len(VAE_TEMPORAL_UPSAMPLE):
            if VAE_TEMPORAL_UPSAMPLE[level]:
                memory.append((f"upsamples.{index}.time_conv", scale, out))
            index, scale = index + 1, scale * 2
    return [*memory, ("head.2", scale, widths[-1])]
