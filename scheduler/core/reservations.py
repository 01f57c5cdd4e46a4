"""Times of day that are reserved, and jobs that want several slots: may it be promised?"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

from scheduler.core.events import JobSubmitted
from scheduler.core.job import Job
from scheduler.core.maintenance import WEEK_S, closures
from scheduler.core.sentences import sentence
from scheduler.core.state import State

Change = tuple[float, int]  # when how many slots more are taken, or fewer


def refuse_time(state: State, job: Job, event: JobSubmitted, terms: dict[str, Any]) -> dict[str, Any] | None:
    """Why the slots or the time asked for cannot be promised, with what would fit; None where they can."""
    slots = len(state.slots)
    if (refused := _refuse_gang(state, job, event.slots_needed, terms)) is not None:
        return refused
    if job.follows:
        return _refuse_turn(state, job, event, terms)
    if job.start_at is None:
        return None
    earliest = event.at + state.policy.reservation_notice_s
    if job.start_at < earliest:
        in_s = ceil(state.policy.reservation_notice_s)
        text = sentence("reserved_too_late", notice_s=in_s, fits_in_s=in_s)
        return {"reason": "reserved_too_late", "text": text, "terms": terms}
    promised = _promised(state)
    until = max([job.start_at, *(at for at, _ in promised)]) + WEEK_S
    free_at = _first_fit(state, job, promised, event.slots_needed, until) or job.start_at
    everything = [*promised, *_closed(state, until + job.total_seconds)]
    fits_at = _first_fit(state, job, everything, event.slots_needed, until) or free_at
    if fits_at > job.start_at:
        in_s = ceil(fits_at - event.at)
        reason = "reservation_taken" if free_at > job.start_at else "reserved_in_maintenance"
        text = sentence(reason, slots=slots, fits_in_s=in_s)
        return {"reason": reason, "text": text, "terms": terms | {"fits_at": fits_at}}
    return None


def _refuse_gang(state: State, job: Job, needed: int, terms: dict[str, Any]) -> dict[str, Any] | None:
    """Several slots at once: as many as there are, as the engine can use, and not in a session."""
    if needed <= 1:
        return None
    most = min(len(state.slots), state.gang_slots)
    terms = terms | {"slots_needed": needed, "most": most}
    if needed > len(state.slots):
        reason = "too_many_slots"
    elif needed > most:
        reason = "one_slot_per_job" if most == 1 else "too_many_together"
    elif job.follows:
        reason = "gang_in_session"
    else:
        return None
    text = sentence(reason, needed=needed, slots=len(state.slots), most=most)
    return {"reason": reason, "text": text, "terms": terms}


def _refuse_turn(state: State, job: Job, event: JobSubmitted, terms: dict[str, Any]) -> dict[str, Any] | None:
    """A part of a session follows an open job that nothing follows yet."""
    terms = terms | {"follows": job.follows}
    if event.follows_end:
        ended = sentence(f"ended_{event.follows_end.lower()}")
        text = {language: sentence("predecessor_over", follows=job.follows, how=how)[language] for language, how in ended.items()}
        return {"reason": "predecessor_over", "text": text, "terms": terms | {"follows_end": event.follows_end}}
    if job.follows not in state.jobs:
        text = sentence("unknown_predecessor", follows=job.follows)
        return {"reason": "unknown_predecessor", "text": text, "terms": terms}
    if (stranger := _stranger(state, job)) is not None:
        text = sentence("session_roles", role=job.role, other_role=stranger.role, other=stranger.id)
        return {"reason": "session_roles", "text": text, "terms": terms | {"other": stranger.id}}
    if (other := state.followers.get(job.follows)) is None:
        return None
    last = other
    while last in state.followers:
        last = state.followers[last]
    text = sentence("turn_taken", follows=job.follows, other=other, last=last)
    return {"reason": "turn_taken", "text": text, "terms": terms | {"last": last}}


def _stranger(state: State, job: Job) -> Job | None:
    """A part of the session that has not ended and whose role may not share one with the job's."""
    before = state.jobs.get(job.follows)
    while before is not None:
        if not state.relations.may_share(job.role, before.role):
            return before
        before = state.jobs.get(before.follows)
    return None


def _promised(state: State) -> list[Change]:
    """What is reserved. One whose time has come needs its slots from now on for what is left of it, be it late or running."""
    changes: list[Change] = []
    for other in state.reserved.values():
        begins_at, width = max(other.start_at or 0.0, state.now), state.width_of(other.id)
        changes += [(begins_at, width), (begins_at + other.seconds_left, -width)]
    return changes


def _closed(state: State, until: float) -> list[Change]:
    """What maintenance takes."""
    closed = [span for slot in state.slots for span in closures(state.policy.windows, slot.number, state.now, until)]
    return [change for begins_at, ends_at in closed for change in ((begins_at, 1), (ends_at, -1))]


def _first_fit(state: State, job: Job, changes: list[Change], slots_needed: int, until: float) -> float | None:
    """The first time from its own on at which so few slots are taken at once that there is room for the job; None where there
    is none, as for one that is longer than any time between two maintenance windows: it goes on after them."""
    assert job.start_at is not None, job.id
    changes.sort()  # of one moment, the ends first
    for at in sorted({job.start_at, *(at for at, more in changes if more < 0 and job.start_at < at <= until)}):
        if _most_promised(changes, at, at + job.total_seconds) + slots_needed <= len(state.slots):
            return at
    return None


def _most_promised(changes: Sequence[Change], since: float, until: float) -> int:
    """So many slots are taken at once, at most, within a span of time."""
    promised = most = sum(more for at, more in changes if at <= since)
    for _, more in (change for change in changes if since < change[0] < until):
        promised += more
        most = max(most, promised)
    return most
