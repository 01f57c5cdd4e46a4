"""Taking memory back to where it was before a batch: the jobs as the store has them, all else from a copy.

Open jobs may be many and stand in the store to the letter, so they are read again, and only when something went wrong.
What the store does not know (workers, strikes, graces, counts) is small and copied before every batch. So a fault in one
deed costs neither its neighbours nor the workers that run below.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from scheduler.core.job import OWNED_STATES
from scheduler.core.machine import State
from scheduler.core.relations import Relations

# What follows from the open jobs is made of them anew; their stories begin again, as after a restart.
_FROM_JOBS = frozenset({
    "jobs", "line", "held", "leases", "counts", "scheduled", "reserved", "followers", "previews", "alarms", "stories",
    "ended_stories",
})  # fmt: skip
_PLAIN = (int, float, str, bool, type(None), tuple, frozenset)  # a tuple of the core holds nothing that changes


@dataclass(frozen=True, slots=True)
class Mark:
    """Where memory was. `ended`: the stories of ended jobs, a growing dict of which those up to `last_ended` count."""

    values: Mapping[str, Any]
    ended: Mapping[str, Any]
    last_ended: str | None


class NoWayBack(Exception):
    """The store and the copied slots tell different stories; memory must be built anew."""


def mark_of(state: State) -> Mark:
    """A copy of what `rewound` needs, in O(slots + roles)."""
    values = {name: _copied(value) for name, value in vars(state).items() if name not in _FROM_JOBS}
    return Mark(values, state.ended_stories, next(reversed(state.ended_stories), None))


def rewound(mark: Mark, restored: State) -> State:
    """`restored` (memory as the store tells it) made equal to the state that was marked. Raises NoWayBack."""
    for name, value in mark.values.items():
        setattr(restored, name, value)
    for job_id, story in mark.ended.items() if mark.last_ended is not None else ():
        restored.ended_stories[job_id] = story
        if job_id == mark.last_ended:
            break
    restored.leases = {slot.lease_id: slot for slot in restored.slots if slot.lease_id is not None}
    held = {(slot.job_id, slot.lease_id, slot.number) for slot in restored.slots if slot.lease_id is not None}
    owned = {(job.id, job.lease_id, job.slot) for job in restored.jobs.values() if job.state in OWNED_STATES}
    if restored.is_booted and held != owned:
        raise NoWayBack(f"slots hold {sorted(map(str, held - owned))}, the store says {sorted(map(str, owned - held))}")
    return restored


def _copied(value: Any) -> Any:
    """A copy that shares nothing that changes. `copy.deepcopy` would take ten times as long, before every batch."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    if isinstance(value, set):
        return set(value)
    if isinstance(value, Relations):
        return value.copy()
    return _copied_object(value)


def _copied_object(value: Any) -> Any:
    parameters = getattr(type(value), "__dataclass_params__", None)
    if parameters is not None and parameters.frozen:
        return value
    names = vars(value) if parameters is None else [item.name for item in fields(value)]
    made = copy.copy(value)
    for name in names:
        if not isinstance(item := getattr(made, name), _PLAIN):
            setattr(made, name, _copied(item))
    return made
