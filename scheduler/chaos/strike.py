"""Carrying out a blow: find the victim, strike, and note what was really hit."""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from scheduler.chaos.census import living
from scheduler.chaos.house import ChaosHouse, NotWithin, until
from scheduler.chaos.load import Load
from scheduler.chaos.plan import Blow, Deed
from scheduler.chaos.points import POINTS, Kind
from scheduler.crash_points import TAKEN
from scheduler.errors import SchedulerError
from scheduler.spawn import start_time

VICTIM_S = 60.0  # how long to wait for a victim
POINT_S = {"fake": 25.0, "real": 90.0}  # how long an order may lie: some points are passed once per job
END_S = 10.0  # from taking an order to being gone
HEAL_S = 40.0  # a frozen process must be replaced within this
ANSWER_S = 60.0  # a registry that is loaded while its checker is killed must be refused within this
_BEAT_S = 0.02  # of a slowed process: so long stopped, so long running
T = TypeVar("T")


class TimeIsUp(Exception):
    """The run's limit came while a blow waited: nothing was hit, and nothing missed."""


@dataclass
class Tally:
    """What was hit."""

    kills: Counter[str] = field(default_factory=Counter)  # by kind
    points: Counter[str] = field(default_factory=Counter)
    deeds: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)  # blows that found no victim
    findings: list[str] = field(default_factory=list)
    heal_s: list[float] = field(default_factory=list)  # frozen → gone


