"""Kinds of memory: which measured jobs speak for which requests, and what a worker's peak proves.

On a CPU a job's context lies in the vault, to the byte as predicted, and a process's peak says nothing of it: nothing is
learnt there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from engine import protocol
from engine.config import Settings
from scheduler.context_size import context_bytes
from scheduler.core.learnt_memory import LearntMemory, Measured, MemoryKey

KindAt = Callable[[int, int, int], MemoryKey]  # of width, height, steps
CPU = "cpu"


@dataclass(slots=True)
class PeakMark:
    """A worker's peak never falls while it lives, so only a lease under which it rose made it."""

    lease_id: str = ""
    before: int = 0
    now: int = 0

    def is_bound(self, lease_id: str, peak: int) -> bool:
        """Whether earlier work of this worker had made as much already."""
        if lease_id != self.lease_id:
            self.lease_id, self.before = lease_id, self.now
        self.now = max(self.now, peak)
        return peak <= self.before


def kind_at(learnt: LearntMemory, model: str, workers: Iterable[protocol.WorkerReady | None] | None = None) -> KindAt | None:
    """Kinds of what these workers would make, placed as it was measured last; None where devices differ or nothing was measured.

    Without workers, those of the device that was measured last.
    """
    devices = None if workers is None else {device_kind(ready) for ready in workers if ready is not None}
    if devices is not None and len(devices) != 1:
        return None
    seen = [
        (record.at, key) for key, record in learnt.records.items()
        if key.model == model and (devices is None or key.device in devices)
    ]  # fmt: skip
    if not seen:
        return None
    last = max(seen, key=lambda one: one[0])[1]
    return lambda width, height, steps: MemoryKey(model, f"{width}x{height}", steps, last.precision, last.device, last.rung)


def measured(
    message: protocol.BlockDone, ready: protocol.WorkerReady | None, mark: PeakMark, model: str, width: int, height: int,
    settings: Settings,
) -> Measured | None:  # fmt: skip
    """What a block's report says of memory; None where the worker did not measure or predict it. `settings`: the block's own,
    while its job may have been given others for the next ones."""
    if not message.peak_bytes:
        return None
    is_bound = mark.is_bound(message.lease_id, message.peak_bytes)
    if ready is None or ready.device == CPU or not message.predicted_bytes:
        return None
    precision, _, rung = message.placement.partition(" ")
    return Measured(
        key=MemoryKey(model, f"{width}x{height}", settings.steps, precision, device_kind(ready), rung),
        context_bytes=context_bytes(model, width, height, settings, ready.kv),
        predicted_bytes=message.predicted_bytes, peak_bytes=message.peak_bytes, is_bound=is_bound,
    )  # fmt: skip


def device_kind(ready: protocol.WorkerReady) -> str:
    """The card's name where there is one."""
    return ready.software.get("gpu", ready.device)
