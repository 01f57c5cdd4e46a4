"""A network's weights in one piece of device memory, so that a process can hand them to others.

Where weights end up is decided by a `Keep`: every finished part of a network passes through one, in the same order in every
process. `keep_here` leaves it where it was made. A `Slab` counts it, or copies it to its place, or, where the weights are
there already, takes a part without content ("meta") and gives it the content of its place. So one way of building a network
measures it, fills the memory, and maps it.

What lies in host memory stays with the process that made it, and so do the small weights from which numbers were taken
(`Norms`). Side columns for adapters are written all the time: they are no part of the fingerprint.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from engine.errors import WeightsError
from engine.memory.offload import Offload
from engine.model.cuda.norms import Norms
from engine.precision.products import Product

ALIGNMENT_BYTES = 256
OWN_NORMS = ("self_attn.norm_q.weight", "self_attn.norm_k.weight")  # numbers are taken from them: never without content
_PIECE = 1 << 23  # numbers of eight bytes that are hashed at once
_TURN = 31
T = TypeVar("T")
NeedsContent = Callable[[str], bool]  # a weight's name


class Keep(Protocol):
    """Takes a finished part (a tensor, a product, a dataclass of them), gives the same back from where it stays."""

    def __call__(self, part: T) -> T:
        """The part, in its place."""
        ...


class Shelf(Protocol):
    """Who owns the memory: the vault."""

    def open(self, key: str, size: int) -> tuple[Tensor, str]:
        """Bytes on the device, and their fingerprint; an empty one: the caller has to fill and seal them."""
        ...

    def seal(self, key: str, fingerprint: str) -> None:
        """The memory is filled: others may have it."""
        ...

    def drop(self, key: str) -> None:
        """The memory does not hold what it should: nobody gets it any more."""
        ...


def keep_here(part: T) -> T:
    """It stays where it is."""
    return part


class Slab:
    """A `Keep` that puts one part behind the other. Without a buffer it only counts; what `is_filled` is only mapped."""

    def __init__(self, buffer: Tensor | None = None, *, is_filled: bool = False) -> None:
        self.total_bytes = 0
        self._is_filled = is_filled
        self.table: list[tuple[str, list[int], list[int], int]] = []  # kind, shape, strides, side columns
        self._buffer = buffer
        self._kept: list[Tensor] = []

    def __call__(self, part: T) -> T:
        """The part with every tensor in its place."""
        if isinstance(part, Tensor):
            return self._place(part, 0)  # type: ignore[return-value]
        if isinstance(part, Product):
            return self._product(part)  # type: ignore[return-value]
        if isinstance(part, tuple):
            return tuple(self(item) for item in part)  # type: ignore[return-value]
        if _has_parts(part):
            fields = dataclasses.fields(part)  # type: ignore[arg-type]
            changed = {field.name: self(getattr(part, field.name)) for field in fields}
            return dataclasses.replace(part, **changed)  # type: ignore[type-var]
        return part

    @property
    def key(self) -> str:
        """A hash of what lies where."""
        return hashlib.sha256(json.dumps(self.table).encode()).hexdigest()

    def fingerprint(self) -> str:
        """A number from every byte and its place, side columns left out; reads all of it once."""
        total = torch.zeros((), dtype=torch.int64)
        for tensor in self._kept:
            total = total.to(tensor.device)
            for words in _words(tensor):
                total = total * _TURN + (words * _weights(words)).sum()
        return f"{int(total) & (1 << 64) - 1:016x}"

    def _product(self, product: Product) -> Product:
        if product.weight.device != product.bias.device:
            return product  # it travels from host memory: every process has its own
        scale = None if product.scale is None else self._place(product.scale, 0)
        weight, bias = self._place(product.weight, product.tail), self._place(product.bias, 0)
        return dataclasses.replace(product, weight=weight, bias=bias, scale=scale)

    def _place(self, tensor: Tensor, tail: int) -> Tensor:
        """`tensor`, or its content, at the next free offset."""
        if not _is_dense(tensor):
            tensor = tensor.contiguous()
        size, at = tensor.numel() * tensor.element_size(), self.total_bytes
        self.total_bytes += -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        self.table.append((str(tensor.dtype), list(tensor.shape), list(tensor.stride()), tail))
        if self._buffer is None:
            return tensor
        if at + size > len(self._buffer):
            raise WeightsError(f"the weights need more than the {len(self._buffer)} bytes that were counted.")
        place = self._buffer[at : at + size].view(tensor.dtype).as_strided(tensor.shape, tensor.stride())
        if not self._is_filled:
            place.copy_(tensor)
        self._kept.append(place[:, : tensor.shape[1] - tail] if tail else place)
        return place


def build_shared(shelf: Shelf, identity: object, build: Callable[[Keep, NeedsContent], T], travels: NeedsContent) -> T:
    """What `build` makes, its weights in the shelf's memory: filled by the first who comes, mapped by all others.

    `build` asks its second argument which weights, by name, need content; others may be "meta". `travels` says which ones
    lie in host memory. Raises WeightsError when memory that others have filled does not hold what they wrote, twice in a
    row; what the shelf raises.
    """
    counted = Slab()
    build(counted, _is_own)
    key = hashlib.sha256(json.dumps([identity, counted.key]).encode()).hexdigest()
    for _ in range(2):
        buffer, fingerprint = shelf.open(key, counted.total_bytes)
        slab = Slab(buffer, is_filled=bool(fingerprint))
        built = build(slab, (lambda name: _is_own(name) or travels(name)) if fingerprint else everything)
        found = slab.fingerprint()
        if not fingerprint:
            shelf.seal(key, found)
            return built
        if found == fingerprint:
            return built
        del built, slab, buffer
        shelf.drop(key)
    raise WeightsError(f"weights in shared memory were changed: {found} instead of {fingerprint}.", hint="Restart the vault.")


def everything(_name: str) -> bool:
    """Every weight needs its content."""
    return True


def travelling(offload: Offload, num_layers: int) -> NeedsContent:
    """Which of the fused network's weights lie in host memory, or belong to a layer that does."""
    streamed = tuple(f"blocks.{index}." for index in offload.streamed(num_layers))
    once_per_prompt, once_per_block = offload.text_weights or offload.cold_weights, offload.cold_weights

    def travels(name: str) -> bool:
        is_context = ".k." in name or ".v." in name
        if name.startswith(streamed) or (once_per_prompt and ".cross_attn." in name and is_context):
            return True
        is_injected = name.startswith("audio_injector.injector.") and is_context
        return once_per_block and (is_injected or name.startswith("audio_injector.injector_adain_layers."))

    return travels


