"""Copies from pinned host memory that travel on a stream of their own, beside what the device computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_streams: dict[torch.device, torch.cuda.Stream] = {}


class Arrival:
    """Tensors on their way to the device. Their sources are held as long as this is."""

    def __init__(self, copies: Sequence[tuple[Tensor, Tensor]]) -> None:
        """`copies`: (place on the device, source in pinned host memory); behind all that is queued so far."""
        device = copies[0][0].device
        self._stream = stream_of(device)
        self._stream.wait_stream(torch.cuda.current_stream(device))
        self._sources = [source for _, source in copies]
        with torch.cuda.stream(self._stream):
            for place, source in copies:
                place.copy_(source, non_blocking=True)
        self._arrived = self._stream.record_event()

    def then(self, work: Callable[[], object]) -> None:
        """Queue work on the device behind the copies; who waits, waits for it, too."""
        with torch.cuda.stream(self._stream):
            work()
        self._arrived = self._stream.record_event()

    def wait(self) -> None:
        """What is queued on the current stream from here on comes after them; the host does not wait."""
        torch.cuda.current_stream(self._stream.device).wait_event(self._arrived)

    def synchronize(self) -> None:
        """The host waits."""
        self._arrived.synchronize()


def stream_of(device: torch.device) -> torch.cuda.Stream:
    """The stream on which everything arrives."""
    if device not in _streams:
        _streams[device] = torch.cuda.Stream(device)
    return _streams[device]
