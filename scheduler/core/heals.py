"""Heals: one record per fault from its detection over the action to the recovery, each with its milliseconds in the audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol

from scheduler.core.healing_policy import ALERT, HOUR, Fault, HealingPolicy, Rule
from scheduler.core.ladder import AS_ASKED
from scheduler.core.tags import Tag


class Recorder(Protocol):
    """The turn in which something is recorded."""

    at: float

    def record(self, tag: Tag, subject: str, body: dict[str, Any] | None = None, outcome: str = "success") -> None:
        """An audit row."""


@dataclass(slots=True)
class Heal:
    """A fault that is not over. `place` is what it befell: "slot:0", "job:<id>", "gpu0", "disk" …"""

    id: str
    fault: Fault
    place: str
    begun_at: float  # when it began, as far as that can be told
    detected_at: float
    job_id: str | None = None
    acted_at: float | None = None
    action: str | None = None
    is_limited: bool = False  # too many in this hour: people have to look, nothing more is done by itself
    tried: list[str] = field(default_factory=list)  # device rungs of this incident
    asked: dict[str, int] = field(default_factory=dict)  # jobs whose requesters are asked for its sake: bytes at what is offered
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Descent:
    """How a job went down: when it last changed, and how long it must be well before it may climb (doubles per climb).

    `top`: the setting that it came down from, by admission or for a deadline perhaps less than was asked for.
    """

    heal: str
    fault: Fault
    at: float
    wait_s: float
    top: str = AS_ASKED


class Heals:
    """Open heals, by fault and place. Their history is the audit; what is open, and the last hour's times, are one fact."""

    def __init__(self) -> None:
        self.open: dict[tuple[Fault, str], Heal] = {}
        self.count = 0
        self.recent: dict[tuple[Fault, str], list[float]] = {}  # when it was detected within the last hour
        self.version = 0  # grows with each change: what has to be written again

    def find(self, fault: Fault, place: str) -> Heal | None:
        """The open heal of this fault here."""
        return self.open.get((fault, place))

    def of(self, *faults: Fault) -> list[Heal]:
        """Open heals of these faults."""
        return [heal for heal in self.open.values() if heal.fault in faults]

    def detect(
        self, turn: Recorder, fault: Fault, place: str, rule: Rule, *,
        lag_s: float = 0.0, ago_s: float = 0.0, job_id: str | None = None, numbers: Mapping[str, Any] | None = None,
    ) -> Heal:  # fmt: skip
        """Open a heal, or give the one that is open. `lag_s`: how long the fault had lasted when it was seen,
        `ago_s`: how long ago that was.
        """
        if (heal := self.find(fault, place)) is not None:
            return heal
        self.count += 1
        self.version += 1
        lately = {key: [at for at in times if at > turn.at - HOUR] for key, times in self.recent.items()}
        self.recent = {key: times for key, times in lately.items() if times}
        recent = self.recent.get((fault, place), [])
        self.recent[fault, place] = [*recent, turn.at]
        limit = rule.numbers.get("max_per_hour")
        heal = Heal(
            id=f"h{self.count}", fault=fault, place=place, begun_at=turn.at - ago_s - lag_s, detected_at=turn.at - ago_s,
            job_id=job_id,
            is_limited=limit is not None and len(recent) >= limit, numbers=dict(numbers or {}),
        )  # fmt: skip
        self.open[fault, place] = heal
        body = {"heal": heal.id, "fault": fault.value, "detect_ms": round(lag_s * 1000), "job_id": job_id, **heal.numbers}
        turn.record(Tag.FAULT_DETECTED, place, body, "failure")
        return heal

    def asking(self, job_id: str) -> Heal | None:
        """The open heal for whose sake the job's requester is asked."""
        return next((heal for heal in self.open.values() if job_id in heal.asked), None)

    def ask(self, turn: Recorder, heal: Heal, job_id: str, rung: str, context_bytes: int) -> None:
        """The job's requester is asked about a setting for this heal's sake, and for no other's any more."""
        for other in self.open.values():
            other.asked.pop(job_id, None)
        heal.asked[job_id] = context_bytes
        self.act(turn, heal, "ask", {"job_id": job_id, "rung": rung})

    def may_act(self, heal: Heal, rule: Rule) -> bool:
        """Is something to be done by itself? Not where policy says alert, nor beyond the hour's limit."""
        return rule.action != ALERT and not heal.is_limited

    def act(self, turn: Recorder, heal: Heal, action: str, body: Mapping[str, Any] | None = None) -> None:
        """Something was done about it."""
        self.version += 1
        heal.acted_at, heal.action = turn.at, action
        terms = {"heal": heal.id, "fault": heal.fault.value, "action": action, **_ms("act_ms", heal.detected_at, turn.at)}
        turn.record(Tag.HEAL_ACTED, heal.place, {**terms, **(body or {})})

    def recover(self, turn: Recorder, heal: Heal, body: Mapping[str, Any] | None = None) -> None:
        """It is over."""
        self.version += 1
        del self.open[heal.fault, heal.place]
        terms = {"heal": heal.id, "fault": heal.fault.value, "action": heal.action}
        times = {**_ms("recovery_ms", heal.detected_at, turn.at), **_ms("total_ms", heal.begun_at, turn.at)}
        turn.record(Tag.HEAL_RECOVERED, heal.place, {**terms, **times, **(body or {})})

    def abandon(self, turn: Recorder, heal: Heal, cause: str, body: Mapping[str, Any] | None = None) -> None:
        """Nothing more can be done by itself."""
        self.version += 1
        del self.open[heal.fault, heal.place]
        terms = {"heal": heal.id, "fault": heal.fault.value, "action": heal.action, "cause": cause}
        turn.record(Tag.HEAL_ABANDONED, heal.place, {**terms, **(body or {})}, "failure")

    # ---- over a restart --------------------------------------------------------------------------------------------

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for the store."""
        recent = [[fault, place, times] for (fault, place), times in self.recent.items()]
        return {"count": self.count, "open": [asdict(heal) for heal in self.open.values()], "recent": recent}

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any] | None) -> Heals:
        """Inverse of `to_mapping`; nothing is nothing. A fault that this version does not know is left out."""
        heals = cls()
        if not data:
            return heals
        heals.count = int(data["count"])
        known = [row for row in data.get("recent", ()) if row[0] in set(Fault)]
        heals.recent = {(Fault(fault), place): list(times) for fault, place, times in known}
        names = {item.name for item in fields(Heal)}
        for row in data["open"]:
            if row["fault"] in set(Fault):
                heal = Heal(**{name: value for name, value in row.items() if name in names})
                heal.fault = Fault(heal.fault)
                heals.open[heal.fault, heal.place] = heal
        return heals


def rule_for(policy: HealingPolicy, heal: Heal) -> Rule:
    """The rule under which a heal stands now."""
    return policy[heal.fault]


def _ms(name: str, since: float, until: float) -> dict[str, int]:
    return {name: max(0, round((until - since) * 1000))}
