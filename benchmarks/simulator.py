"""A studio in virtual time around the real core: workers, people and faults, all drawn from one seed.

The simulated workers know only what they are told (`SendRun`, `SendPreempt` …), people ask for things, processes die.
After each event the core's invariants are checked and its actions are held against a ledger; the hash of all actions
shows whether two runs were the same.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from benchmarks.ledger import Ledger
from benchmarks.people import ask_something, judge_preview
from benchmarks.workload import Workload
from scheduler.core import events, machine
from scheduler.core.actions import Action, KillWorker, Refuse, SendCancel, SendPreempt, SendRun
from scheduler.core.invariants import check_cheap, check_invariants
from scheduler.core.policy import Policy
from scheduler.core.shares import Shares
from scheduler.core.state import State
from scheduler.core.usage import Spent

START_S = 1_760_000_000.0  # as large as the real clock's seconds


@dataclass(slots=True)
class Worker:
    """A simulated worker process."""

    id: str
    lease_id: str | None = None
    job_id: str = ""
    block: int = 0
    total: int = 0
    stop: str | None = None
    is_hung: bool = False


class Simulator:
    """Feeds the core with events until told otherwise; `feed` is the only way in."""

    def __init__(
        self, seed: int, workload: Workload, policy: Policy | None = None, *,
        is_checked: bool = True, full_every: int = 1_000, has_ledger: bool = True, is_hashed: bool = False,
    ) -> None:  # fmt: skip
        self.random = random.Random(seed)
        self.workload = workload
        self.policy = policy or Policy(lease_s=10.0, grace_s=5.0, max_queued=2_000, max_queued_per_user=400)
        self.state = State(self.policy, workload.slots, gang_slots=workload.slots)
        self.ledger = Ledger(self.policy, workload.slots) if has_ledger else None
        self.is_checked, self.full_every = is_checked, full_every
        self.digest = hashlib.sha256() if is_hashed else None
        self.now = START_S
        self.events = 0
        self.refusals = 0
        self.is_faulty = True
        self.workers: list[Worker | None] = [None] * workload.slots
        self.poison: set[str] = set()
        self.total_blocks: dict[str, int] = {}
        self.submissions = 0
        self._spawned = 0
        self._order = 0
        self._agenda: list[tuple[float, int, str, Any]] = []
        self._old_leases: list[str] = []
        self._open(workload)

    def run(self, count: int) -> None:
        """Let at least `count` more events happen."""
        until = self.events + count
        while self.events < until:
            self._next()

    def settle(self, limit_s: float = 100_000.0) -> None:
        """Stop arrivals, wishes and faults, give everything free, and let the work run out. Raises AssertionError."""
        self.is_faulty = False
        self._agenda = [entry for entry in self._agenda if entry[2] not in ("arrival", "wish", "restart")]
        self._agenda.sort()
        self.pause_queue(False)
        for number in range(self.workload.slots):
            self.drain(number, False)
        for role in range(self.workload.roles):
            self.set_role(role, True)
        for job_id in [job.id for job in self.state.jobs.values() if job.is_paused]:
            self.feed(events.ResumeRequested(at=self.now, job_id=job_id))
        deadline = self.now + limit_s
        while self.state.jobs and self.now < deadline:
            self._next()
        assert not self.state.jobs, f"{len(self.state.jobs)} jobs never end: {sorted(self.state.jobs)[:3]}"
        if self.ledger is not None:
            self.ledger.compare(self.state)
            ended = sum(self.ledger.ended.values())
            assert ended == self.submissions, f"{self.submissions} jobs were submitted, {ended} have ended"

    def feed(self, event: events.Event) -> list[Action]:
        """Let the core take one event; check it; carry its effects to the simulated world."""
        if self.ledger is not None and isinstance(event, events.JobSubmitted):
            self.ledger.submit(event)
        actions = machine.step(self.state, event)
        self.events += 1
        if self.digest is not None:
            self.digest.update(repr(actions).encode())
        if self.is_checked and self.state.is_booted:
            if self.events % self.full_every:
                check_cheap(self.state)
            else:
                check_invariants(self.state)
        if self.ledger is not None:
            self.ledger.take(actions, event.at)
            if self.events % self.full_every == 0 and self.state.is_booted:
                self.ledger.compare(self.state)
                self.ledger.forget_ended()
        for action in actions:
            self._carry_out(action)
        return actions

    def plan(self, in_s: float, kind: str, data: Any = None) -> None:
        """Put something on the agenda."""
        self._order += 1
        heappush(self._agenda, (self.now + in_s, self._order, kind, data))

    def drain(self, slot: int, is_drained: bool) -> None:
        """A person drains a slot or returns it."""
        if self.ledger is not None:
            (self.ledger.drained.add if is_drained else self.ledger.drained.discard)(slot)
        self.feed(events.SlotDrained(at=self.now, slot=slot, is_drained=is_drained))

    def pause_queue(self, is_paused: bool) -> None:
        """A person pauses or resumes the queue."""
        if self.ledger is not None:
            self.ledger.is_queue_paused = is_paused
        self.feed(events.QueuePaused(at=self.now) if is_paused else events.QueueResumed(at=self.now))

    def set_role(self, role: int, is_available: bool) -> None:
        """A role is removed or comes back."""
        name = f"role{role}"
        if self.ledger is not None:
            (self.ledger.away.discard if is_available else self.ledger.away.add)(name)
        never_with = tuple(f"role{b}" for a, b in self.workload.exclusions if a == role)
        self.feed(events.RoleChanged(at=self.now, role=name, is_available=is_available, never_with=never_with))

    # ---- the world --------------------------------------------------------------------------------------------------

    def _open(self, workload: Workload) -> None:
        for a, b in workload.exclusions:
            if self.ledger is not None:
                self.ledger.excluded |= {(f"role{a}", f"role{b}"), (f"role{b}", f"role{a}")}
            self.set_role(a, True)
        for slot in range(workload.slots):
            self.plan(0.1 * slot, "ready", slot)
        self.plan(0.0, "tick")
        self.plan(0.0, "arrival")
        for kind, rate in (("wish", workload.wishes_per_s), ("restart", workload.restarts_per_s)):
            if rate:
                self.plan(self.random.expovariate(rate), kind)

    def _next(self) -> None:
        self.now, _, kind, data = heappop(self._agenda)
        getattr(self, f"_on_{kind}")(data)

    def _on_tick(self, _: Any) -> None:
        self.plan(self.workload.tick_s, "tick")
        self.feed(events.TimePassed(at=self.now))

    def _on_arrival(self, _: Any) -> None:
        draw, load = self.random, self.workload
        self.plan(draw.expovariate(load.arrivals_per_s), "arrival")
        if load.previews and draw.random() < load.previews:
            job_id = self._submit(preview=f"j{self.submissions + 1:08d}")
            self._submit()
            self.plan(draw.expovariate(0.1), "judgement", job_id)
        else:
            self._submit()

    def submit_preview(self) -> str | None:
        """The cheap job that a person asks for once more; None where it is rejected."""
        job_id = self._submit()
        return job_id if job_id in self.state.jobs else None

    def _submit(self, preview: str = "") -> str:
        draw, load = self.random, self.workload
        number = self.submissions
        self.submissions += 1
        job_id = f"j{number:08d}"
        blocks = draw.randint(*load.blocks)
        self.total_blocks[job_id] = blocks
        if draw.random() < load.poison_jobs:
            self.poison.add(job_id)
        user = draw.randrange(load.users)
        team = draw.choices(range(len(load.teams)), load.teams)[0] if load.teams else user % 3
        wants = draw.random() if load.deadlines or load.reservations else 1.0
        is_reserved = wants < load.reservations
        is_gang = bool(load.gangs) and draw.random() < load.gangs
        self.feed(
            events.JobSubmitted(
                at=self.now, job_id=job_id, ordinal=number, user=f"user{user}", team=f"team{team}",
                role=f"role{draw.randrange(load.roles)}", priority=draw.choice(load.priorities),
                total_blocks=blocks, context_bytes=1 << 20,
                start_at=self.now + self.policy.reservation_notice_s + draw.uniform(-1.0, 30.0) if is_reserved else None,
                deadline=self.now + draw.uniform(5.0, 400.0) if not is_reserved and wants < load.deadlines else None,
                preview=preview, follows=f"j{number - 1:08d}" if load.sessions and draw.random() < load.sessions else "",
                slots_needed=draw.randint(2, load.slots) if is_gang else 1,
            )
        )  # fmt: skip
        return job_id

    def _on_judgement(self, job_id: str) -> None:
        judge_preview(self, job_id)

    def _on_wish(self, _: Any) -> None:
        self.plan(self.random.expovariate(self.workload.wishes_per_s), "wish")
        ask_something(self)

    def _on_undo(self, undo: Callable[[], None]) -> None:
        undo()

    def _on_restart(self, _: Any) -> None:
        """The daemon is killed: what it knew is read from the table, its workers died with it."""
        self.plan(self.random.expovariate(self.workload.restarts_per_s), "restart")
        if self.ledger is None:
            return
        old = self.state
        self.state = State.restore(
            self.policy, self.workload.slots, self.ledger.open_jobs(), sorted(old.unavailable_roles),
            old.is_queue_paused, dict(old.relations.pairs()),
            [slot.number for slot in old.slots if slot.is_drained],
            shares=Shares.from_mapping(old.shares.to_mapping()), spent=Spent.from_mapping(old.spent.to_mapping()),
            gangs=old.gangs, gang_slots=self.workload.slots,
        )  # fmt: skip
        assert self.state.shares.to_mapping() == old.shares.to_mapping(), "a restart changed the balances"
        self.workers = [None] * self.workload.slots
        self.ledger.restart()
        self.feed(events.Booted(at=self.now))
        for slot in range(self.workload.slots):
            self.plan(self.workload.respawn_s, "ready", slot)

    def _on_ready(self, slot: int) -> None:
        if self.workers[slot] is None:
            self._spawned += 1
            self.workers[slot] = worker = Worker(f"w{self._spawned}")
            self.feed(events.WorkerBecameReady(at=self.now, slot=slot, worker_id=worker.id))

    def _on_lost(self, data: tuple[int, Worker, str]) -> None:
        slot, worker, cause = data
        if self.workers[slot] is worker:
            self.workers[slot] = None
            if worker.lease_id is not None:
                self._old_leases.append(worker.lease_id)
            self.plan(self.workload.respawn_s, "ready", slot)
            self.feed(events.WorkerWasLost(at=self.now, slot=slot, worker_id=worker.id, cause=cause))

    def _on_start(self, data: tuple[int, Worker, str]) -> None:
        slot, worker, lease_id = data
        if self.workers[slot] is not worker or worker.lease_id != lease_id:
            return
        if worker.stop is None:
            self.feed(events.JobWasStarted(at=self.now, lease_id=lease_id, resume="exact" if worker.block else "fresh"))
        self._go_on(slot, worker, lease_id)

    def _on_block(self, data: tuple[int, Worker, str]) -> None:
        """A block's end: it may go wrong in many ways."""
        slot, worker, lease_id = data
        if self.workers[slot] is not worker or worker.lease_id != lease_id or worker.is_hung:
            return
        load, chance = self.workload, self.random.random() if self.is_faulty else 1.0
        if worker.job_id in self.poison or chance < load.crash:
            self._on_lost((slot, worker, "exited"))
            return
        if chance < load.crash + load.hang:
            worker.is_hung = True
            return
        if chance < load.crash + load.hang + load.failure:
            self._done_with(worker)
            can_retry = self.random.random() < 0.8
            code = "out_of_memory" if self.random.random() < 0.2 else "engine_error"
            self.feed(events.JobHasFailed(at=self.now, lease_id=lease_id, code=code, can_retry=can_retry))
            return
        if self.is_faulty:
            self._confuse(worker, lease_id)
        worker.block += 1
        if self.ledger is not None:
            self.ledger.durable[worker.job_id] = worker.block
        self.feed(events.BlockWasDone(at=self.now, lease_id=lease_id, block=worker.block - 1))
        self._go_on(slot, worker, lease_id)

    def _on_close(self, data: tuple[int, Worker, str]) -> None:
        slot, worker, lease_id = data
        if self.workers[slot] is worker and worker.lease_id == lease_id:
            self._done_with(worker)
            self.feed(events.JobHasSucceeded(at=self.now, lease_id=lease_id))

    def _go_on(self, slot: int, worker: Worker, lease_id: str) -> None:
        """At a block boundary: stop, close, or make the next block."""
        if worker.stop is not None:
            kind = events.JobWasCancelled if worker.stop == "cancel" else events.JobWasPreempted
            self._done_with(worker)
            self.feed(kind(at=self.now, lease_id=lease_id, blocks_done=worker.block))
        elif worker.block >= worker.total:
            self.plan(self.workload.close_s, "close", (slot, worker, lease_id))
        else:
            self.plan(self.workload.block_s * (0.8 + 0.4 * self.random.random()), "block", (slot, worker, lease_id))

    def _confuse(self, worker: Worker, lease_id: str) -> None:
        """Reports that should not be: again, out of order, or of a lease long gone."""
        load, chance = self.workload, self.random.random()
        if chance < load.repeated_report and worker.block:
            self.feed(events.BlockWasDone(at=self.now, lease_id=lease_id, block=worker.block - 1))
        elif chance < load.repeated_report + load.gap_in_reports:
            self.feed(events.BlockWasDone(at=self.now, lease_id=lease_id, block=worker.block + 2))
        elif chance < load.repeated_report + load.gap_in_reports + load.late_report and self._old_leases:
            recent = self._old_leases[-20:]
            open_ones = [lease for lease in recent if lease.rpartition("-")[0] in self.state.jobs]
            old = self.random.choice(open_ones or recent)
            job = self.state.jobs.get(old.rpartition("-")[0])
            kinds: list[events.Event] = [
                events.BlockWasDone(at=self.now, lease_id=old, block=0),
                events.BlockWasDone(at=self.now, lease_id=old, block=0 if job is None else job.blocks_done),
                events.JobHasSucceeded(at=self.now, lease_id=old),
                events.JobWasPreempted(at=self.now, lease_id=old, blocks_done=1),
            ]
            self.feed(self.random.choice(kinds))

    def _done_with(self, worker: Worker) -> None:
        lease_id = worker.lease_id
        worker.lease_id = worker.stop = None
        if lease_id is None:
            return
        self._old_leases.append(lease_id)
        del self._old_leases[:-50]
        for other in self.workers:
            if other is not None and other.lease_id == lease_id:  # it made the video together with this one
                other.lease_id = None

    def _carry_out(self, action: Action) -> None:
        if isinstance(action, SendRun):
            worker = self.workers[action.slot]
            assert worker is not None and worker.id == action.worker_id and worker.lease_id is None, action
            worker.lease_id, worker.job_id, worker.stop = action.lease_id, action.job_id, None
            worker.block, worker.total = action.from_block, self.total_blocks[action.job_id]
            for number, worker_id in action.members:
                member = self.workers[number]
                assert member is not None and member.id == worker_id and member.lease_id is None, action
                member.lease_id, member.job_id, member.stop = action.lease_id, action.job_id, None
            self.plan(self.workload.prepare_s, "start", (action.slot, worker, action.lease_id))
        elif isinstance(action, (SendPreempt, SendCancel)):
            worker = self.workers[action.slot]
            assert worker is not None and worker.id == action.worker_id, action
            if worker.lease_id == action.lease_id:  # it may have finished meanwhile
                worker.stop = "cancel" if isinstance(action, SendCancel) else "preempt"
        elif isinstance(action, KillWorker):
            worker = self.workers[action.slot]
            assert worker is not None and worker.id == action.worker_id, action
            self.plan(0.02, "lost", (action.slot, worker, "killed"))
        elif isinstance(action, Refuse):
            self.refusals += 1
