"""What will be done to the house, worked out beforehand from a seed: the same seed gives the same blows in the same order.

Where a blow meets the victim depends on the machine; what is struck, how, and after which wait does not.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from scheduler.chaos.points import POINTS, Kind, points_of
from scheduler.errors import SchedulerError


class Deed(StrEnum):
    """What happens to the victim."""

    KILL = "kill"  # SIGKILL
    PAUSE = "pause"  # SIGSTOP, and SIGCONT after `pause_s`: it comes back to a world that went on
    FREEZE = "freeze"  # SIGSTOP for good: somebody must notice
    SLOW = "slow"  # SIGSTOP and SIGCONT by turns, so that it runs at a part of its speed for `pause_s`


@dataclass(frozen=True, kw_only=True)
class Blow:
    """One blow. `wait_s` before it; `point`: at this named point instead of now; `part`: how far inside a computation."""

    number: int
    kind: Kind
    deed: Deed = Deed.KILL
    point: str | None = None
    wait_s: float = 0.0
    pause_s: float = 0.0
    part: float = 0.5


# Kills beyond the first of each kind and point. What takes long to come back is struck more rarely.
_WEIGHTS = {
    Kind.WORKER: 46, Kind.VAULT: 22, Kind.DAEMON: 13, Kind.STANDBY: 10, Kind.WEB: 4, Kind.MEDIA: 3,
    Kind.LAUNCHER: 2, Kind.FORECASTER: 2, Kind.SPARE: 2,
}  # fmt: skip
_AT_A_POINT_RATIO = 0.4
_LONGEST_WAIT_S = 0.6
_ABLE = {  # which kinds can be treated so; nobody replaces a launcher that hangs but the system that started it
    Deed.PAUSE: (Kind.WORKER, Kind.DAEMON, Kind.WEB, Kind.VAULT, Kind.LAUNCHER, Kind.SPARE),
    Deed.SLOW: (Kind.WORKER,),
    Deed.FREEZE: (Kind.WORKER, Kind.WORKER, Kind.DAEMON, Kind.WEB, Kind.VAULT),
}
ALL_KINDS = tuple(Kind)


def least_kills(engine: str, kinds: Sequence[Kind] = ALL_KINDS, points: Sequence[str] | None = None) -> int:
    """So many strike every kind and every point once."""
    return len(kinds) + len(_chosen(engine, kinds, points))


def _chosen(engine: str, kinds: Sequence[Kind], points: Sequence[str] | None) -> list[str]:
    return [name for name in (points_of(engine) if points is None else points) if POINTS[name].kind in kinds]


def make_plan(
    seed: int, kills: int, engine: str, kinds: Sequence[Kind] = ALL_KINDS, points: Sequence[str] | None = None
) -> list[Blow]:
    """A plan of `kills` kills (every kind and every point at least once) with pauses in between.

    SchedulerError `too_few_kills` where that is not possible. `points`: None for all that the engine has.
    """
    chosen, least = _chosen(engine, kinds, points), least_kills(engine, kinds, points)
    if kills < least:
        raise SchedulerError(
            400, "too_few_kills", f"{kills} kills cannot strike {len(kinds)} kinds of process and {len(chosen)} named points.",
            field="kills", hint=f"Use --kills {least} or more, or fewer points: --points none.",
        )  # fmt: skip
    rng = random.Random(seed)
    struck: list[tuple[Kind, str | None]] = [(kind, None) for kind in kinds]
    struck += [(POINTS[name].kind, name) for name in chosen]
    weights = [_WEIGHTS[kind] for kind in kinds]
    for kind in rng.choices(list(kinds), weights, k=kills - least):
        own = [name for name in chosen if POINTS[name].kind is kind]
        struck.append((kind, rng.choice(own) if own and rng.random() < _AT_A_POINT_RATIO else None))
    rng.shuffle(struck)
    blows = [(kind, Deed.KILL, point) for kind, point in struck]
    for deed, every in ((Deed.PAUSE, 12), (Deed.SLOW, 40), (Deed.FREEZE, 60)):
        for _ in range(max(1, kills // every)):
            able = [kind for kind in _ABLE[deed] if kind in kinds]
            if able:
                blows.insert(rng.randrange(len(blows) + 1), (rng.choice(able), deed, None))
    return [
        Blow(
            number=number, kind=kind, deed=deed, point=point, wait_s=round(rng.random() ** 2 * _LONGEST_WAIT_S, 4),
            pause_s=round(rng.uniform(0.1, 2.0), 3), part=round(rng.uniform(0.05, 0.95), 3),
        )
        for number, (kind, deed, point) in enumerate(blows, start=1)
    ]
