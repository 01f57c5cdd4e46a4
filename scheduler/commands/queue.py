"""Commands about the whole: status of now, pause and resume of the queue, draining of slots."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from scheduler import queue_pause
from scheduler.commands.arguments import Arguments
from scheduler.commands.house import Handler, House
from scheduler.core import events
from scheduler.core.fleet import Slot as CoreSlot
from scheduler.core.job import OWNED_STATES, Job
from scheduler.core.maintenance import CAUSE, closes_at
from scheduler.core.state import State
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.ledger import Turn
from scheduler.supervisor import Slot

MAX_PAUSE_S = 7 * 86_400


async def status(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """What runs now. Reads memory only: no transaction, no lists longer than the slots."""
    args.done()
    state = house.ledger.state
    by_slot = {job.slot: job for job in state.jobs.values() if job.state in OWNED_STATES}
    disk = shutil.disk_usage(house.data_dir)
    vault = house.vault.status
    trouble = house.ledger.trouble
    return {
        "daemon": {
            "pid": os.getpid(),
            "started_at": house.started_at,
            "now": house.ledger.clock.now(),
            "model": house.model,
            "weights_trained": _is_trained(house),
            "trouble": None if trouble is None else trouble.to_json(),
        },
        "slots": [
            {**_slot(slot, by_slot.get(slot.number)), **_drain(state, state.slots[slot.number], house.ledger.clock.now())}
            for slot in house.supervisor.slots
        ],
        "standby": [
            {"worker": link.worker_id, "slot": slot.number, "pid": link.pid, "is_warm": link.ready is not None}
            for slot in house.supervisor.slots for link in slot.standbys
        ],
        "vault": None if vault is None else {
            "pid": vault.pid, "limit_bytes": vault.limit_bytes, "silent_s": round(house.vault.silent_s, 1),
            "files_bytes": sum(vault.files.values()), "contexts_bytes": sum(vault.contexts.values()),
            "conditions_bytes": sum(vault.conditions.values()), "contexts": vault.contexts,
            "device_bytes": sum(vault.device_contexts.values()) + sum(vault.device_weights.values()),
            "parked": {
                "jobs": len(vault.parked_contexts), "bytes": sum(vault.parked_contexts.values()), "taken": vault.park_bytes,
            },
            "adapters": sorted(path.name for path in map(Path, vault.files) if path.parent.parent.name == "assets"),
        },
        "queue": {"length": state.queued, "paused": state.is_queue_paused},
        "disk": {"free_bytes": disk.free, "total_bytes": disk.total},
    }  # fmt: skip


def _is_trained(house: House) -> bool | None:
    for slot in house.supervisor.slots:
        if slot.active is not None and slot.active.ready is not None:
            return slot.active.ready.weights_trained
    return None


def _drain(state: State, slot: CoreSlot, now: float) -> dict[str, Any]:
    """Whether it takes no new work, for what, and where maintenance is among that, until when."""
    until = closes_at(state.policy.windows, slot.number, now) if CAUSE in slot.drained_for else None
    return {"drained": slot.is_drained, "drained_for": sorted(slot.drained_for), "drained_until": until}


def _slot(slot: Slot, job: Job | None) -> dict[str, Any]:
    link = slot.active
    beat = link.heartbeat if link is not None else None
    return {
        "slot": slot.number,
        "worker": None if link is None else link.worker_id,
        "pid": None if link is None else link.pid,
        "state": "starting" if link is None else "busy" if job is not None else "ready",
        "device": None if link is None or link.ready is None else link.ready.device,
        "role": None if job is None else job.role,
        "job_id": None if job is None else job.id,
        "block": None if job is None else job.blocks_done,
        "total_blocks": None if job is None else job.total_blocks,
        "phase": None if beat is None else beat.phase,
        "step": None if beat is None else beat.step,
        "failures": slot.failures,
        "last_error": slot.last_error,
    }


async def pause_queue(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Start nothing new; what runs goes on. `for_s`: resume by itself after so many seconds."""
    reason, for_s = args.maybe("reason", str) or "", args.maybe("for_s", int)
    args.done()
    if for_s is not None and not 60 <= for_s <= MAX_PAUSE_S:
        raise SchedulerError(422, "bad_request", f"for_s {for_s} is outside 60 … {MAX_PAUSE_S}.", field="for_s",
                             hint="Leave it out to pause until somebody resumes.")  # fmt: skip
    return await house.ledger.do(
        lambda turn: queue_pause.pause(turn, reason, None if for_s is None else turn.at + for_s), actor
    )


async def resume_queue(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Start jobs again."""
    args.done()
    return await house.ledger.do(queue_pause.resume, actor)


async def drain_slot(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Give a slot no new work, or work again. `drained` of the answer: it may be drained for another reason still."""
    slot, is_drained = args.take("slot", int), args.maybe("is_drained", bool)
    args.done()
    if not 0 <= slot < len(house.supervisor.slots):
        raise SchedulerError(404, "unknown_slot", f"There is no slot {slot}.", field="slot",
                             hint=f"Slots are 0 to {len(house.supervisor.slots) - 1}.")  # fmt: skip
    wanted = True if is_drained is None else is_drained

    def act(turn: Turn) -> dict[str, Any]:
        turn.apply(events.SlotDrained(at=turn.at, slot=slot, is_drained=wanted))
        turn.store.set_fact(f"slot_drained:{slot}", wanted, turn.at)
        return {"slot": slot, "drained": turn.state.slots[slot].is_drained, "for": sorted(turn.state.slots[slot].drained_for)}

    return await house.ledger.do(act, actor)


QUEUE_COMMANDS: dict[str, Handler] = {
    "status": status,
    "pause_queue": pause_queue,
    "resume_queue": resume_queue,
    "drain_slot": drain_slot,
}
