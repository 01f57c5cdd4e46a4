"""What room for adapters costs in every large product, and what a fitted adapter takes.

Room is side columns of the products' weights; a fitted adapter is both its halves per product, padded to whole columns
(`engine.model.cuda.layers`, `engine.adapters.coded`). A float32 model has neither: its adapters hang beside the layers.

Shapes: N outputs, K inputs, T side columns of a product.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.catalog import ModelShape
from engine.memory.context import ITEM_BYTES

SIDE_UNIT = 128  # side columns come in this many
SLAB_ALIGNMENT_BYTES = 256
FLOAT = 4
SCRATCH_ROWS, SCRATCH_PIECES = 64, 2  # tiles of the kernel that fills side columns (engine.model.cuda.side)
PER_STEP, PER_PROMPT, PER_BLOCK = "step", "prompt", "block"


@dataclass(frozen=True)
class Adaptable:
    """`count` products of `modules` layers side by side that take adapters; `used` in every step, or once per prompt or
    block."""

    count: int
    outputs: int
    inputs: int
    modules: int = 1
    used: str = PER_STEP

    def tail(self, rank: int) -> int:
        """T"""
        return tail_columns(rank, self.modules)


def tail_columns(rank: int, modules: int) -> int:
    """Side columns of a product of so many modules for adapters of `rank` in all."""
    return -(-rank * modules // SIDE_UNIT) * SIDE_UNIT


def adaptable_products(shape: ModelShape) -> tuple[Adaptable, ...]:
    """Every product that takes an adapter: of the layers, then of the audio injectors."""
    layers, injections, dim, wide = shape.num_layers, len(shape.audio_inject_layers), shape.dim, shape.ffn_dim
    return (
        Adaptable(layers, 3 * dim, dim, modules=3), Adaptable(3 * layers, dim, dim),
        Adaptable(2 * layers, dim, dim, used=PER_PROMPT), Adaptable(layers, wide, dim), Adaptable(layers, dim, wide),
        Adaptable(2 * injections, dim, dim), Adaptable(2 * injections, dim, dim, used=PER_BLOCK),
    )  # fmt: skip


def side_numbers(shape: ModelShape, rank: int, used: str | None = None) -> int:
    """Numbers in the side columns of all products, or of those used so often."""
    products = [one for one in adaptable_products(shape) if used in (None, one.used)]
    return sum(one.count * one.outputs * one.tail(rank) for one in products)


def adapter_parameters(shape: ModelShape, rank: int) -> int:
    """Both halves of an adapter for every linear layer of blocks and injectors, as its file holds them."""
    return sum(
        one.count * one.modules * rank * (one.inputs + one.outputs // one.modules) for one in adaptable_products(shape)
    )


def fitted_bytes(shape: ModelShape, precision: str, rank: int) -> int:
    """One set, ready to attach, where there is room for `rank`. `precision`: float32, bf16 or fp8."""
    if precision == "float32":
        return FLOAT * adapter_parameters(shape, rank)
    item = 1 if precision == "fp8" else ITEM_BYTES[shape.dtype]
    return sum(
        one.count * sum(map(_padded, (item * tail * one.inputs, FLOAT * tail, item * one.outputs * tail)))
        for one in adaptable_products(shape)
        if (tail := one.tail(rank))
    )


def scratch_bytes(rows: int, rank: int) -> int:
    """Partial sums of the widest product's side columns; they stay."""
    return FLOAT * SCRATCH_PIECES * SCRATCH_ROWS * -(-rows // SCRATCH_ROWS) * tail_columns(rank, 3)


def _padded(size: int) -> int:
    return -(-size // SLAB_ALIGNMENT_BYTES) * SLAB_ALIGNMENT_BYTES
