"""How true the forecasts of videos in the making are: asked for while they play, held against their ends."""

from __future__ import annotations

from collections import defaultdict

from scheduler.core.job import JobState
from scheduler.core.state import State
from scheduler.forecast.estimator import Estimator
from scheduler.forecast.ranges import Estimate, Range
from scheduler.forecast.witness import Forecaster, Request

EVERY = 5  # submissions: each further look at the queue costs a forecast


class RunningJobs(Forecaster):
    """Looks at every fifth submission at what plays, as the house's forecaster does every second, and has it learn from that."""

    def __init__(self, estimator: Estimator) -> None:
        self._estimator = estimator
        self._submissions = 0
        self._open: defaultdict[str, list[tuple[float, Range]]] = defaultdict(list)
        self.outcomes: list[tuple[Range, float]] = []  # what was told of the time left, and how long it was

    def predict(self, state: State, request: Request) -> Estimate | None:
        """Nothing of the job just submitted: those that play are asked about."""
        self._submissions += 1
        if self._submissions % EVERY == 0:
            owned = (state.jobs[slot.job_id] for slot in state.slots if slot.job_id is not None)
            playing = {job.id for job in owned if job.state is JobState.RUNNING and job.blocks_done < job.total_blocks}
            for job_id, found in self._estimator.estimates(state, playing, is_watching=True).items():
                self._open[job_id].append((state.now, found.finish))
        return None

    def ended(self, at: float, job_id: str, is_success: bool) -> None:
        """Hold what was told against it; a job that failed proves nothing."""
        told = self._open.pop(job_id, [])
        if is_success:
            self.outcomes += [(finish, at - asked_at) for asked_at, finish in told if at > asked_at]
