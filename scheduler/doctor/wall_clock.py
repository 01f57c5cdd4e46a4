"""The machine's clock and the studio's zone."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from scheduler.clock import is_off
from scheduler.doctor.finding import Finding, found
from scheduler.doctor.subject import Subject, is_there
from scheduler.errors import SchedulerError
from scheduler.plan.check import ATTENTION, BAD, OK
from scheduler.plan.figures import time_text
from scheduler.zone import VARIABLE, moment_text, studio_zone, zone_name

WRITTEN = ("greenroom.db", "greenroom.db-wal", "audit.head")  # at every turn of a house
EARLIEST = 1_735_689_600.0  # 2025-01-01: a clock before it never was set


def clock_findings(subject: Subject) -> Iterator[Finding]:
    """Cheap and true: a clock that is behind a file which was written by it was set back, or never set."""
    now = time.time()
    written = max((path.stat().st_mtime for name in WRITTEN if is_there(path := subject.data_dir / name)), default=0.0)
    figures = {"now": round(now, 3), "newest_file": round(written, 3) or None}
    if now < EARLIEST:
        yield found("clock", BAD, "clock_unset", figures, now=time.strftime("%Y-%m-%d", time.gmtime(now)))
    elif written > now and is_off(written - now):
        yield found("clock", ATTENTION, "clock_back", figures, ahead=time_text(written - now))
    else:
        yield found("clock", OK, "clock_ok", figures, now=_shown(now))


def _shown(now: float) -> str:
    """In the studio's zone; in the machine's own where that is none, which `zone` tells."""
    try:
        return moment_text(now)
    except SchedulerError:
        return time.strftime("%Y-%m-%d %H:%M:%S%z", time.localtime(now))


def zone_findings(_subject: Subject) -> Iterator[Finding]:
    """`GREENROOM_ZONE`, or the machine's own."""
    try:
        name, zone = zone_name(), studio_zone()
    except SchedulerError:
        value = os.environ.get(VARIABLE)
        yield found("zone", BAD, "zone_bad", {"value": value}, value=value, variable=VARIABLE)
        return
    yield found("zone", OK, "zone" if name else "zone_own", {"zone": name, "own": str(zone)}, zone=zone, variable=VARIABLE)
