"""What holds for all queued jobs at once: one fact, from which each job's reason is derived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    """A job that a slot's worker holds."""

    slot: int
    job_id: str
    role: str
    user: str = ""
    team: str = ""
    is_drained: bool = False  # its slot takes no further work


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What holds for all queued jobs at once. `excluded` maps a role to those that may not play with it (both ways)."""

    is_queue_paused: bool = False
    slots: int = 1
    drained_slots: int = 0
    maintained_slots: int = 0  # of these, those that come back by themselves: drained for maintenance and nothing else
    ready_slots: int = 0  # not drained, with a worker that is warm or busy
    playing: tuple[Playing, ...] = ()
    excluded: tuple[tuple[str, tuple[str, ...]], ...] = ()
    handicaps: tuple[tuple[str, float], ...] = ()  # points that fair share takes from a team's jobs
    consent_timeout_s: float | None = None  # how long a question to a requester stands
    drained_until: float | None = None  # when the first slot's maintenance ends, where none takes work till then
    running_limits: tuple[tuple[str, int], ...] = ()  # quotas of running jobs: (user | team | role, number)
    missing: tuple[tuple[str, str], ...] = ()  # roles that lack a file, and which
    gangs: tuple[tuple[str, int], ...] = ()  # queued jobs that want several slots at once, and how many

    @property
    def free_slots(self) -> int:
        """Slots that could take a job now."""
        return max(0, self.ready_slots - sum(not playing.is_drained for playing in self.playing))

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {
            "is_queue_paused": self.is_queue_paused, "slots": self.slots, "drained_slots": self.drained_slots,
            "maintained_slots": self.maintained_slots,
            "ready_slots": self.ready_slots,
            "playing": [asdict(playing) for playing in self.playing],
            "excluded": {role: list(others) for role, others in self.excluded},
            "handicaps": dict(self.handicaps), "running_limits": dict(self.running_limits),
            "consent_timeout_s": self.consent_timeout_s,
            "drained_until": self.drained_until, "gangs": dict(self.gangs), "missing": dict(self.missing),
        }  # fmt: skip

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Situation:
        """Inverse of `to_mapping`."""
        return cls(
            is_queue_paused=bool(data["is_queue_paused"]), slots=int(data["slots"]),
            drained_slots=int(data["drained_slots"]), maintained_slots=int(data.get("maintained_slots", 0)),
            ready_slots=int(data["ready_slots"]),
            playing=tuple(Playing(**entry) for entry in data["playing"]),
            excluded=tuple((role, tuple(others)) for role, others in data["excluded"].items()),
            handicaps=tuple((team, float(points)) for team, points in data.get("handicaps", {}).items()),
            consent_timeout_s=data.get("consent_timeout_s"), drained_until=data.get("drained_until"),
            running_limits=tuple((kind, int(limit)) for kind, limit in data.get("running_limits", {}).items()),
            missing=tuple(data.get("missing", {}).items()),
            gangs=tuple((job_id, int(slots)) for job_id, slots in data.get("gangs", {}).items()),
        )  # fmt: skip
