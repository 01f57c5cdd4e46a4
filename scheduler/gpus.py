"""Which GPUs a house uses, and in which order: slot n computes on the n-th that CUDA_VISIBLE_DEVICES leaves.

NVML and CUDA count GPUs each in its own way, so GPUs are named by their UUIDs from here on: readings, vault and workers mean
the same one. Numbers that people write are nvidia-smi's, not those of CUDA's own order, which puts the fastest GPU first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

VISIBLE = "CUDA_VISIBLE_DEVICES"
DEVICE = "GREENROOM_DEVICE"
_ORDER = "CUDA_DEVICE_ORDER"
_INSTANCE = "MIG-"


def are_wanted(environ: Mapping[str, str]) -> bool:
    """Whether GPUs are looked at here at all."""
    return environ.get(DEVICE) != "cpu"


def is_torch_for_gpus() -> bool:
    """Whether the installed PyTorch can compute on one: its builds for processors alone say so in their version."""
    try:
        return not version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False


def in_order(found: Sequence[str | None], visible: str | None) -> list[str]:
    """Names of the GPUs to use, in order. `found`: UUIDs as NVML counts them, None for one that is lost; `visible`: the text of
    CUDA_VISIBLE_DEVICES, read as CUDA does. Without it all are used. A full UUID that was not found is named nevertheless:
    a GPU that fell off the bus keeps its place.
    """
    if visible is None:
        return [uuid for uuid in found if uuid is not None]
    names: list[str] = []
    for entry in (part.strip() for part in visible.split(",")):
        if entry.startswith(_INSTANCE):
            return names or [entry]  # CUDA gives a process one instance only
        name = _named(entry, found)
        if name is None:
            break  # what follows an entry that means nothing is not looked at
        if name in names:
            return []
        names.append(name)
    return names


def _named(entry: str, found: Sequence[str | None]) -> str | None:
    if entry.isascii() and entry.isdecimal():
        return found[int(entry)] if int(entry) < len(found) else None
    matches = [uuid for uuid in found if uuid is not None and uuid.startswith(entry)]
    if entry.startswith("GPU-") and len(matches) == 1:
        return matches[0]
    return entry if _is_uuid(entry) else None


def _is_uuid(entry: str) -> bool:
    return entry.startswith("GPU-") and len(entry) == len("GPU-01234567-89ab-cdef-0123-456789abcdef")


def environment(names: Sequence[str]) -> dict[str, str]:
    """For processes that are to see these GPUs alone, in this order. Where there are several none computes without one: a
    slot that went on at a processor's pace would hold up everybody, and nobody would know why."""
    shown = {VISIBLE: ",".join(names), _ORDER: "PCI_BUS_ID"}
    return {**shown, DEVICE: "cuda"} if len(names) > 1 else shown


def of_slot(environ: Mapping[str, str], slot: int) -> dict[str, str]:
    """What to change in the environment for a slot's worker: it sees its own GPU alone."""
    names = [part.strip() for part in environ.get(VISIBLE, "").split(",")]
    return {VISIBLE: names[slot]} if slot < len(names) and names[slot] else {}
