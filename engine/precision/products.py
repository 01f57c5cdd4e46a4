"""The large products of the network: bfloat16, or eight bits with one scale per row of the input and of the weight.

Shapes: M rows, K inputs, N outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

FP8 = torch.float8_e4m3fn
LARGEST = 448.0
SMALLEST = 1e-12  # a row of zeros keeps a finite scale
PRECISIONS = ("bf16", "fp8")


@dataclass(frozen=True)
class Rows:
    """Input of a product: `values` [M, K] in bfloat16, or in eight bits with `scale` [M, 1] float32."""

    values: Tensor
    scale: Tensor | None = None


@dataclass(frozen=True)
class Product:
    """`weight` [N, K] with `bias` [N]; in eight bits `scale` [1, N] float32 gives its rows their size back."""

    weight: Tensor
    bias: Tensor
    scale: Tensor | None = None

    @classmethod
    def of(cls, weights: list[Tensor], biases: list[Tensor], precision: str) -> Product:
        """From one or several bfloat16 layers that share their input: their outputs lie side by side."""
        bias = torch.cat(biases)
        if precision == "bf16":
            return cls(torch.cat(weights) if len(weights) > 1 else weights[0], bias)
        parts = [quantise_rows(weight) for weight in weights]
        return cls(torch.cat([p.values for p in parts]), bias, torch.cat([scale_of(p) for p in parts]).view(1, -1))

    def __call__(self, x: Rows) -> Tensor:
        """[M, K] -> bfloat16 [M, N]"""
        if self.scale is None:
            return F.linear(x.values, self.weight, self.bias)
        return torch._scaled_mm(
            x.values, self.weight.t(), scale_a=scale_of(x), scale_b=self.scale, bias=self.bias,
            out_dtype=torch.bfloat16, use_fast_accum=True,
        )  # fmt: skip


def quantise_rows(x: Tensor) -> Rows:
    """Eight-bit codes of [M, K] with one scale per row."""
    wide = x.float()
    scale = wide.abs().amax(dim=1, keepdim=True).clamp(min=SMALLEST) / LARGEST
    return Rows((wide / scale).clamp(-LARGEST, LARGEST).to(FP8), scale)


def scale_of(x: Rows) -> Tensor:
    """The scales of eight-bit rows."""
    assert x.scale is not None
    return x.scale
