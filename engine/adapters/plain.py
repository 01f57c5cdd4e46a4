"""Side paths over plain linear layers: y = W x + b, and beside it scale * up (down x)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.adapters.adapter import Adapter
from engine.model.lora import target_modules

_ATTRIBUTE = "_greenroom_side_path"


@dataclass(frozen=True)
class SidePath:
    """`down` [r, K] and `up` [N, r], all adapters of a module together, their scales in `up`."""

    down: Tensor
    up: Tensor

    def __call__(self, _module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """A forward hook: the output with the side path's part."""
        return output + F.linear(F.linear(inputs[0], self.down), self.up)


class HookedSet:
    """Side paths by module."""

    def __init__(self, transformer: nn.Module, paths: dict[str, SidePath]) -> None:
        self._transformer, self._paths = transformer, paths

    @property
    def total_bytes(self) -> int:
        """Bytes of all halves."""
        return sum(x.numel() * x.element_size() for path in self._paths.values() for x in (path.down, path.up))

    def attach(self) -> None:
        """Instead of whatever is attached."""
        detach(self._transformer)
        for name, path in self._paths.items():
            module = self._transformer.get_submodule(name)
            setattr(module, _ATTRIBUTE, module.register_forward_hook(path))


def fit(transformer: nn.Module, adapters: Sequence[Adapter]) -> HookedSet:
    """Check the adapters against the network's linear layers and join those that share a module."""
    modules = {name: transformer.get_submodule(name) for name in target_modules(list(transformer.state_dict()))}
    linears = {name: module for name, module in modules.items() if isinstance(module, nn.Linear)}
    paths: dict[str, SidePath] = {}
    for adapter in adapters:
        adapter.check({name: (linear.out_features, linear.in_features) for name, linear in linears.items()})
    for name, linear in linears.items():
        mine = [adapter for adapter in adapters if name in adapter.pairs]
        if mine:
            down = torch.cat([adapter.pairs[name].down.float() for adapter in mine])
            up = torch.cat([adapter.pairs[name].up.float() * adapter.scale(name) for adapter in mine], dim=1)
            paths[name] = SidePath(*(x.to(linear.weight.device, linear.weight.dtype) for x in (down, up)))
    return HookedSet(transformer, paths)


def detach(transformer: nn.Module) -> None:
    """Remove all side paths."""
    for module in transformer.modules():
        handle = module.__dict__.pop(_ATTRIBUTE, None)
        if handle is not None:
            handle.remove()
