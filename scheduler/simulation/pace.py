"""The hidden truth of the simulated workers: how long each block takes. Nobody but the simulated worker looks here.

Drawn per job and per moment, not in the order of the run: the same seed gives the same work under every policy.
"""

from __future__ import annotations

import random
from math import exp, sqrt

from scheduler.costs import Costs
from scheduler.errors import SchedulerError
from scheduler.simulation.trace import TraceJob

DRIFT_STEP_S = 30.0


class Paces:
    """Seconds of every block of every job, from one seed. `opens`: the first second of the trace that is lived through."""

    def __init__(self, costs: Costs, seed: int, opens: float = 0.0) -> None:
        self._costs, self._seed, self._opens = costs, seed, opens
        self._drift_random = random.Random(f"{seed}:drift")
        self._drift = [self._drift_random.gauss(0.0, costs.drift_sigma)]
        self._jobs: dict[str, tuple[float, random.Random, list[float]]] = {}

    def mean_s(self, job: TraceJob) -> float:
        """The job's own seconds per block, without drift and without the blocks' noise."""
        return self._job(job)[0]

    def known_s(self, job: TraceJob, at: float) -> float:
        """The job's seconds per block as things are at this moment: with the drift, without the blocks' noise."""
        return self._job(job)[0] * exp(self._drift_at(at))

    def block_s(self, job: TraceJob, block: int, at: float) -> float:
        """Seconds that this block takes when it begins at this moment."""
        mean_s, draw, noise = self._job(job)
        sigma = self._costs.block_sigma
        while len(noise) <= block:
            noise.append(exp(sigma * draw.gauss(0.0, 1.0) - sigma * sigma / 2))
        return mean_s * noise[block] * exp(self._drift_at(at))

    def _job(self, job: TraceJob) -> tuple[float, random.Random, list[float]]:
        found = self._jobs.get(job.id)
        if found is None:
            draw, sigma = random.Random(f"{self._seed}:{job.id}"), self._costs.job_sigma
            pace = exp(sigma * draw.gauss(0.0, 1.0) - sigma * sigma / 2)
            mean_s = job.block_s if job.block_s is not None else self._costs.block_s * self._preset(job) * pace
            found = self._jobs[job.id] = (mean_s, draw, [])
        return found

    def _preset(self, job: TraceJob) -> float:
        share = self._costs.share_of(job.preset)
        if share is None:
            raise SchedulerError(
                422, "unknown_preset", f"Job {job.id!r} has the preset {job.preset!r}, whose cost is not known.",
                field="preset",
                hint=f"Give its lines block_s, or its cost in the policy file below simulation: presets:. "
                f"Known: {', '.join(sorted(self._costs.presets))}, and settings such as 384*256:5.",
            )  # fmt: skip
        return share

    def _drift_at(self, at: float) -> float:
        """A slow walk that comes back to zero, on a grid of time."""
        step = int((at - self._opens) / DRIFT_STEP_S)
        stays = exp(-DRIFT_STEP_S / self._costs.drift_s)
        shake = self._costs.drift_sigma * sqrt(1.0 - stays * stays)
        while len(self._drift) <= step:
            self._drift.append(self._drift[-1] * stays + self._drift_random.gauss(0.0, shake))
        return self._drift[step]
