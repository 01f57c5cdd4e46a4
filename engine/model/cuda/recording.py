"""Functions of tensors, recorded once as CUDA graphs and replayed: where a pass is hundreds of short kernels, starting each
by itself costs the host more time than computing costs the GPU.

A function is called as it is the first time it meets inputs of one form (kernels are compiled, algorithms chosen, state
settles), recorded the second time, replayed from then on. It must touch nothing of the host: no value read back, no
tensor copied over, nothing drawn at random. Whatever it reads or writes beside its inputs has to lie where it lay, so
addresses of such memory belong into the key.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

Tensors = dict[str, Tensor]
EAGER_CALLS = 1  # with inputs of one form, before they are recorded
REMEMBERED = 8  # times as many forms are remembered as seen as are kept recorded


class Recordings:
    """Recorded calls by key and form of their inputs; the one that was used longest ago goes when there are too many.

    All recordings share their memory, which is right as long as one replays after the other: calls belong to one stream.
    What a call returns may lie in that memory, so use or copy it before the next one.
    """

    def __init__(self, capacity: int | None = None) -> None:
        """`capacity`: recordings that are kept; None: all."""
        self.capacity = capacity
        self._seen: OrderedDict[Hashable, int] = OrderedDict()
        self._recorded: OrderedDict[Hashable, _Recorded] = OrderedDict()
        self._inputs: dict[Hashable, Tensors] = {}
        self._pool = torch.cuda.graph_pool_handle()
        self._aside: torch.cuda.Stream | None = None

    def __len__(self) -> int:
        """Recordings that are kept."""
        return len(self._recorded)

    def call(self, key: Hashable, tensors: Tensors, function: Callable[[Tensors], Tensors]) -> Tensors:
        """`function(tensors)`. `key` is whatever decides beside the tensors' form what the function does, the addresses of
        all other memory that it touches included."""
        form = tuple((name, tuple(t.shape), t.dtype) for name, t in tensors.items())
        known = self._recorded.get((key, form))
        if known is not None:
            self._recorded.move_to_end((key, form))
            return known.replay(tensors)
        seen = self._seen[key, form] = self._seen.pop((key, form), 0) + 1
        if seen <= EAGER_CALLS:
            if self.capacity is not None and len(self._seen) > REMEMBERED * self.capacity:
                self._seen.popitem(last=False)
            # As it will be recorded: with other strides libraries choose, and time, other algorithms, which no recording allows.
            return function({name: t.contiguous() for name, t in tensors.items()})
        if form not in self._inputs:
            self._inputs[form] = {name: t.clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
        if self.capacity is not None and len(self._recorded) >= self.capacity:
            self._recorded.popitem(last=False)
        recorded = self._recorded[key, form] = self._record(self._inputs[form], function)
        return recorded.replay(tensors)

    def _record(self, inputs: Tensors, function: Callable[[Tensors], Tensors]) -> _Recorded:
        """Nothing is computed by this. It waits for nothing, unlike `torch.cuda.graph`, which also gives memory back."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.stream(self._recordable()):
            # "thread_local": other threads decode and copy meanwhile
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                outputs = function(inputs)
            except BaseException:
                with suppress(RuntimeError):  # that the recording is spoilt is no news: what spoilt it goes on
                    graph.capture_end()
                raise
            graph.capture_end()
        return _Recorded(graph, inputs, outputs)

    def _recordable(self) -> torch.cuda.Stream:
        """The current stream, or where that is the default one, which cannot be recorded, one beside it."""
        here = torch.cuda.current_stream()
        if here != torch.cuda.default_stream():
            return here
        if self._aside is None:
            self._aside = torch.cuda.Stream()
        return self._aside


@dataclass(frozen=True)
class _Recorded:
    graph: torch.cuda.CUDAGraph
    inputs: Tensors
    outputs: Tensors

    def replay(self, tensors: Tensors) -> Tensors:
        by_type: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
        for name, place in self.inputs.items():
            places, values = by_type.setdefault(place.dtype, ([], []))
            places.append(place)
            values.append(tensors[name])
        for places, values in by_type.values():
            torch._foreach_copy_(places, values, non_blocking=True)  # one launch for many
        self.graph.replay()
        return self.outputs
