"""The driver, and which of its GPUs a house would use: CUDA_VISIBLE_DEVICES read entry by entry, as CUDA does."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scheduler import gpus
from scheduler.doctor import nvml
from scheduler.doctor.finding import Finding, found
from scheduler.doctor.subject import DEFAULTS, Subject
from scheduler.plan.check import ATTENTION, BAD, OK

PCI = Path("/sys/bus/pci/devices")
_NVIDIA, _DISPLAY = "0x10de", "0x03"  # vendor; class of graphics and 3D controllers


def driver_findings(subject: Subject) -> Iterator[Finding]:
    """A machine without a GPU is a legal one: work is done on the processor."""
    try:
        driver = nvml.open_driver()
    except nvml.NoDriver as error:
        yield _no_driver(subject, error)
        return
    lost = [index for index, uuid in enumerate(driver.uuids) if uuid is None]
    cuda = ".".join(map(str, driver.cuda or ("?",)))
    figures = {"version": driver.version, "cuda": cuda, "gpus": len(driver.uuids), "lost": lost}
    words = {"version": driver.version, "cuda": cuda, "count": len(driver.uuids), "lost": ", ".join(map(str, lost))}
    yield found("driver", BAD if lost else OK, "driver_lost" if lost else "driver", figures, **words)


def _no_driver(subject: Subject, error: nvml.NoDriver) -> Finding:
    cards = _cards_on_the_bus()
    figures = {"reason": error.reason, "said": str(error), "cards_on_the_bus": cards}
    if error.reason in ("no_library", "not_loaded"):
        if cards:
            return found("driver", ATTENTION, "driver_missing", figures, count=len(cards), words=", ".join(cards))
        if subject.model != DEFAULTS.model:
            return found("driver", ATTENTION, "driver_wanted", figures, model=subject.model)
        return found("driver", OK, "driver_none", figures)
    code = {"mismatch": "driver_mismatch", "no_permission": "driver_no_rights"}.get(error.reason, "driver_fails")
    return found("driver", BAD, code, figures, said=str(error))


def _cards_on_the_bus() -> list[str]:
    """Addresses of NVIDIA's graphics devices; a container sees those of its host, too."""
    cards = []
    for device in sorted(PCI.glob("*")):
        try:
            vendor, kind = ((device / name).read_text().strip() for name in ("vendor", "class"))
        except OSError:
            continue
        if vendor == _NVIDIA and kind.startswith(_DISPLAY):
            cards.append(device.name)
    return cards


def chosen() -> list[str]:
    """UUIDs of the GPUs that a house would use, in the order of its slots; empty without a driver, or where none is wanted."""
    if not gpus.are_wanted(os.environ):
        return []
    try:
        uuids = nvml.open_driver().uuids
    except nvml.NoDriver:
        return []
    return gpus.in_order(uuids, os.environ.get(gpus.VISIBLE))


def visible_findings(_subject: Subject) -> Iterator[Finding]:
    """Nothing without a driver; else which GPUs are used, and every entry that does not do what it seems to."""
    try:
        uuids = nvml.open_driver().uuids
    except nvml.NoDriver:
        return
    text = os.environ.get(gpus.VISIBLE)
    used = gpus.in_order(uuids, text)
    indices = [uuids.index(uuid) if uuid in uuids else uuid for uuid in used]
    figures: dict[str, Any] = {"value": text, "used": indices, "uuids": used, "found": len(uuids)}
    words = {"value": text, "count": len(used), "all": len(uuids), "variable": gpus.VISIBLE, "device": gpus.DEVICE}
    words["order"] = ", ".join(f"gpu{slot} = {index}" for slot, index in enumerate(indices))
    if not gpus.are_wanted(os.environ):
        yield found("visible GPUs", OK, "visible_unwanted", figures, **words)
    elif text is None:
        yield found("visible GPUs", OK, "visible_all", figures, **words)
    else:
        yield from _entries(text, uuids, used, figures, words)


def _entries(
    text: str, uuids: Sequence[str | None], used: list[str], figures: dict[str, Any], words: dict[str, Any]
) -> Iterator[Finding]:
    entries = [part.strip() for part in text.split(",")]
    meant = [gpus.in_order(uuids, entry) for entry in entries]
    empty = next((place for place, one in enumerate(meant) if not one), None)
    before = [one[0] for one in meant[:empty]]
    twice = [entry for place, entry in enumerate(entries[: len(before)]) if before[place] in before[:place]]
    if twice:
        figures["twice"] = twice
        yield found("visible GPUs", BAD, "visible_twice", figures, words=", ".join(twice), **words)
    elif not used:
        yield found("visible GPUs", ATTENTION, "visible_none", figures, **words)
    elif empty is not None:
        figures |= {"means_nothing": entries[empty], "not_looked_at": entries[empty + 1 :]}
        rest = ", ".join(repr(entry) for entry in entries[empty + 1 :]) or "-"
        yield found("visible GPUs", ATTENTION, "visible_cut", figures, entry=repr(entries[empty]), rest=rest, **words)
    elif len(used) < len(entries):  # one instance of a divided GPU is all that CUDA gives a process
        yield found("visible GPUs", ATTENTION, "visible_instance", figures, **words)
    else:
        yield found("visible GPUs", OK, "visible_chosen", figures, **words)
