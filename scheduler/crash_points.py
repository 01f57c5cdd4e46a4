"""Named points at which a test lets launcher or daemon die: orders in the folder `$GREENROOM_CRASH_ORDERS`.

An order is a file named like the point. Who passes the point first takes it by renaming it to `taken/<point>.<pid>` and ends by
SIGKILL. Without the variable nothing is looked at. The worker's points are `engine.worker.crash_points`; the folder is shared.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum
from pathlib import Path

ORDERS_VARIABLE = "GREENROOM_CRASH_ORDERS"
TAKEN = "taken"


class SchedulerPoint(StrEnum):
    """Every place in launcher and daemon where the order of two effects matters."""

    DAEMON_BEFORE_COMMIT = "daemon_before_commit"  # everything is written, nothing is durable
    DAEMON_AFTER_COMMIT = "daemon_after_commit"  # durable, nobody was answered
    DAEMON_AFTER_ANSWER = "daemon_after_answer"  # answered, effects not performed
    DAEMON_AFTER_EFFECTS = "daemon_after_effects"
    DAEMON_BEFORE_RECORD = "daemon_before_record"  # a worker runs that is in no list of processes
    LAUNCHER_BEFORE_RECORD = "launcher_before_record"  # the same for a child of the launcher


_orders = Path(folder) if (folder := os.environ.get(ORDERS_VARIABLE)) else None


def pass_by(point: SchedulerPoint) -> None:
    """The process is at `point`; it ends here when that is ordered."""
    if _orders is None:
        return
    try:
        (_orders / point).rename(_orders / TAKEN / f"{point}.{os.getpid()}")
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
