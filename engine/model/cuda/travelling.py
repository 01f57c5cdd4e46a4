"""A stack of modules whose weights live in pinned host memory and travel through two places on the device.

For encoders that are needed for a moment and are too large to stay: each module's weights arrive while the one before it
computes. The modules' own `forward` is not touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from engine.model.cuda.host import pinned

PLACES = 2
ALIGNMENT_BYTES = 256


def let_travel(encoder: nn.Module, device: str = "cuda") -> None:
    """A text encoder of transformers (UMT5) that lies in host memory computes on the device: its layers travel, its
    embedding is looked up where it lies. Tokens are handed in on the device."""
    stack = encoder.encoder
    _look_up_on_host(stack.embed_tokens, device)  # type: ignore[union-attr,arg-type]
    Travelling(stack.block, device)  # type: ignore[union-attr,arg-type]
    stack.final_layer_norm.to(device)  # type: ignore[union-attr]


def _look_up_on_host(embedding: nn.Module, device: str) -> None:
    embedding.register_forward_pre_hook(lambda _module, args: tuple(x.cpu() for x in args))
    embedding.register_forward_hook(lambda _module, _args, out: out.to(device))


class Travelling:
    """Hooks on modules of equal shape that run in order, each once per pass."""

    def __init__(self, modules: Iterable[nn.Module], device: str = "cuda") -> None:
        """Takes the modules' weights into pinned slabs, one module at a time; they must be on the host."""
        self._modules = list(modules)
        self._slabs = [_pinned_slab(module) for module in self._modules]
        size = max(len(slab) for slab in self._slabs)
        self._places = [torch.empty(size, dtype=torch.uint8, device=device) for _ in range(PLACES)]
        self._arrived = [torch.cuda.Event() for _ in range(PLACES)]
        self._stream = torch.cuda.Stream()
        for index, module in enumerate(self._modules):
            module.register_forward_pre_hook(lambda module, _args, index=index: self._enter(module, index))
            module.register_forward_hook(lambda module, _args, _out, index=index: self._leave(module, index))

    def _enter(self, module: nn.Module, index: int) -> None:
        if index == 0:
            for first in range(min(PLACES, len(self._modules))):
                self._send(first)
        torch.cuda.current_stream().wait_event(self._arrived[index % PLACES])
        _point(module, self._places[index % PLACES])

    def _leave(self, module: nn.Module, index: int) -> None:
        _point(module, self._slabs[index])
        if index + PLACES < len(self._modules):
            self._send(index + PLACES)

    def _send(self, index: int) -> None:
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            slab = self._slabs[index]
            self._places[index % PLACES][: len(slab)].copy_(slab, non_blocking=True)
            self._arrived[index % PLACES].record()


def _sizes(module: nn.Module) -> list[tuple[nn.Parameter, int]]:
    return [
        (p, -(-p.numel() * p.element_size() // ALIGNMENT_BYTES) * ALIGNMENT_BYTES) for p in module.parameters()
    ]


def _pinned_slab(module: nn.Module) -> Tensor:
    """The module's weights in one piece of pinned memory, which they become views of."""
    sizes = _sizes(module)
    slab = pinned(sum(size for _, size in sizes))
    offset = 0
    for parameter, size in sizes:
        _view(slab, offset, parameter).copy_(parameter.data)
        offset += size
    _point(module, slab)
    return slab


def _point(module: nn.Module, slab: Tensor) -> None:
    """Make the module's weights views of a slab."""
    offset = 0
    for parameter, size in _sizes(module):
        parameter.data = _view(slab, offset, parameter)
        offset += size


def _view(slab: Tensor, offset: int, like: Any) -> Tensor:
    return slab[offset : offset + like.numel() * like.element_size()].view(like.dtype).view(like.shape)
