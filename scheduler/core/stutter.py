"""Blocks that come too slowly: the cause as far as sensors tell, then fewer steps, by consent."""

from __future__ import annotations

from scheduler.core.degrade import degrade_running
from scheduler.core.fleet import Slot
from scheduler.core.healing_policy import Fault, Rule
from scheduler.core.job import Job
from scheduler.core.state import State, Turn

BLOCK_FRAMES = 12
BUSY_RATIO = 0.95


def watch_block(state: State, turn: Turn, slot: Slot, job: Job, seconds: float, planned_s: float) -> None:
    """One block of a job was made in `seconds` of computing where `planned_s` were expected; 0: not known."""
    rule = state.healing[Fault.STUTTER]
    place = f"job:{job.id}"
    heal = state.heals.find(Fault.STUTTER, place)
    planned_s = float(heal.numbers["planned_s"]) if heal is not None else planned_s
    if seconds <= 0 or planned_s <= 0:
        return
    is_slow = _is_slow(rule, seconds, planned_s)
    if slot.leased_blocks > 1 or not is_slow:  # the first block after an attach may warm caches up
        slot.slow_blocks = slot.slow_blocks + 1 if is_slow else 0
    if heal is not None and _is_over(rule, seconds, planned_s):
        state.heals.recover(turn, heal, {"fps": round(BLOCK_FRAMES / seconds, 2), "rung": job.rungs or "as_asked"})
        return
    if slot.slow_blocks < rule["blocks"]:
        return
    slot.slow_blocks = 0
    if heal is None:
        numbers = {
            "fps": round(BLOCK_FRAMES / seconds, 2), "planned_fps": round(BLOCK_FRAMES / planned_s, 2),
            "planned_s": round(planned_s, 4), "blocks": int(rule["blocks"]), "cause": _cause(state, slot),
            "blocks_done": job.blocks_done, "slot": slot.number,
        }  # fmt: skip
        heal = state.heals.detect(turn, Fault.STUTTER, place, rule, lag_s=seconds, job_id=job.id, numbers=numbers)
    is_eased = state.heals.may_act(heal, rule) and degrade_running(state, turn, heal, slot, job, only="steps=")
    if not is_eased and heal.action is None:
        state.heals.act(turn, heal, "alert")


def _is_slow(rule: Rule, seconds: float, planned_s: float) -> bool:
    fps, planned = BLOCK_FRAMES / seconds, BLOCK_FRAMES / planned_s
    return fps < rule["below_ratio"] * planned or fps < rule["min_fps"] <= planned


def _is_over(rule: Rule, seconds: float, planned_s: float) -> bool:
    return not _is_slow(rule, seconds, planned_s) and planned_s / seconds >= rule["recovered_ratio"]


def _cause(state: State, slot: Slot) -> str:
    """The clock, a neighbour on the machine, or nothing that a sensor shows."""
    devices = state.sensors.devices_of(slot.number)
    if any(state.sensors.throttled.get(device) for device in devices):
        return "throttled"
    if any(state.sensors.load_ratio.get(device, 0.0) >= BUSY_RATIO for device in devices):
        return "machine_busy"
    return "not_known"
