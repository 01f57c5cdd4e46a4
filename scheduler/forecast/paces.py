"""Learnt block times: what a block of this kind takes, how jobs stray from it, and blocks from their job.

All in logarithms. A job counts once, with the mean of its blocks; what lies far from the rest is pulled in before it counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import exp, log, sqrt

from scheduler.forecast.witness import Request

MEMORY_JOBS = 36  # a level forgets what is older than about so many jobs
CLIP = 3.0  # spreads; what is farther counts as if it lay there
FIRST_JOB_SPREAD = 0.2
FIRST_BLOCK_SPREAD = 0.3
UNKNOWN_SPREAD = 0.4  # of a kind never seen
ROLE_SHRINK = 16.0  # so many jobs of a role weigh as much as what is known of its kind
LEAST_BLOCKS = 3  # a job with fewer says too little of its pace
TO_SIGMA = 1.2533  # from a mean absolute deviation to a standard deviation

Nominal = Callable[[Request], float]


@dataclass(slots=True)
class Pace:
    """Of one job: the logarithm of its seconds per block, how sure that is, and how blocks stray."""

    log_s: float
    sigma: float
    block_sigma: float

    @property
    def seconds(self) -> float:
        """The middle of what is expected."""
        return exp(self.log_s)


@dataclass(slots=True)
class _Level:
    log_s: float
    spread: float = FIRST_JOB_SPREAD / TO_SIGMA
    jobs: int = 0

    def take(self, value: float, weight: float = 1.0) -> float:
        """Count a job's pace, one of few blocks for less; returns how far it lay off."""
        off = value - self.log_s
        reach = CLIP * max(0.05, self.spread * TO_SIGMA) if self.jobs >= 3 else 2.0
        off = max(-reach, min(reach, off))
        self.jobs += 1
        gain = (weight if self.jobs > 1 else 1.0) / min(self.jobs, MEMORY_JOBS)
        self.log_s += gain * off
        if self.jobs > 1:
            slow = 1.0 / min(self.jobs + 8, 4 * MEMORY_JOBS)
            self.spread += slow * (abs(off) - self.spread)
        return off


@dataclass(slots=True)
class _Seen:
    request: Request
    blocks: int = 0
    seconds: float = 0.0
    counted: int = 0


@dataclass
class Paces:
    """All that is learnt. `nominal`: what a block of a request should take before anything is known."""

    nominal: Nominal
    runs: int = 0  # jobs whose pace was counted
    block_spread: float = FIRST_BLOCK_SPREAD / TO_SIGMA
    _levels: dict[tuple[str, str, str], _Level] = field(default_factory=dict)
    _roles: dict[tuple[tuple[str, str, str], str], _Level] = field(default_factory=dict)
    _house: _Level = field(default_factory=lambda: _Level(0.0, 0.1))  # off the nominal, over all kinds
    _open: dict[str, _Seen] = field(default_factory=dict)

    def submitted(self, request: Request) -> None:
        """A job that may be seen at work."""
        self._open[request.id] = _Seen(request)

    def block_done(self, job_id: str, seconds: float) -> None:
        """One block; one that took no time was not measured."""
        seen = self._open.get(job_id)
        if seen is None or seconds <= 0.0:
            return
        if seen.blocks >= LEAST_BLOCKS:
            stray = min(1.5, abs(log(seconds * seen.blocks / seen.seconds)))
            self.block_spread += 0.002 * (stray - self.block_spread)
        seen.blocks += 1
        seen.seconds += seconds

    def ended(self, job_id: str) -> None:
        """The job is over: its pace counts."""
        seen = self._open.pop(job_id, None)
        if seen is not None and seen.blocks >= LEAST_BLOCKS:
            self._count(seen)

    def of(self, request: Request) -> Pace:
        """What to expect of a job; its own blocks count, where it has made some."""
        pace = self.prior(request)
        seen = self._open.get(request.id)
        if seen is None or not seen.blocks:
            return pace
        level, sigma, block_sigma = pace.log_s, pace.sigma, pace.block_sigma
        own, noise = sigma * sigma, block_sigma * block_sigma / seen.blocks
        share = own / (own + noise)
        mean = log(seen.seconds / seen.blocks)
        return Pace(level + share * (mean - level), sqrt(own * noise / (own + noise)), block_sigma)

    def prior(self, request: Request) -> Pace:
        """What to expect of such a job before it has made a block."""
        level, jobs, spread = self._prior(request)
        sigma = max(0.04, spread * TO_SIGMA) if jobs else UNKNOWN_SPREAD
        return Pace(level, sigma, max(0.05, self.block_spread * TO_SIGMA))

    def _prior(self, request: Request) -> tuple[float, int, float]:
        level = self._levels.get(request.kind)
        if level is None:
            return log(self.nominal(request)) + self._house.log_s, 0, UNKNOWN_SPREAD / TO_SIGMA
        role = self._roles.get((request.kind, request.role))
        off = role.log_s * role.jobs / (role.jobs + ROLE_SHRINK) if role is not None else 0.0
        return level.log_s + off, level.jobs, level.spread

    def _count(self, seen: _Seen) -> None:
        kind, value = seen.request.kind, log(seen.seconds / seen.blocks)
        self.runs += 1
        own, noise = FIRST_JOB_SPREAD**2, (self.block_spread * TO_SIGMA) ** 2 / seen.blocks
        weight = own / (own + noise)
        self._house.take(value - log(self.nominal(seen.request)), weight)
        level = self._levels.get(kind)
        if level is None:
            level = self._levels[kind] = _Level(value)
        role = self._roles.setdefault((kind, seen.request.role), _Level(0.0, 0.1))
        off = level.take(value - role.log_s * role.jobs / (role.jobs + ROLE_SHRINK), weight)
        role.take(off + role.log_s * role.jobs / (role.jobs + ROLE_SHRINK), weight)
