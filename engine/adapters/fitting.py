"""Adapters made ready for a network, attached and detached between two blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.adapters import coded, plain
from engine.adapters.adapter import Adapter
from engine.model.transformer import Transformer


class Fitted(Protocol):
    """Adapters in the form that the network computes with."""

    @property
    def total_bytes(self) -> int:
        """What it takes where it lies."""

    def attach(self) -> None:
        """Instead of whatever is attached. Nothing is changed when it raises."""


def fit(transformer: Transformer, adapters: Sequence[Adapter]) -> Fitted:
    """Make one or several adapters ready. Raises WeightsError when they are not for this network or too many."""
    if transformer.is_fused:
        return coded.fit(transformer.adaptable(), adapters)
    return plain.fit(transformer, adapters)


def detach(transformer: Transformer) -> None:
    """Back to the base, exactly."""
    coded.detach(transformer.adaptable())
    plain.detach(transformer)
