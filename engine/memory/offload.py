"""What may lie in pinned host memory instead of on the GPU, in the order of what it costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Offload:
    """`text_weights`: those used once per prompt; `cold_weights`: these and those used once per block; `rings`: keys and
    values of earlier blocks; `layers`: how many of the transformer's layers travel through the GPU at every step, spread
    evenly."""

    text_weights: bool = False
    cold_weights: bool = False
    rings: bool = False
    layers: int = 0

    def streamed(self, num_layers: int) -> tuple[int, ...]:
        """Numbers of the layers that travel."""
        count = min(self.layers, num_layers)
        return tuple(index * num_layers // count for index in range(count))


RESIDENT = Offload()
