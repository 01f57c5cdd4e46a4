"""Working memory: what is alive for a moment and then gone, as lists of the tensors that exist at the worst points.

The lists follow the fused code in `engine.model.cuda` (bfloat16 on a GPU). What stays for the whole job is not here.

Shapes: L tokens of a block, S rows of the sink, D model width, F feed-forward width.
"""

from __future__ import annotations

from engine.catalog import BLOCK_LATENTS, ModelShape
from engine.memory.adapters import tail_columns
from engine.memory.context import ITEM_BYTES, KV_FP8, LATENT_CHANNELS, ring_rows, sink_rows
from engine.memory.decoding import decode_moment, pieces_of, portrait_moment
from engine.memory.moment import Moment
from engine.memory.weights import audio_parameters

Parts = tuple[tuple[str, int], ...]

FLOAT = 4

# How torch's allocator asks the driver for memory: in segments of fixed size, or in one that grows.
SEGMENTS, EXPANDABLE = "segments", "expandable"
ALLOCATOR = EXPANDABLE  # what the engine's processes use; change it together with them

# Reserved by the allocator beyond what is alive at once, as a share of the worst moment: blocks of different sizes leave
# gaps. Seen on an H200: 0.63 to 0.84 with segments, 0.14 to 0.19 with growing ones (docs/memory.md). To calibrate:
# reserved less allocated, by `worst_moment(...).total_bytes`.
ALLOCATOR_SLACK_RATIOS = {SEGMENTS: 0.72, EXPANDABLE: 0.17}

# Recorded steps (`engine.model.cuda.recording`). Their memory is apart from the allocator's other memory and in segments of
# fixed size; a stream of their own has the matrix library's workspace once more; and the driver keeps each recording's
# launches on the device. One H200, 22 November 2026, eight recordings of 40 layers: 0.219 GiB in segments at 384x256, 0.475
# at 640x384, and 86 to 90 MiB more in the driver's hands.
KEPT_STEPS = 16  # recorded at most: two contexts of four steps, before and after their sinks are renewed
RECORDED_WORKSPACE_BYTES = 32 << 20
RECORDED_LAYER_BYTES = 280 << 10  # per layer of each recording


def recorded_bytes(
    shape: ModelShape, width: int, height: int, precision: str, kv: str | None, adapter_rank: int, steps: int
) -> int:
    """What recorded denoise steps take of the device; `steps` of them."""
    tokens, sink = ring_rows(width, height, 4 * BLOCK_LATENTS), sink_rows(width, height)
    moment = _Layer(shape, precision, adapter_rank).step(tokens, sink, kv)
    shared = moment.total_bytes + slack_bytes(moment, SEGMENTS) + RECORDED_WORKSPACE_BYTES
    return shared + min(steps, KEPT_STEPS) * shape.num_layers * RECORDED_LAYER_BYTES


def slack_bytes(moment: Moment, allocator: str = ALLOCATOR) -> int:
    """What the allocator reserves and does not use at the worst moment."""
    return int(ALLOCATOR_SLACK_RATIOS[allocator] * moment.total_bytes)


def moments(
    shape: ModelShape, width: int, height: int, precision: str, kv: str | None = None, adapter_rank: int = 0
) -> tuple[Moment, ...]:
    """Every moment that could be the worst; width and height in pixels, `kv` None or "fp8"."""
    tokens, sink = ring_rows(width, height, 4 * BLOCK_LATENTS), sink_rows(width, height)
    pieces = pieces_of(shape, width, height)
    layer = _Layer(shape, precision, adapter_rank)
    return (
        layer.step(tokens, sink, kv),
        layer.prefill(sink, kv),
        audio_moment(shape),
        modulation_moment(shape),
        decode_moment(shape, width, height, pieces),
        portrait_moment(shape, width, height, pieces),
    )


