"""A point in time with the tensors that are alive in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Moment:
    """A point in time with the tensors that are alive, name and bytes."""

    name: str
    parts: tuple[tuple[str, int], ...]

    @property
    def total_bytes(self) -> int:
        """All of them together."""
        return sum(size for _, size in self.parts)
