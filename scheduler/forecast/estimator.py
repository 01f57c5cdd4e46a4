"""Start and finish of every job, as ranges: sampled futures of the real core, corrected by what came true."""

from __future__ import annotations

import gc
import random
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import exp, hypot, log, sqrt
from statistics import NormalDist
from typing import Any

from scheduler.core.job import OWNED_STATES, HoldReason, Job, JobState
from scheduler.core.state import State
from scheduler.forecast.conformal import Conformal, Raw
from scheduler.forecast.demand import HORIZON_S
from scheduler.forecast.demand_level import USUAL_LOAD
from scheduler.forecast.learnt import Learnt
from scheduler.forecast.not_before import known_wait_s
from scheduler.forecast.paces import Nominal, Pace
from scheduler.forecast.ranges import Estimate, Range, quantile
from scheduler.forecast.rollout import Outcome, Rollout
from scheduler.forecast.snapshot import Snapshot
from scheduler.forecast.told import LEAST_RUNS
from scheduler.forecast.witness import Request

BUDGET_JOBS = 2000  # jobs run forward per forecast, over all samples
LEAST_SAMPLES, MOST_SAMPLES = 3, 48
HOUSE_SIGMA = 0.05  # drift until the forecast comes true, and what is not known of the level
YOUNG_RUNS = 2.0  # what is not known of the level of a house with few runs: this ÷ runs
LEAST_SPREAD = 0.03
CROWD_SPREAD = 0.3  # few samples see too little of what a crowd to come would change; it grows with the share of waiting
WAIT_OFFSET_S = 1.0  # waits are compared as log(wait + this): none is as good as a second
LUCKS = tuple(NormalDist().inv_cdf((place + 0.5) / 9) for place in range(9))
LATEST = 30  # submissions that tell what a block costs here


@dataclass(frozen=True, slots=True)
class _Made:
    """A forecast that waits for its truth. `known_s`: of the wait, what was known when it was made; the rest was foretold."""

    at: float
    known_s: float
    start: Raw | None
    finish: Raw


@dataclass(frozen=True, slots=True)
class _Watched:
    """What was foretold of a running job at one of its looks, each as likely as another."""

    at: float
    finish: Raw
    looks: int