def worst_moment(
    shape: ModelShape, width: int, height: int, precision: str, kv: str | None = None, adapter_rank: int = 0
) -> Moment:
    """The moment that needs most."""
    found = moments(shape, width, height, precision, kv, adapter_rank)
    return max(found, key=lambda moment: moment.total_bytes)


class _Layer:
    """A pass of rows through a layer, at its attention or at its feed-forward part, whichever holds more.

    Rows that enter a product are as wide as it, side columns for adapters included.
    """

    def __init__(self, shape: ModelShape, precision: str, adapter_rank: int) -> None:
        self.shape, self.item = shape, ITEM_BYTES[shape.dtype]
        self.code = 1 if precision == "fp8" else self.item  # bytes per number of what enters a product
        self.one, self.three = tail_columns(adapter_rank, 1), tail_columns(adapter_rank, 3)

    def step(self, rows: int, sink: int, kv: str | None) -> Moment:
        """A denoise step: the block's rows attend to a ring and the sink."""
        dim = self.shape.dim
        over_all: Parts
        if kv == KV_FP8:  # one kernel reads both
            over_all = (
                ("rotated sink keys in eight bits", sink * dim), ("queries in eight bits", rows * dim),
                ("over ring and sink", self.item * rows * dim),
            )  # fmt: skip
        else:
            over_all = (
                ("rotated sink keys", self.item * sink * dim), ("rotated queries", self.item * rows * dim),
                ("over ring", self.item * rows * dim), ("over sink", self.item * rows * dim),
                ("log-sums", 2 * FLOAT * rows * self.shape.num_heads),
            )  # fmt: skip
        return self._pass("step", rows, over_all, over_all[:1])

    def prefill(self, rows: int, kv: str | None) -> Moment:
        """The sink's rows attend to each other."""
        wide = self.item * rows * self.shape.dim
        kept = (("rotated sink keys", wide), ("sink values before they are coded", wide if kv == KV_FP8 else 0))
        over_all = (*kept, ("rotated queries", wide), ("over sink", wide))
        return self._pass("prefill", rows, over_all, kept)

    def _pass(self, name: str, rows: int, over_all: Parts, kept: Parts) -> Moment:
        """`over_all` is alive in attention, `kept` of it all the time."""
        item, code, dim = self.item, self.code, rows * self.shape.dim
        entering = code * rows * (self.shape.dim + self.one)
        attention: Parts = (
            ("residual", item * dim), ("normed rows", code * rows * (self.shape.dim + self.three)),
            ("of the layer before", 2 * item * dim + entering),  # its sums over text and feed-forward, its mixed rows
            ("queries, keys, values", 3 * item * dim), *over_all, ("merged rows", entering),
        )  # fmt: skip
        grown = rows * self.shape.ffn_dim
        feed_forward: Parts = (
            ("residual in float32", FLOAT * dim), ("normed and mixed rows", 2 * entering), *kept,
            ("over text", item * dim), ("of the layer before", item * dim), ("wide rows", item * grown),
            ("activated rows", code * (grown + rows * self.one)),
        )  # fmt: skip
        return max((Moment(name, parts) for parts in (attention, feed_forward)), key=lambda moment: moment.total_bytes)


def audio_moment(shape: ModelShape) -> Moment:
    """The audio projector computes in float32: its weights are widened for the moment."""
    wide = 0 if shape.dtype == "float32" else FLOAT * audio_parameters(shape)
    return Moment("audio", (("audio projector in float32", wide),))


def modulation_moment(shape: ModelShape) -> Moment:
    """The timesteps' projection computes in float32, once per number of steps."""
    wide = 0 if shape.dtype == "float32" else FLOAT * 6 * shape.dim * shape.dim
    return Moment("modulation", (("projection of the timestep in float32", wide),))


def latent_bytes(shape: ModelShape, width: int, height: int, frames: int) -> int:
    """Latent frames in the model's dtype."""
    return frames * LATENT_CHANNELS * (width // 8) * (height // 8) * ITEM_BYTES[shape.dtype]
