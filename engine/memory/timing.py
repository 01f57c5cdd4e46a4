"""How long a block takes: the work of a step, the rates that the measurements show, and what travels over the link.

Rates are efficiencies of the whole engine: norms, launches and casts are inside them, so they lie below the chip's own.

Shapes: L tokens of a block, K keys (ring and sink), T text rows, D model width, F feed-forward width.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from engine.catalog import BLOCK_LATENTS, CLIP_FRAMES, SHAPES, ModelShape
from engine.memory import measured
from engine.memory.adapters import PER_STEP, side_numbers
from engine.memory.context import ring_rows, sink_rows
from engine.memory.measured import Measurement

TERA = 1e12
AUDIO_ROWS = 5  # audio tokens that a latent frame's tokens attend to


@dataclass(frozen=True, kw_only=True)
class Work:
    """Floating point operations of one denoise step of one block in steady state; text keys and values are cached."""

    products: float
    attention: float


def step_work(
    shape: ModelShape, width: int, height: int, infer_frames: int = CLIP_FRAMES, adapter_rank: int = 0
) -> Work:
    """Two operations per multiplication and addition; width and height in pixels (model fact sheet, section 7). Side
    columns for adapters count in every product of the step, whether one is attached or not."""
    tokens = BLOCK_LATENTS * (width // 16) * (height // 16)
    keys = ring_rows(width, height, infer_frames) + sink_rows(width, height)
    dim, injections = shape.dim, len(shape.audio_inject_layers)
    per_layer = 12 * dim * dim + 4 * dim * shape.ffn_dim  # q, k, v, o; the queries and outputs over text; feed-forward
    products = tokens * (shape.num_layers * per_layer + injections * 4 * dim * dim)
    products += 2 * tokens * side_numbers(shape, adapter_rank, PER_STEP)
    attention = 4 * tokens * dim * (shape.num_layers * (keys + shape.text_len) + injections * AUDIO_ROWS)
    return Work(products=float(products), attention=float(attention))


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What a device does with this engine. `products` by precision and `attention` by the rings' form in TFLOP/s;
    the link in GB/s (10^9) of pinned host memory, each way."""

    products: dict[str, float]
    attention: dict[str, float]
    decode_ms_per_megapixel: float  # of one block, per million pixels of a frame
    rest_ms: float  # of one block: audio, copying the frames out, launching
    link_gb_per_s: float | None
    source: str
    date: str
    model: str | None = None  # the model it holds for; None: any

    def compute_ms(self, work: Work, precision: str, kv: str) -> float | None:
        """Milliseconds of one step, nothing travelling; None where this precision was not measured."""
        rate, attention = self.products.get(precision), self.attention_rate(kv)
        if rate is None or attention is None:
            return None
        return (work.products / rate + work.attention / attention) / TERA * 1e3

    def attention_rate(self, kv: str) -> float | None:
        """TFLOP/s over rings of that form; those of bf16 where the form itself was not measured (`knows_kv`)."""
        return self.attention.get(kv, self.attention.get("bf16"))

    def knows_kv(self, kv: str) -> bool:
        """Attention over rings of this form was measured."""
        return kv in self.attention


@dataclass(frozen=True, kw_only=True)
class BlockTime:
    """Predicted milliseconds: of one step's computation and travel, and of the whole block."""

    steps: int
    compute_ms: float
    link_ms: float
    start_ms: float  # what travels before a step's computation can begin
    cold_ms: float  # what travels once, before the first step
    decode_ms: float
    rest_ms: float

    @property
    def step_ms(self) -> float:
        """The slower of the two hides the other."""
        return max(self.compute_ms, self.link_ms) + self.start_ms

    @property
    def block_ms(self) -> float:
        """What travels once, all steps, the decoder, the rest."""
        return self.cold_ms + self.steps * self.step_ms + self.decode_ms + self.rest_ms

    @property
    def slowdown(self) -> float:
        """How much longer a block takes than with everything on the GPU."""
        resident = self.steps * self.compute_ms + self.decode_ms + self.rest_ms
        return self.block_ms / resident

    @property
    def is_link_hidden(self) -> bool:
        """What travels arrives while the step computes."""
        return self.link_ms <= self.compute_ms


def fit_speed(
    shape: ModelShape, rows: Sequence[Measurement], link_gb_per_s: float | None, source: str, date: str
) -> Speed:
    """The rates that explain the rows best: least squares of the relative errors of the step times."""
    names = sorted({("products", row.precision) for row in rows} | {("attention", row.kv) for row in rows})
    lines = []
    for row in rows:
        work = step_work(shape, row.width, row.height)
        here = {("products", row.precision): work.products, ("attention", row.kv): work.attention}
        lines.append([here.get(name, 0.0) / TERA / row.step_ms for name in names])
    rates = {name: 1e3 / cost for name, cost in zip(names, _least_squares(lines), strict=True)}
    pixels = [row.width * row.height / 1e6 for row in rows]
    return Speed(
        products={name: rate for (kind, name), rate in rates.items() if kind == "products"},
        attention={name: rate for (kind, name), rate in rates.items() if kind == "attention"},
        decode_ms_per_megapixel=statistics.mean(row.decode_ms / size for row, size in zip(rows, pixels, strict=True)),
        rest_ms=statistics.mean(row.block_ms - row.steps * row.step_ms - row.decode_ms for row in rows),
        link_gb_per_s=link_gb_per_s, source=source, date=date, model=shape.name,
    )  # fmt: skip


def _least_squares(lines: list[list[float]]) -> list[float]:
    """x for which every line times x is as near as possible to 1: the normal equations, by elimination."""
    size = len(lines[0])
    table = [[sum(a[i] * a[j] for a in lines) for j in range(size)] + [sum(a[i] for a in lines)] for i in range(size)]
    for i in range(size):
        pivot = max(range(i, size), key=lambda row: abs(table[row][i]))
        table[i], table[pivot] = table[pivot], table[i]
        for j in range(size):
            if j != i:
                factor = table[j][i] / table[i][i]
                table[j] = [a - factor * b for a, b in zip(table[j], table[i], strict=True)]
    return [table[i][size] / table[i][i] for i in range(size)]


@lru_cache(maxsize=1)
def measured_speed() -> Speed:
    """The measured card's rates with the 14B model; the link's is that of pinned memory on that card."""
    return fit_speed(
        SHAPES[measured.MODEL],
        measured.ROWS,
        measured.LINK_GB_PER_S,
        f"{measured.SOURCE}, {measured.DEVICE}",
        measured.DATE,
    )
