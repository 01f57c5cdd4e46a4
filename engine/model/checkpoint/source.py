"""The tensors of one part, by name, as the network wants them: on the device, of one kind, adapter merged.

Each is made when it is asked for and belongs to the caller: no more than the result and one tensor is held at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod

import torch
from torch import Tensor, nn

from engine.errors import WeightsError
from engine.model.header import HINT
from engine.model.linears import SCALE, is_large
from engine.model.lora import Adapter
from engine.model.weights import check_names, row_pieces

FP8 = torch.float8_e4m3fn


class PartSource:
    """`source(name)` is the tensor on the device; KeyError when there is none.

    `dtype` is what every number becomes; eight-bit codes and their scales stay as they are unless `is_expanded`.
    `forget` hears of each tensor whose numbers live elsewhere now: a network on the CPU may live in the mapping itself.
    """

    def __init__(
        self, tensors: Mapping[str, Tensor], name: str, device: str, dtype: torch.dtype, *, is_expanded: bool = False,
        adapter: Adapter | None = None, forget: Callable[[Tensor], None] | None = None,
    ) -> None:  # fmt: skip
        self._forget = forget
        self._tensors, self.name, self._device, self._dtype = tensors, name, device, dtype
        self._is_expanded, self._adapter = is_expanded, adapter
        self.scales = {key for key in tensors if key.endswith(SCALE) and is_large(key.removesuffix(SCALE))}
        self._check_eight_bits()
        if adapter is not None and self.scales:
            hint = "Merge it before the change to eight bits: role_scheduler weights convert SRC DST --lora … --precision fp8"
            raise WeightsError(f"{name} is stored in eight bits; an adapter cannot be merged into it any more.", hint=hint)

    def __call__(self, name: str) -> Tensor:
        """The tensor. Raises KeyError."""
        tensor = self._tensors[name]
        if name in self.scales and self._is_expanded:
            raise KeyError(name)
        made = self._made(name, tensor)
        if self._forget is not None and (made.device != tensor.device or made.data_ptr() != tensor.data_ptr()):
            self._forget(tensor)
        return made

    def _made(self, name: str, tensor: Tensor) -> Tensor:
        if name in self.scales:
            return tensor.to(self._device)
        if tensor.dtype == FP8:
            moved = tensor.to(self._device)
            return self._expand(name, moved) if self._is_expanded else moved
        if self._adapter is not None and self._adapter.changes(name):
            merged = self._adapter.merged(name, tensor.to(self._device).to(self._dtype))
            if self._forget is not None:
                for half in self._adapter.halves(name):
                    self._forget(half)
            return merged
        return tensor.to(self._device).to(self._dtype)

    def names(self) -> Iterator[str]:
        """Names of the parameters, scales left out."""
        return (name for name in self._tensors if name not in self.scales)

    def all(self) -> dict[str, Tensor]:
        """Every parameter."""
        return {name: self(name) for name in self.names()}

    def check(self, module: nn.Module) -> None:
        """Raises WeightsError where names and shapes are not those of the module."""
        check_names(module, {name: self._tensors[name] for name in self.names()}, self.name)

    def fill(self, module: nn.Module) -> None:
        """Give a module without memory its weights."""
        self.check(module)
        module.load_state_dict(self.all(), assign=True)
        module.requires_grad_(False)
        module.eval()

    @property
    def expanded_bytes(self) -> int:
        """What eight-bit codes take once they are expanded."""
        return sum(prod(t.shape) * self._dtype.itemsize for t in self._tensors.values() if t.dtype == FP8)

    def _expand(self, name: str, codes: Tensor) -> Tensor:
        scale = self._tensors[name + SCALE].to(self._device)
        made = torch.empty(codes.shape, dtype=self._dtype, device=codes.device)
        for rows in row_pieces(codes.shape):
            made[rows] = codes[rows].to(torch.float32).mul_(scale[rows, None])
        return made

    def _check_eight_bits(self) -> None:
        """Codes and scales come in pairs, one scale per row."""
        for name, tensor in self._tensors.items():
            is_code = tensor.dtype == FP8
            if is_code != (name + SCALE in self.scales) or (is_code and not is_large(name)):
                what = "is in eight bits without scales" if is_code else "has scales but no eight-bit codes"
                raise WeightsError(f"{self.name}: {name} {what}.", hint=HINT, problem="bad_scales")
        for name in self.scales:
            scale, codes = self._tensors[name], self._tensors.get(name.removesuffix(SCALE))
            if codes is None or scale.dtype != torch.float32 or scale.shape != codes.shape[:1]:
                raise WeightsError(f"{self.name}: {name} is not one float32 scale per row.", hint=HINT, problem="bad_scales")
