"""Steps of training, recorded as CUDA graphs: a small model's step is thousands of small operations, and starting each by
itself costs a GPU more time than computing it. And batches made ahead.

A recorded function touches nothing of the host (`engine.model.cuda.recording`);
`tests/unit/engine/test_training_recording.py` holds the stages' losses to that on any machine.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch

from engine.model.cuda.recording import Recordings, Tensors

Function = Callable[[Hashable, Tensors], Tensors]


class Recorder:
    """Calls `function(key, tensors)`; on a GPU from a recording where there is one (`engine.model.cuda.recording`).

    What is returned from a recording lies in its memory: use or copy it before the next call. A recorder belongs to the
    stream it is first called on.
    """

    def __init__(self, function: Function, device: torch.device, *, is_wanted: bool = True) -> None:
        self.function, self.is_recording = function, is_wanted and device.type == "cuda"
        self._recordings = Recordings() if self.is_recording else None

    def __call__(self, key: Hashable, tensors: Tensors) -> Tensors:
        """`key` is whatever decides beside the tensors' form how the function goes."""
        if self._recordings is None:
            return self.function(key, tensors)
        return self._recordings.call(key, tensors, partial(self.function, key))


class Ahead:
    """Makes the next batch on a stream of its own while the present one is used; on a CPU when it is asked for."""

    def __init__(self, make: Callable[[int], tuple[Hashable, Tensors]], device: torch.device) -> None:
        self.make = make
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._ready: tuple[int, Hashable, Tensors, torch.cuda.Event] | None = None

    def take(self, number: int) -> tuple[Hashable, Tensors]:
        """Batch `number`, usable on the current stream."""
        if self._stream is None:
            return self.make(number)
        if self._ready is None or self._ready[0] != number:
            self.prepare(number)
        assert self._ready is not None
        _, key, tensors, done = self._ready
        self._ready = None
        here = torch.cuda.current_stream()
        here.wait_event(done)
        for tensor in tensors.values():
            tensor.record_stream(here)
        return key, tensors

    def prepare(self, number: int) -> None:
        """Begin batch `number`, if that can be done beside other work."""
        if self._stream is None:
            return
        with torch.cuda.stream(self._stream):
            key, tensors = self.make(number)
            done = torch.cuda.Event()
            done.record()
        self._ready = number, key, tensors, done


def own_stream(device: torch.device) -> AbstractContextManager[object]:
    """A stream beside the default one, which cannot be recorded; nothing on a CPU."""
    if device.type != "cuda":
        return nullcontext()
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    return torch.cuda.stream(stream)
