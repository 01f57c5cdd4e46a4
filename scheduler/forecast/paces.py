"""Learnt block times: what a block of this kind takes, how jobs stray from it, and blocks from their job.

All in logarithms, and in three parts that add up: the kind's own (slow to change), the role's (as far as there is reason to
believe in it), and the drift of the whole house (followed at several speeds). A job counts once, with the mean of its
blocks; one at work counts for the drift too. What lies far from the rest is pulled in before it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import exp, log, sqrt

from scheduler.forecast.drift import FIRST_SPREAD, Drift
from scheduler.forecast.witness import Request

KIND_MEMORY = 100  # a kind forgets what is older than about so many of its jobs
ROLE_MEMORY = 36
ROLE_SHRINK = 16.0  # so many jobs of a role weigh as much as what is known of its kind
SPREAD_MEMORY = 144
FIRST_JOB_SPREAD = 0.2
FIRST_BLOCK_SPREAD = 0.3
UNKNOWN_SPREAD = 0.4  # of a kind never seen
LEAST_SPREAD, LEAST_BLOCK_SPREAD = 0.04, 0.05
REACH = 0.5  # a job moves its kind and role as if it lay no farther off
MOST_STRAY = 0.8
LEAST_BLOCKS = 3  # a job with fewer says too little of its pace
TO_SIGMA = 1.2533  # from a mean absolute deviation to a standard deviation

Nominal = Callable[[Request], float]
Kind = tuple[str, str, str]


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
class _Offset:
    log_s: float = 0.0
    jobs: int = 0

    def take(self, off: float, share: float, memory: int) -> None:
        self.jobs += 1
        self.log_s += share * max(-REACH, min(REACH, off)) / min(self.jobs, memory)

    @property
    def shrunk(self) -> float:
        return self.log_s * self.jobs / (self.jobs + ROLE_SHRINK)


@dataclass(slots=True)
class _Seen:
    request: Request
    told: tuple[float, ...]  # what the drift's memories said when it was submitted
    blocks: int = 0
    seconds: float = 0.0

    @property
    def log_s(self) -> float:
        return log(self.seconds / self.blocks)


@dataclass
class Paces:
    """All that is learnt. `nominal`: what a block of a request should take before anything is known."""

    nominal: Nominal
    runs: int = 0  # jobs whose pace was counted
    block_spread: float = FIRST_BLOCK_SPREAD / TO_SIGMA
    job_spread: float = FIRST_SPREAD / TO_SIGMA
    _drift: Drift = field(default_factory=Drift)
    _kinds: dict[Kind, _Offset] = field(default_factory=dict)
    _roles: dict[tuple[Kind, str], _Offset] = field(default_factory=dict)
    _open: dict[str, _Seen] = field(default_factory=dict)
    _running: dict[str, _Seen] = field(default_factory=dict)  # those of the open ones that have made blocks enough
    _levels: dict[str, float] = field(default_factory=dict)  # the drift as told last, until something is learnt: by job left out

    def submitted(self, request: Request) -> None:
        """A job that may be seen at work."""
        self._open[request.id] = _Seen(request, self._drift.levels)

    def block_done(self, job_id: str, seconds: float) -> None:
        """One block; one that took no time was not measured."""
        seen = self._open.get(job_id)
        if seen is None or seconds <= 0.0:
            return
        self._levels.clear()
        if seen.blocks >= LEAST_BLOCKS:
            stray = min(1.5, abs(log(seconds * seen.blocks / seen.seconds)))
            self.block_spread += 0.002 * (stray - self.block_spread)
            self._running[job_id] = seen
        seen.blocks += 1
        seen.seconds += seconds

    def ended(self, job_id: str) -> None:
        """The job is over: its pace counts."""
        self._levels.clear()
        self._running.pop(job_id, None)
        seen = self._open.pop(job_id, None)
        if seen is not None and seen.blocks >= LEAST_BLOCKS:
            self._count(seen)

    def of(self, request: Request) -> Pace:
        """What to expect of a job; its own blocks count, where it has made some."""
        seen = self._open.get(request.id)
        if seen is None or not seen.blocks:
            return self.prior(request)
        pace = self._pace(request, request.id)
        own, noise = pace.sigma * pace.sigma, pace.block_sigma * pace.block_sigma / seen.blocks
        share = own / (own + noise)
        return Pace(pace.log_s + share * (seen.log_s - pace.log_s), sqrt(own * noise / (own + noise)), pace.block_sigma)

    def prior(self, request: Request) -> Pace:
        """What to expect of such a job before it has made a block."""
        return self._pace(request, "")

    def _pace(self, request: Request, without: str) -> Pace:
        kind = self._kinds.get(request.kind)
        level = log(self.nominal(request)) + self._level(without if without in self._running else "")
        block_sigma = max(LEAST_BLOCK_SPREAD, self.block_spread * TO_SIGMA)
        if kind is None:
            return Pace(level, UNKNOWN_SPREAD, block_sigma)
        role = self._roles.get((request.kind, request.role))
        off = kind.log_s + (role.shrunk if role is not None else 0.0)
        return Pace(level + off, max(LEAST_SPREAD, self._job_sigma), block_sigma)

    def _level(self, without: str) -> float:
        """The drift as the others at work show it: the same for a thousand jobs in line, so it is worked out once."""
        level = self._levels.get(without)
        if level is None:
            level = self._levels[without] = self._drift.level(self._job_sigma, self._at_work(without))
        return level

    @property
    def _job_sigma(self) -> float:
        return self.job_spread * TO_SIGMA

    def _at_work(self, without: str) -> Iterator[tuple[float, float]]:
        """How far off the usual the running jobs of known kinds are, and how much each counts."""
        for job_id, seen in self._running.items():
            kind = self._kinds.get(seen.request.kind)
            if kind is not None and job_id != without:
                role = self._roles.get((seen.request.kind, seen.request.role))
                off = kind.log_s + (role.shrunk if role is not None else 0.0)
                yield seen.log_s - log(self.nominal(seen.request)) - off, self._share(seen)

    def _share(self, seen: _Seen) -> float:
        """How much a job counts: one of few blocks for less."""
        own, noise = FIRST_JOB_SPREAD**2, (self.block_spread * TO_SIGMA) ** 2 / seen.blocks
        return own / (own + noise)

    def _count(self, seen: _Seen) -> None:
        self.runs += 1
        share, sigma = self._share(seen), self._job_sigma
        value = seen.log_s - log(self.nominal(seen.request))
        level = self._drift.level(sigma)
        is_first_of_kind = seen.request.kind not in self._kinds
        kind = self._kinds.setdefault(seen.request.kind, _Offset())
        if is_first_of_kind and len(self._kinds) > 1:
            kind.log_s, kind.jobs = value - level, 1  # the house's drift is known from others
        role = self._roles.setdefault((seen.request.kind, seen.request.role), _Offset())
        off = value - level - kind.log_s
        if self.runs > 1:
            stray = min(MOST_STRAY, abs(off - role.shrunk))
            self.job_spread += (stray - self.job_spread) / min(self.runs + 8, SPREAD_MEMORY)
        self._drift.take(value - kind.log_s - role.shrunk, share, seen.told, sigma)
        off = value - self._drift.level(sigma) - kind.log_s
        role.take(off - role.log_s, share, ROLE_MEMORY)
        if len(self._kinds) > 1:  # of a single kind, everything is drift
            kind.take(off, share, KIND_MEMORY)
