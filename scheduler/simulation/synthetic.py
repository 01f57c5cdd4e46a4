"""Days that never were: traces drawn from a seed, one kind per trouble."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, exp, pi, sin

from scheduler.errors import SchedulerError
from scheduler.simulation.trace import Trace, TraceFault, TraceJob

BLOCK_S = 0.48
MEAN_BLOCKS = 40.0
BLOCKS_SIGMA = 0.8
COME_PER_S = 0.2  # of a crowd's jobs that are still to come, each at this rate
ROLES = 6


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What is asked for in a synthetic day. Loads are shares of what the slots can do."""

    says: str
    load: float = 0.7
    swing: float = 0.15  # the load goes up and down by so much
    swing_s: float = 1800.0
    bursts_per_h: float = 0.0
    burst_jobs: tuple[int, int] = (10, 40)
    urgent: float = 0.0  # share of jobs at priority 100
    priorities: tuple[int, ...] = (5, 10, 10, 10, 20)
    losses_per_slot_h: float = 0.0
    down_s: tuple[float, float] = (5.0, 120.0)
    drift: float = 0.0  # the pace is so much slower at the worst time of the day
    job_sigma: float = 0.15
    presets: tuple[str, ...] = ("standard",)
    sessions: float = 0.0  # share of what is asked for that is a relay of roles
    parts: tuple[int, int] = (2, 4)
    reserved: float = 0.0  # share of it that is asked for a time of day
    ahead_s: tuple[float, float] = (900.0, 5400.0)

    @property
    def mean_jobs(self) -> float:
        """Jobs that are asked for at once, crowds apart."""
        return 1.0 + self.sessions * (sum(self.parts) / 2 - 1.0)


KINDS: dict[str, Kind] = {
    "calm": Kind(says="steady demand below what the slots can do", swing=0.05),
    "bursts": Kind(says="quiet hours and sudden crowds", load=0.55, swing=0.3, bursts_per_h=4.0),
    "preemption": Kind(
        says="many urgent jobs and wide priorities", load=0.75, swing=0.25, urgent=0.06, priorities=(0, 5, 10, 20, 40, 60)
    ),
    "faults": Kind(says="slots lose their workers, for seconds or minutes", load=0.65, swing=0.2, losses_per_slot_h=6.0),
    "drift": Kind(says="everything becomes slower and faster again", load=0.65, swing=0.2, drift=0.5),
    "peak": Kind(
        says="a working day with two peaks beyond what the slots can do, faults included", load=0.8, swing=0.4,
        swing_s=7200.0, bursts_per_h=2.0, urgent=0.03, priorities=(0, 5, 10, 20, 40), losses_per_slot_h=1.0, drift=0.15,
        presets=("standard", "standard", "preview", "hd"),
    ),
    "sessions": Kind(
        says="a working day with relays of two to four roles and some times that are reserved", load=0.6, swing=0.25,
        swing_s=7200.0, urgent=0.02, sessions=0.2, reserved=0.1,
    ),
}  # fmt: skip


def synthetic_trace(kind: str, *, slots: int, jobs: int, seed: int, has_paces: bool = False) -> Trace:
    """A day of a kind, the same for the same seed. `has_paces`: every line carries its true `block_s`."""
    if kind not in KINDS:
        raise SchedulerError(
            422, "unknown_kind", f"Traces of kind {kind!r} are not known.", field="kind", hint=f"Known: {', '.join(KINDS)}."
        )
    day = Day(KINDS[kind], slots, random.Random(f"{kind}:{seed}"), has_paces=has_paces)
    found = sorted(day.draw(jobs), key=lambda job: job.at)
    until = found[-1].at
    return Trace(jobs=tuple(found), faults=tuple(sorted(day.faults(until), key=lambda fault: fault.at)))


