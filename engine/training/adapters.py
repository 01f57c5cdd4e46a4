"""Low-rank adapters in training: a pair of small matrices beside each large one of a frozen transformer.

Names and scale are those of the published adapter: `<module>.lora_A.weight` [rank, in] and `<module>.lora_B.weight`
[out, rank], added with alpha / rank = 1/2 unless told otherwise.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.model.lora import target_modules
from engine.model.transformer import Transformer
from engine.training.precision import is_mixed


class Adapter:
    """Pairs for every target of a transformer. The transformer itself is not changed: `detach` takes all away again."""

    def __init__(self, model: Transformer, rank: int, alpha: float, seed: int) -> None:
        self.model, self.rank, self.alpha = model, rank, alpha
        self.pairs: dict[str, tuple[nn.Parameter, nn.Parameter]] = {}
        draws = torch.Generator().manual_seed(seed)
        for name in target_modules(list(model.state_dict())):
            weight = model.get_submodule(name).weight
            assert isinstance(weight, Tensor)
            down = torch.randn(rank, weight.shape[1], generator=draws) * weight.shape[1] ** -0.5
            up = torch.zeros(weight.shape[0], rank)
            self.pairs[name] = nn.Parameter(down.to(weight.device)), nn.Parameter(up.to(weight.device))
        model.requires_grad_(False)
        self._hooks = [
            model.get_submodule(name).register_forward_hook(partial(self._added, name)) for name in self.pairs
        ]

    def parameters(self) -> dict[str, nn.Parameter]:
        """By the names in the adapter's file."""
        named = {}
        for name, (down, up) in self.pairs.items():
            named[f"{name}.lora_A.weight"], named[f"{name}.lora_B.weight"] = down, up
        return named

    def detach(self) -> None:
        """The model computes as if there had been no adapter."""
        for hook in self._hooks:
            hook.remove()

    def _added(self, name: str, _module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        down, up = self.pairs[name]
        x = inputs[0].to(down.dtype) if not is_mixed(output.device) else inputs[0]
        return output + F.linear(F.linear(x, down), up).to(output.dtype) * (self.alpha / self.rank)


def file_metadata(rank: int, alpha: float, base_sha256: str) -> dict[str, str]:
    """What an adapter's file says of itself."""
    return {"rank": str(rank), "alpha": str(alpha), "base_sha256": base_sha256, "format": "pt"}
