"""One run: a house, a load, a plan, blows, checks; and the report that says what was hit and what was found."""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scheduler.chaos.checker import Checker
from scheduler.chaos.house import ChaosHouse, NotWithin
from scheduler.chaos.load import Load
from scheduler.chaos.plan import ALL_KINDS, Blow, make_plan
from scheduler.chaos.points import POINTS, Kind, points_of
from scheduler.chaos.strike import Striker, Tally
from scheduler.client import Scheduler

REFERENCE_S = 240.0
QUIET_S = 240.0
OnProgress = Callable[[int, int, str, bool], None]  # (blows done, blows, what is being done, whether that may take minutes)


@dataclass(frozen=True, kw_only=True)
class ChaosOptions:
    """What a run was asked for."""

    engine: str = "fake"
    kills: int = 100
    seed: int = 1
    kinds: tuple[Kind, ...] = ALL_KINDS
    points: tuple[str, ...] | None = None  # None: all that the engine has
    check_every: int = 100  # kills between two checks of a quiet house
    most_open: int = 5  # jobs that are asked for at once
    home: Path | None = None  # where to put everything; None: a temporary directory, kept when something was found


@dataclass
class Report:
    """What a run found. `findings` empty and nothing left unhit: it passed."""

    options: ChaosOptions
    plan: list[Blow]
    findings: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def is_passed(self) -> bool:
        """Whether everything held and everything was hit."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        options = {**dataclasses.asdict(self.options), "home": str(self.options.home) if self.options.home else None}
        return {"is_passed": self.is_passed, "findings": self.findings, **self.facts, "options": options, **machine()}


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "python": platform.python_version(), "machine": platform.machine(), "cores": len(os.sched_getaffinity(0)),
        "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip


def run_kills(options: ChaosOptions, on_progress: OnProgress) -> Report:
    """Strike a house of its own by a plan, check it, end it. Raises SchedulerError for a plan that cannot be made."""
    plan = make_plan(options.seed, options.kills, options.engine, options.kinds, options.points)
    report = Report(options, plan)
    home = options.home or Path(tempfile.mkdtemp(prefix="greenroom-chaos-"))
    house = ChaosHouse(home, options.engine)
    house.be_patient()
    doors = [lambda: house.door, lambda: house.door, lambda: Scheduler(house.url)]
    load = Load(doors, lambda: house.reader, options.engine, options.seed, options.most_open)
    run = _Run(house, load, report, on_progress)
    began = time.monotonic()
    try:
        run.play()
    except NotWithin as error:
        report.findings.append(str(error))
    finally:
        load.stop()
        house.end()
        report.facts["seconds"] = round(time.monotonic() - began, 1)
        _tidy(options, report, home)
    return report


class _Run:
    def __init__(self, house: ChaosHouse, load: Load, report: Report, on_progress: OnProgress) -> None:
        self._house, self._load, self._report, self._say = house, load, report, on_progress
        self._checker = Checker(house, load)
        self._striker = Striker(house, load, report.options.seed)

    def play(self) -> None:
        """The whole run. Raises NotWithin when it cannot go on."""
        plan, every = self._report.plan, max(1, self._report.options.check_every)
        self._say(0, len(plan), "starting", False)
        self._house.start()
        references = {number: self._load.ask(number) for number in range(len(self._load.requests))}
        self._say(0, len(plan), "making the references", False)
        self._checker.take_references(references, REFERENCE_S)
        self._load.start()
        for blow in plan:
            self._say(blow.number - 1, len(plan), f"{blow.deed} {blow.kind} {blow.point or ''}".strip(), False)
            self._striker.strike(blow)
            if blow.number % every == 0 and blow is not plan[-1]:
                self._check(blow.number)
        self._check(len(plan))
        self._end()

    def _check(self, done: int) -> None:
        self._say(done, len(self._report.plan), "checking", True)
        self._load.pause()
        found = self._checker.wait_until_quiet(QUIET_S) or self._checker.check()
        self._report.findings += [f"after blow {done}: {one}" for one in found]
        self._load.resume()
        self._tell()

    def _end(self) -> None:
        self._say(len(self._report.plan), len(self._report.plan), "ending", False)
        self._load.stop()
        if (code := self._house.stop()) != 0:
            self._report.findings.append(f"the launcher ended with code {code} after Ctrl-C")
        self._report.findings += self._checker.check_after_the_end()
        tally = self._striker.tally
        self._report.findings += tally.findings + self._load.errors + not_hit(self._report.options, tally)
        self._tell()

    def _tell(self) -> None:
        tally, replay = self._striker.tally, self._checker.replay
        self._report.facts |= {
            "engine": self._report.options.engine,
            "kills": sum(tally.kills.values()),
            "kills_by_kind": dict(sorted(tally.kills.items())),
            "kills_by_point": dict(sorted(tally.points.items())),
            "deeds": dict(sorted(tally.deeds.items())),
            "missed": tally.missed,
            "frozen_gone_s": tally.heal_s,
            "acknowledged": len(self._load.acknowledged),
            "refused_by_code": self._load.refused.by_code,
            "blocks_checked": self._checker.blocks,
            "resumes": dict(sorted(replay.resumes.items())),
            "jobs_rebuilt": len(replay.continuous),
            "checks": self._checker.checks,
            "launcher_starts": self._house.starts,
        }


def not_hit(options: ChaosOptions, tally: Tally) -> list[str]:
    """Findings: every kind and every point of the plan must have been hit."""
    points = points_of(options.engine) if options.points is None else options.points
    wanted_points = [name for name in points if POINTS[name].kind in options.kinds]
    return [f"no {kind} was killed" for kind in options.kinds if not tally.kills[kind]] + [
        f"nobody was killed at {name} ({'; '.join(one for one in tally.missed if name in one)})"
        for name in wanted_points
        if not tally.points[name]
    ]


def _tidy(options: ChaosOptions, report: Report, home: Path) -> None:
    """A temporary directory goes, unless there is something to look into."""
    if options.home is None and report.is_passed:
        shutil.rmtree(home, ignore_errors=True)
    else:
        report.facts["kept_in"] = str(home)