def _is_own(name: str) -> bool:
    return name.endswith(OWN_NORMS)


def _has_parts(part: object) -> bool:
    """A dataclass of parts; `Norms` stay with the process."""
    return dataclasses.is_dataclass(part) and not isinstance(part, (type, Norms))


def _is_dense(tensor: Tensor) -> bool:
    """Its numbers fill a piece of memory, in whatever order."""
    order = sorted(range(tensor.dim()), key=lambda axis: tensor.stride(axis))
    expected = 1
    for axis in order:
        if tensor.shape[axis] == 1:
            continue
        if tensor.stride(axis) != expected:
            return False
        expected *= tensor.shape[axis]
    return True


def _words(tensor: Tensor) -> Iterator[Tensor]:
    """Pieces of the tensor as int64 [n], or [rows, n] where its rows do not touch."""
    if _is_dense(tensor):
        flat = tensor.as_strided((tensor.numel(),), (1,)).view(torch.uint8)
        whole = len(flat) // 8 * 8
        if whole:
            yield from flat[:whole].view(torch.int64).split(_PIECE)
        if whole < len(flat):
            yield flat[whole:].to(torch.int64)
        return
    row_bytes = tensor.shape[1] * tensor.element_size()
    rows = tensor.view(torch.uint8)
    wide = rows.view(torch.int64) if row_bytes % 8 == 0 and rows.stride(0) % 8 == 0 else rows.to(torch.int64)
    yield from wide.split(max(1, _PIECE // wide.shape[1]))


def _weights(words: Tensor) -> Tensor:
    """Odd numbers, another for each place."""
    return torch.arange(1, 2 * words.numel(), 2, device=words.device).view(words.shape)