class Striker:
    """Carries out blows on one house. Only from the main thread."""

    def __init__(self, house: ChaosHouse, load: Load, seed: int, stop_at: float = math.inf) -> None:
        """`stop_at`: on the monotonic clock; no blow waits for longer than that."""
        self._house, self._load = house, load
        self._rng, self._stop_at = random.Random(seed), stop_at
        self.tally = Tally()

    def strike(self, blow: Blow) -> None:
        """One blow. A victim that is not there in time is a miss, noted by name."""
        self._house.keep_up()
        time.sleep(blow.wait_s)
        try:
            if blow.point is not None:
                self._at_point(blow)
            elif blow.deed is Deed.KILL:
                self._kill(blow.kind)
            else:
                self._stop(blow)
        except NotWithin as error:
            self.tally.missed.append(f"blow {blow.number} ({blow.deed} {blow.kind} {blow.point or ''}): {error}")
        except TimeIsUp:
            pass  # whoever asked for the blow looks at the time, too
        self._house.keep_up()

    def _until(self, look: Callable[[], T], what: str, timeout_s: float, every_s: float = 0.03) -> T:
        """`until`, within the run's limit. Raises NotWithin, or TimeIsUp when it is that limit that ends the wait."""
        left_s = self._stop_at - time.monotonic()
        try:
            return until(look, what, min(timeout_s, left_s), every_s)
        except NotWithin as error:
            if left_s < timeout_s:
                raise TimeIsUp from error
            raise

    # ---- now ---------------------------------------------------------------------------------------------------------

    def _kill(self, kind: Kind, *, is_first: bool = False) -> None:
        """`is_first`: the one that others of its kind descend from (of the web's two processes the launcher's child)."""
        helper = self._bring_media() if kind is Kind.MEDIA else None
        pid = self._victim(kind, is_first=is_first)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.tally.kills[kind] += 1
            self.tally.deeds[Deed.KILL] += 1
        if kind is Kind.LAUNCHER:
            try:
                self._house.wait_for_end(END_S, "the launcher's end after SIGKILL")
            except NotWithin as error:
                self.tally.findings.append(str(error))
        if helper is not None:
            helper.join(ANSWER_S)
            if helper.is_alive():
                self.tally.findings.append(f"not within {ANSWER_S:.0f} s: an answer to a registry whose checker was killed")

    def _victim(self, kind: Kind, *, is_first: bool = False) -> int:
        def look() -> list[int]:
            self._house.keep_up()
            return living(self._house, kind)

        found = self._until(look, f"a living {kind}", VICTIM_S, 0.01)
        return found[0] if is_first else self._rng.choice(found)

    def _bring_media(self) -> threading.Thread:
        """Somebody loads the registry again, so its files are looked at by a throw-away process."""
        text = self._house.roles.read_text(encoding="utf-8")

        def load() -> None:
            for _ in range(200):
                try:
                    self._house.door.put_roles(text, self._house.roles.parent)
                    return
                except SchedulerError as error:
                    if error.status == 422:  # "ended the process that read it": the very blow
                        return
                    time.sleep(0.1)

        thread = threading.Thread(target=load, name="registry", daemon=True)
        thread.start()
        return thread

    # ---- at a named point --------------------------------------------------------------------------------------------

    def _at_point(self, blow: Blow) -> None:
        assert blow.point is not None
        point, order = POINTS[blow.point], self._house.orders / blow.point
        before = self._taken(blow.point)
        part = order.with_name(f".{order.name}")
        part.write_text(json.dumps({"signal": "KILL", "part": blow.part}), encoding="utf-8")
        part.rename(order)
        if point.needs_preemption:
            self._load.wants_preemption.set()
        try:
            if point.needs_job:
                self._until(self._is_at_work, "a worker with a job", VICTIM_S)
            for kind in point.kill_first:
                self._kill(kind, is_first=True)
            self._wait_for_death(blow.point, before)
        finally:
            self._load.wants_preemption.clear()
            order.unlink(missing_ok=True)
        self.tally.kills[blow.kind] += 1
        self.tally.points[blow.point] += 1
        self.tally.deeds[Deed.KILL] += 1

    def _is_at_work(self) -> bool:
        """Somebody has begun a job, so holds its context: one that was only given a job may still prepare for seconds."""
        return bool(self._house.reader.jobs(state="RUNNING").rows)

    def _wait_for_death(self, name: str, before: set[int]) -> None:
        """Until somebody has taken the order and is gone: between the two it still looks alive."""

        def took() -> set[int]:
            self._house.keep_up()
            return self._taken(name) - before

        (pid,) = self._until(took, f"{name} being passed", POINT_S[self._house.engine], 0.005)
        until(lambda: start_time(pid) is None, f"the end of {pid} at {name}", END_S, 0.005)

    def _taken(self, name: str) -> set[int]:
        """Process ids that have taken an order for this point."""
        return {int(path.suffix[1:]) for path in (self._house.orders / TAKEN).glob(f"{name}.*")}

    # ---- stopped, not dead -------------------------------------------------------------------------------------------

    def _stop(self, blow: Blow) -> None:
        # One that works, as the daemon says: a worker that is starting has two minutes to become ready.
        if blow.deed is not Deed.PAUSE:
            self._until(self._house.is_ready, "a worker that works", VICTIM_S)
        pid = self._victim(blow.kind)
        begun = start_time(pid)

        def is_there() -> bool:
            return begun is not None and start_time(pid) == begun

        if blow.deed is Deed.SLOW:
            self._slow(pid, blow.pause_s, is_there)
        else:
            _signal(pid, signal.SIGSTOP)
            try:
                if blow.deed is Deed.PAUSE:
                    time.sleep(blow.pause_s)
                else:
                    self._wait_for_healing(blow, is_there)
            finally:
                if is_there():
                    _signal(pid, signal.SIGCONT)
        self.tally.deeds[blow.deed] += 1

    def _wait_for_healing(self, blow: Blow, is_there: Callable[[], bool]) -> None:
        began = time.monotonic()
        try:
            self._until(lambda: not is_there(), f"the end of a {blow.kind} that hangs", HEAL_S)
            self.tally.heal_s.append(round(time.monotonic() - began, 3))
        except NotWithin as error:
            self.tally.findings.append(f"blow {blow.number}: {error}")

    def _slow(self, pid: int, for_s: float, is_there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + for_s
        while time.monotonic() < deadline and is_there():
            _signal(pid, signal.SIGSTOP)
            time.sleep(_BEAT_S)
            _signal(pid, signal.SIGCONT)
            time.sleep(_BEAT_S)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
