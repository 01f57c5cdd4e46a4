"""How queries and keys are normed, and what brings them into eight bits."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from engine.precision.products import LARGEST

MAX_NORMED = 1.5  # a rotated pair of a normed row is at most sqrt(2 D) times its weights; a little to spare


@dataclass(frozen=True)
class Norms:
    """How queries and keys of a layer are normed, and the factors that bring them into eight bits without cutting."""

    q: Tensor
    k: Tensor
    eps: float
    q_factor: float = 1.0
    k_factor: float = 1.0

    @classmethod
    def of(cls, q: Tensor, k: Tensor, eps: float, *, is_coded: bool) -> Norms:
        """Factors from the weights alone: no value of a normed and rotated row can exceed them."""
        factors = [LARGEST / (MAX_NORMED * math.sqrt(x.numel()) * max(float(x.abs().max()), 1e-6)) for x in (q, k) if is_coded]
        return cls(q, k, eps, *factors)
