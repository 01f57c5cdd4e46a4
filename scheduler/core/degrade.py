"""Down and up the ladder: what a job or its device gives up so that the work goes on, by consent where it shows.

A running job changes its setting at a block boundary: it is asked to stop, keeps its slot, and is taken up at once with the
other setting (resume `continuous`, since a context belongs to its settings). Its finished blocks stay as they are.
"""

from __future__ import annotations

from typing import Any

from scheduler.core.actions import DropCaches, DropIdleContexts, SendPreempt, SendRun
from scheduler.core.fleet import Slot, WorkerState
from scheduler.core.healing_policy import Fault
from scheduler.core.heals import Descent, Heal
from scheduler.core.job import HoldReason, Job, JobState
from scheduler.core.ladder import DEVICE, JOB, Choice, NeedOf, Rung, step_down, step_up
from scheduler.core.maintenance import CAUSE
from scheduler.core.preemption import rule_over
from scheduler.core.state import State, Turn
from scheduler.core.tags import Tag

IDLE_CONTEXTS, CACHES = "idle_contexts", "caches"
STOPS = frozenset({"degraded", "restored", "eased"})  # stop causes after which the job keeps its slot
MIN_BLOCKS_LEFT = 4  # a change costs a rebuild, so the last blocks of a running job stay as they are
_ENDING = frozenset({CAUSE, "gpu_lost"})  # a slot that is drained for these is to be left
_DEVICE_LADDER = (Rung(name=IDLE_CONTEXTS, kind=DEVICE), Rung(name=CACHES, kind=DEVICE))


def down_for(state: State, turn: Turn, heal: Heal, slot: Slot | None, job: Job | None, only: str = "") -> Choice:
    """The next rung for a heal, device rungs that would free nothing left out."""
    ladder = slot.ladder if slot is not None and slot.ladder else _DEVICE_LADDER
    tried = {*heal.tried, *(() if _idle_jobs(state, slot) else (IDLE_CONTEXTS,))}
    now, degrade = ("", "never") if job is None else (job.rungs, job.degrade)
    return step_down(
        ladder, now, tried, degrade, only=only, most_bytes=state.policy.slot_memory_bytes, need_of=_need_of(state, state.now)
    )


def take_device_rung(state: State, turn: Turn, heal: Heal, rung: Rung, slot: Slot | None) -> None:
    """Let go of what nobody works on just now. Jobs whose context goes resume as `continuous`."""
    heal.tried.append(rung.name)
    body: dict[str, Any] = {"rung": rung.name}
    if rung.name == IDLE_CONTEXTS:
        idle = _idle_jobs(state, slot)
        state.sensors.without_context.update(idle)
        for job_id in idle:
            turn.record(Tag.CONTEXT_DROPPED, f"job:{job_id}", {"heal": heal.id, "cause": heal.fault.value})
        turn.effects.append(DropIdleContexts(tuple(idle)))
        body["jobs"] = len(idle)
    else:
        turn.effects.append(DropCaches())
    state.heals.act(turn, heal, rung.name, body)


def go_down(state: State, turn: Turn, heal: Heal, job: Job, rung: Rung) -> dict[str, Any]:
    """Note that the job takes a setting; returns the changed columns."""
    before = state.degraded.get(job.id)
    if before is None:
        wait_s, top = state.healing[_returning(heal.fault)]["return_after_s"], job.rungs
    else:
        wait_s, top = before.wait_s, before.top
    state.degraded[job.id] = Descent(heal.id, heal.fault, turn.at, wait_s, top)
    heal.asked.pop(job.id, None)
    state.heals.act(turn, heal, rung.name, {"job_id": job.id, "from": job.rungs or "as_asked", "rung": rung.name})
    return {"rungs": rung.name, "offer": "", "context_bytes": rung.predicted_bytes}


