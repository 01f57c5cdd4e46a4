"""The studio's time zone: the one that the dashboard and the command line show times in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scheduler.errors import SchedulerError

VARIABLE = "GREENROOM_ZONE"


def zone_name(env: Mapping[str, str] = os.environ) -> str | None:
    """The IANA name in `GREENROOM_ZONE`, or None for the machine's own zone. Raises SchedulerError `bad_zone`."""
    name = env.get(VARIABLE, "")
    try:
        return ZoneInfo(name).key if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SchedulerError(
            422, "bad_zone", f"{VARIABLE} is {name!r}, which is no zone.", field=VARIABLE,
            hint="Use a name such as Asia/Shanghai, or leave it empty for the machine's own.",
        ) from error  # fmt: skip


def moment_text(at: float | str, timespec: str = "seconds") -> str:
    """`2026-11-23 10:42:07+08:00`: a moment in the studio's zone, with its distance from UTC at that moment.

    `at`: seconds since 1970, or a row's `at_utc`; a text that is no time (of a log that was tampered with) stays as it is.
    Raises SchedulerError `bad_zone`.
    """
    name = zone_name()
    try:
        moment = datetime.fromisoformat(at) if isinstance(at, str) else datetime.fromtimestamp(at, UTC)
    except ValueError:
        return str(at)
    return moment.astimezone(ZoneInfo(name) if name else None).isoformat(" ", timespec)


def studio_zone(env: Mapping[str, str] = os.environ) -> tzinfo:
    """The zone as an object; the machine's own as it stands now."""
    name = zone_name(env)
    if name is not None:
        return ZoneInfo(name)
    own = datetime.now().astimezone().tzinfo
    assert own is not None
    return own
