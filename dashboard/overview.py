"""The figures that several views share: the header's pulse, slots, devices, `/dashboard.json`. Old figures stay marked as old."""

from __future__ import annotations

from typing import Any

from dashboard.error_words import error_card
from dashboard.house_clock import clock_off
from dashboard.marks import Marks, marks_of
from dashboard.pulse import Beat
from dashboard.reads import Reads
from dashboard.refusals import in_both
from dashboard.settings import WebSettings
from scheduler.client import SchedulerError
from scheduler.clock import house_now

_SLOT = ("slot", "worker", "state", "drained", "device", "role", "job_id", "block", "total_blocks", "phase", "step", "failures")
_SENSORS = ("name", "memory_used_bytes", "memory_total_bytes", "utilization_percent", "temperature_c", "power_w")


def pulse_message(beat: Beat, reads: Reads, settings: WebSettings, now: float | None = None) -> dict[str, Any]:
    """What the header shows, once per second, to every page: at most 4 kB, of eight slots and devices at most.

    `age_s` is the age of the daemon's last answer, `device_age_s` that of the last device reading; None: there never was one.
    """
    at = house_now() if now is None else now
    devices = _devices(reads)
    newest = max((device["at"] for device in devices), default=None)
    memory = max((share for device in devices if (share := _share(device)) is not None), default=None)  # of the fullest
    marks, longest, pause = _of_store(reads, at)
    loads = [device["utilization_percent"] for device in devices if device.get("utilization_percent") is not None]
    queue = beat.status.get("queue") or {}
    return {
        "now": round(at, 2),
        "as_of": round(beat.at, 2) or None,
        "age_s": round(max(0.0, at - beat.at), 2) if beat.at else None,
        "device_age_s": None if newest is None else round(max(0.0, at - newest), 2),
        "stale_after_s": settings.stale_after_s,
        "queue_length": queue.get("length"),
        "is_queue_paused": bool(queue.get("paused")),
        "memory_percent": memory,
        "level": marks.level(memory),
        "marks": {"high": marks.high, "low": marks.low},
        "longest_wait_s": longest,
        "pause": pause,
        "load_percent": round(max(loads), 1) if loads else None,
        "trouble": trouble_of(beat),
        "clock": clock_off(beat.wall_off_s),
        "slots": [slot_card(slot, {}) for slot in beat.slots[:8]],
        "devices": [_device_card(device) for device in devices[:8]],
        "seq": _last_seq(reads),
    }


def trouble_of(beat: Beat) -> dict[str, str] | None:
    """In both languages why the daemon does not answer, or what keeps one that answers from working: a full disk, a store that
    cannot be written. None where all is well."""
    said = (beat.status.get("daemon") or {}).get("trouble")
    error = beat.trouble or (SchedulerError.from_json(said) if said else None)
    if error is None:
        return None
    told = in_both(error.code, error.message, "" if beat.trouble else error.hint, **error.data)
    return {language: text[:200] for language, text in told.items()}


def slot_card(slot: dict[str, Any], stages: dict[int, str]) -> dict[str, Any]:
    """A slot for views; a drained one has its causes, and when the maintenance among them ends.

    `stage`: the role that its stage was switched to, where that is known.
    """
    card = {name: slot.get(name) for name in _SLOT}
    if slot.get("drained"):
        card["drained_for"] = slot.get("drained_for") or []
        if slot.get("drained_until"):
            card["drained_until"] = int(slot["drained_until"])
    return {**card, "stage": stages.get(slot["slot"])} if stages else card


def _device_card(device: dict[str, Any]) -> dict[str, Any]:
    return {"device": device["device"], "at": device["at"], **{name: device.get(name) for name in _SENSORS}}


def device_cards(reads: Reads) -> list[dict[str, Any]]:
    """Every device with its last reading; a sensor that is missing is None."""
    return [_device_card(device) for device in _devices(reads)]


def _devices(reads: Reads) -> list[dict[str, Any]]:
    try:
        return reads.store.latest_samples()
    except SchedulerError:  # no store yet: the pulse goes on and shows nothing
        return []


def _last_seq(reads: Reads) -> int:
    try:
        return reads.last_seq()
    except SchedulerError:
        return -1


def _of_store(reads: Reads, at: float) -> tuple[Marks, float | None, dict[str, Any] | None]:
    """The marks, the longest wait in seconds, and the pause of the queue; usual marks and nothing else without a store."""
    try:
        oldest, pause = reads.store.oldest_waiting(), reads.store.fact("queue_paused") or {}
        longest = None if oldest is None else round(max(0.0, at - oldest))
        shown = {"reason": pause.get("reason", "")[:200], "until": pause.get("until")} if pause.get("is_paused") else None
        return marks_of(reads), longest, shown
    except SchedulerError:
        return Marks(95.0, 80.0), None, None


def _share(device: dict[str, Any]) -> float | None:
    used, total = device.get("memory_used_bytes"), device.get("memory_total_bytes")
    return round(100 * used / total, 1) if used is not None and total else None


def never_with(body: dict[str, Any]) -> list[str]:
    """Roles that this one excludes, from its body."""
    return list(body.get("never_with") or (body.get("relations") or {}).get("never_with") or [])


def dashboard_json(beat: Beat, reads: Reads) -> dict[str, Any]:
    """The four published keys: active_roles, gpu_utilization, queue_length, recent_errors; and how old the daemon's word is."""
    roles = {slot["role"] for slot in beat.slots if slot.get("role")} | set(reads.stages().values())
    return {
        "active_roles": sorted(roles),
        "gpu_utilization": {device["device"]: device.get("utilization_percent") for device in device_cards(reads)},
        "queue_length": len(reads.store.waiting_jobs()),
        "recent_errors": [error_card(row) for row in reads.recent_errors()],
        "as_of": beat.at or None,
    }
