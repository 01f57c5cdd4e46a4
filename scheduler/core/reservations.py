"""Times of day that are reserved, and jobs that want several slots: may it be promised?"""

from __future__ import annotations

from math import ceil
from typing import Any

from scheduler.core.events import JobSubmitted
from scheduler.core.job import Job
from scheduler.core.sentences import sentence
from scheduler.core.state import State


def refuse_time(state: State, job: Job, event: JobSubmitted, terms: dict[str, Any]) -> dict[str, Any] | None:
    """Why the slots or the time asked for cannot be promised, with what would fit; None where they can."""
    slots = len(state.slots)
    if event.slots_needed > 1:
        code = "too_many_slots" if event.slots_needed > slots else "one_slot_per_job"
        text = sentence(code, needed=event.slots_needed, slots=slots)
        return {"reason": code, "text": text, "hint": "Ask for 1 slot.", "terms": terms | {"slots_needed": event.slots_needed}}
    if job.follows:
        return _refuse_turn(state, job, terms)
    if job.start_at is None:
        return None
    earliest = event.at + state.policy.reservation_notice_s
    if job.start_at < earliest:
        in_s = ceil(state.policy.reservation_notice_s)
        text = sentence("reserved_too_late", notice_s=in_s, fits_in_s=in_s)
        return {"reason": "reserved_too_late", "text": text, "hint": f"Reserve at least {in_s} s ahead.", "terms": terms}
    fits_at = _first_fit(state, job, job.start_at)
    if fits_at > job.start_at:
        in_s = ceil(fits_at - event.at)
        text = sentence("reservation_taken", slots=slots, fits_in_s=in_s)
        hint = f"Reserve a time {in_s} s from now."
        return {"reason": "reservation_taken", "text": text, "hint": hint, "terms": terms | {"fits_at": fits_at}}
    return None


def _refuse_turn(state: State, job: Job, terms: dict[str, Any]) -> dict[str, Any] | None:
    """A part of a session follows an open job that nothing follows yet."""
    terms = terms | {"follows": job.follows}
    if job.follows not in state.jobs:
        text = sentence("unknown_predecessor", follows=job.follows)
        return {"reason": "unknown_predecessor", "text": text, "hint": "Follow a job that has not ended.", "terms": terms}
    if (other := state.followers.get(job.follows)) is None:
        return None
    last = other
    while last in state.followers:
        last = state.followers[last]
    text = sentence("turn_taken", follows=job.follows, other=other, last=last)
    return {"reason": "turn_taken", "text": text, "hint": f"Follow {last}.", "terms": terms | {"last": last}}


def _first_fit(state: State, job: Job, start_at: float) -> float:
    """The first time from `start_at` on at which fewer jobs than slots are promised while this one would run."""
    spans = [(at, at + other.seconds_left) for other in state.reserved.values() if (at := other.start_at) is not None]
    for at in sorted({start_at, *(end for _, end in spans if end > start_at)}):
        overlapping = [span for span in spans if span[0] < at + job.total_seconds and at < span[1]]
        if len(overlapping) < len(state.slots):
            return at
    return start_at  # without reservations everything fits
