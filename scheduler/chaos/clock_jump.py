"""Jumps of the wall clock under a running house: only the monotonic clock may decide when anything is over."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from scheduler.audit.entry import AuditEntry
from scheduler.chaos.census import living
from scheduler.chaos.house import NotWithin, until
from scheduler.chaos.points import Kind
from scheduler.chaos.rig import Rig

ZONE = "Europe/Berlin"
HOUR_S, BEFORE_S = 3600, 2  # a jump to a moment: so long before it, so that the clock runs past it
BLOCK_S = 0.5  # a job is under way while the clock jumps
PAUSE_S = 60  # a pause of the queue that ends by itself, the shortest there is: the timer that is measured
LOOK_S = 5.0
EARLY_S, LATE_S = 0.2, 1.0  # of a timer
TICK_S = 1.0  # a pause's end and the devices are looked at once per second
SPARE_ROWS = 3  # of the readings, for a machine that others work on
YOUNG_S = 300.0
PATIENCE_S = 120.0
# Nobody is replaced for a minute's silence of a busy machine; an hour that never was would still be one.
PATIENT = {
    "heartbeat_lost": "{floor_s: 60}", **dict.fromkeys(("daemon_lost", "web_lost", "vault_lost"), "{silent_s: 60}"),
}  # fmt: skip
MAX_ROWS = 100_000
PLAN_CHECKED = "plan:checked"
_KINDS = (Kind.LAUNCHER, Kind.DAEMON, Kind.WEB, Kind.VAULT, Kind.WORKER, Kind.STANDBY, Kind.FORECASTER)
_NEGATIVE = re.compile(r"[>\s][-\N{MINUS SIGN}]\d+(?:\.\d+)?\s?(?:s|ms|min|h|d)\b")
_PAGES = ("/dashboard", "/dashboard/queue/", "/dashboard/watermark/", "/dashboard/faults/")


def course(now: float) -> Iterator[tuple[str, float]]:
    """Name of a jump and how far ahead the house's wall clock is after it; the last one puts it right again."""
    yield "an hour ahead", HOUR_S
    yield "an hour back", 0
    yield "another hour back", -HOUR_S
    yield "midnight, when a day of quotas begins", _next_midnight(now, UTC) - BEFORE_S - now
    yield "midnight in the studio", _next_midnight(now, ZoneInfo(ZONE)) - BEFORE_S - now
    for name, at in zip(("summer time ends or begins", "the next change"), zone_changes(now, ZoneInfo(ZONE)), strict=False):
        yield name, at - BEFORE_S - now
    yield "back to the truth, over months", 0


