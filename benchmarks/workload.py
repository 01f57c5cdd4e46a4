"""What happens in a simulated studio: who asks for what, and what goes wrong. Rates are per simulated second."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Numbers of a simulated day. Probabilities are per block unless said otherwise."""

    slots: int = 4
    arrivals_per_s: float = 0.8
    priorities: tuple[int, ...] = (0, 5, 5, 10, 10, 10, 20, 50, 100)
    roles: int = 8
    users: int = 20
    blocks: tuple[int, int] = (2, 16)  # least and most of a job
    block_s: float = 0.48
    prepare_s: float = 0.2
    close_s: float = 0.1
    respawn_s: float = 1.0
    tick_s: float = 1.0
    exclusions: tuple[tuple[int, int], ...] = ((0, 1), (2, 3))  # numbers of roles that may not play together
    # faults
    crash: float = 0.004
    hang: float = 0.001
    failure: float = 0.004
    repeated_report: float = 0.01
    gap_in_reports: float = 0.002
    late_report: float = 0.01
    poison_jobs: float = 0.004  # of all jobs
    restarts_per_s: float = 0.0005
    # people
    wishes_per_s: float = 0.08
    teams: tuple[float, ...] = ()  # how much each team asks for; empty: users belong to three teams in turn
    deadlines: float = 0.0  # of all jobs
    reservations: float = 0.0  # of all jobs
    sessions: float = 0.0  # of all jobs: parts that follow the one before
    previews: float = 0.0  # of all jobs: those that wait until somebody has judged a cheap one
    gangs: float = 0.0  # of all jobs: those that want from two slots up to all of them at once


CALM = Workload(
    crash=0.0, hang=0.0, failure=0.0, repeated_report=0.0, gap_in_reports=0.0, late_report=0.0, poison_jobs=0.0,
    restarts_per_s=0.0, wishes_per_s=0.0,
)  # fmt: skip

# More work than the slots can do, most of it of higher priority than the few jobs that must not starve.
OVERLOAD = Workload(
    slots=2, arrivals_per_s=0.7, priorities=(30,) * 19 + (0,), roles=4, users=4, blocks=(4, 12), exclusions=(),
    crash=0.0005, hang=0.0, failure=0.0, repeated_report=0.0, gap_in_reports=0.0, late_report=0.0, poison_jobs=0.0,
    restarts_per_s=0.0, wishes_per_s=0.0,
)  # fmt: skip

# Three teams with equal rights, one of which asks for three times as much as the others, and all of them for too much.
UNEQUAL = replace(OVERLOAD, arrivals_per_s=1.5, priorities=(10,), teams=(3.0, 1.0, 1.0), crash=0.0)
