"""How many slots a house has, and on what: one for each GPU, or as many as asked for on a processor."""

from __future__ import annotations

import os
from dataclasses import dataclass

from scheduler import gpus
from scheduler.core.counted import counted
from scheduler.errors import SchedulerError
from scheduler.probe import Probe


@dataclass(frozen=True)
class HouseSize:
    """`gpus`: their names in the order of the slots, one each; empty where none is used. `told`: for the person who starts it."""

    slots: int
    gpus: tuple[str, ...]
    told: str


def house_size(wanted: int | None, probe: Probe, engine: str) -> HouseSize:
    """The slots asked for, or (None) one for each GPU that can be used. SchedulerError where there are fewer GPUs than slots."""
    if engine == "fake":
        slots = wanted or 1
        return HouseSize(slots, (), f"{counted(slots, 'slot')} of the scripted engine")
    if not gpus.is_torch_for_gpus() or not probe.is_on_gpus:
        slots = wanted or 1
        threads = threads_of(slots)
        each = " each" if slots > 1 else ""
        return HouseSize(slots, (), f"{counted(slots, 'slot')} on the processor, {counted(threads, 'thread')}{each}")
    return _on_gpus(wanted, probe)


def _on_gpus(wanted: int | None, probe: Probe) -> HouseSize:
    usable, shown = probe.gpus, os.environ.get(gpus.VISIBLE)
    source = "this machine has" if shown is None else f"{gpus.VISIBLE}={shown} leaves"
    if not usable:
        hint = f"Look at nvidia-smi, name others in {gpus.VISIBLE}, or set {gpus.DEVICE}=cpu."
        raise SchedulerError(400, "wrong_usage", f"No GPU that {source} answers.", field="slots", hint=hint)
    slots = wanted or len(usable)
    if slots > len(usable):
        count = counted(len(usable), "GPU")
        hint = f"Use --slots {len(usable)} or less, or none: then each GPU has one."
        raise SchedulerError(400, "wrong_usage", f"--slots is {slots}, but {source} {count}.", field="slots", hint=hint)
    kinds = [f"{reading.device} {reading.body.get('name', 'of unknown kind')}" for reading in probe.read()[:slots]]
    idle = len(usable) - slots
    rest = f"; {idle} more GPU{'s are' if idle > 1 else ' is'} left alone" if idle else ""
    each = ", a GPU each:" if slots > 1 else " on"
    return HouseSize(slots, usable[:slots], f"{counted(slots, 'slot')}{each} {', '.join(kinds)}{rest}")


def threads_of(slots: int, cores: int | None = None) -> int:
    """CPU threads of one worker. One core is left to daemon, web and a warming standby: threads that fight for a core cost
    ten times what they bring."""
    return max(1, ((cores or len(os.sched_getaffinity(0))) - 1) // slots)