def change_running(
    state: State, turn: Turn, slot: Slot, job: Job, cause: str, fields: dict[str, Any], body: dict[str, Any]
) -> None:
    """Ask the worker to stop at its next block boundary; the job then goes on there with its new setting."""
    assert slot.worker_id is not None and slot.lease_id is not None and cause in STOPS
    slot.stop_cause, slot.stop_by = cause, turn.at + state.policy.grace_s
    tag = Tag.JOB_RESTORED if cause == "restored" else Tag.JOB_DEGRADED
    state.move(turn, job, JobState.PREEMPTING, tag, fields, {"slot": slot.number, "from_block": job.blocks_done, **body})
    turn.effects.append(SendPreempt(slot.number, slot.worker_id, slot.lease_id))


def can_change(slot: Slot, job: Job) -> bool:
    """Is it running with nothing else decided about it?"""
    return slot.worker is WorkerState.BUSY and slot.stop_cause is None and job.state is JobState.RUNNING


def degrade_running(state: State, turn: Turn, heal: Heal, slot: Slot, job: Job, only: str = "") -> bool:
    """Take the next setting for a running job, or offer it; False where there is none (or it was offered already)."""
    choice = down_for(state, turn, heal, slot, job, only)
    rung = choice.rung
    if rung is None or rung.kind != JOB or not can_change(slot, job):
        return False
    if job.total_blocks - job.blocks_done < MIN_BLOCKS_LEFT:
        return False
    if choice.is_asked:
        return offer(state, turn, heal, job, rung)
    fields = go_down(state, turn, heal, job, rung)
    change_running(state, turn, slot, job, "degraded", fields, {"heal": heal.id, "cause": heal.fault.value, "rung": rung.name})
    return True


def ease_instead(state: State, turn: Turn, slot: Slot, victim: Job, waiter: Job) -> bool:
    """Where the policy says so and its requester allows it, a job that ends soon with fewer steps takes these and stays.

    Once per job: one that came down already keeps its slot while it ends within that time (`rule_against`), else it gives way.
    """
    limit_s = state.policy.degrade_within_s
    found = _fewer_steps(state, slot, victim) if limit_s else None
    if found is None or found[1] > limit_s:
        return False
    _ease(state, turn, slot, victim, found, {"cause": "instead_of_preemption", "waiter": waiter.id})
    return True


def keep_deadline(state: State, turn: Turn, slot: Slot, job: Job) -> None:
    """Where the policy says so and its requester allows it, a job that would miss its deadline takes fewer steps.

    Once per job, and not where it would be late all the same: quality is not given up for nothing.
    """
    late_s = state.policy.degrade_late_s
    if not late_s or job.deadline is None or turn.at + job.seconds_left <= job.deadline:
        return
    found = _fewer_steps(state, slot, job)
    if found is not None and turn.at + found[1] <= job.deadline + late_s:
        _ease(state, turn, slot, job, found, {"cause": "deadline", "deadline": job.deadline})


def _fewer_steps(state: State, slot: Slot, job: Job) -> tuple[Rung, float] | None:
    """The next setting of fewer steps that the requester allows unasked, and the seconds that the job needs with it."""
    if job.degrade != "allow" or job.rungs or not can_change(slot, job):
        return None
    if job.total_blocks - job.blocks_done < MIN_BLOCKS_LEFT:
        return None
    most_bytes = state.policy.slot_memory_bytes
    need_of = _need_of(state, state.now)
    rung = step_down(slot.ladder, job.rungs, (), job.degrade, only="steps=", most_bytes=most_bytes, need_of=need_of).rung
    steps = rung.name.removeprefix("steps=") if rung is not None else ""
    if rung is None or not steps.isdigit():  # a smaller size shows too much for this
        return None
    return rung, job.seconds_left * int(steps) / (int(steps) + 1)


def _ease(
    state: State, turn: Turn, slot: Slot, job: Job, found: tuple[Rung, float], body: dict[str, Any]
) -> None:
    rung, left_s = found
    state.degraded.pop(job.id, None)  # it was back at the top, which is another one now
    state.heals.version += 1
    fields = {"rungs": rung.name, "offer": "", "context_bytes": rung.predicted_bytes}
    change_running(state, turn, slot, job, "eased", fields, {"rung": rung.name, "left_s": round(left_s, 3), **body})