class Estimator(Learnt):
    """Learns as a witness; `estimates` and `predict` foretell."""

    def __init__(self, nominal: Nominal, seed: int = 0) -> None:
        super().__init__(nominal)
        self._random = random.Random(f"estimator:{seed}")
        self._starts, self._finishes, self._playing = Conformal(), Conformal(), Conformal()
        self._made: dict[str, _Made] = {}
        self._watched: dict[str, _Watched] = {}

    @property
    def runs(self) -> int:
        """Finished jobs whose pace is known."""
        return self.paces.runs

    def predict(self, state: State, request: Request) -> Estimate | None:
        """The ranges of a job just submitted; they will be held against what happens."""
        return self.estimates(state, {request.id}, scored={request.id}).get(request.id)

    def estimates(
        self, state: State, wanted: Iterable[str] | None = None, *, scored: Collection[str] = (), is_watching: bool = False,
        most_samples: int = MOST_SAMPLES,
    ) -> dict[str, Estimate]:  # fmt: skip
        """Ranges in seconds from `state.now`; without `wanted`, of all jobs that run or stand in line.

        `scored`: the estimator learns from how the forecasts of these come true; `is_watching`: and, apart from them, from those
        of the jobs that play. Jobs whose start nobody can foresee (paused, asked about, the queue closed) are left out.
        """
        snapshot = Snapshot(state)
        able = {job.id for job in snapshot.jobs.values() if _can_tell(snapshot, job)}
        chosen = able if wanted is None else able & set(wanted)
        if not chosen:
            return {}
        futures = self._futures(snapshot, chosen, most_samples)
        load = self._load(snapshot)
        found = {}
        for job_id in sorted(chosen, key=lambda name: snapshot.jobs[name].ordinal):
            outcomes = [future[job_id] for future in futures if job_id in future]
            if outcomes:
                found[job_id] = self._estimate(
                    snapshot, snapshot.jobs[job_id], outcomes, load, is_scored=job_id in scored, is_watching=is_watching
                )
        return found

    def as_things_are(self, state: State) -> dict[str, float]:
        """Seconds until each open job ends if nobody asks for more, nothing breaks and every pace is as learnt."""
        snapshot = Snapshot(state)

        def pace_of(request: Request, is_future: bool) -> Pace:
            return Pace(self.paces.of(request).log_s, 0.0, 0.0)

        future = Rollout(snapshot, self, random.Random(0), pace_of, arrivals=iter(()), has_losses=False)
        able = {job.id for job in snapshot.jobs.values() if _can_tell(snapshot, job)}
        return {job_id: outcome.finish for job_id, outcome in future.run(able, HORIZON_S).items()}

    def basis_of(self, job_id: str) -> dict[str, Any] | None:
        """What the scored forecast of an open job was made of, as plain data."""
        made = self._made.get(job_id)
        if made is None:
            return None
        return {"start": made.start and made.start.to_mapping(), "finish": made.finish.to_mapping(), "known_s": made.known_s}

    def recall(self, job_id: str, at: float, basis: Mapping[str, Any], truth: tuple[float | None, float | None] | None) -> None:
        """Take up a forecast made before a restart. `truth`: when its job began and succeeded, or None while it is open."""
        start = None if basis["start"] is None else Raw.from_mapping(basis["start"])
        finish, known_s = Raw.from_mapping(basis["finish"]), basis.get("known_s", 0.0)  # older ones foretold all of the wait
        made = self._made[job_id] = _Made(at, known_s, start, finish)
        if truth is None:
            return
        begun, ended = truth
        if begun is not None and begun >= at:
            self._learn_start(made, begun)
        if ended is not None:
            self._learn_finish(made, ended)
        del self._made[job_id]

    def started(self, at: float, job_id: str) -> None:
        """Learn, and hold the forecast of the start against it."""
        super().started(at, job_id)
        made = self._made.get(job_id)
        if made is not None and made.start is not None:
            self._learn_start(made, at)
            self._made[job_id] = replace(made, start=None)

    def ended(self, at: float, job_id: str, is_success: bool) -> None:
        """Learn, and hold the forecast of the end against it; a job that was cancelled or failed proves nothing."""
        super().ended(at, job_id, is_success)
        made, watched = self._made.pop(job_id, None), self._watched.pop(job_id, None)
        if made is not None and is_success:
            self._learn_finish(made, at)
        if watched is not None and is_success and at > watched.at:
            self._playing.learn(watched.finish, log(at - watched.at))

    def _learn_start(self, made: _Made, at: float) -> None:
        if made.start is not None:  # two processes, two looks at the time: it may have begun before it was foretold
            self._starts.learn(made.start, log(max(0.0, at - made.at - made.known_s) + WAIT_OFFSET_S))

    def _learn_finish(self, made: _Made, at: float) -> None:
        if at > made.at + made.known_s:
            self._finishes.learn(made.finish, log(at - made.at - made.known_s))

    def _futures(self, snapshot: Snapshot, wanted: set[str], most: int) -> list[dict[str, Outcome]]:
        """Samples; paces of the house and of each job, and demand, are spread evenly over them: less noise in few samples."""
        count = max(LEAST_SAMPLES, min(most, BUDGET_JOBS // (len(snapshot.jobs) + 12)))
        even = [NormalDist().inv_cdf((index + 0.5) / count) for index in range(count)]
        known: dict[tuple[str, bool], Pace] = {}

        def pace_of(request: Request, is_future: bool) -> Pace:
            pace = known.get((request.id, is_future))
            if pace is None:
                pace = self._expected(request, is_future)
                known[request.id, is_future] = pace
            return pace

        lucks: dict[str, list[float]] = {}

        def luck_of(job_id: str, sample: int) -> float:
            if job_id not in lucks:
                lucks[job_id] = self._random.sample(even, count)
            return lucks[job_id][sample]

        house = house_sigma(self.runs)
        coming = self._coming(snapshot.now, count, len(snapshot.slots))
        with _without_collector():
            return [
                Rollout(
                    snapshot, self, self._random, pace_of, house=house * level,
                    arrivals=arrivals, luck_of=partial(luck_of, sample=sample),
                ).run(wanted, HORIZON_S)
                for sample, (level, arrivals) in enumerate(zip(self._random.sample(even, count), coming, strict=True))
            ]

    def _expected(self, request: Request, is_future: bool) -> Pace:
        """The pace of a job in the futures."""
        return self.paces.prior(request) if is_future else self.paces.of(request)

    def _coming(self, now: float, count: int, slots: int) -> list[Iterator[tuple[float, Request]]]:
        """Submissions to come, in each of the futures."""
        latest = self.demand.latest(LATEST)
        work_s = sum(request.blocks * self.paces.prior(request).seconds for request in latest)
        usual = USUAL_LOAD * slots * sum(request.blocks for request in latest) / max(work_s, 1e-6)
        return self.demand.spread(now, self._random, count, usual)

    def _load(self, snapshot: Snapshot) -> float:
        """Logarithm of the seconds of work in line per slot."""
        work = sum(
            (job.total_blocks - job.blocks_done) * self.paces.prior(self.requests[job.id]).seconds
            for job in snapshot.jobs.values()
            if job.id in snapshot.in_line and job.id in self.requests
        )
        return log(1.0 + work / len(snapshot.slots) / 10.0)

    def _estimate(
        self, snapshot: Snapshot, job: Job, outcomes: list[Outcome], load: float, *, is_scored: bool, is_watching: bool
    ) -> Estimate:
        request, known_s = self.requests.get(job.id), known_wait_s(snapshot, job)
        outcomes = [one._replace(start=one.start - known_s, finish=one.finish - known_s) for one in outcomes]
        ends_at = _with_every_luck(outcomes, 0.0 if request is None else self._expected(request, False).sigma)
        finish = _raw([log(max(0.05, value)) for value in ends_at], load, outcomes)
        start = _raw([log(max(0.0, outcome.start) + WAIT_OFFSET_S) for outcome in outcomes], load, outcomes)
        is_waiting = job.started_at is None
        if is_scored:
            self._made[job.id] = _Made(snapshot.now, known_s, start if is_waiting else None, finish)
        is_playing = job.state is JobState.RUNNING
        if is_watching and is_playing:
            self._watch(job.id, snapshot.now, finish)
        # of a running job its own blocks are known: jobs just submitted say nothing of how far its forecast may be off
        ends = [known_s + exp(value) for value in (self._playing if is_playing else self._finishes).correct(finish)]
        begins = [known_s + max(0.0, exp(value) - WAIT_OFFSET_S) for value in self._starts.correct(start)]
        begins = [min(begin, end) for begin, end in zip(begins, ends, strict=True)]
        if job.started_at is None:
            return Estimate(start=Range(*begins), finish=Range(*ends), runs=self.runs)
        # who goes on stands in line like who begins, so it is corrected by how true first starts were; it is not scored itself
        goes_on = None if job.state in OWNED_STATES else Range(*begins)
        begun = job.started_at - snapshot.now
        return Estimate(start=Range(begun, begun, begun), finish=Range(*ends), goes_on=goes_on, runs=self.runs)

    def _watch(self, job_id: str, now: float, finish: Raw) -> None:
        """Of all looks at a running job one is held against its end, drawn with equal chances (reservoir of one)."""
        before = self._watched.get(job_id)
        looks = 1 if before is None else before.looks + 1
        if before is None or self._random.random() * looks < 1.0:
            self._watched[job_id] = _Watched(now, finish, looks)
        else:
            self._watched[job_id] = replace(before, looks=looks)


def house_sigma(runs: int) -> float:
    """How far (of a logarithm) the whole house may be off what was learnt of it in so many runs."""
    return hypot(HOUSE_SIGMA, YOUNG_RUNS / max(LEAST_RUNS, runs))


@contextmanager
def _without_collector() -> Iterator[None]:
    """A future's many small objects hold no circles: looking for some among them takes a fifth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _with_every_luck(outcomes: list[Outcome], sigma: float) -> list[float]:
    """Each future's finish, had the job's own pace been another: what it waits for hardly depends on that.

    So few futures tell as much of the middle as many would.
    """
    found = []
    for outcome in outcomes:
        rest_s = outcome.finish - outcome.work_s
        found += [rest_s + outcome.work_s * exp(sigma * (luck - outcome.luck)) for luck in LUCKS]
    return found


def _raw(logs: list[float], load: float, outcomes: list[Outcome]) -> Raw:
    """Middle and spread of the samples, and the load: work in line, and how much of the time is waiting."""
    mean = sum(logs) / len(logs)
    variance = sum((value - mean) ** 2 for value in logs) / max(1, len(logs) - 1)
    waiting = sum(max(0.0, outcome.start) / max(outcome.finish, 1e-6) for outcome in outcomes) / len(outcomes)
    spread = max(LEAST_SPREAD, sqrt(variance + (CROWD_SPREAD * waiting) ** 2))
    return Raw(quantile(sorted(logs), 0.5), spread, (0.3 * load, waiting))


def _can_tell(snapshot: Snapshot, job: Job) -> bool:
    """Will the rules alone bring this job to its end?"""
    if job.state in OWNED_STATES:
        return not job.is_paused and not job.is_cancel_requested
    if job.hold is HoldReason.AWAITING_TURN:  # as far as one can tell of the part before it
        before = snapshot.jobs.get(job.follows)
        return before is not None and _can_tell(snapshot, before)
    return (job.id in snapshot.in_line or job.id in snapshot.scheduled) and not snapshot.is_queue_paused