def zone_changes(now: float, zone: ZoneInfo) -> list[float]:
    """The next two moments at which the zone's distance from UTC changes; whole hours."""
    first = int(now // HOUR_S + 1) * HOUR_S
    hours = (first + HOUR_S * number for number in range(366 * 24))
    return [float(at) for at in hours if _distance(at, zone) != _distance(at - 1, zone)][:2]


def _distance(at: float, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(at, zone).utcoffset()


def _next_midnight(now: float, zone: Any) -> float:
    tomorrow = datetime.fromtimestamp(now, zone).date() + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone).timestamp()


def clock_jump(rig: Rig) -> list[str]:
    """Timers keep their time, nobody is replaced, work goes on, the log stays in order, the pages show no nonsense."""
    (rig.house.home / "script.json").write_text(json.dumps({"block_s": BLOCK_S}), encoding="utf-8")
    rig.begin(PATIENT)
    until(lambda: all(_people(rig).values()), "one of everybody", PATIENCE_S)  # a standby comes last
    first_seq, people = rig.house.reader.last_seq(), _people(rig)
    found = _pause(rig)
    for name, ahead_s in course(time.time()):
        try:
            found += [f"{name}: {one}" for one in _jump_under_work(rig, ahead_s)]
        except NotWithin as error:
            found.append(f"{name}: {error}")
    if (now := _people(rig)) != people:
        found.append(f"processes were replaced: {people} before, {now} after")
    bad = [row for row in _rows(rig, first_seq) if row["action"].startswith("heal:") or row["outcome"] == "failure"]
    found += [
        f"row {row['seq']} of the log: {row['action']} {row['object']} {row['body']}"[:300]
        for row in bad if row["action"] != PLAN_CHECKED  # its hour passed by; that it cannot tell is the truth here
    ]  # fmt: skip
    for ahead_s in (HOUR_S, -HOUR_S):
        found += [f"a new daemon {ahead_s:+d} s away: {one}" for one in _new_daemon(rig, ahead_s)]
    return found + _order(_rows(rig, first_seq)) + rig.finish()


def _new_daemon(rig: Rig, ahead_s: float) -> list[str]:
    """A daemon that is started after a jump goes on in the time of the one before."""
    assert rig.clock is not None
    rig.clock.set(ahead_s)
    (old,) = living(rig.house, Kind.DAEMON)
    before = _look(rig)
    os.kill(old, signal.SIGKILL)
    until(lambda: living(rig.house, Kind.DAEMON) not in ([], [old]) and rig.house.is_ready(), "another daemon", PATIENCE_S)
    until(lambda: _get(rig, "/readyz")[0] == 200, "a web that has heard of the new daemon", PATIENCE_S)
    return [f"its clock {one}" for one in _went_wrong(before, _look(rig))] + _pages(rig, None)


def _pause(rig: Rig) -> list[str]:
    """A pause with an end, and three jumps meanwhile: it ends in its time."""
    house = rig.house
    house.door.pause_queue("the clock jumps", PAUSE_S)
    began, found = time.monotonic(), []
    for ahead_s in (HOUR_S, 0, -HOUR_S):
        found += [f"{ahead_s:+d} s while the queue is paused: {one}" for one in _jump(rig, ahead_s)]
        if not house.status()["queue"]["paused"]:
            return [*found, f"a pause of {PAUSE_S} s ended after {time.monotonic() - began:.0f} s or sooner"]
    try:
        until(lambda: not house.status()["queue"]["paused"], "the end of the pause", 2.0 * PAUSE_S)
    except NotWithin:
        house.door.resume_queue()
        return [*found, f"a pause of {PAUSE_S} s had not ended after {time.monotonic() - began:.0f} s"]
    if not PAUSE_S - EARLY_S <= (ended := time.monotonic() - began) <= PAUSE_S + TICK_S + LATE_S:
        found.append(f"a pause of {PAUSE_S} s ended after {ended:.2f} s")
    return found


def _jump_under_work(rig: Rig, ahead_s: float) -> list[str]:
    """The job that is under way makes its blocks, and is shown as it is."""
    job_id = rig.ask()
    blocks = until(lambda: rig.blocks(job_id), f"a block of {job_id}", PATIENCE_S)
    found = _jump(rig, ahead_s, job_id)
    if rig.blocks(job_id) <= blocks:
        found.append(f"{job_id} made no block")
    return found


def _jump(rig: Rig, ahead_s: float, job_id: str | None = None) -> list[str]:
    """Set the clock and look for a while: at the daemon's own clock, its regular work and the pages."""
    assert rig.clock is not None
    before, lines = _look(rig), _lines(rig)
    rig.clock.set(ahead_s)
    time.sleep(LOOK_S / 2)
    found = _pages(rig, job_id)  # the job is under way
    time.sleep(LOOK_S / 2)
    after, rows = _look(rig), _lines(rig) - lines
    found += [f"the daemon's clock {one}" for one in _went_wrong(before, after)]
    least, most = _between(before, after)
    if not least / TICK_S - SPARE_ROWS <= rows <= most / TICK_S + SPARE_ROWS:
        found.append(f"{rows} readings of the device in {most:.1f} s")
    return found


class _Look(NamedTuple):
    """What the daemon's clock said, and between which two of our own moments it said so."""

    told: float
    asked: float
    heard: float


def _look(rig: Rig) -> _Look:
    asked = time.monotonic()
    told = float(rig.house.status()["daemon"]["now"])
    return _Look(told, asked, time.monotonic())


def _between(before: _Look, after: _Look) -> tuple[float, float]:
    """Seconds that lie between two looks, at least and at most: an answer may be late on a busy machine."""
    return after.asked - before.heard, after.heard - before.asked


def _went_wrong(before: _Look, after: _Look) -> list[str]:
    moved, (least, most) = after.told - before.told, _between(before, after)
    is_right = least - LATE_S <= moved <= most + LATE_S
    return [] if is_right else [f"went {moved:.1f} s in {least:.1f} to {most:.1f} s"]


def _pages(rig: Rig, job_id: str | None) -> list[str]:
    """The web is ready, its data are fresh, and no page shows a duration below zero or a job that took hours."""
    found = []
    code, text = _get(rig, "/readyz")
    if code != 200:
        found.append(f"/readyz answers {code}: {text[:300]}")
    queue = json.loads(_get(rig, "/queue")[1])
    now, told = queue["now"], {"as of": queue["as_of"], "the daemon's now": queue["daemon"]["now"]}
    found += [f"/queue: {name} is {now - at:.0f} s before now" for name, at in told.items() if abs(now - at) > LOOK_S]
    found += [] if job_id is None else _job(rig, job_id, now)
    for path in (*_PAGES, *([] if job_id is None else [f"/dashboard/jobs/{job_id}"])):
        code, text = _get(rig, path)
        if code != 200:
            found.append(f"{path} answers {code}")
        if below := _NEGATIVE.search(text):
            found.append(f"{path} shows {below.group().strip(' >')}")
    return found


def _job(rig: Rig, job_id: str, now: float) -> list[str]:
    """A job that was asked for a moment ago is young, and expected to end soon."""
    job = json.loads(_get(rig, f"/jobs/{job_id}")[1])
    found = []
    if not -LATE_S <= now - job["submitted_at"] <= YOUNG_S:
        found.append(f"{job_id} was submitted {now - job['submitted_at']:.0f} s before now")
    ends = (job.get("estimate") or {}).get("finish")
    if ends and not -YOUNG_S <= ends[1] - now <= YOUNG_S:
        found.append(f"{job_id} is expected to end {ends[1] - now:.0f} s from now")
    return found


def _get(rig: Rig, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(rig.house.url + path, timeout=30) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def _lines(rig: Rig) -> int:
    """Readings so far; one slot has one line each time."""
    path = rig.house.data_dir / "gpu_monitor.csv"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def _people(rig: Rig) -> dict[str, list[int]]:
    return {str(kind): sorted(living(rig.house, kind)) for kind in _KINDS}


def _rows(rig: Rig, after_seq: int) -> list[AuditEntry]:
    return rig.house.reader.audit_after(after_seq, MAX_ROWS)


def _order(rows: list[AuditEntry]) -> list[str]:
    """Times of the log never go back, and go as fast as the monotonic clock that stands beside them."""
    found: list[str] = []
    for one, two in pairwise(rows):
        wall = datetime.fromisoformat(two["at_utc"]).timestamp() - datetime.fromisoformat(one["at_utc"]).timestamp()
        real = (two["mono_ns"] - one["mono_ns"]) / 1e9
        if wall < 0 or abs(wall - real) > LATE_S:
            found.append(f"row {two['seq']} of the log comes {wall:.1f} s after the one before, and really {real:.1f} s after it")
    return found
