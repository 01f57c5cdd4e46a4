"""People who go on asking while the house is struck.

Submissions go out by key and are repeated until acknowledged: single jobs, some with a deadline, jobs for a reserved time, and
sessions. Some jobs become urgent, are paused for a while or cancelled.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from scheduler.client import Scheduler
from scheduler.core.job import FINAL_STATES, OWN_HOLDS
from scheduler.errors import SchedulerError
from scheduler.store import Reader

# What is asked for again and again. Each has its reference, made in peace; nothing may be given up for speed (`degrade`), or
# the bits would be others.
REQUESTS: dict[str, list[dict[str, Any]]] = {
    "fake": [
        {"role": "teacher", "duration_sec": 5.76, "fill": "loop", "seed": 1, "degrade": "never"},
        {"role": "assistant", "duration_sec": 2.88, "fill": "loop", "seed": 2, "degrade": "never"},
        {"role": "student", "duration_sec": 4.32, "fill": "loop", "seed": 3, "degrade": "never"},
    ],
    "real": [{"role": "teacher", "duration_sec": 2.88, "fill": "loop", "seed": 1, "infer_frames": 24, "degrade": "never"}],
}
PACE_S = 0.12
ANSWERED_S = 120.0  # what was sent is answered or was given up within this
RESUME_S = 80.0  # a paused job can be resumed within this, whatever is struck meanwhile
SESSION_RATIO, RESERVED_RATIO, DEADLINE_RATIO = 0.25, 0.12, 0.2  # of what is submitted
MOST_PARTS = 3
LONGEST_PAUSE_S = 2.0


@dataclass
class Asked:
    """One job that was asked for. `job_id` once it was acknowledged; it counts from then on."""

    number: int
    request: dict[str, Any]
    recipe: int  # which of REQUESTS
    job_id: str | None = None
    is_cancelled: bool = False  # somebody asked for that, acknowledged or not
    before: list[Asked] = field(default_factory=list)  # the parts before it in its session, submitted with it

    @property
    def key(self) -> str:
        """Idempotency key of a single job, or of the session whose first part this is."""
        return f"chaos-{self.number}"


@dataclass
class Refusals:
    """Wishes that were not granted, by code: a struck house says 503, never anything else."""

    by_code: dict[str, int] = field(default_factory=dict)

    def count(self, error: SchedulerError) -> None:
        """One more."""
        self.by_code[error.code] = self.by_code.get(error.code, 0) + 1


class Load:
    """A thread that asks. `asked` is written by it alone; `references` are jobs made before the first blow."""

    def __init__(
        self, doors: list[Callable[[], Scheduler]], reader: Callable[[], Reader], engine: str, seed: int, most_open: int = 5
    ) -> None:
        """`doors`: ways to the house for submissions, used by turns; all other wishes take the first. `reader`: its store."""
        self.asked: list[Asked] = []
        self.refused = Refusals()
        self.errors: list[str] = []
        self.most_open = most_open
        self.wants_preemption = threading.Event()
        self._doors, self._reader, self._requests = doors, reader, REQUESTS[engine]
        self._rng = random.Random(seed)
        self._is_over, self._may_ask = threading.Event(), threading.Event()
        self._is_idle = threading.Event()
        self._is_idle.set()
        self._open: list[Asked] = []
        self._paused: dict[str, float] = {}  # jobs that somebody paused, and when they are to go on (monotonic)
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What is asked for."""
        return self._requests

    @property
    def acknowledged(self) -> list[Asked]:
        """Submissions that were granted."""
        return [one for one in self.asked if one.job_id is not None]

    def ask(self, recipe: int) -> str:
        """Submit now, by the first door, and wait for the answer; the job's id."""
        one = self._new(recipe)
        self._submit(one, self._doors[0]())
        assert one.job_id is not None
        return one.job_id

    def start(self) -> None:
        """Begin to ask."""
        self._may_ask.set()
        self._thread.start()

    def pause(self, timeout_s: float = ANSWERED_S) -> list[str]:
        """Ask nothing new; returns when everything that was sent is answered or was given up, and whatever was paused goes on.

        Findings where it was not.
        """
        self._may_ask.clear()
        if not self._is_idle.wait(timeout_s):
            return [f"not within {timeout_s:.0f} s: an answer to what people had asked, or its refusal"]
        self._end_pauses(self._doors[0](), by=math.inf)  # the thread does nothing now
        return [] if self._thread.is_alive() else ["people stopped asking; why is told in house.log"]

    def resume(self) -> None:
        """Ask again."""
        self._may_ask.set()

    def stop(self) -> None:
        """Never ask again."""
        self._is_over.set()
        self._may_ask.set()
        if self._thread.is_alive():
            self._thread.join(ANSWERED_S)
            if self._thread.is_alive():
                self.errors.append(f"not within {ANSWERED_S:.0f} s: the last answer to people")

    # ---- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._is_over.is_set():
                self._may_ask.wait()
                self._is_idle.clear()
                if self._may_ask.is_set():
                    self._one_round()
                self._is_idle.set()
                time.sleep(PACE_S)
        finally:
            self._is_idle.set()

    def _one_round(self) -> None:
        door, own = self._rng.choice(self._doors)(), self._doors[0]()
        self._end_pauses(own, by=time.monotonic())
        try:
            waiting = next((one for one in self.asked if one.job_id is None), None)
            if waiting is not None:
                self._submit(waiting, door)  # the same key: it was granted, or it is granted now
            elif len(still_open := self._still_open()) < self.most_open:
                self._submit(self._think_of_something(still_open), door)
            elif self.wants_preemption.is_set():
                self._make_urgent(still_open, own)
            else:
                self._wish_something(still_open, own)
        except SchedulerError as error:
            self.refused.count(error)
            if error.status not in (404, 409, 503):  # away, or too late for this job
                self.errors.append(f"{error.status} {error.code}: {error.message}")

    def _think_of_something(self, still_open: list[Asked]) -> Asked:
        """A single job, or the first part of a session. One time is reserved at once, or the only slot would be taken."""
        chance, recipes = self._rng.random(), range(len(self._requests))
        if chance < SESSION_RATIO:
            parts: list[Asked] = []
            for _ in range(self._rng.randint(2, MOST_PARTS)):
                parts.append(self._new(self._rng.choice(recipes), before=list(parts)))
            return parts[0]
        chance -= SESSION_RATIO
        if chance < RESERVED_RATIO and not any("start_in_sec" in one.request for one in still_open):
            return self._new(self._rng.choice(recipes), times={"start_in_sec": round(self._rng.uniform(0.5, 4.0), 1)})
        wanted = {"deadline_sec": round(self._rng.uniform(1.0, 20.0), 1)} if chance < RESERVED_RATIO + DEADLINE_RATIO else {}
        return self._new(self._rng.choice(recipes), times=wanted)

    def _new(self, recipe: int, before: list[Asked] | None = None, times: dict[str, float] | None = None) -> Asked:
        number = len(self.asked) + 1
        one = Asked(number, {"user": f"team-{number}", **self._requests[recipe], **(times or {})}, recipe, before=before or [])
        self.asked.append(one)
        return one

    def _submit(self, one: Asked, door: Scheduler) -> None:
        """A job, or the session of which this is the first part: its parts are acknowledged together."""
        parts = [one, *(other for other in self.asked if one in other.before)]
        if len(parts) == 1:
            answers = [door.submit(one.request, one.key)]
        else:
            answers = door.submit_session([part.request for part in parts], one.key)["parts"]
        for part, answer in zip(parts, answers, strict=True):
            part.job_id = answer["id"]
            self._open.append(part)

    def _still_open(self) -> list[Asked]:
        """Jobs that have not ended; SchedulerError while the store cannot be read."""
        reader = self._reader()
        rows = [(one, reader.job(one.job_id or "")) for one in self._open]
        self._open = [one for one, row in rows if row is None or row["state"] not in FINAL_STATES]
        return self._open

    def _make_urgent(self, still_open: list[Asked], door: Scheduler) -> None:
        """Whoever runs becomes the least wanted and one that waits the most: only a lead makes a job give way."""
        reader = self._reader()
        rows = [row for one in still_open if (row := reader.job(one.job_id or "")) is not None]
        running = [row["id"] for row in rows if row["state"] == "RUNNING"]
        waiting = [row["id"] for row in rows if row["state"] == "QUEUED" and row["hold"] not in OWN_HOLDS]
        if running and waiting:
            door.set_priority(running[0], 1, "chaos")
            door.set_priority(waiting[-1], 100, "chaos")

    def _wish_something(self, still_open: list[Asked], door: Scheduler) -> None:
        one = self._rng.choice(still_open)
        assert one.job_id is not None
        chance = self._rng.random()
        if chance < 0.06 and sum(other.is_cancelled for other in self.asked) < len(self.asked) // 10:
            one.is_cancelled = True
            door.cancel(one.job_id)
        elif chance < 0.3:
            door.set_priority(one.job_id, self._rng.choice((1, 20, 60, 100)), "chaos")
        elif chance < 0.4:
            self._pause(one.job_id, door)
        elif chance < 0.5:
            self._talk(one.job_id, door)

    def _talk(self, job_id: str, door: Scheduler) -> None:
        """A note on what there is of the video, an answer, and the note is resolved."""
        number = door.write_note(job_id, "chaos", video_s=0.0)["number"]
        door.write_note(job_id, "chaos again", answers=number)
        door.change_note(job_id, number, self._rng.choice(("resolve", "retract")))

    def _pause(self, job_id: str, door: Scheduler) -> None:
        """A pause that a fault cuts short is ended all the same: a paused job would wait for ever."""
        self._paused[job_id] = time.monotonic() + self._rng.random() ** 2 * LONGEST_PAUSE_S
        door.pause(job_id)

    def _end_pauses(self, door: Scheduler, by: float) -> None:
        for job_id in [job_id for job_id, until in self._paused.items() if until <= by]:
            del self._paused[job_id]
            self._resume(job_id, door)

    def _resume(self, job_id: str, door: Scheduler) -> None:
        deadline = time.monotonic() + RESUME_S
        while True:
            try:
                door.resume(job_id)
                return
            except SchedulerError as error:
                if error.status != 503:
                    return
                if time.monotonic() > deadline:
                    self.errors.append(f"not within {RESUME_S:.0f} s: {job_id} goes on after a pause ({error.message})")
                    return
            time.sleep(PACE_S)
