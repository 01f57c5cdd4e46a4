"""The house as the store tells it: the log is read on, what it says is learnt, open jobs become a state to run forward."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from scheduler.audit import AuditEntry
from scheduler.core.fleet import WorkerState
from scheduler.core.job import OWNED_STATES, JobState
from scheduler.core.learnt_memory import LearntMemory
from scheduler.core.maintenance import CAUSE, closes_at
from scheduler.core.shares import Shares
from scheduler.core.state import State
from scheduler.core.usage import Spent
from scheduler.costs import preset_of
from scheduler.errors import SchedulerError
from scheduler.forecast.easing import ladder_of
from scheduler.forecast.estimator import Estimator
from scheduler.forecast.witness import Request
from scheduler.registry import Role
from scheduler.store import Reader
from scheduler.store.forecast_reads import seconds_of

HISTORY_ROWS = 50_000  # of the log, read at the start
RECALLED_S = 14 * 86_400.0  # forecasts that old still teach
PER_READ = 1000
_ENDS = {"job:succeeded": True, "job:failed": False, "job:cancelled": False, "job:rejected": False}
_OF_WORK = ("job:", "block:")  # what is said of a job that has ended (its quality, notes, a verdict) is no submission
_STOPS = {"job:preempted": "preempted", "job:recovered": "lost", "job:retried": "lost"}
_CHANGES = {"job:degraded": "degraded", "job:restored": "restored"}  # after these a job that was asked to stop keeps its slot
_EASED = ("instead_of_preemption", "deadline")  # and after a lowering for these nobody stops it by the margin either


class Mirror:
    """Reads on; never writes. `seq`: as far as the log was read; `at`: the time of its last row."""

    def __init__(self, reader: Reader, slots: int, estimator: Estimator) -> None:
        self._reader, self._slots, self.estimator = reader, slots, estimator
        self._workers: dict[int, bool] = {}
        self._changing: dict[str, str] = {}  # jobs asked to stop so that they go on with other settings: the cause of the stop
        self._faults: set[tuple[int, str]] = set()  # slot and cause, of slots that healing keeps from work
        self.at = 0.0
        self.seq = max(0, reader.last_seq() - HISTORY_ROWS)
        self._read_on()
        self._recall()

    def refresh(self, now: float) -> State:
        """Learn what is new, and give the state of this moment; the caller may do with it what it likes."""
        with self._reader.snapshot():
            self._read_on()
            return self._state(now)

    def is_up_to_date(self) -> bool:
        """Has nothing happened since it last read on?"""
        return self._reader.last_seq() == self.seq

    def kept(self, job_ids: Iterable[str]) -> set[str]:
        """Those of the jobs of which a forecast is kept already."""
        return self._reader.forecast_jobs(job_ids)

    def role(self, name: str) -> Role:
        """A role of the registry. Raises SchedulerError 404."""
        role = self._reader.load_role(name)
        if role is None:
            known = ", ".join(row["name"] for row in self._reader.roles() if row["is_available"]) or "none is loaded"
            raise SchedulerError(404, "unknown_role", f"There is no role {name!r}.", field="role", hint=f"Roles: {known}.")
        return role

    def request_of(self, row: dict[str, Any]) -> Request:
        """A job's row as forecasters see it. Its model stands for the device: this house's slots are of one kind."""
        recipe = json.loads(row["recipe"])
        return Request(
            at=row["submitted_at"], id=row["id"], role=row["role"], team=row["team"], user=row["user"],
            priority=row["priority"], blocks=row["total_blocks"], preset=preset_of(recipe), rungs=row["rungs"],
            device=str(recipe.get("model", "")),
        )  # fmt: skip

    # ---- the log ------------------------------------------------------------------------------------------------------

    def _read_on(self) -> None:
        while entries := self._reader.audit_after(self.seq, PER_READ):
            for entry in entries:
                self._learn(entry)
            self.seq = entries[-1]["seq"]
            self.at = seconds_of(entries[-1]["at_utc"])

    def _learn(self, entry: AuditEntry) -> None:
        kind, _, name = entry["object"].partition(":")
        action, body = entry["action"], entry["body"]
        if kind == "slot" and action in ("worker:ready", "worker:lost"):
            self._see_worker(seconds_of(entry["at_utc"]), int(name), is_there=action == "worker:ready")
        elif kind == "slot" and action in ("slot:drained", "slot:returned") and body.get("cause") not in (None, CAUSE):
            (self._faults.add if action == "slot:drained" else self._faults.discard)((int(name), body["cause"]))
        elif action == "daemon:booted":
            self._faults.clear()  # the daemon finds them anew
        elif kind == "job" and action.startswith(_OF_WORK) and self._knows(name):
            at = seconds_of(entry["at_utc"])
            self._see_stop(name, action, body)
            if action == "job:leased":
                self.estimator.leased(at, name, int(body["slot"]))
            elif action == "job:started":
                self.estimator.started(at, name)
            elif action == "block:finished":
                self.estimator.block_done(at, name, self._reader.block_seconds(name, int(body["block"])))
            elif action in _STOPS:
                self.estimator.stopped(at, name, _STOPS[action])
            elif action in ("job:degraded", "job:restored", "job:consented"):
                self._see_rungs(name)
            elif action in _ENDS:
                self.estimator.ended(at, name, _ENDS[action])

    def _knows(self, job_id: str) -> bool:
        """Take a job up when it is first named; one that has ended already is named no more."""
        if job_id not in self.estimator.requests:
            row = self._reader.job(job_id)
            if row is None:
                return False
            self.estimator.submitted(self.request_of(row))
        return True

    def _see_worker(self, at: float, slot: int, *, is_there: bool) -> None:
        if self._workers.get(slot) is is_there:
            return
        self._workers[slot] = is_there
        (self.estimator.slot_back if is_there else self.estimator.slot_lost)(at, slot)

    def _see_stop(self, job_id: str, action: str, body: dict[str, Any]) -> None:
        """Why it is asked to stop stands in no row of `jobs`: one that only changes its settings keeps its slot."""
        if action in _CHANGES and body.get("from") == JobState.RUNNING:
            self._changing[job_id] = "eased" if body.get("cause") in _EASED else _CHANGES[action]
        elif body.get("from") == JobState.PREEMPTING and body.get("to") != JobState.PREEMPTING:
            self._changing.pop(job_id, None)

    def _see_rungs(self, job_id: str) -> None:
        """At another setting its blocks take another time: those made before say nothing of it."""
        row = self._reader.job(job_id)
        if row is not None and row["rungs"] != self.estimator.requests[job_id].rungs:
            request = self.request_of(row)
            self.estimator.requests[job_id] = request
            self.estimator.paces.submitted(request)

    def _recall(self) -> None:
        """Forecasts made before this process began."""
        since = self.at - RECALLED_S
        for row in self._reader.forecast_outcomes(since):
            ended = row["finished_at"] if row["state"] == JobState.SUCCEEDED else None
            self.estimator.recall(row["job_id"], row["at"], json.loads(row["basis"]), (row["started_at"], ended))
        for row in self._reader.open_forecasts():
            self.estimator.recall(row["job_id"], row["at"], json.loads(row["basis"]), None)

    # ---- the state ----------------------------------------------------------------------------------------------------

    def _state(self, now: float) -> State:
        reader = self._reader
        roles = reader.roles()
        loaded = [reader.load_role(row["name"]) for row in roles]
        paused, used = reader.fact("queue_paused"), reader.fact("shares") or {}
        state = State.restore(
            reader.policy(), self._slots, reader.load_open_jobs(),
            unavailable_roles=[row["name"] for row in roles if not row["is_available"]],
            is_queue_paused=bool(paused and paused["is_paused"]),
            never_with={role.name: role.never_with for role in loaded if role is not None},
            share_with={role.name: role.share_with for role in loaded if role is not None},
            drained_slots=[number for number in range(self._slots) if reader.fact(f"slot_drained:{number}")],
            shares=Shares.from_mapping(used), spent=Spent.from_mapping(used.get("spent")),
            memory=LearntMemory.from_mapping(reader.fact("learnt_memory")),
        )  # fmt: skip
        state.is_booted, state.now = True, now
        for slot in state.slots:
            slot.last_role = self.estimator.preparing.role_on(slot.number) or None
            if self._workers.get(slot.number):
                slot.move(WorkerState.READY)
                slot.worker_id = f"w{slot.number}"
        for job in state.jobs.values():
            if job.id not in self.estimator.requests:
                self._knows(job.id)
            if job.state in OWNED_STATES and job.slot is not None and job.slot < len(state.slots):
                self._seat(state, job.id)
        for number, cause in self._faults:
            if number < len(state.slots):
                state.slots[number].drained_for.add(cause)
        for slot in state.slots:  # as the house's ticks have left them; what still plays there is stopped by the next one
            if slot.job_id is None and closes_at(state.policy.windows, slot.number, now) is not None:
                slot.drained_for.add(CAUSE)
        return state

    def _seat(self, state: State, job_id: str) -> None:
        """A running job on its slot. How many blocks it made under this lease is not in its row: all of them count."""
        job = state.jobs[job_id]
        assert job.slot is not None and job.lease_id is not None
        slot = state.slots[job.slot]
        if slot.worker is not WorkerState.READY:
            slot.move(WorkerState.READY)
            slot.worker_id = f"w{slot.number}"
        slot.take(job.id, job.role, job.lease_id, job.lease_until, rungs=job.rungs)
        state.leases[job.lease_id] = slot
        slot.is_started, slot.leased_blocks = job.state is not JobState.LEASED, job.blocks_done
        slot.block_since, slot.block_s = self._reader.pace_of(job)
        if slot.is_started:
            slot.ladder = ladder_of(self.estimator.requests.get(job.id), state.policy)
        if job.state is JobState.PREEMPTING:
            asked = "paused" if job.is_paused else "cancelled" if job.is_cancel_requested else None
            slot.stop_cause = asked or self._changing.get(job.id, "preempted")
