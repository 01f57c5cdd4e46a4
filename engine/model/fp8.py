"""Eight-bit float quantisation, one scale per tensor, as the reference does it: numbers to compare kernels with.

The value is multiplied by the scale in float32; plain (not fused) code then rounds to bfloat16 before it rounds to
eight bits (`is_double_rounded`), a fused kernel does not. Both are accepted.
"""

from __future__ import annotations

import torch
from torch import Tensor

FP8 = torch.float8_e4m3fn
LARGEST = 448.0
SCALE_CEILING = 448.0
SMALLEST_MAGNITUDE = 1e-12


def quantise(x: Tensor, *, is_double_rounded: bool = True) -> tuple[Tensor, Tensor]:
    """A bfloat16 tensor -> codes of its shape and the inverse scale [1], float32."""
    largest = x.abs().max().float().clamp(min=SMALLEST_MAGNITUDE)
    scale = (LARGEST / largest).clamp(max=SCALE_CEILING)
    scaled = x.float() * scale
    if is_double_rounded:
        scaled = scaled.to(x.dtype).float()
    return scaled.clamp(-LARGEST, LARGEST).to(FP8), scale.reciprocal().view(1)


def linear(x: tuple[Tensor, Tensor], weight: tuple[Tensor, Tensor], bias: Tensor) -> Tensor:
    """Product of quantised input [..., in] and weight [out, in], each with its inverse scale, plus bias: float32."""
    product = x[0].float() @ weight[0].float().transpose(0, 1)
    return product * (x[1] * weight[1]) + bias.float()
