"""Taking memory back to where it was before a batch: the jobs as the store has them, all else from a copy.

Open jobs may be many and stand in the store to the letter, so they are read again, and only when something went wrong.
What the store does not know (workers, strikes, graces, counts) is small and copied before every batch. So a fault in one
deed costs neither its neighbours nor the workers that run below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    values = _copied_dict({name: value for name, value in vars(state).items() if name not in _FROM_JOBS})
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
    kind = type(value)
    return _COPIERS[kind](value) if kind in _COPIERS else _copier_of(value)(value)


def _copier_of(value: Any) -> Callable[[Any], Any]:
    """How values of this type are copied, found out once."""
    parameters = getattr(type(value), "__dataclass_params__", None)
    copier: Callable[[Any], Any]
    if isinstance(value, _PLAIN) or (parameters is not None and parameters.frozen):
        copier = _same
    elif isinstance(value, dict):
        copier = _copied_dict
    elif isinstance(value, list):
        copier = _copied_list
    elif isinstance(value, set):
        copier = set
    elif isinstance(value, Relations):
        copier = Relations.copy
    elif parameters is not None:
        copier = _copier_of_fields(tuple(item.name for item in fields(value)))
    else:
        copier = _copied_object
    return _COPIERS.setdefault(type(value), copier)


def _same(value: Any) -> Any:
    return value


def _copied_dict(value: dict[Any, Any]) -> dict[Any, Any]:
    return {name: item if type(item) in _ATOMS else _copied(item) for name, item in value.items()}


def _copied_list(value: list[Any]) -> list[Any]:
    return [item if type(item) in _ATOMS else _copied(item) for item in value]


def _copier_of_fields(names: tuple[str, ...]) -> Callable[[Any], Any]:
    def copied(value: Any) -> Any:
        made = object.__new__(type(value))
        for name in names:
            item = getattr(value, name)
            setattr(made, name, item if type(item) in _ATOMS else _copied(item))
        return made

    return copied


def _copied_object(value: Any) -> Any:
    made = object.__new__(type(value))
    for name, item in vars(value).items():
        setattr(made, name, item if type(item) in _ATOMS else _copied(item))
    return made


_ATOMS = frozenset(_PLAIN)
_COPIERS: dict[type, Callable[[Any], Any]] = {}
