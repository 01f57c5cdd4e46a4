"""Merging a low-rank adapter into a model's weights, strictly.

An adapter holds pairs `<module>.lora_A.weight` [rank, in] and `<module>.lora_B.weight` [out, rank]; prefixes and the
adapter name inside a key vary between tools and are accepted. Rank follows from the tensors, alpha is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.errors import WeightsError
from engine.model.adapter_file import module_of
from engine.model.header import HINT
from engine.model.weights import row_pieces

TARGETS = ("q", "k", "v", "o", "ffn.0", "ffn.2")  # modules that the published adapter trains


@dataclass(frozen=True)
class Pair:
    """`down` [rank, in] and `up` [out, rank] of one module."""

    down: Tensor
    up: Tensor

    def delta(self, scale: float) -> Tensor:
        """What is added to the weight, float32."""
        return (self.up.float() @ self.down.float()).mul_(scale)

    def to(self, device: torch.device) -> Pair:
        """The pair on a device."""
        return Pair(self.down.to(device), self.up.to(device))


def adapter_pairs(tensors: dict[str, Tensor]) -> dict[str, Pair]:
    """Pairs by module. Raises WeightsError for a key that is no adapter key and for half a pair."""
    sides: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        module, side = module_of(key)
        sides.setdefault(module, {})[side] = tensor
    halves = [module for module, pair in sides.items() if len(pair) != 2]
    if halves:
        raise WeightsError(f"the adapter has only one half for {halves[0]}.", modules=halves, hint=HINT, problem="bad_pairs")
    return {module: Pair(**pair) for module, pair in sides.items()}


def target_modules(names: list[str]) -> list[str]:
    """Of a model's parameter names, the modules that a full adapter covers."""
    modules = {name.removesuffix(".weight") for name in names if name.endswith(".weight")}
    inside = ("blocks.", "audio_injector.injector.")
    return sorted(m for m in modules if m.startswith(inside) and any(m.endswith(f".{target}") for target in TARGETS))


@dataclass(frozen=True)
class Adapter:
    """Pairs that are known to fit the weights they are for."""

    pairs: dict[str, Pair]
    alpha: float

    @classmethod
    def fitted(
        cls, shapes: Mapping[str, Sequence[int]], tensors: dict[str, Tensor], *, alpha: float, compat: str = "greenroom"
    ) -> Adapter:
        """An adapter for a model with parameters of these shapes.

        Every pair must fit a module, and every module that a full adapter covers must have its pair, else WeightsError.
        `compat="reference"` ignores what does not match, as the published loader does silently.
        """
        pairs = adapter_pairs(tensors)
        expected = set(target_modules(list(shapes)))
        if compat == "reference":
            pairs = {module: pair for module, pair in pairs.items() if module in expected}
        elif pairs.keys() != expected:
            unknown, missing = sorted(pairs.keys() - expected), sorted(expected - pairs.keys())
            what = f"has a pair for {unknown[0]}, which is no target" if unknown else f"misses {missing[0]}"
            raise WeightsError(
                f"the adapter {what}: {len(pairs)} pairs, {len(expected)} wanted.", unknown=unknown, missing=missing,
                hint="It belongs to a model of another shape, or it is not the full adapter that merging needs.",
            )  # fmt: skip
        for module, pair in pairs.items():
            _check_fit(module, pair, shapes[f"{module}.weight"])
        return cls(pairs, alpha)

    def changes(self, name: str) -> bool:
        """Whether this parameter is one that the adapter adds to."""
        return name.removesuffix(".weight") in self.pairs and name.endswith(".weight")

    def halves(self, name: str) -> tuple[Tensor, Tensor]:
        """The pair of a parameter, as it was read."""
        pair = self.pairs[name.removesuffix(".weight")]
        return pair.down, pair.up

    def merged(self, name: str, weight: Tensor) -> Tensor:
        """The weight with its product added: product, scaling and sum in float32, rounded once."""
        pair = self.pairs[name.removesuffix(".weight")].to(weight.device)
        scale, down = self.alpha / pair.down.shape[0], pair.down.float()
        made = torch.empty_like(weight)
        for rows in row_pieces(weight.shape):
            made[rows] = (pair.up[rows].float() @ down).mul_(scale).add_(weight[rows])
        return made


def merge(
    weights: dict[str, Tensor], adapter: dict[str, Tensor], *, alpha: float, compat: str = "greenroom"
) -> dict[str, Tensor]:
    """The weights that change, merged. Raises as `Adapter.fitted` does."""
    fitted = Adapter.fitted({name: w.shape for name, w in weights.items()}, adapter, alpha=alpha, compat=compat)
    names = [f"{module}.weight" for module in fitted.pairs]
    return {name: fitted.merged(name, weights[name]) for name in names}


def _check_fit(module: str, pair: Pair, shape: Sequence[int]) -> None:
    if pair.up.shape[1] != pair.down.shape[0] or (pair.up.shape[0], pair.down.shape[1]) != tuple(shape):
        shapes = f"{list(pair.up.shape)} x {list(pair.down.shape)}"
        raise WeightsError(f"the adapter's {shapes} does not fit {module} {list(shape)}.")
