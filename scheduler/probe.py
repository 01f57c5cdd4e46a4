"""Readings of the devices, with units in the names. A sensor that is missing is a missing key, never a made-up number.

NVML lives only here and in `scheduler.doctor.nvml`. GPUs are those that the house uses, in the order of its slots
(`scheduler.gpus`); without one there is one device, `cpu`, read from /proc.
"""

from __future__ import annotations

import csv
import datetime
import functools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import pynvml

from scheduler import gpus

CSV_COLUMNS = (
    "timestamp", "name", "temperature.gpu", "utilization.gpu [%]", "memory.used [MiB]", "memory.total [MiB]",
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """One device at one moment: `memory_used_bytes`, `memory_total_bytes`, `utilization_percent`, `temperature_c`, …"""

    device: str
    body: dict[str, Any]


class Probe:
    """Reads every device. Make it once: NVML is opened here, and load is measured between two calls."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """`environ`: says which GPUs are looked at."""
        self._cpu_before: tuple[int, int] | None = None
        self._gpus = _open_gpus(environ) if gpus.are_wanted(environ) else {}
        self._errors = _ErrorFeed(list(self._gpus.values()))

    @property
    def is_on_gpus(self) -> bool:
        """Whether GPUs are read, not the processor."""
        return bool(self._gpus)

    @property
    def gpus(self) -> tuple[str, ...]:
        """Names of the GPUs that can be used, in order; as CUDA does it, none behind one that is lost."""
        return tuple(name for name, _ in takewhile(lambda one: one[1] is not None, self._gpus.items()))

    def read(self) -> list[Reading]:
        """One reading per GPU, or the one of the CPU."""
        if not self._gpus:
            return [Reading("cpu", self._cpu())]
        codes = self._errors.read()
        return [
            Reading(f"gpu{index}", _gpu(handle) | ({"xids": codes[index]} if index in codes else {}))
            for index, handle in enumerate(self._gpus.values())
        ]

    def _cpu(self) -> dict[str, Any]:
        memory = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        total = int(memory["MemTotal"].split()[0]) << 10
        available = int(memory["MemAvailable"].split()[0]) << 10
        body: dict[str, Any] = {
            "name": "CPU",
            "cores": len(os.sched_getaffinity(0)),
            "memory_total_bytes": total,
            "memory_used_bytes": total - available,
        }
        ticks = [int(part) for part in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        now = (sum(ticks), ticks[3] + ticks[4])
        if self._cpu_before is not None and now[0] > self._cpu_before[0]:
            all_ticks, idle_ticks = now[0] - self._cpu_before[0], now[1] - self._cpu_before[1]
            body["utilization_percent"] = round(100 * (1 - idle_ticks / all_ticks), 1)
        self._cpu_before = now
        return body


def smallest(bodies: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Of several readings the one of the device with the least memory: what fits there fits everywhere. Empty without any."""
    return min(bodies, key=lambda body: body.get("memory_total_bytes") or math.inf, default={})


def _open_gpus(environ: Mapping[str, str]) -> dict[str, Any]:
    """Name → NVML's handle, in order; the handle of a GPU that is lost is None."""
    try:
        pynvml.nvmlInit()
        found = [_uuid(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return {}
    return {name: _handle(name) for name in gpus.in_order(found, environ.get(gpus.VISIBLE))}


def _uuid(index: int) -> str | None:
    try:
        return str(pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(index)))
    except pynvml.NVMLError:
        return None


def _handle(name: str) -> Any:
    try:
        return pynvml.nvmlDeviceGetHandleByUUID(name)
    except pynvml.NVMLError:
        return None


def _gpu(handle: Any) -> dict[str, Any]:
    if handle is None:
        return {"is_lost": True}
    body: dict[str, Any] = {}

    def add(name: str, read: Callable[[], Any]) -> None:
        try:
            body[name] = read()
        except pynvml.NVMLError_GpuIsLost:
            body["is_lost"] = True  # fallen off the bus
        except pynvml.NVMLError:
            pass  # this sensor does not exist here

    add("name", lambda: pynvml.nvmlDeviceGetName(handle))
    add("memory_used_bytes", lambda: pynvml.nvmlDeviceGetMemoryInfo(handle).used)
    add("memory_total_bytes", lambda: pynvml.nvmlDeviceGetMemoryInfo(handle).total)
    add("utilization_percent", lambda: pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    add("temperature_c", lambda: pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
    add("sm_clock_mhz", lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM))
    add("power_w", lambda: pynvml.nvmlDeviceGetPowerUsage(handle) / 1000)
    add("throttle_reasons", lambda: pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
    for name, kind in (("ecc_corrected", pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED),
                       ("ecc_uncorrected", pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED)):  # fmt: skip
        add(name, functools.partial(pynvml.nvmlDeviceGetTotalEccErrors, handle, kind, pynvml.NVML_VOLATILE_ECC))
    add("processes", lambda: [
        (process.pid, process.usedGpuMemory) for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
        if process.usedGpuMemory is not None  # a container is not always told
    ])  # fmt: skip
    return body


class _ErrorFeed:
    """Error codes (XID) that the driver reports, by the GPU's place. A driver without such events feeds nothing."""

    def __init__(self, handles: list[Any]) -> None:
        self._index = {}
        self._set: Any = None
        if not handles:
            return
        try:
            self._set = pynvml.nvmlEventSetCreate()
            for index, handle in enumerate(handles):
                if handle is None:
                    continue
                pynvml.nvmlDeviceRegisterEvents(handle, pynvml.nvmlEventTypeXidCriticalError, self._set)
                self._index[pynvml.nvmlDeviceGetPciInfo(handle).busId] = index
        except pynvml.NVMLError:
            self._set = None

    def read(self) -> dict[int, list[int]]:
        """Codes since the last call; never waits."""
        found: dict[int, list[int]] = {}
        while self._set is not None:
            try:
                event = pynvml.nvmlEventSetWait_v2(self._set, 0)
                index = self._index.get(pynvml.nvmlDeviceGetPciInfo(event.device).busId)
            except pynvml.NVMLError:  # NVMLError_Timeout: nothing more
                return found
            if index is not None:
                found.setdefault(index, []).append(int(event.eventData))
        return found


class MonitorCsv:
    """`gpu_monitor.csv`: one line per device and second, the columns of nvidia-smi; a new file begins at 20 MB."""

    MAX_BYTES = 20 << 20

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, readings: list[Reading], at: float) -> None:
        """Append the readings; a missing sensor is nvidia-smi's `[N/A]`."""
        if self._path.exists() and self._path.stat().st_size > self.MAX_BYTES:
            self._path.replace(self._path.with_suffix(".1.csv"))
        is_new = not self._path.exists()
        stamp = datetime.datetime.fromtimestamp(at).strftime("%Y/%m/%d %H:%M:%S.%f")[:-3]
        with self._path.open("a", newline="") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(CSV_COLUMNS)
            for reading in readings:
                body = reading.body
                writer.writerow([
                    stamp, body.get("name", "[N/A]"), body.get("temperature_c", "[N/A]"),
                    body.get("utilization_percent", "[N/A]"), _mib(body, "memory_used_bytes"), _mib(body, "memory_total_bytes"),
                ])  # fmt: skip


def _mib(body: dict[str, Any], name: str) -> Any:
    return body[name] >> 20 if name in body else "[N/A]"
