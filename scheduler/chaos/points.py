"""The named points that an order can be laid for (`$GREENROOM_CRASH_ORDERS`), and how a run makes somebody pass them.

The points themselves are `engine.worker.crash_points`, `engine.vault.crash_points` and `scheduler.crash_points`; a test compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """A kind of process."""

    LAUNCHER = "launcher"
    DAEMON = "daemon"
    WEB = "web"
    VAULT = "vault"
    WORKER = "worker"
    STANDBY = "standby"
    MEDIA = "media"
    FORECASTER = "forecaster"
    SPARE = "spare"  # of the daemon


@dataclass(frozen=True)
class Point:
    """A named point: who passes it, with which engines it exists, and what must be killed or wished so that it is passed."""

    name: str
    kind: Kind
    engines: frozenset[str] = frozenset({"real", "fake"})
    kill_first: tuple[Kind, ...] = ()
    needs_preemption: bool = False
    needs_job: bool = False  # some worker must have begun one when the first is killed


_REAL = frozenset({"real"})
_WORKER = (
    "before_context", "after_context", "after_begin", "after_started", "before_step", "inside_step", "before_decode",
    "before_sink", "after_make", "before_block_files", "after_fragment", "after_latents", "after_record", "after_flip",
    "after_block_done", "before_segment", "after_segment", "before_video", "after_video",
)  # fmt: skip
_DAEMON = ("daemon_before_commit", "daemon_after_commit", "daemon_after_answer", "daemon_after_effects")

POINTS: dict[str, Point] = {
    point.name: point
    for point in (
        *(Point(name, Kind.WORKER) for name in _WORKER),
        Point("inside_decode", Kind.WORKER, _REAL),  # the scripted engine decodes in no time
        Point("inside_sink", Kind.WORKER, _REAL),
        Point("before_preempted", Kind.WORKER, needs_preemption=True),
        *(Point(name, Kind.DAEMON) for name in _DAEMON),
        Point("daemon_before_record", Kind.DAEMON, kill_first=(Kind.STANDBY,)),
        Point("launcher_before_record", Kind.LAUNCHER, kill_first=(Kind.WEB,)),
        Point("vault_after_open", Kind.VAULT, _REAL),  # the scripted engine has no context
        Point("vault_after_adopt", Kind.VAULT, _REAL, kill_first=(Kind.VAULT,), needs_job=True),
        Point("vault_after_drop", Kind.VAULT),
        Point("vault_inside_load", Kind.VAULT, _REAL, kill_first=(Kind.VAULT, Kind.STANDBY)),
    )
}


def points_of(engine: str) -> list[str]:
    """Names of the points that this engine has."""
    return [name for name, point in POINTS.items() if engine in point.engines]
