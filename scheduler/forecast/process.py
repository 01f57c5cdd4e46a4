"""The forecaster: a process that reads the store, runs the core forward once a second at most, and answers at its own door.

It writes nothing: forecasts that people were told go to the daemon, which keeps them. When it is gone or stands still,
there are no estimates; nobody is shown old ones.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from scheduler.canonical import canonical_json
from scheduler.client import Scheduler
from scheduler.clock import house_now
from scheduler.context_size import known_ring_form
from scheduler.core.block_times import BlockTimes, Pace
from scheduler.core.job import FINAL_STATES, HoldReason
from scheduler.core.state import State
from scheduler.costs import Costs
from scheduler.door import Actor, forecaster_path
from scheduler.door_server import DoorServer
from scheduler.errors import SchedulerError
from scheduler.forecast.estimator import Estimator
from scheduler.forecast.mirror import Mirror
from scheduler.forecast.ranges import Estimate
from scheduler.forecast.reorder import reorder
from scheduler.forecast.scorebook import scores
from scheduler.forecast.steady import MOST_IN_LINE, Settled, Steady
from scheduler.forecast.told import FAR, HELD, LEAST_RUNS, WAITS_FOR_A_PERSON, told_of, untold_of
from scheduler.forecast.what_if import as_request, what_if
from scheduler.forecast.witness import Request
from scheduler.own_files import with_own_files
from scheduler.store import Reader, open_reader

EVERY_S = 1.0
REST_SHARE = 1.0  # it rests at least as long as it worked: the machine has better things to do
STILL_S = 5.0  # without news the same futures are looked at again after so long, as time passes
QUICK_SAMPLES = 8
SCORED_S = 8 * 7 * 86_400.0
MOST_SHOWN = 6_000  # what fits through a door
_log = logging.getLogger("greenroom.forecaster")
Board = dict[str, Any]


class Forecaster:
    """All of it; `run` until told to stop. The work is done by one thread, one thing at a time."""

    def __init__(self, data_dir: Path, slots: int, model: str, clock: Callable[[], float] = house_now) -> None:
        self._data_dir, self._slots, self._model, self._clock = data_dir, slots, model, clock
        self._reader: Reader | None = None
        self._mirror: Mirror | None = None
        self._steady = Steady()
        self._board: Board = {"at": 0.0, "seq": 0, "runs": 0, "jobs": {}}
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="futures")
        self._is_stopping = asyncio.Event()

    async def run(self, lifeline_fd: int | None = None) -> None:
        """Open the door, keep the board fresh, until a signal or the end of the lifeline."""
        door = DoorServer(forecaster_path(self._data_dir), self._answer)
        await door.start()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._is_stopping.set)
        if lifeline_fd is not None:
            loop.add_reader(lifeline_fd, self._end_of_lifeline, lifeline_fd)
        try:
            while not self._is_stopping.is_set():
                started = time.monotonic()
                try:
                    await loop.run_in_executor(self._worker, self.look)
                except SchedulerError as error:
                    _log.warning("no forecast: %s", error)
                    self._forget()
                took_s = time.monotonic() - started
                await self._rest(max(EVERY_S - took_s, REST_SHARE * took_s, 0.05))
        finally:
            await door.stop()
            self._worker.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """End soon. To be called on its event loop."""
        self._is_stopping.set()

    def _end_of_lifeline(self, lifeline_fd: int) -> None:
        """Readable only at its end: the launcher is gone."""
        asyncio.get_running_loop().remove_reader(lifeline_fd)
        self._is_stopping.set()

    async def _rest(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._is_stopping.wait(), seconds)
        except TimeoutError:
            return

    # ---- the work -----------------------------------------------------------------------------------------------------

    def look(self) -> Board:
        """Read on, run forward, put the answer on the board; what is told of new jobs is handed to the daemon."""
        mirror, now = self._opened(), self._clock()
        if mirror.is_up_to_date() and now - self._board["at"] < STILL_S:
            return self._board
        state = mirror.refresh(now)
        estimator, near = mirror.estimator, _nearest(state)
        fresh = near - mirror.kept(near) if estimator.runs >= LEAST_RUNS else set()
        found = estimator.estimates(state, near, scored=fresh, is_watching=True)
        known = near | _for_a_person(state)
        settled, nothing = self._steady.settle(state, found), Settled(None, None)
        jobs = {
            job_id: told_of(
                (shown := settled.get(job_id, nothing)).estimate, now, estimator.runs,
                untold_of(state, job_id, HELD if job_id in known else FAR), shown.moved,
            )
            for job_id in state.jobs
        }  # fmt: skip
        self._board = {"at": now, "seq": mirror.seq, "runs": estimator.runs, "jobs": dict(list(jobs.items())[:MOST_SHOWN])}
        self._keep(state, found, fresh)
        return self._board

    def _keep(self, state: State, found: dict[str, Estimate], fresh: set[str]) -> None:
        rows = []
        for job_id in sorted(fresh & found.keys()):
            basis = self._opened().estimator.basis_of(job_id)
            if basis is not None:
                rows.append(forecast_row(job_id, state.now, self._board, found[job_id], basis))
        if rows:
            try:
                Scheduler(self._data_dir, actor=Actor("system")).keep_forecasts(rows)
            except SchedulerError as error:
                _log.warning("forecasts could not be kept: %s", error)

    def _quick(self, job_id: str) -> dict[str, Any]:
        """One job, at once and with few samples: it was submitted a moment ago."""
        state = self._opened().refresh(self._clock())
        estimator = self._opened().estimator
        if job_id not in state.jobs:
            return {"estimate": None, "estimate_state": "over"}
        found = estimator.estimates(state, {job_id}, most_samples=QUICK_SAMPLES)
        return told_of(found.get(job_id), state.now, estimator.runs, untold_of(state, job_id))

    def _what_if(self, request: dict[str, Any]) -> dict[str, Any]:
        given = as_request(request)
        mirror = self._opened()
        role = with_own_files(self._reader_opened(), given, mirror.role(str(given["role"])))
        reader = self._reader_opened()
        pace, kv = Pace(BlockTimes(reader.block_times()), reader.devices()), known_ring_form(reader, self._model)
        before = reader.job(str(given["follows"])) if given.get("follows") else None
        end = str(before["state"]) if before is not None and before["state"] in FINAL_STATES else ""
        state = mirror.refresh(self._clock())
        return what_if(state, mirror.estimator, given, role, self._model, pace, kv=kv, follows_end=end)

    def _reorder(self, job_id: str, priority: int) -> dict[str, Any]:
        mirror = self._opened()
        return reorder(mirror.refresh(self._clock()), mirror.estimator, job_id, priority)

    def _score(self) -> dict[str, Any]:
        return scores(self._reader_opened().forecast_outcomes(self._clock() - SCORED_S))

    def _reader_opened(self) -> Reader:
        if self._reader is None:
            self._reader = open_reader(self._data_dir)
        return self._reader

    def _opened(self) -> Mirror:
        if self._mirror is None:
            reader = self._reader_opened()
            self._mirror = Mirror(reader, self._slots, Estimator(_nominal(reader)))
        return self._mirror

    def _forget(self) -> None:
        """The store may be another one when it is there again."""
        self._reader = self._mirror = None
        self._steady = Steady()
        self._board = {"at": 0.0, "seq": 0, "runs": 0, "jobs": {}}

    # ---- the door -----------------------------------------------------------------------------------------------------

    async def _answer(self, command: str, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        if command == "estimates":
            return self._board
        if command == "estimate":
            job_id = str(args.get("job_id"))
            told: dict[str, Any] | None = self._board["jobs"].get(job_id)
            return told if told is not None else await loop.run_in_executor(self._worker, self._quick, job_id)
        if command == "what_if":
            return await loop.run_in_executor(self._worker, self._what_if, dict(args.get("request") or {}))
        if command == "reorder":
            return await loop.run_in_executor(self._worker, self._reorder, str(args["job_id"]), int(args["priority"]))
        if command == "score":
            return await loop.run_in_executor(self._worker, self._score)
        raise SchedulerError(404, "unknown_command", f"The forecaster knows no {command!r}.")


def _nearest(state: State) -> set[str]:
    """Jobs of which something can be said in time: on a slot, first in line, with a promised time; and their sessions."""
    line = (job.id for job in islice(state.line.best_first(), MOST_IN_LINE))
    near = {*line, *state.scheduled, *(slot.job_id for slot in state.slots if slot.job_id is not None)}
    return near | {part for job_id in near for part in _parts_after(state, job_id)}


def _parts_after(state: State, job_id: str) -> Iterator[str]:
    """The parts of its session that wait for their turn behind it."""
    while (follower := state.jobs.get(state.followers.get(job_id, ""))) is not None and follower.hold is HoldReason.AWAITING_TURN:
        job_id = follower.id
        yield job_id


def _for_a_person(state: State) -> set[str]:
    """Jobs that wait for somebody's word, and the parts of sessions behind them: nobody can say when it comes."""
    held = {job.id for job in state.held.values() if job.hold in WAITS_FOR_A_PERSON}
    return held | {part for job_id in held for part in _parts_after(state, job_id)}


def forecast_row(job_id: str, at: float, board: Board, estimate: Estimate, basis: dict[str, Any]) -> dict[str, Any]:
    """A forecast as the store keeps it; times in seconds since 1970."""
    row: dict[str, Any] = {
        "job_id": job_id, "at": at, "seq": board["seq"], "runs": board["runs"], "basis": canonical_json(basis),
    }  # fmt: skip
    for name, seconds in (("start", estimate.start), ("finish", estimate.finish)):
        row |= {f"{name}_p10": at + seconds.p10, f"{name}_p50": at + seconds.p50, f"{name}_p90": at + seconds.p90}
    return row


def _nominal(reader: Reader) -> Callable[[Request], float]:
    """Until jobs of a kind were seen: what the daemon learnt of its blocks, most often measured first; else the standard."""
    standard = Costs()
    learnt = sorted(reader.block_times(), key=lambda entry: -entry[1].count)

    def nominal(request: Request) -> float:
        for key, time_ in learnt:
            if key.model == request.device:
                return max(1e-3, time_.typical_s)
        return standard.block_s * standard.presets.get(request.preset, 1.0)

    return nominal
