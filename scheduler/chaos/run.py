"""One house of a run: a load, a plan, blows, checks; and the report that says what was hit and what was found."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scheduler.chaos.checker import Checker
from scheduler.chaos.house import ChaosHouse, NotWithin
from scheduler.chaos.load import ANSWERED_S, Load
from scheduler.chaos.plan import ALL_KINDS, Blow, make_plan
from scheduler.chaos.points import Kind
from scheduler.chaos.strike import Striker
from scheduler.client import Scheduler
from scheduler.errors import SchedulerError

REFERENCE_S = 240.0
QUIET_S = 240.0
AT_LIMIT_S = 25.0  # after the run's limit: for the last answers, and for coming to rest


@dataclass(frozen=True, kw_only=True)
class ChaosOptions:
    """What a run was asked for; of one house its own share."""

    engine: str = "fake"
    kills: int = 100
    seed: int = 1
    kinds: tuple[Kind, ...] = ALL_KINDS
    points: tuple[str, ...] | None = None  # None: all that the engine has
    check_every: int = 100  # blows between two checks of a quiet house
    most_open: int = 5  # jobs that are asked for at once
    limit_s: float | None = None  # after so long no blow is begun

    def plan(self) -> list[Blow]:
        """What will be done. Raises SchedulerError `too_few_kills`."""
        return make_plan(self.seed, self.kills, self.engine, self.kinds, self.points)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ChaosOptions:
        """The inverse of `to_json`."""
        points = data["points"]
        kinds = tuple(Kind(name) for name in data["kinds"])
        return cls(**{**data, "kinds": kinds, "points": None if points is None else tuple(points)})


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a house is: blows done, of how many, and what comes now."""

    done: int
    total: int
    what: str
    is_long: bool = False  # it may take minutes
    facts: dict[str, Any] = field(default_factory=dict)  # what was hit and seen so far


OnProgress = Callable[[Progress], None]


@dataclass
class Report:
    """What one house showed. `findings` empty: everything held. Whether everything was hit is judged for all houses together."""

    findings: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def run_kills(options: ChaosOptions, home: Path, on_progress: OnProgress, port: int | None = None) -> Report:
    """Strike a house of its own in `home` by a plan, check it, end it. Raises SchedulerError for a plan that cannot be made."""
    plan, report, began = options.plan(), Report(), time.monotonic()
    house = ChaosHouse(home, options.engine, port=port)
    house.be_patient()
    doors = [lambda: house.door, lambda: house.door, lambda: Scheduler(house.url)]
    load = Load(doors, lambda: house.reader, options.engine, options.seed, options.most_open)
    stop_at = math.inf if options.limit_s is None else began + options.limit_s
    try:
        _Run(house, load, options, plan, report, stop_at, on_progress).play()
    except (NotWithin, SchedulerError) as error:
        report.findings.append(str(error))
    finally:
        load.stop()
        house.end()
        report.findings += load.errors
        report.facts["seconds"] = round(time.monotonic() - began, 1)
    return report


class _Run:
    def __init__(
        self, house: ChaosHouse, load: Load, options: ChaosOptions, plan: list[Blow], report: Report, stop_at: float,
        on_progress: OnProgress,
    ) -> None:  # fmt: skip
        self._house, self._load, self._options, self._plan = house, load, options, plan
        self._report, self._stop_at, self._on_progress = report, stop_at, on_progress
        self._checker = Checker(house, load)
        self._striker = Striker(house, load, options.seed, stop_at)

    def play(self) -> None:
        """The whole run. Raises NotWithin or SchedulerError when it cannot go on."""
        every, done = max(1, self._options.check_every), 0
        self._say(0, "starting")
        self._house.start()
        references = {number: self._load.ask(number) for number in range(len(self._load.requests))}
        self._say(0, "making the references")
        self._checker.take_references(references, max(AT_LIMIT_S, min(REFERENCE_S, self._stop_at - time.monotonic())))
        self._load.start()
        for blow in self._plan:
            if self._is_over():
                break
            self._say(done, f"{blow.deed} {blow.kind} {blow.point or ''}".strip())
            self._striker.strike(blow)
            done = blow.number
            if done % every == 0 and done < len(self._plan) and not self._is_over():
                self._check(done)
        self._report.facts["is_stopped_at_limit"] = done < len(self._plan)
        self._check(done)
        self._end(done)

    def _is_over(self) -> bool:
        return time.monotonic() >= self._stop_at

    def _check(self, done: int) -> None:
        is_over = self._is_over()
        self._say(done, "waiting for the last answers")
        found = self._load.pause(AT_LIMIT_S if is_over else ANSWERED_S)
        self._say(done, "checking", is_long=True)
        found += self._checker.wait_until_quiet(AT_LIMIT_S if is_over else QUIET_S) or self._checker.check()
        self._report.findings += [f"after blow {done}: {one}" for one in found]
        self._load.resume()

    def _end(self, done: int) -> None:
        self._say(done, "ending")
        self._load.stop()
        if (code := self._house.stop()) != 0:
            self._report.findings.append(f"the launcher ended with code {code} after Ctrl-C")
        self._report.findings += self._checker.check_after_the_end() + self._striker.tally.findings
        self._say(done, "ended")

    def _say(self, done: int, what: str, *, is_long: bool = False) -> None:
        self._tell(done)
        facts = dict(self._report.facts)
        self._on_progress(Progress(done=done, total=len(self._plan), what=what, is_long=is_long, facts=facts))

    def _tell(self, done: int) -> None:
        tally, replay = self._striker.tally, self._checker.replay
        self._report.facts |= {
            "blows": done,
            "kills": sum(tally.kills.values()),
            "kills_by_kind": dict(sorted(tally.kills.items())),
            "kills_by_point": dict(sorted(tally.points.items())),
            "deeds": dict(sorted(tally.deeds.items())),
            "missed": list(tally.missed),
            "frozen_gone_s": list(tally.heal_s),
            "acknowledged": len(self._load.acknowledged),
            "refused_by_code": dict(self._load.refused.by_code),
            "blocks_checked": self._checker.blocks,
            "resumes": dict(sorted(replay.resumes.items())),
            "jobs_rebuilt": len(replay.continuous),
            "promises": dict(sorted(self._checker.promises.kept.items())),
            "checks": self._checker.checks,
            "launcher_starts": self._house.starts,
            "launchers_gave_up": list(self._house.gave_up),
        }