def offer(state: State, turn: Turn, heal: Heal, job: Job, rung: Rung) -> bool:
    """Ask the requester of a running job; it goes on as it is meanwhile."""
    if job.offer == rung.name:
        return False
    fields = {"offer": rung.name, "offered_at": turn.at}
    body = {"heal": heal.id, "cause": heal.fault.value, "rung": rung.name}
    state.move(turn, job, job.state, Tag.JOB_OFFERED, fields, body)
    state.heals.ask(turn, heal, job.id, rung.name, rung.predicted_bytes)
    return True


def rerun_here(state: State, turn: Turn, slot: Slot, job: Job, *, is_spared: bool = False) -> bool:
    """Let a job that only changed its setting keep its slot, unless the first in line may stop it anyway.

    `is_spared`: it changed so as not to give way by the margin. A queue that is paused starts nothing new, and a drained slot
    takes nothing new; this is not new. Where maintenance has begun, or the GPU is gone, nothing goes on.
    """
    if slot.worker is not WorkerState.READY or slot.drained_for & _ENDING or job.id not in state.line:
        return False
    best = state.line.best()
    if best is not None and best is not job and not state.is_queue_paused and not slot.is_drained:
        rule = rule_over(state, job, slot.leased_blocks, best, turn.at)
        if rule is not None and not (is_spared and rule == "margin"):
            return False
    playing = {other.role for other in state.slots if other.role is not None}
    if playing & state.relations.excluded_by(job.role):
        return False
    state.grant(turn, slot, job, {"slot": slot.number, "from_block": job.blocks_done, "rung": job.rungs, "cause": "same_slot"})
    assert slot.worker_id is not None and slot.lease_id is not None
    turn.effects.append(SendRun(slot.number, slot.worker_id, slot.lease_id, job.id, job.blocks_done))
    return True


def memory_failed(state: State, turn: Turn, slot: Slot, job: Job, code: str) -> bool:
    """The job's worker had no memory: take the next rung and go on. False: nothing is left, the usual retries follow."""
    rule = state.healing[Fault.OUT_OF_MEMORY]
    if rule.action != "ladder":
        return False
    numbers = {"code": code, "blocks_done": job.blocks_done, "slot": slot.number}
    heal = state.heals.detect(turn, Fault.OUT_OF_MEMORY, f"job:{job.id}", rule, job_id=job.id, numbers=numbers)
    if job.rungs != slot.rungs and slot.stop_cause == "restored":  # better settings were to come: not any more
        _stay_down(state, turn, heal, slot, job)
    elif job.rungs != slot.rungs:  # it was to come down at its next block: that is to show its effect first
        state.heals.act(turn, heal, job.rungs, {"job_id": job.id, "from": slot.rungs or "as_asked", "rung": job.rungs})
        return _go_on(state, turn, slot, job, {"code": code, "heal": heal.id, "rung": job.rungs, "passed": {}}, {})
    choice = down_for(state, turn, heal, slot, job) if state.heals.may_act(heal, rule) else Choice(None)
    passed = dict(choice.passed)
    rung = choice.rung
    if not heal.is_limited and (rung is None or rung.kind == JOB):
        _learn_failure(state, turn, slot, job)  # nothing else is left that could have been in its way
    if rung is None:
        state.heals.abandon(turn, heal, "ladder_exhausted" if not heal.is_limited else "limit", {"passed": passed})
        return False
    body: dict[str, Any] = {"code": code, "heal": heal.id, "rung": rung.name, "passed": passed}
    if choice.is_asked:
        fields: dict[str, Any] = {"hold": HoldReason.AWAITING_CONSENT, "offer": rung.name, "offered_at": turn.at}
        state.heals.ask(turn, heal, job.id, rung.name, rung.predicted_bytes)
        state.free(turn, slot, JobState.QUEUED, Tag.JOB_OFFERED, fields, body)
        return True
    if rung.kind == DEVICE:
        take_device_rung(state, turn, heal, rung, slot)
    return _go_on(state, turn, slot, job, body, {} if rung.kind == DEVICE else go_down(state, turn, heal, job, rung))


