"""The large products of the network: bfloat16, or eight bits with one scale per row of the input and of the weight.

A product may carry a side path for adapters: T more columns of the weight hold the adapter's second half, and as many of
the input what its first half makes of the rest. So base and adapter are one product, and without an adapter the columns
are zero.

Shapes: M rows, K inputs, N outputs, T side columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

FP8 = torch.float8_e4m3fn
LARGEST = 448.0
SMALLEST = 1e-12  # a row of zeros keeps a finite scale
PRECISIONS = ("bf16", "fp8")
# With side columns, codes of the base begin lower, so that an adapter as large as the base still fits into the same
# scales. Codes are floating-point numbers: nothing is lost but what is thousands of times smaller than the largest.
WEIGHT_HEADROOM = 8.0
ROW_HEADROOM = 4.0
MIN_ROWS = 64  # the eight-bit kernels do not take fewer rows at every K


@dataclass(frozen=True)
class Rows:
    """Input of a product: `values` [M, K + T] in bfloat16, or in eight bits with `scale` [M, 1] float32."""

    values: Tensor
    scale: Tensor | None = None


@dataclass(frozen=True)
class Side:
    """An adapter's part in one product: `down` [T, K] makes the side columns, times `factor` [T]; `up` [N, T] are the
    weight's columns. Same type as the product's weight."""

    down: Tensor
    factor: Tensor
    up: Tensor


class Socket:
    """Where an adapter is attached to a product: what is plugged in counts from the next call on."""

    def __init__(self) -> None:
        self.side: Side | None = None


@dataclass(frozen=True)
class Product:
    """`weight` [N, K + T] with `bias` [N]; in eight bits `scale` [1, N] float32 gives its rows their size back."""

    weight: Tensor
    bias: Tensor
    scale: Tensor | None = None
    tail: int = 0  # T
    modules: tuple[str, ...] = ()  # the checkpoint's names of what is in it, in the order of the outputs
    socket: Socket = field(default_factory=Socket)

    @classmethod
    def of(
        cls, weights: list[Tensor], biases: list[Tensor], precision: str, *, scales: list[Tensor] | None = None,
        tail: int = 0, modules: tuple[str, ...] = (),
    ) -> Product:  # fmt: skip
        """From one or several layers that share their input: their outputs lie side by side.

        Weights are bfloat16, or eight-bit codes with `scales` [N] each.
        """
        if weights[0].is_meta:
            return cls._without_content(weights, biases, precision, tail, modules)
        bias = torch.cat(biases)
        if precision == "bf16":
            return cls(_with_tail(weights, tail), bias, None, tail, modules)
        if scales is None:
            parts = [quantise_rows(weight) for weight in weights]
            weights, scales = [part.values for part in parts], [scale_of(part) for part in parts]
        scale = torch.cat([x.view(1, -1) for x in scales], dim=1)
        if not tail:
            return cls(_with_tail(weights, 0), bias, scale, 0, modules)
        lowered = [(weight.float() / WEIGHT_HEADROOM).to(FP8) for weight in weights]
        return cls(_with_tail(lowered, tail), bias, scale * WEIGHT_HEADROOM, tail, modules)

    @classmethod
    def _without_content(
        cls, weights: list[Tensor], biases: list[Tensor], precision: str, tail: int, modules: tuple[str, ...]
    ) -> Product:
        """Shapes and kinds as `of` makes them; computing with nothing takes seconds for a whole network."""
        outputs, inputs = sum(weight.shape[0] for weight in weights), weights[0].shape[1]
        dtype, scale = weights[0].dtype, None
        if precision != "bf16":
            dtype, scale = FP8, torch.empty(1, outputs, device="meta")
        weight = torch.empty(outputs, inputs + tail, dtype=dtype, device="meta")
        return cls(weight, torch.empty(outputs, dtype=biases[0].dtype, device="meta"), scale, tail, modules)

    @property
    def inputs(self) -> int:
        """K"""
        return self.weight.shape[1] - self.tail

    def on_host(self) -> Product:
        """The same with its weight in pinned host memory: it travels at every use."""
        if self.weight.is_meta:  # nothing is there yet; memory that is never touched costs nothing
            return replace(self, weight=torch.empty_like(self.weight, device="cpu"))
        from engine.model.cuda.host import pinned  # only where there is a device

        size = self.weight.numel() * self.weight.element_size()
        return replace(self, weight=pinned(size).view(self.weight.dtype).view(self.weight.shape).copy_(self.weight))

    def attach(self, side: Side | None) -> None:
        """Plug an adapter in, or None to pull it out."""
        self.socket.side = side
        if self.weight.is_cuda:
            self._plug(self.weight, side)

    def __call__(self, x: Rows) -> Tensor:
        """[M, K + T] -> bfloat16 [M, N]; the side columns of `x` are written here."""
        rows = x.values.shape[0]
        if self.scale is not None and rows < MIN_ROWS:
            missing = MIN_ROWS - rows
            padded = torch.cat([x.values, x.values.new_zeros(missing, x.values.shape[1])])
            return self(Rows(padded, F.pad(scale_of(x), (0, 0, 0, missing), value=1.0)))[:rows]
        weight, side = self.weight, self.socket.side
        if not weight.is_cuda:
            weight = weight.to(x.values.device, non_blocking=True)
            self._plug(weight, side)
        if side is not None:
            from engine.model.cuda.side import fill_side_columns  # needs triton

            fill_side_columns(x.values, side.down, side.factor)
        if self.scale is None:
            return F.linear(x.values, weight, self.bias)
        return torch._scaled_mm(
            x.values, weight.t(), scale_a=scale_of(x), scale_b=self.scale, bias=self.bias,
            out_dtype=torch.bfloat16, use_fast_accum=True,
        )  # fmt: skip

    def _plug(self, weight: Tensor, side: Side | None) -> None:
        if self.tail and side is None:
            weight[:, self.inputs :].zero_()
        elif side is not None:
            weight[:, self.inputs :].copy_(side.up)


def _with_tail(weights: list[Tensor], tail: int) -> Tensor:
    if len(weights) == 1 and not tail:
        return weights[0]
    joined = torch.cat(weights)
    if not tail:
        return joined
    wide = joined.new_zeros(joined.shape[0], joined.shape[1] + tail)
    wide[:, : joined.shape[1]].copy_(joined)
    return wide


def quantise_rows(x: Tensor, tail: int = 0) -> Rows:
    """Eight-bit codes of [M, K] with one scale per row, and `tail` empty side columns."""
    wide = x.float()
    limit = LARGEST / ROW_HEADROOM if tail else LARGEST
    scale = wide.abs().amax(dim=1, keepdim=True).clamp(min=SMALLEST) * (1 / limit)  # devices divide by a number differently
    codes = (wide / scale).clamp(-LARGEST, LARGEST).to(FP8)
    return Rows(_with_tail([codes], tail), scale)


def scale_of(x: Rows) -> Tensor:
    """The scales of eight-bit rows."""
    assert x.scale is not None
    return x.scale
