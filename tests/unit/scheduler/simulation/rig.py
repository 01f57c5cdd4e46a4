"""A simulated studio whose every move is held against what sessions, reserved times and pauses were promised."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scheduler.core import events
from scheduler.core.actions import Action, MoveJob, Record
from scheduler.core.invariants import check_invariants
from scheduler.core.policy import Policy
from scheduler.core.tags import Tag
from scheduler.costs import Costs
from scheduler.simulation.trace import Trace, TraceJob
from scheduler.simulation.world import World
from tests.unit.scheduler.log_rig import Log

EXACT = Costs(
    job_sigma=0.0, block_sigma=0.0, drift_sigma=0.0, switch_s=0.0, cold_start_s=0.0, close_s=0.0, block_s=0.5
)


def job(name: str, at: float = 0.0, **changes: Any) -> TraceJob:
    """A job of five seconds."""
    line = TraceJob(at=at, id=name, user="u", team="t", role="teacher", priority=10, blocks=10)
    return replace(line, **changes)


def relay(*names: str, at: float = 0.0, **changes: Any) -> list[TraceJob]:
    """Parts of one session, each of a role of its own."""
    befores = ("", *names)
    return [job(name, at, role=name, follows=before, **changes) for name, before in zip(names, befores, strict=False)]


class Watched(World):
    """A world that writes the log of its house, which is read as a chaos run reads it. The core's invariants are checked, too."""

    def __init__(self, trace: Trace, *, slots: int, policy: Policy | None = None, costs: Costs = EXACT, **options: Any) -> None:
        self._log = Log()
        self.promises = self._log.promises
        self.spells: dict[str, list[tuple[int, float]]] = {}  # job → each slot that was given to it, and when
        super().__init__(trace, slots=slots, policy=policy or Policy(), costs=costs, check=check_invariants, **options)

    def _feed(self, event: events.Event) -> None:
        if isinstance(event, events.JobSubmitted):
            about = {"follows": event.follows, "start_at": event.start_at, "priority": event.priority}
            self._write(Tag.JOB_SUBMITTED, f"job:{event.job_id}", about)
        super()._feed(event)

    def _carry_out(self, action: Action) -> None:
        if isinstance(action, MoveJob):
            if action.tag == Tag.JOB_LEASED:
                self.spells.setdefault(action.job_id, []).append((int(action.fields["slot"]), self.now))
            moved = {"from": str(action.source), "to": str(action.target), "set": action.fields}
            self._write(action.tag, f"job:{action.job_id}", {**action.body, **moved})
        elif isinstance(action, Record):
            self._write(action.tag, action.subject, action.body)
        super()._carry_out(action)

    def _write(self, action: str, thing: str, body: dict[str, Any]) -> None:
        self._log.at = self.at
        self._log.row(action, thing, **body)