class Day:
    """The law of a kind of day: who knows it knows every chance, and nothing of what will come of it."""

    def __init__(self, kind: Kind, slots: int, draw: random.Random, *, has_paces: bool = False, first: int = 0) -> None:
        """`first`: jobs are numbered from the next."""
        self.kind, self.slots, self.random = kind, slots, draw
        self.has_paces = has_paces or kind.drift > 0 or kind.job_sigma != Kind.job_sigma
        self.number = first

    def draw(self, jobs: int) -> list[TraceJob]:
        """So many from the day's begin, not yet in order of time."""
        found: list[TraceJob] = []
        for _, asked in self.moments(0.0):
            found += asked
            if len(found) >= jobs:
                break
        return found[:jobs]

    def moments(self, since: float) -> Iterator[tuple[float, list[TraceJob]]]:
        """Endlessly, when somebody asks and for what: one by one at a rate that swings, and crowds in between.

        A crowd's jobs come within seconds after its moment, in any order.
        """
        kind, at = self.kind, since
        while True:
            rate = self.single_rate(at)
            burst = kind.bursts_per_h / 3600.0
            at += self.random.expovariate(rate + burst)
            if self.random.random() < burst / (rate + burst):
                jobs = self.random.randint(*kind.burst_jobs)
                yield at, self.rest(at, jobs)
            else:
                yield at, self._asked(at)

    def single_rate(self, at: float) -> float:
        """How often per second somebody asks who belongs to no crowd: for a job, or for a session."""
        load = self.kind.load + self.kind.swing * sin(2 * pi * at / self.kind.swing_s)
        return max(0.02, load) * self.slots / (MEAN_BLOCKS * BLOCK_S * self.kind.mean_jobs)

    def rest(self, now: float, count: int) -> list[TraceJob]:
        """So many of a crowd that are still to come, in any order."""
        return [self._job(now + self.random.expovariate(COME_PER_S)) for _ in range(count)]

    def middle_s(self, preset: str, at: float) -> float:
        """Seconds per block of a job asked for at this time: the mean over jobs, without the house's own drift."""
        slow = 1.0 + self.kind.drift * (0.5 - 0.5 * sin(2 * pi * at / 5400.0))
        return BLOCK_S * {"preview": 0.3, "hd": 1.07}.get(preset, 1.0) * slow

    def faults(self, until: float) -> Iterator[TraceFault]:
        """Losses of each slot, each with its return."""
        if not self.kind.losses_per_slot_h:
            return
        for slot in range(self.slots):
            at = 0.0
            while (at := at + self.random.expovariate(self.kind.losses_per_slot_h / 3600.0)) < until:
                yield TraceFault(at=at, event="worker_lost", slot=slot)
                at += self.random.uniform(*self.kind.down_s)
                yield TraceFault(at=at, event="worker_back", slot=slot)

    def _asked(self, at: float) -> list[TraceJob]:
        """One job, or a relay of roles for one person; now, or at a full minute later on. Kinds without either draw no more."""
        kind, draw = self.kind, self.random
        first = self._job(at)
        if kind.reserved and draw.random() < kind.reserved:
            first = replace(first, start_at=60.0 * ceil((at + draw.uniform(*kind.ahead_s)) / 60.0))
        parts = [first]
        if kind.sessions and draw.random() < kind.sessions:
            roles = draw.sample([f"role{number}" for number in range(ROLES)], draw.randint(*kind.parts))
            parts[0] = replace(first, role=roles[0])
            for role in roles[1:]:
                part = replace(self._job(at), user=first.user, team=first.team, priority=first.priority)
                parts.append(replace(part, role=role, follows=parts[-1].id))
        return parts

    def _job(self, at: float) -> TraceJob:
        kind, draw = self.kind, self.random
        self.number += 1
        blocks = MEAN_BLOCKS * exp(BLOCKS_SIGMA * draw.gauss(0.0, 1.0) - BLOCKS_SIGMA**2 / 2)
        team = draw.randrange(4)
        preset = draw.choice(kind.presets)
        block_s = None
        if self.has_paces:
            block_s = self.middle_s(preset, at) * exp(kind.job_sigma * draw.gauss(0.0, 1.0) - kind.job_sigma**2 / 2)
        return TraceJob(
            at=at, id=f"j{self.number:06d}", user=f"user{draw.randrange(12)}", team=f"team{team}",
            role=f"role{draw.randrange(ROLES)}", priority=100 if draw.random() < kind.urgent else draw.choice(kind.priorities),
            blocks=max(2, min(400, round(blocks))), preset=preset, block_s=block_s,
        )  # fmt: skip
