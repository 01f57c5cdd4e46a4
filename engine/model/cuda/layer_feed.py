"""The transformer's layers in order: resident, or travelling from pinned host memory through two places on the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from engine.model.cuda.host import pinned
from engine.precision.products import Product

PLACES = 2
L = TypeVar("L")


@dataclass
class _Traveller:
    """A layer's products in host memory, and the place on the device where they arrive."""

    host: list[Tensor]
    device: list[Tensor]


class LayerFeed:
    """`take` gives a layer whose weights are on the device, `give_back` lets its place go to the next traveller.

    Travellers share `PLACES` places in turn and come round for ever, so that the next one is on its way while others
    compute, also from one step to the next.
    """

    def __init__(self, layers: list[Any], streamed: tuple[int, ...], cold: tuple[str, ...] = ()) -> None:
        """`layers` are dataclasses of `Product`s (nested ones too); of the streamed ones all but those under the names
        `cold` go to host memory here, one layer at a time."""
        self._layers = list(layers)
        self._travellers: dict[int, _Traveller] = {}
        self._next: dict[int, int] = {}
        if not streamed:
            return
        self._stream = torch.cuda.Stream()
        self._arrived = {index: torch.cuda.Event() for index in streamed}
        places: list[list[Tensor]] = []
        for turn, index in enumerate(streamed):
            weights = [product.weight for product in products_of(self._layers[index], cold)]
            if turn < PLACES:
                places.append([torch.empty_like(weight) for weight in weights])
            place = places[turn % PLACES]
            self._travellers[index] = _Traveller([_on_host(weight) for weight in weights], place)
            self._layers[index] = with_weights(self._layers[index], list(place), cold)
            layers[index] = None
        for first in range(min(PLACES, len(streamed))):
            turn_mates = streamed[first::PLACES]
            self._next |= dict(zip(turn_mates, (*turn_mates[1:], turn_mates[0]), strict=True))
            self._send(turn_mates[0])

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[Any]:
        """All layers, wherever their travelling weights are."""
        return iter(self._layers)

    def take(self, index: int) -> Any:
        """The layer, ready to compute on the current stream."""
        if index in self._travellers:
            torch.cuda.current_stream().wait_event(self._arrived[index])
        return self._layers[index]

    def give_back(self, index: int) -> None:
        """The layer's work is launched: its place goes to the next one."""
        if self._next.get(index, index) != index:
            self._stream.wait_stream(torch.cuda.current_stream())
            self._send(self._next[index])

    def _send(self, index: int) -> None:
        traveller = self._travellers[index]
        with torch.cuda.stream(self._stream):
            for device, host in zip(traveller.device, traveller.host, strict=True):
                device.copy_(host, non_blocking=True)
            self._arrived[index].record()


def _on_host(weight: Tensor) -> Tensor:
    size = weight.numel() * weight.element_size()
    return pinned(size).view(weight.dtype).view(weight.shape).copy_(weight)


def products_of(part: Any, without: tuple[str, ...] = ()) -> list[Product]:
    """All products in a dataclass, nested ones too, in the order of its fields."""
    found: list[Product] = []
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, Product):
            found += [] if field.name in without else [value]
        elif is_dataclass(value) and not isinstance(value, type):
            found += products_of(value, without)
    return found


def with_weights(part: L, weights: list[Tensor], without: tuple[str, ...] = ()) -> L:
    """The same with the products' weights replaced; takes them from the list's front."""
    changed: dict[str, Any] = {}
    for field in fields(part):  # type: ignore[arg-type]
        value = getattr(part, field.name)
        if isinstance(value, Product):
            if field.name not in without:
                changed[field.name] = replace(value, weight=weights.pop(0))
        elif is_dataclass(value) and not isinstance(value, type):
            changed[field.name] = with_weights(value, weights, without)
    return replace(part, **changed)  # type: ignore[type-var]
