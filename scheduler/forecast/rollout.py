"""One possible future: the core's own rules, run forward from a snapshot with drawn paces, submissions and losses.

The rules are `machine.step`, nothing is copied from them. What is left out is the reports of single blocks, of which no
decision depends but on the one after which a job may be asked to give way; the counts, and when each job's present block
began, are brought up to date instead.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice
from math import ceil, exp, inf, sqrt
from typing import Any, NamedTuple

from scheduler.core import events, machine
from scheduler.core.actions import KillWorker, SendCancel, SendPreempt, SendRun
from scheduler.core.fleet import WorkerState
from scheduler.core.job import Job, JobState
from scheduler.core.ladder import Rung
from scheduler.core.maintenance import turns_at
from scheduler.forecast.easing import ladder_of, log_gain
from scheduler.forecast.learnt import Learnt
from scheduler.forecast.not_before import open_slots
from scheduler.forecast.paces import Pace
from scheduler.forecast.snapshot import Snapshot
from scheduler.forecast.witness import Request

TICK_S = 20.0
LEAST_TICK_S = 1.0  # as the daemon's
REST_OF_LONG = 0.3  # of a block's time, what is left on average of one that has taken that long already, if it strays by 0.35
RESPAWN_S = 3.0  # a stopped worker's process starts again; what it costs is hardly ever seen
MOST_COMING = 200  # submissions yet to come, beside one per four open jobs; time that later ones would cost is not spent
PaceOf = Callable[[Request, bool], Pace]
LuckOf = Callable[[str], float]


class Outcome(NamedTuple):
    """Of one job in one future. `start`, `finish`: seconds after the snapshot; `work_s`: those of its own blocks among them.

    `luck`: in spreads, how much slower than expected its own blocks were.
    """

    start: float
    finish: float
    work_s: float = 0.0
    luck: float = 0.0


@dataclass(slots=True)
class _Run:
    """A job at work: since when, from which block, at which pace; `end`: of its last block."""

    job_id: str
    lease_id: str
    begun: float
    from_block: int
    pace_s: float


class Rollout:
    """A future. `house`: how much slower than learnt everything is, as a logarithm."""

    def __init__(
        self, snapshot: Snapshot, learnt: Learnt, source: random.Random, pace_of: PaceOf, *,
        arrivals: Iterator[tuple[float, Request]], house: float = 0.0, has_losses: bool = True, luck_of: LuckOf | None = None,
    ) -> None:  # fmt: skip
        """`pace_of`: what to expect of a request, and whether it is yet to come; `arrivals`: seconds after the snapshot, what.

        `luck_of`: in spreads, how much slower than expected an open job is; without it, it is drawn.
        """
        self._has_losses = has_losses
        self._learnt, self._random, self._pace_of, self._house = learnt, source, pace_of, house
        self._snapshot = snapshot
        self._zero = self._now = snapshot.now
        self._state = snapshot.revive()
        self._agenda: list[tuple[float, int, str, Any]] = []
        self._order = self._tick = 0
        self._is_asleep = False
        self._runs: list[_Run | None] = [None] * len(snapshot.slots)
        self._roles = [learnt.preparing.role_on(slot.number) for slot in snapshot.slots]
        self._starts: dict[str, float] = {}
        self._coming: dict[str, Request] = {}
        self._luck_of = luck_of
        self._paces: dict[str, float] = {}  # seconds per block that open jobs have here
        self._luck: dict[str, float] = {}  # a job that goes on after a break has the pace it had
        self._arrivals = islice(arrivals, MOST_COMING + len(snapshot.jobs) // 4)

    def run(self, wanted: set[str], horizon_s: float) -> dict[str, Outcome]:
        """Start and finish of the wanted jobs, as far as they came to them before the horizon.

        It ends with the last run where nothing may start any more: two weeks of waiting for a person would tell nothing.
        """
        self._open()
        may_start = not self._snapshot.is_queue_paused and bool(open_slots(self._snapshot.slots))
        found: dict[str, Outcome] = {}
        missing = set(wanted)
        jobs, until, agenda = self._state.jobs, self._zero + horizon_s, self._agenda
        happens: dict[str, Callable[[Any], str | None]] = {
            "tick": self._on_tick, "arrival": self._on_arrival, "loss": self._on_loss, "killed": self._on_killed,
            "back": self._on_back, "start": self._on_start, "ripe": self._on_ripe, "end": self._on_end,
            "stopped": self._on_stopped,
        }  # fmt: skip
        while missing and agenda and (may_start or any(self._runs)):
            at, _, kind, data = heappop(agenda)
            if at > until:
                break
            self._now = at
            ended = happens[kind](data)
            if self._is_asleep and any(self._runs):
                self._next_tick()
            if ended in missing and ended not in jobs:
                missing.discard(ended)
                if ended in self._starts:
                    found[ended] = self._outcome(ended, at)
        return found

    def _outcome(self, job_id: str, at: float) -> Outcome:
        job = self._snapshot.jobs[job_id]
        work_s = (job.total_blocks - job.blocks_done) * self._paces.get(job_id, 0.0)
        return Outcome(self._starts[job_id] - self._zero, at - self._zero, work_s, self._luck.get(job_id, 0.0))

    def _open(self) -> None:
        """Go on with what runs, and let free slots be taken."""
        for held in self._snapshot.slots:
            slot = self._state.slots[held.number]
            if held.job_id is not None and held.lead is None:
                original = self._snapshot.jobs[held.job_id]
                if original.started_at is not None:
                    self._starts[held.job_id] = original.started_at
                assert slot.lease_id is not None
                self._take_up(held.number, held.job_id, slot.lease_id, is_started=held.is_started)
                if held.is_started:
                    slot.ladder = self._ladder_of(held.job_id)
                if held.stop_cause is not None:
                    self._stop(held.number, slot.lease_id)
            elif held.job_id is None and not held.has_worker:
                rest_s = self._learnt.losses.draw_rest_s(held.number, self._zero, self._random)
                self._plan(max(rest_s, held.rests_until - self._zero), "back", held.number)
        self._next_arrival()
        if self._has_losses:
            self._next_loss()
        self._feed(events.TimePassed(at=self._now))
        for held in self._snapshot.slots:
            if held.has_worker and held.job_id is None:
                self._feed(events.WorkerBecameReady(at=self._now, slot=held.number, worker_id=f"w{held.number}"))
        self._next_tick()

    # ---- what happens -------------------------------------------------------------------------------------------------

    def _on_tick(self, number: int) -> None:
        if number == self._tick:  # else another one was planned meanwhile
            self._feed(events.TimePassed(at=self._now))
            self._next_tick()

    def _on_arrival(self, request: Request) -> None:
        ordinal = self._state.last_ordinal + 1
        job_id = f"later-{ordinal}"
        self._coming[job_id] = request
        self._feed(
            events.JobSubmitted(
                at=self._now, job_id=job_id, ordinal=ordinal, user=request.user, team=request.team, role=request.role,
                priority=request.priority, total_blocks=request.blocks, context_bytes=0, slots_needed=request.gpus,
                block_ms=max(1, round(self._pace_of(request, True).seconds * 1000)),
            )
        )  # fmt: skip
        self._next_arrival()

    def _on_loss(self, _: None) -> None:
        slot = self._random.randrange(len(self._runs))
        self._next_loss()
        if self._state.slots[slot].worker_id is not None:
            self._sync()
            lead = self._state.slots[slot].lead
            self._runs[slot if lead is None else lead] = None
            self._plan(self._learnt.losses.draw_down_s(self._random), "back", slot)
            self._feed(events.WorkerWasLost(at=self._now, slot=slot, worker_id=f"w{slot}", cause="exited"))

    def _on_killed(self, slot: int) -> None:
        """A worker that lost one it worked with is stopped, and starts afresh."""
        self._runs[slot] = None
        self._plan(RESPAWN_S, "back", slot)
        self._feed(events.WorkerWasLost(at=self._now, slot=slot, worker_id=f"w{slot}", cause="killed"))

    def _on_back(self, slot: int) -> None:
        self._feed(events.WorkerBecameReady(at=self._now, slot=slot, worker_id=f"w{slot}"))

    def _on_start(self, data: tuple[int, str]) -> None:
        slot, run = data[0], self._holder(data)
        if run is None:
            return
        run.begun = self._now
        self._starts.setdefault(run.job_id, self._now)
        ladder = self._ladder_of(run.job_id)
        self._feed(events.JobWasStarted(at=self._now, lease_id=run.lease_id, resume="fresh", ladder=ladder))
        self._plan_work(slot, run)

    def _on_ripe(self, data: tuple[int, str]) -> None:
        """From this block on the job may be asked to give way."""
        run = self._holder(data)
        if run is None:
            return
        self._sync()
        if len(self._state.line):
            job = self._state.jobs[run.job_id]
            slot, least = self._state.slots[data[0]], self._state.policy.min_run_blocks
            if slot.leased_blocks >= least and job.blocks_done > 0:
                self._count(job, job.blocks_done - 1)
                slot.leased_blocks = least - 1
                self._feed(events.BlockWasDone(at=self._now, lease_id=run.lease_id, block=job.blocks_done), is_synced=True)

    def _on_end(self, data: tuple[int, str]) -> str | None:
        run = self._holder(data)
        if run is None:
            return None
        job = self._state.jobs[run.job_id]
        self._count(job, job.total_blocks)
        self._runs[data[0]] = None
        self._feed(events.JobHasSucceeded(at=self._now, lease_id=run.lease_id))
        return run.job_id

    def _on_stopped(self, data: tuple[int, str]) -> str | None:
        run = self._holder(data)
        if run is None:
            return None
        self._sync()
        job = self._state.jobs[run.job_id]
        self._runs[data[0]] = None
        self._feed(events.JobWasPreempted(at=self._now, lease_id=run.lease_id, blocks_done=job.blocks_done))
        return run.job_id

    # ---- work ---------------------------------------------------------------------------------------------------------

    def _take_up(self, slot: int, job_id: str, lease_id: str, *, is_started: bool) -> None:
        job = self._state.jobs[job_id]
        coming = self._coming.get(job_id)
        request = coming or self._learnt.requests[job_id]
        pace = self._pace_of(request, coming is not None)
        left = max(1, job.total_blocks - job.blocks_done)
        drawn = pace.log_s + log_gain(request, job.rungs) + self._house + pace.sigma * self._luck_with(job_id, coming is not None)
        drawn += pace.block_sigma / sqrt(left) * self._random.gauss(0.0, 1.0)
        run = self._runs[slot] = _Run(job_id, lease_id, self._now, job.blocks_done, exp(drawn))
        self._paces[job_id] = run.pace_s
        together = [one.number for one in self._state.slots_of(job)]
        is_switch = any(self._roles[one] != job.role for one in together)
        for one in together:
            self._roles[one] = job.role
        if is_started:
            spent_s = self._learnt.in_block_s(job_id, self._zero)
            share = 0.5 if spent_s is None else max(REST_OF_LONG, 1.0 - spent_s / run.pace_s)
            self._plan_work(slot, run, share)
        else:
            self._plan(self._learnt.preparing.seconds(is_switch=is_switch), "start", (slot, lease_id))

    def _ladder_of(self, job_id: str) -> tuple[Rung, ...]:
        return ladder_of(self._learnt.requests.get(job_id), self._state.policy)

    def _luck_with(self, job_id: str, is_future: bool) -> float:
        luck = self._luck.get(job_id)
        if luck is None:
            luck_of = None if is_future else self._luck_of
            luck = self._luck[job_id] = self._random.gauss(0.0, 1.0) if luck_of is None else luck_of(job_id)
        return luck

    def _plan_work(self, slot: int, run: _Run, share: float = 1.0) -> None:
        """`share` of the first block is still to be made."""
        job, held = self._state.jobs[run.job_id], self._state.slots[slot]
        run.begun -= (1.0 - share) * run.pace_s
        left = job.total_blocks - job.blocks_done
        ripe = self._state.policy.min_run_blocks - held.leased_blocks
        if 0 < ripe < left:
            self._plan_at(run.begun + (ripe + 1e-6) * run.pace_s, "ripe", (slot, run.lease_id))
        self._plan_at(run.begun + left * run.pace_s + self._learnt.preparing.close_s, "end", (slot, run.lease_id))

    def _stop(self, slot: int, lease_id: str) -> None:
        """At the next boundary, or as soon as it has prepared."""
        run = self._runs[slot]
        if run is None or run.lease_id != lease_id:
            return
        boundary = ceil((self._now - run.begun) / run.pace_s - 2e-6)  # where it is just now, if it is at one
        self._plan_at(max(self._now, run.begun + (boundary + 1e-6) * run.pace_s), "stopped", (slot, lease_id))

    def _sync(self) -> None:
        """Bring the counts of finished blocks, and when the present ones began, up to now."""
        state, now = self._state, self._now
        for number, run in enumerate(self._runs):
            if run is None:
                continue
            job = state.jobs[run.job_id]
            if job.state is JobState.LEASED:
                continue
            made = min(run.from_block + int((now - run.begun) / run.pace_s), job.total_blocks - 1)
            if made > job.blocks_done:
                slot = state.slots[number]
                slot.leased_blocks += made - job.blocks_done
                slot.block_since, slot.block_s = run.begun + (made - run.from_block) * run.pace_s, run.pace_s
                state.advance(job, made)

    def _count(self, job: Job, blocks: int) -> None:
        """So many blocks are finished; nobody is told."""
        self._state.advance(job, blocks)

    # ---- the core -----------------------------------------------------------------------------------------------------

    def _feed(self, event: events.Event, *, is_synced: bool = False) -> None:
        if not is_synced:
            self._sync()
        for action in machine.step(self._state, event):
            if isinstance(action, SendRun):
                self._take_up(action.slot, action.job_id, action.lease_id, is_started=False)
            elif isinstance(action, SendPreempt | SendCancel):
                self._stop(action.slot, action.lease_id)
            elif isinstance(action, KillWorker):
                self._plan(0.0, "killed", action.slot)

    def _holder(self, data: tuple[int, str]) -> _Run | None:
        run = self._runs[data[0]]
        return run if run is not None and run.lease_id == data[1] else None

    def _next_tick(self) -> None:
        """While nothing runs, time alone changes nothing but at its own moments: a reserved time may be days away."""
        self._tick += 1
        self._is_asleep = not any(self._runs)
        at = max(self._now + LEAST_TICK_S, self._due_at())
        if not self._is_asleep:
            at = min(at, self._now + TICK_S)
        if at < inf:
            self._plan_at(at, "tick", self._tick)

    def _due_at(self) -> float:
        """When time does something next: an alarm of the core, the end of a quarantine, a window of maintenance."""
        state = self._state
        rests = [slot.quarantined_until for slot in state.slots if slot.worker is WorkerState.QUARANTINED]
        alarm = state.alarms[0][0] if state.alarms else inf
        return min(alarm, turns_at(state.policy.windows, self._now), *rests)

    def _next_arrival(self) -> None:
        coming = next(self._arrivals, None)
        if coming is not None:
            self._plan_at(max(self._now, self._zero + coming[0]), "arrival", coming[1])

    def _next_loss(self) -> None:
        rate = self._learnt.losses.rate(self._zero) * len(self._runs)
        self._plan(self._random.expovariate(rate), "loss", None)

    def _plan(self, in_s: float, kind: str, data: Any) -> None:
        self._plan_at(self._now + in_s, kind, data)

    def _plan_at(self, at: float, kind: str, data: Any) -> None:
        self._order += 1
        heappush(self._agenda, (at, self._order, kind, data))
