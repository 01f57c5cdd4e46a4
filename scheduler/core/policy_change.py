"""Another policy while the house runs: order, limits and thresholds hold from this moment on."""

from __future__ import annotations

from scheduler.core import events
from scheduler.core.job import Job
from scheduler.core.state import State, Turn
from scheduler.core.tags import Tag


def change_policy(state: State, event: events.PolicyChanged, turn: Turn) -> bool:
    """Take it over. A count that is beyond a new limit stands just below it: nobody ends for what was allowed before."""
    state.change_policy(event.policy, event.healing)
    turn.record(Tag.POLICY_CHANGED, "policy", {"version": event.version, "changes": list(event.changes)})
    for job in state.jobs.values():
        fields = _too_many(job, event)
        if fields:
            state.move(turn, job, job.state, Tag.POLICY_CHANGED, fields, {"cause": "policy_changed"})
    return True


def _too_many(job: Job, event: events.PolicyChanged) -> dict[str, int]:
    fields = {}
    if job.crashes >= event.policy.max_crashes:
        fields["crashes"] = event.policy.max_crashes - 1
    if job.retries > event.policy.max_retries:
        fields["retries"] = event.policy.max_retries
    return fields
