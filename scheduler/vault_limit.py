"""How much the vault may hold where nobody says: nearly all of the GPU, or a few GiB of host memory where there is none."""

from __future__ import annotations

from collections.abc import Sequence

from engine.memory import GIB, USABLE_RATIO
from scheduler.probe import Reading

HOST_GIB = 4.0  # the pocket model's weights and contexts, several times


def default_limit_gib(readings: Sequence[Reading], slots: int) -> float:
    """GiB: what fits beside a slot's job on every GPU that one of the slots has, so the smallest of them counts."""
    used = [reading.body.get("memory_total_bytes") for reading in readings if reading.device.startswith("gpu")][:slots]
    sizes = [size for size in used if size]
    return round(min(sizes) * USABLE_RATIO / GIB, 1) if sizes else HOST_GIB
