"""A studio in virtual time: submissions and faults of a trace, workers that do as the core tells them.

The core is the real one; the world only answers its effects (`SendRun`, `SendPreempt` …) with the reports that workers
would send. Whoever listens (`Witness`) sees what the daemon would see, and no true pace. Core and witnesses live in seconds
since 1970, as in the house; the agenda and the records keep the trace's own time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any

from scheduler.core import events, machine
from scheduler.core.actions import Action, ExpectRole, KillWorker, MoveJob, SendCancel, SendPreempt, SendRun
from scheduler.core.job import FINAL_STATES, JobState
from scheduler.core.maintenance import CAUSE, WEEK_S
from scheduler.core.policy import Policy
from scheduler.core.state import State
from scheduler.core.tags import Tag
from scheduler.costs import Costs
from scheduler.forecast.witness import Witness
from scheduler.simulation.discipline import GREENROOM, ordered_by
from scheduler.simulation.pace import Paces
from scheduler.simulation.records import JobRecord
from scheduler.simulation.trace import Trace, TraceFault, TraceJob, TracePause, request_of

TICK_S = 1.0
STUCK_TICKS = 4_000  # ticks in a row without any move and with nothing left to come: what waits now waits for ever
STUCK_IN_MAINTENANCE_TICKS = round(WEEK_S / TICK_S)  # a window that has not closed in a week never does
_KINDS = {TraceJob: "arrival", TraceFault: "fault", TracePause: "pause"}


@dataclass(slots=True)
class Worker:
    """A simulated worker process."""

    id: str
    is_cold: bool
    born: float
    role: str = ""
    expected_role: str = ""  # of the session's next part: made ready between two blocks
    lease_id: str | None = None
    job_id: str = ""
    block: int = 0
    stop: str | None = None
    since: float = 0.0


class World:
    """Runs a trace to its end. `check`, if given, is called with the state after every event. `without_worker`: slots that
    have none at the beginning, and get one only from the trace."""

    def __init__(
        self, trace: Trace, *, slots: int, policy: Policy, costs: Costs, seed: int = 0,
        discipline: str = GREENROOM, witnesses: Sequence[Witness] = (),
        on_submitted: Callable[[World, JobRecord], None] | None = None,
        check: Callable[[State], None] | None = None, without_worker: Collection[int] = (),
    ) -> None:  # fmt: skip
        self.costs = costs
        self.paces = Paces(costs, seed, trace.opens)
        self.state = State(ordered_by(policy, discipline), slots, gang_slots=slots)
        self.records: dict[str, JobRecord] = {}
        self.now = trace.opens  # seconds of the trace
        self.events = 0
        self._begins_at = trace.begins_at
        self._witnesses, self._on_submitted, self._check = tuple(witnesses), on_submitted, check
        self._workers: list[Worker | None] = [None] * slots
        self._past: list[tuple[float, float]] = []  # from when until when workers were there that are gone
        self._spawned = self._order = 0
        self._pending = 0  # entries of the agenda that are not ticks
        self._has_tick = False
        self._still_ticks = 0
        self._agenda: list[tuple[float, int, str, Any]] = []
        for slot in range(slots):
            if slot not in without_worker:
                self._back(slot, is_cold=False)
        for line in trace.lines:
            self._order += 1
            self._agenda.append((line.at, self._order, _KINDS[type(line)], line))
        self._pending = len(self._agenda)
        heapify(self._agenda)

    def run(self, until: float = float("inf")) -> None:
        """Let everything happen up to a time; without one, until nothing is left that could."""
        while self._agenda and self._agenda[0][0] <= until and not self._is_stuck():
            self.now, _, kind, data = heappop(self._agenda)
            self._pending -= kind != "tick"
            getattr(self, f"_on_{kind}")(data)

    def _is_stuck(self) -> bool:
        """Will nothing ever move again? While a slot is closed for maintenance, work may go on when its window closes."""
        if self._still_ticks < STUCK_TICKS:
            return False
        is_closed = any(CAUSE in slot.drained_for and slot.worker_id is not None for slot in self.state.slots)
        return not is_closed or self._still_ticks >= STUCK_IN_MAINTENANCE_TICKS

    @property
    def at(self) -> float:
        """Now, in seconds since 1970."""
        return self._begins_at + self.now

    @property
    def slot_seconds(self) -> float:
        """Seconds that slots had a worker, from the first submission to the last job's end."""
        ends = [record.ended_at for record in self.records.values() if record.ended_at is not None]
        first = min((record.line.at for record in self.records.values()), default=0.0)
        last = max(ends, default=first)
        lives = [*self._past, *((worker.born, last) for worker in self._workers if worker is not None)]
        return sum(max(0.0, min(until, last) - max(since, first)) for since, until in lives)

    # ---- what comes from outside ------------------------------------------------------------------------------------

    def _on_arrival(self, line: TraceJob) -> None:
        if not self._has_tick:
            self._feed(events.TimePassed(at=self.at))  # nobody was here to see what the clock opened or closed meanwhile
        record = self.records[line.id] = JobRecord(line)
        request = request_of(line, self._begins_at)
        for witness in self._witnesses:
            witness.submitted(request)
        follows, ended_as = self._turn_of(record)
        expected_s = self.costs.nominal_s(line.preset) if line.expected_s is None else line.expected_s
        self._feed(
            events.JobSubmitted(
                at=self.at, job_id=line.id, ordinal=len(self.records), user=line.user, team=line.team, role=line.role,
                priority=line.priority, total_blocks=line.blocks, context_bytes=1, slots_needed=line.gpus,
                deadline=None if line.deadline is None else self._begins_at + line.deadline,
                block_ms=max(1, round(1000 * expected_s)), follows=follows, follows_end=ended_as,
                start_at=None if line.start_at is None else self.at + round(line.start_at - line.at, 6),  # a notice stays whole
            )
        )  # fmt: skip
        if self._on_submitted is not None and record.state is not JobState.REJECTED:
            self._on_submitted(self, record)
        self._wind()

    def _turn_of(self, record: JobRecord) -> tuple[str, str]:
        """What the job follows, and the state in which that one ended, where the job is refused for it.

        Where it has succeeded, whoever asks is told to submit the part by itself, and does.
        """
        before = self.records.get(record.line.follows)
        if before is None or before.state not in FINAL_STATES:
            return record.line.follows, ""
        record.is_apart = before.state is JobState.SUCCEEDED
        return ("", "") if record.is_apart else (record.line.follows, str(before.state))

    def _on_pause(self, pause: TracePause) -> None:
        """What has ended by then, or is not paused, is refused by the core and goes on as it is."""
        event: events.Event
        if pause.event == "queue_paused":
            event = events.QueuePaused(at=self.at)
        elif pause.event == "queue_resumed":
            event = events.QueueResumed(at=self.at)
        elif pause.event == "job_paused":
            event = events.PauseRequested(at=self.at, job_id=pause.id)
        else:
            job, record = self.state.jobs.get(pause.id), self.records[pause.id]
            if job is not None and job.is_paused and record.leased_at is None:
                record.due_at = max(record.due_at, self.now)
            event = events.ResumeRequested(at=self.at, job_id=pause.id)
        self._feed(event)
        self._wind()

    def _on_fault(self, fault: TraceFault) -> None:
        if fault.event == "worker_lost":
            self._lose(fault.slot, "exited")
        elif self._workers[fault.slot] is None:
            self._back(fault.slot, is_cold=True)
        self._wind()

    def _on_tick(self, _: None) -> None:
        self._has_tick = False
        self._still_ticks = self._still_ticks + 1 if not self._pending and not self.state.scheduled else 0
        self._feed(events.TimePassed(at=self.at))
        self._wind()

    def _wind(self) -> None:
        """The daemon's second hand moves while a job is open."""
        if not self._has_tick and self.state.jobs:
            self._has_tick = True
            self._order += 1
            heappush(self._agenda, (self.now + TICK_S, self._order, "tick", None))

    # ---- the workers ------------------------------------------------------------------------------------------------

    def _on_back(self, slot: int) -> None:
        if self._workers[slot] is None:
            self._back(slot, is_cold=True)

    def _on_killed(self, data: tuple[int, Worker]) -> None:
        slot, worker = data
        if self._workers[slot] is worker:
            self._lose(slot, "killed")
            self._plan(self.costs.respawn_s, "back", slot)

    def _on_start(self, data: tuple[int, Worker, str]) -> None:
        slot, worker, lease_id = data
        if self._workers[slot] is not worker or worker.lease_id != lease_id:
            return
        if worker.stop is None:
            record = self.records[worker.job_id]
            if record.started_at is None:
                record.started_at = self.now
            for witness in self._witnesses:
                witness.started(self.at, worker.job_id)
            self._feed(events.JobWasStarted(at=self.at, lease_id=lease_id, resume="exact" if worker.block else "fresh"))
        self._go_on(slot, worker, lease_id)

    def _on_block(self, data: tuple[int, Worker, str, float]) -> None:
        slot, worker, lease_id, seconds = data
        if self._workers[slot] is not worker or worker.lease_id != lease_id:
            return
        worker.block += 1
        for witness in self._witnesses:
            witness.block_done(self.at, worker.job_id, seconds)
        self._feed(events.BlockWasDone(at=self.at, lease_id=lease_id, block=worker.block - 1, seconds=seconds))
        self._go_on(slot, worker, lease_id)

    def _on_close(self, data: tuple[int, Worker, str]) -> None:
        slot, worker, lease_id = data
        if self._workers[slot] is worker and worker.lease_id == lease_id:
            self._release(worker)
            self._feed(events.JobHasSucceeded(at=self.at, lease_id=lease_id))

    def _go_on(self, slot: int, worker: Worker, lease_id: str) -> None:
        """At a block boundary: stop, close, or make the next block."""
        line = self.records[worker.job_id].line
        if worker.stop is not None:
            kind = events.JobWasCancelled if worker.stop == "cancel" else events.JobWasPreempted
            self._release(worker)
            self._feed(kind(at=self.at, lease_id=lease_id, blocks_done=worker.block))
        elif worker.block >= line.blocks:
            self._work(self.costs.close_s, "close", (slot, worker, lease_id))
        else:
            seconds = self.paces.block_s(line, worker.block, self.now)
            self._work(seconds, "block", (slot, worker, lease_id, seconds))

    def _work(self, seconds: float, kind: str, data: tuple[Any, ...]) -> None:
        """Something that a worker is busy with. Where it takes longer than a lease the worker is seen at it, as a real one is by
        its heartbeats: only a trace's faults take workers that get on."""
        if seconds >= self.state.policy.lease_s:
            self._plan(0.0, "seen", (*data[:3], seconds))
        self._plan(seconds, kind, data)

    def _on_seen(self, data: tuple[int, Worker, str, float]) -> None:
        slot, worker, lease_id, seconds = data
        if self._workers[slot] is worker and worker.lease_id == lease_id:
            self._feed(events.WorkWasSeen(at=self.at, lease_id=lease_id, allowed_s=seconds + TICK_S))

    def _release(self, worker: Worker) -> None:
        self.records[worker.job_id].spells.append((worker.since, self.now))
        worker.lease_id = worker.stop = None

    def _lose(self, slot: int, cause: str) -> None:
        worker = self._workers[slot]
        if worker is None:
            return
        self._workers[slot] = None
        self._past.append((worker.born, self.now))
        if worker.lease_id is not None:
            self.records[worker.job_id].losses += 1
            self._release(worker)
        for witness in self._witnesses:
            witness.slot_lost(self.at, slot)
        self._feed(events.WorkerWasLost(at=self.at, slot=slot, worker_id=worker.id, cause=cause))

    def _back(self, slot: int, *, is_cold: bool) -> None:
        self._spawned += 1
        self._workers[slot] = worker = Worker(f"w{self._spawned}", is_cold, self.now)
        for witness in self._witnesses:
            witness.slot_back(self.at, slot)
        self._feed(events.WorkerBecameReady(at=self.at, slot=slot, worker_id=worker.id))

    # ---- the core and its effects -----------------------------------------------------------------------------------

    def _plan(self, in_s: float, kind: str, data: Any) -> None:
        self._order += 1
        self._pending += 1
        heappush(self._agenda, (self.now + in_s, self._order, kind, data))

    def _feed(self, event: events.Event) -> None:
        self.events += 1
        for action in machine.step(self.state, event):
            self._carry_out(action)
        if self._check is not None:
            self._check(self.state)

    def _carry_out(self, action: Action) -> None:
        if isinstance(action, MoveJob):
            if action.source is not action.target:
                self._still_ticks = 0
                self._note(action)
            elif action.body.get("cause") == "its_turn":
                self.records[action.job_id].due_at = self.now
        elif isinstance(action, SendRun):
            self._take_up(action)
        elif isinstance(action, SendPreempt | SendCancel):
            worker = self._workers[action.slot]
            if worker is not None and worker.lease_id == action.lease_id:  # it may have finished meanwhile
                worker.stop = "cancel" if isinstance(action, SendCancel) else "preempt"
        elif isinstance(action, KillWorker):
            self._plan(0.0, "killed", (action.slot, self._workers[action.slot]))
        elif isinstance(action, ExpectRole):
            for worker in self._workers:
                if worker is not None and worker.id == action.worker_id:
                    worker.expected_role = self.records[action.job_id].line.role

    def _take_up(self, action: SendRun) -> None:
        worker, record = self._workers[action.slot], self.records[action.job_id]
        assert worker is not None and worker.id == action.worker_id and worker.lease_id is None, action
        costs, role, prepare_s = self.costs, record.line.role, 0.0
        for number in (action.slot, *(number for number, _ in action.members)):
            one = self._workers[number]
            assert one is not None and one.lease_id is None, action
            is_ready = role in (one.role, one.expected_role)
            prepare_s = max(prepare_s, costs.cold_start_s if one.is_cold else 0.0 if is_ready else costs.switch_s)
            one.is_cold, one.role, one.expected_role = False, role, ""
        worker.lease_id, worker.job_id, worker.stop = action.lease_id, action.job_id, None
        worker.block, worker.since = action.from_block, self.now
        record.prepare_s += prepare_s
        if record.leased_at is None:
            record.leased_at = self.now
        for witness in self._witnesses:
            witness.leased(self.at, action.job_id, action.slot)
        self._work(prepare_s, "start", (action.slot, worker, action.lease_id))

    def _note(self, move: MoveJob) -> None:
        """Keep what became of the job, and tell the witnesses."""
        record = self.records[move.job_id]
        record.state = move.target
        if move.target in FINAL_STATES:
            record.ended_at = self.now
            record.error = str(move.fields.get("error_message") or "")
            for witness in self._witnesses:
                witness.ended(self.at, move.job_id, move.target is JobState.SUCCEEDED)
        elif move.target is JobState.QUEUED and move.source is not JobState.SUBMITTED:
            is_preempted = move.tag == Tag.JOB_PREEMPTED
            record.preemptions += is_preempted and move.body["cause"] == "preempted"  # and not for maintenance
            for witness in self._witnesses:
                witness.stopped(self.at, move.job_id, "preempted" if is_preempted else "lost")
