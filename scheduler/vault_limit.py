"""How much the vault may hold where nobody says: nearly all of the GPU, or a few GiB of host memory where there is none."""

from __future__ import annotations

from collections.abc import Sequence

from engine.memory import GIB, USABLE_RATIO
from scheduler.probe import Reading

HOST_GIB = 4.0  # the pocket model's weights and contexts, several times


def default_limit_gib(readings: Sequence[Reading], wanted_device: str) -> float:
    """GiB. `wanted_device` is GREENROOM_DEVICE: with cpu a GPU is not looked at. One house uses the first GPU."""
    first = next((reading.body for reading in readings if reading.device == "gpu0"), {})
    total = first.get("memory_total_bytes")
    if wanted_device == "cpu" or not total:
        return HOST_GIB
    return round(total * USABLE_RATIO / GIB, 1)
