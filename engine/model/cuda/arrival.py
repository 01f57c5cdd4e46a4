"""Copies from pinned host memory that travel on a stream of their own, beside what the device computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Copies = Sequence[tuple[Tensor, Tensor]]  # (place on the device, source in pinned host memory)

_streams: dict[torch.device, torch.cuda.Stream] = {}


class Arrival:
    """Groups of tensors on their way to the device, one group after the other. Their sources are held as long as this is."""

    def __init__(self, device: torch.device, groups: Sequence[Copies]) -> None:
        """Behind all that is queued so far."""
        self._stream = stream_of(device)
        self._stream.wait_stream(torch.cuda.current_stream(device))
        self._sources = [[source for _, source in group] for group in groups]
        self._arrived = [self._send(group) for group in groups]
        self._waited = 0  # groups

    def then(self, work: Callable[[], object]) -> None:
        """Queue work on the device behind all copies; who waits for the last group, waits for it, too."""
        with torch.cuda.stream(self._stream):
            work()
        self._arrived[-1] = self._stream.record_event()

    def wait(self, groups: int | None = None) -> None:
        """What is queued on the current stream from here on comes after the first `groups` (None: all) have arrived; the host
        does not wait. The current stream is the same every time."""
        wanted = len(self._arrived) if groups is None else groups
        if wanted > self._waited:
            torch.cuda.current_stream(self._stream.device).wait_event(self._arrived[wanted - 1])
            self._waited = wanted

    def has_waited(self, groups: int) -> bool:
        """Whether everything that is queued now comes after so many groups anyway."""
        return self._waited >= groups

    def synchronize(self) -> None:
        """The host waits."""
        self._arrived[-1].synchronize()

    def _send(self, group: Copies) -> torch.cuda.Event:
        with torch.cuda.stream(self._stream):
            for place, source in group:
                place.copy_(source, non_blocking=True)
        return self._stream.record_event()


def stream_of(device: torch.device) -> torch.cuda.Stream:
    """The stream on which everything arrives."""
    if device not in _streams:
        _streams[device] = torch.cuda.Stream(device)
    return _streams[device]
