"""Each GPU that a house would use: link, clocks, memory that others hold, mode; and whether they reach one another's memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import permutations
from typing import Any

from scheduler import gpus
from scheduler.device_sensors import HOT
from scheduler.doctor import nvml
from scheduler.doctor.finding import Finding, found
from scheduler.doctor.house import orphans, running_house
from scheduler.doctor.subject import Subject
from scheduler.doctor.visible import chosen
from scheduler.plan.check import ATTENTION, BAD, OK, UNKNOWN
from scheduler.plan.figures import size_text
from scheduler.probe import Probe

IDLE_PERCENT = 10  # below it a GPU may rest: slower clock, slower link
LOWERED_RATIO = 0.9
HELD_RATIO = 0.05  # of a GPU's memory, which driver and desktop may take unnoticed
_REASONS = {
    0x01: "idle", 0x02: "application clocks", 0x04: "power cap", 0x08: "hardware slowdown", 0x20: "software thermal",
    0x40: "hardware thermal", 0x80: "power brake",
}  # fmt: skip
_BY_SETTING = 0x02


def card_findings(subject: Subject) -> Iterator[Finding]:
    """Link, clocks, memory and mode of every GPU, by the names that pages use: `gpu0` is slot 0's."""
    names = chosen()
    if not names:
        return
    house = running_house(subject)
    ours = set() if house is not None else {record.pid for record in orphans(subject)}
    for name, reading in zip(names, Probe(os.environ).read(), strict=True):
        card = nvml.card(name)
        if card is None or reading.body.get("is_lost"):
            yield found(reading.device, BAD, "gpu_lost", {"uuid": name}, uuid=name, variable=gpus.VISIBLE)
            continue
        about = {"gpu": reading.body.get("name"), "uuid": name, "load_percent": reading.body.get("utilization_percent")}
        yield _link(reading.device, card, about)
        yield _clocks(reading.device, card, reading.body, about)
        yield _memory(reading.device, reading.body, about, house is not None, ours)
        yield _mode(reading.device, card, about)


def _link(device: str, card: nvml.Card, about: dict[str, Any]) -> Finding:
    name, load = f"{device} PCIe", about["load_percent"]
    figures = about | {
        "width": card.width, "max_width": card.max_width, "generation": card.generation, "max_generation": card.max_generation,
    }  # fmt: skip
    width, generation = (card.width, card.max_width), (card.generation, card.max_generation)
    words = {"width": width[0], "widest": width[1], "generation": generation[0], "newest": generation[1], "load": load}
    if not all(width) or not all(generation):
        return found(name, UNKNOWN, "link_untold", figures, **words)
    assert card.width and card.max_width and card.generation and card.max_generation
    if card.width < card.max_width:
        return found(name, ATTENTION, "link_narrow", figures, **words)
    if card.generation >= card.max_generation:
        return found(name, OK, "link_full", figures, **words)
    if load is None:
        return found(name, UNKNOWN, "link_load_untold", figures, **words)
    if load < IDLE_PERCENT:
        return found(name, OK, "link_idle", figures, **words)
    return found(name, ATTENTION, "link_slow", figures, **words)


def _clocks(device: str, card: nvml.Card, body: dict[str, Any], about: dict[str, Any]) -> Finding:
    name, load = f"{device} clocks", about["load_percent"]
    clock, reasons, most = body.get("sm_clock_mhz"), body.get("throttle_reasons"), card.max_sm_clock_mhz
    told = [text for bit, text in _REASONS.items() if (reasons or 0) & bit]
    figures = about | {
        "sm_clock_mhz": clock, "max_sm_clock_mhz": most, "throttle_reasons": reasons, "reasons": told,
        "temperature_c": body.get("temperature_c"), "power_limit_w": card.power_limit_w,
        "default_power_limit_w": card.default_power_limit_w,
    }  # fmt: skip
    words = {
        "clock": clock, "most": most, "reasons": ", ".join(told) or "-", "load": "?" if load is None else load,
        "watts": card.power_limit_w, "usual": card.default_power_limit_w, "degrees": body.get("temperature_c", "?"),
    }  # fmt: skip
    if clock is None or not most or reasons is None:
        return found(name, UNKNOWN, "clocks_untold", figures, **words)
    if reasons & HOT:
        return found(name, ATTENTION, "clocks_hot", figures, **words)
    if card.power_limit_w and card.default_power_limit_w and card.power_limit_w < LOWERED_RATIO * card.default_power_limit_w:
        return found(name, ATTENTION, "clocks_power", figures, **words)
    if load is not None and load >= IDLE_PERCENT and reasons & _BY_SETTING and clock < LOWERED_RATIO * most:
        return found(name, ATTENTION, "clocks_set", figures, **words)
    return found(name, OK, "clocks_idle" if clock < LOWERED_RATIO * most else "clocks_full", figures, **words)


def _memory(device: str, body: dict[str, Any], about: dict[str, Any], is_running: bool, ours: set[int]) -> Finding:
    name, used, total = f"{device} memory", body.get("memory_used_bytes"), body.get("memory_total_bytes")
    holders = list(body.get("processes", ()))
    figures = about | {
        "memory_used_bytes": used, "memory_total_bytes": total, "is_house_running": is_running,
        "processes": [{"pid": pid, "bytes": held, "is_orphan": pid in ours} for pid, held in holders],
    }  # fmt: skip
    if used is None or not total:
        return found(name, UNKNOWN, "gpu_memory_untold", figures)
    said = ", ".join(f"process {pid} ({size_text(held)})" for pid, held in holders)
    words = {"used": size_text(used), "total": size_text(total), "who": said or "-"}
    if is_running:
        return found(name, OK, "gpu_memory_ours", figures, **words)
    if used <= HELD_RATIO * total:
        return found(name, OK, "gpu_memory_free", figures, **words)
    is_orphans = bool(holders) and {pid for pid, _ in holders} <= ours
    return found(name, ATTENTION, "gpu_memory_orphans" if is_orphans else "gpu_memory_held", figures, **words)


def _mode(device: str, card: nvml.Card, about: dict[str, Any]) -> Finding:
    """Vault, worker and standby are processes of their own on one GPU."""
    name, figures = f"{device} mode", about | {"mode": card.mode}
    if card.mode is None:
        return found(name, UNKNOWN, "mode_untold", figures)
    return found(name, OK if card.mode == "default" else BAD, "mode", figures, mode=card.mode)


def peer_findings(_subject: Subject) -> Iterator[Finding]:
    """Every GPU to every other; nothing where there are not two."""
    names = chosen()
    if len(names) < 2:
        return
    slots = range(len(names))
    states = {(one, other): nvml.peer(names[one], names[other]) for one, other in permutations(slots, 2)}
    figures = {"pairs": [{"from": one, "to": other, "status": status} for (one, other), status in states.items()]}
    untold = [pair for pair, status in states.items() if status is None]
    barred = {pair: status for pair, status in states.items() if status not in (None, "ok")}
    words = ", ".join(f"gpu{one} → gpu{other}: {status}" for (one, other), status in barred.items())
    if barred:
        yield found("peer access", ATTENTION, "peers_barred", figures, words=words)
    elif untold:
        yield found("peer access", UNKNOWN, "peers_untold", figures, count=len(untold))
    else:
        yield found("peer access", OK, "peers", figures, count=len(names))