def _go_on(state: State, turn: Turn, slot: Slot, job: Job, body: dict[str, Any], fields: dict[str, Any]) -> bool:
    """Its worker has no memory for it any more: it is taken up again, with these columns."""
    fields = {"hold": state.hold_for(job, turn.at, HoldReason.PREEMPTED), **fields}
    state.free(turn, slot, JobState.QUEUED, Tag.JOB_DEGRADED, fields, body)
    rerun_here(state, turn, slot, job)
    return True


def _stay_down(state: State, turn: Turn, heal: Heal, slot: Slot, job: Job) -> None:
    """A climb that has not begun is taken back: the setting that ran is the job's."""
    here = next((rung for rung in slot.ladder if rung.kind == JOB and rung.name == slot.rungs), None)
    fields = {"rungs": slot.rungs} | ({} if here is None else {"context_bytes": here.predicted_bytes})
    body = {"heal": heal.id, "cause": heal.fault.value, "from": job.rungs or "as_asked", "rung": slot.rungs}
    state.move(turn, job, job.state, Tag.JOB_DEGRADED, fields, body)


def climb(state: State, turn: Turn) -> None:
    """Let jobs have better settings again where what took them away has been gone for long enough."""
    for slot in state.slots:
        job = state.jobs.get(slot.job_id or "")
        descent = None if job is None else state.degraded.get(job.id)
        if job is None or descent is None or not job.rungs or not can_change(slot, job):
            continue
        if job.total_blocks - job.blocks_done < MIN_BLOCKS_LEFT or not _is_well(state, slot, descent, turn.at):
            continue
        rung = step_up(slot.ladder, job.rungs, state.policy.slot_memory_bytes, _need_of(state, turn.at), top=descent.top)
        if rung is None:
            continue
        body = {"heal": descent.heal, "cause": descent.fault.value, "from": job.rungs, "rung": rung.name or "as_asked"}
        descent.at, descent.wait_s = turn.at, 2 * descent.wait_s
        state.heals.version += 1
        fields = {"rungs": rung.name, "offer": "", "context_bytes": rung.predicted_bytes}
        change_running(state, turn, slot, job, "restored", fields, body)


def _is_well(state: State, slot: Slot, descent: Descent, at: float) -> bool:
    if at - descent.at < descent.wait_s or state.heals.find(Fault.STUTTER, f"job:{slot.job_id}") is not None:
        return False
    devices = state.sensors.devices_of(slot.number)
    if descent.fault is Fault.STUTTER:
        return all(state.heals.find(Fault.MEMORY_HIGH, device) is None for device in devices)
    waited = [state.sensors.lasted("memory_low", device, at) for device in devices]
    return bool(waited) and all(low is not None and low >= descent.wait_s for low in waited)


def _need_of(state: State, at: float) -> NeedOf:
    """What a rung takes, by prediction and by what was measured."""
    return lambda rung: state.memory.need(rung.memory, rung.predicted_bytes, at).context_bytes


def _learn_failure(state: State, turn: Turn, slot: Slot, job: Job) -> None:
    """Jobs of this kind need more than there is: the next ones are not let in like this."""
    here = next((rung for rung in slot.ladder if rung.kind == JOB and rung.name == job.rungs), None)
    if here is not None and here.memory is not None:
        limit = state.policy.slot_memory_bytes
        body = state.memory.fail(here.memory, here.predicted_bytes, limit, job.id, turn.at)
        turn.record(Tag.MEMORY_MEASURED, f"job:{job.id}", body, "failure")


def _returning(fault: Fault) -> Fault:
    """Whose numbers say when a job may climb again."""
    return Fault.STUTTER if fault is Fault.STUTTER else Fault.MEMORY_HIGH


def _idle_jobs(state: State, slot: Slot | None) -> list[str]:
    """Queued jobs that may have a context in the vault."""
    own = None if slot is None else slot.job_id
    return [
        job.id
        for job in state.jobs.values()
        if job.state is JobState.QUEUED and job.blocks_done and job.id != own and job.id not in state.sensors.without_context
    ]
