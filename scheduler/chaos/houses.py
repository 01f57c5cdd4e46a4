"""Several houses struck side by side, each by a process of its own; one that stands still is ended, and the others go on."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from scheduler.chaos import evidence
from scheduler.chaos.house import ROOT, free_ports
from scheduler.chaos.merge import HouseOutcome, merged
from scheduler.chaos.plan import least_kills
from scheduler.chaos.run import ChaosOptions, Progress
from scheduler.errors import SchedulerError

STILL_S = 100.0  # without a word for so long: what can be seen of the house is written down
GIVE_UP_S = 420.0  # longer than any wait inside a house; it is ended
AT_LIMIT_S = 60.0  # after the run's limit a house may still be checked and ended for so long
_LOOK_S = 0.5
SAID = "house.log"  # what the striking process wrote on standard error
OnProgress = Callable[[int, int, str, bool], None]  # (blows done, blows, what is being done, whether that is always worth a line)


def run_houses(options: ChaosOptions, houses: int, home: Path | None, on_progress: OnProgress) -> dict[str, Any]:
    """Strike so many houses side by side, the kills shared out; the one report. Raises SchedulerError for too few kills.

    `home`: an empty directory, kept; without one a temporary directory, of which only houses with something to look into stay.
    """
    shares = share_out(options, houses)
    total = sum(len(share.plan()) for share in shares)
    base = home or Path(tempfile.mkdtemp(prefix="greenroom-chaos-"))
    began, loads = time.monotonic(), [os.getloadavg()[0]]
    struck = [
        _House(number, share, base / f"house-{number}", port, is_alone=houses == 1)
        for number, (share, port) in enumerate(zip(shares, free_ports(houses), strict=True), 1)
    ]
    limit = math.inf if options.limit_s is None else began + options.limit_s + AT_LIMIT_S
    try:
        with selectors.DefaultSelector() as selector:
            for one in struck:
                one.start(selector)
            while selector.get_map():
                for key, _ in selector.select(_LOOK_S):
                    key.data.listen(selector)
                for one in struck:
                    one.watch(selector, limit)
                loads.append(os.getloadavg()[0])
                _tell(struck, total, on_progress)
    finally:  # on Ctrl-C, too: with the striking process the kernel ends all others of its house
        for one in struck:
            one.kill()
        outcomes = [one.end(is_kept=home is not None) for one in struck]
        is_kept = home is not None or any(outcome.kept_in for outcome in outcomes)
        if not is_kept:
            shutil.rmtree(base, ignore_errors=True)
    answer = merged(options, outcomes, round(time.monotonic() - began, 1))
    answer["load_average"] = [round(min(loads), 1), round(max(loads), 1)]
    return {**answer, "kept_in": str(base)} if is_kept else answer


def share_out(options: ChaosOptions, houses: int) -> list[ChaosOptions]:
    """What each house is asked for: its share of the kills, and a seed of its own. SchedulerError `too_few_kills`."""
    each, more = divmod(options.kills, houses)
    least = least_kills(options.engine, options.kinds, options.points)
    if houses > 1 and each < least:
        raise SchedulerError(
            400, "too_few_kills", f"{options.kills} kills are too few for {houses} houses: each needs {least}.", field="kills",
            hint=f"Use --kills {least * houses} or more, fewer houses, or fewer points: --points none.",
        )  # fmt: skip
    return [
        dataclasses.replace(options, kills=each + (number < more), seed=options.seed + number) for number in range(houses)
    ]


def _tell(struck: list[_House], total: int, on_progress: OnProgress) -> None:
    done = sum(one.progress.done for one in struck)
    for one in struck:
        for text in one.news:
            on_progress(done, total, text, True)
        one.news.clear()
    at_work = [one for one in struck if one.is_open]
    if at_work:
        what = at_work[0].progress.what if len(struck) == 1 else f"{len(at_work)} of {len(struck)} houses at work"
        on_progress(done, total, what, False)


class _House:
    """One house as the run sees it: a process that tells where it is."""

    def __init__(self, number: int, options: ChaosOptions, home: Path, port: int, *, is_alone: bool) -> None:
        self._number, self._options, self._home, self._port, self._is_alone = number, options, home, port, is_alone
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""
        self._report: dict[str, Any] | None = None
        self._findings: list[str] = []
        self._stood_still: list[str] = []
        self._began = self._heard_at = time.monotonic()
        self._seconds = 0.0
        self._is_looked_at, self._given_up_at = False, math.inf
        self.is_open = False
        self.progress = Progress(done=0, total=1, what="starting")
        self.news: list[str] = []  # worth a line in any log

    def start(self, selector: selectors.BaseSelector) -> None:
        """Start its process, in a session of its own: Ctrl-C is for the run, which then ends all."""
        self._home.mkdir(parents=True)
        words = [json.dumps(self._options.to_json()), str(self._home), str(self._port), str(os.getpid())]
        with (self._home / SAID).open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "scheduler.chaos", *words], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=said, start_new_session=True,
            )  # fmt: skip
        selector.register(self._stdout, selectors.EVENT_READ, self)
        self._began = self._heard_at = time.monotonic()
        self.is_open = True

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._process is not None and self._process.stdout is not None
        return self._process.stdout

    def listen(self, selector: selectors.BaseSelector) -> None:
        """Take what it says; when it says no more its process has ended."""
        data = os.read(self._stdout.fileno(), 1 << 20)
        if not data:
            self._close(selector)
            return
        self._heard_at, self._is_looked_at = time.monotonic(), False
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            self._hear(json.loads(line))

    def _hear(self, said: dict[str, Any]) -> None:
        self._report = said.get("report", self._report)
        if "progress" in said:
            self.progress = Progress(**said["progress"])
            if self.progress.is_long and self._is_alone:
                self.news.append(self.progress.what)

    def watch(self, selector: selectors.BaseSelector, limit: float) -> None:
        """Look at one that says nothing; give up one that said nothing for too long, or is there after the run's limit."""
        if not self.is_open:
            return
        now = time.monotonic()
        silent_s = now - self._heard_at
        where = f"after blow {self.progress.done} of {self.progress.total} ({self.progress.what}), silent for {silent_s:.0f} s"
        if now > self._given_up_at + evidence.GONE_S:
            self._close(selector)  # not even SIGKILL ended it
        elif self._given_up_at < now:
            return
        elif now > limit:
            self._give_up(f"did not end within {AT_LIMIT_S:.0f} s after the limit", where)
        elif silent_s > GIVE_UP_S:
            self._give_up("stands still", where)
        elif silent_s > STILL_S and not self._is_looked_at:
            self._is_looked_at = True
            self._stood_still.append(where)
            self._tell_of(f"says nothing {where}")
            self._take_evidence(where)

    def _give_up(self, why: str, where: str) -> None:
        """Everything of it writes down where it stands and is ended, and the others go on."""
        self._given_up_at = time.monotonic()
        self._findings.append(f"{why}: {where}; stacks and processes are in {self._home}")
        self._tell_of(f"{why} {where}")
        self._take_evidence(where)
        assert self._process is not None
        evidence.ask_for_stacks(self._home, self._process.pid)
        self.kill()

    def _take_evidence(self, where: str) -> None:
        assert self._process is not None
        with contextlib.suppress(FileNotFoundError):  # it has not come to its first line yet
            evidence.take(self._home, self._process.pid, where)

    def _tell_of(self, text: str) -> None:
        self.news.append(text if self._is_alone else f"house {self._number} {text}")

    def _close(self, selector: selectors.BaseSelector) -> None:
        selector.unregister(self._stdout)
        self.is_open, self._seconds = False, round(time.monotonic() - self._began, 1)
        code = None
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(evidence.GONE_S)
        if self._report is None and not self._findings:
            said = (self._home / SAID).read_text(encoding="utf-8", errors="replace")[-600:].strip()
            self._findings.append(f"ended with code {code} and without a report after blow {self.progress.done}: {said}")
        if not self._is_alone:
            self._tell_of("has ended" if self._report is not None else "has ended without a report")

    def kill(self) -> None:
        """Its striking process is ended at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def end(self, *, is_kept: bool) -> HouseOutcome:
        """Nothing of it lives on; what is known of it. Its directory goes unless it `is_kept` or tells something."""
        if self._report is None and self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(evidence.GONE_S)
            self._findings += evidence.end(self._home)
        report = self._report or {"findings": [], "facts": self.progress.facts}
        findings = [*report["findings"], *self._findings]
        is_kept = is_kept or bool(findings or self._stood_still)
        if not is_kept:
            shutil.rmtree(self._home, ignore_errors=True)
        if self._process is not None:
            self._stdout.close()
        return HouseOutcome(
            number=self._number, seed=self._options.seed, kills_asked=self._options.kills, seconds=self._seconds,
            is_ended=self._report is not None, findings=findings, facts=report["facts"], stood_still=self._stood_still,
            kept_in=str(self._home) if is_kept else None,
        )  # fmt: skip
