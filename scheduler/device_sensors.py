"""Readings made into the core's events: GPUs, the box, the vault and the disk, each with the slots that it serves."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import protocol
from scheduler.core import events
from scheduler.probe import Probe, Reading

# NVML's reasons for a lowered clock that mean heat or power: hardware slowdown, software and hardware heat, power brake.
HOT = 0x08 | 0x20 | 0x40 | 0x80


class DeviceSensors:
    """Knows which device serves which slot: GPU n serves slot n, the box and the vault serve all of them."""

    def __init__(
        self, data_dir: Path, slots: int, vault: Callable[[], protocol.VaultStatus | None], probe: Probe | None = None,
        shares: Callable[[Reading], dict[str, int]] = lambda _: {},
    ) -> None:  # fmt: skip
        self.probe = probe or Probe()
        self._data_dir, self._slots, self._vault, self._shares = data_dir, slots, vault, shares

    def read(self) -> list[Reading]:
        """Every device with who holds its memory. May take a moment: not for the thread that decides."""
        return [self._shared_out(reading) for reading in self.probe.read()]

    def _shared_out(self, reading: Reading) -> Reading:
        body = {name: value for name, value in reading.body.items() if name != "processes"}
        shares = self._shares(reading)
        return Reading(reading.device, body | ({"shares": shares} if shares else {}))

    def heard(self, at: float, readings: list[Reading]) -> list[events.Event]:
        """What the core should hear of this second."""
        found: list[events.Event] = [self._device(at, reading) for reading in readings]
        if (vault := self._vault()) is not None and vault.limit_bytes:
            # Prepared conditions are let go of by themselves when room is needed: a vault full of them is not short.
            ratio = (sum(vault.files.values()) + sum(vault.contexts.values())) / vault.limit_bytes
            found.append(events.DeviceWasRead(at=at, device="vault:0", slots=self._all, memory_ratio=ratio))
        found.append(events.DiskWasRead(at=at, free_bytes=shutil.disk_usage(self._data_dir).free))
        return found

    @property
    def _all(self) -> tuple[int, ...]:
        return tuple(range(self._slots))

    def _device(self, at: float, reading: Reading) -> events.DeviceWasRead:
        body = reading.body
        used, total = body.get("memory_used_bytes"), body.get("memory_total_bytes")
        load, reasons = body.get("utilization_percent"), body.get("throttle_reasons")
        return events.DeviceWasRead(
            at=at, device=reading.device, slots=self._slots_of(reading.device),
            memory_ratio=used / total if used is not None and total else None,
            load_ratio=None if load is None else load / 100,
            is_throttled=None if reasons is None else bool(reasons & HOT),
            temperature_c=_number(body.get("temperature_c")),
            xids=tuple(body.get("xids", ())), is_lost=bool(body.get("is_lost")),
        )  # fmt: skip

    def _slots_of(self, device: str) -> tuple[int, ...]:
        if not device.startswith("gpu"):
            return self._all
        number = int(device.removeprefix("gpu"))
        return (number,) if number < self._slots else ()


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
