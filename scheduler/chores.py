"""What a studio does by itself at an hour of its zone, and what to make up for when no daemon was there, or none to its end.

When a chore was due last follows from the trigger that APScheduler runs it by, so an hour stands in one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from types import MappingProxyType

from scheduler.audit.entry import utc_text
from scheduler.core.tags import Tag
from scheduler.ledger import SYSTEM
from scheduler.store import open_reader
from scheduler.wall_jumps import At

LONGEST = timedelta(days=32)  # between two times of a chore
DEEDS_SEEN = 500  # the newest of a kind, among which the chore's own would be; people order some, too


@dataclass(frozen=True, slots=True)
class Chore:
    """`when`: hours and days as a cron trigger takes them. `deed`: what its doing leaves in the audit.

    `is_of_the_day`: the next day it is too late for it.
    """

    name: str
    when: Mapping[str, int | str]
    deed: Tag
    is_of_the_day: bool = False

    def trigger(self, zone: tzinfo) -> At:
        """Its times, by the clocks of that zone."""
        return At(**self.when, timezone=zone)


VERIFY = Chore("verify-audit", MappingProxyType({"hour": 3, "minute": 30}), Tag.AUDIT_VERIFIED)
CHECK = Chore("check-plan", MappingProxyType({"day_of_week": "mon-fri", "hour": 10, "minute": 0}), Tag.PLAN_CHECKED, True)
REHEARSE = Chore("rehearse", MappingProxyType({"day": 1, "hour": 4, "minute": 30}), Tag.REHEARSAL_FINISHED)


def is_missed(chore: Chore, data_dir: Path, now: float, zone: tzinfo) -> bool:
    """Was a house there when it was due last, and did it not do it by itself since? `now`: seconds since 1970."""
    local = datetime.fromtimestamp(now, zone)
    due = _last_due(chore.trigger(zone), local)
    if due is None or (chore.is_of_the_day and due.date() != local.date()):
        return False
    since = utc_text(due.timestamp())
    with closing(open_reader(data_dir)) as reader:
        first = reader.audit_entry(1)
        if first is None or first["at_utc"] >= since:
            return False
        deeds = reader.audit(action=chore.deed, limit=DEEDS_SEEN)
    return not any(deed["actor"] == SYSTEM.name and deed["at_utc"] >= since for deed in deeds)


def _last_due(trigger: At, now: datetime) -> datetime | None:
    """The last of its times up to now; None where there was none for longer than there can be."""
    due, following = None, trigger.get_next_fire_time(None, now - LONGEST)
    while following is not None and following <= now:
        due, following = following, trigger.get_next_fire_time(following, following)
    return due
