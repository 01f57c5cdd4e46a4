"""One adapter, read and checked against the modules it is for. What is missing or foreign is an error: a silently
ignored key shows the wrong person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from engine.errors import WeightsError
from engine.model.adapter_file import MAX_RANK
from engine.model.lora import Pair, adapter_pairs


@dataclass(frozen=True)
class Adapter:
    """`pairs` by module, `scale` alpha / rank (Hu et al. 2021, section 4.1) of each, `weight` by how much it counts."""

    name: str
    pairs: Mapping[str, Pair]
    alpha: float
    weight: float = 1.0

    @classmethod
    def of(cls, tensors: dict[str, Tensor], alpha: float, name: str, weight: float = 1.0) -> Adapter:
        """From a file's tensors. Raises WeightsError for foreign keys, half pairs, ranks that do not agree or are too big."""
        pairs = adapter_pairs(tensors)
        if not pairs:
            raise WeightsError(f"adapter {name} is empty.", hint="Fetch or train it again.", adapter=name)
        for module, pair in pairs.items():
            rank = pair.down.shape[0]
            if pair.up.shape[1] != rank:
                raise WeightsError(f"adapter {name}: the halves of {module} have ranks {rank} and {pair.up.shape[1]}.")
            if not 0 < rank <= MAX_RANK:
                raise WeightsError(f"adapter {name}: {module} has rank {rank}; at most {MAX_RANK} are supported.")
        return cls(name, pairs, alpha, weight)

    def scale(self, module: str) -> float:
        """What the module's product of halves is multiplied by."""
        return self.alpha / self.pairs[module].down.shape[0] * self.weight

    def check(self, sizes: Mapping[str, tuple[int, int]]) -> None:
        """`sizes` are the (outputs, inputs) of all modules that can take an adapter. Raises WeightsError."""
        foreign = sorted(self.pairs.keys() - sizes.keys())
        if foreign:
            raise WeightsError(
                f"adapter {self.name} is not for this model: it has {foreign[0]}.", modules=foreign[:20],
                hint="Choose an adapter that was trained for this base.",
            )  # fmt: skip
        for module, pair in self.pairs.items():
            found = (pair.up.shape[0], pair.down.shape[1])
            if found != sizes[module]:
                raise WeightsError(
                    f"adapter {self.name}: {module} is {found[0]} x {found[1]}, not {sizes[module][0]} x {sizes[module][1]}.",
                    hint="It was trained for a model of another shape.",
                )
