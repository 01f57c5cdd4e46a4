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
        return {"reason": "reserved_too_late", "text": text, "hint": f"Reserve at least {in_s} s ahead.", "terms": terms}
    fits_at = _first_fit(state, job, job.start_at, event.slots_needed)
    if fits_at > job.start_at:
        in_s = ceil(fits_at - event.at)
        text = sentence("reservation_taken", slots=slots, fits_in_s=in_s)
        hint = f"Reserve a time {in_s} s from now."
        return {"reason": "reservation_taken", "text": text, "hint": hint, "terms": terms | {"fits_at": fits_at}}
    return None


def _refuse_gang(state: State, job: Job, needed: int, terms: dict[str, Any]) -> dict[str, Any] | None:
    """Several slots at once: as many as there are, as the engine can use, and not in a session."""
    if needed <= 1:
        return None
    most = min(len(state.slots), state.gang_slots)
    terms = terms | {"slots_needed": needed, "most": most}
    if needed > len(state.slots):
        code, hint = "too_many_slots", f"Ask for {most} slot{'s' if most > 1 else ''}."
    elif needed > most:
        code, hint = ("one_slot_per_job", "Ask for 1 slot.") if most == 1 else ("too_many_together", f"Ask for {most} slots.")
    elif job.follows:
        code, hint = "gang_in_session", "Ask for 1 slot, or submit it apart from the session."
    else:
        return None
    text = sentence(code, needed=needed, slots=len(state.slots), most=most)
    return {"reason": code, "text": text, "hint": hint, "terms": terms}


def _refuse_turn(state: State, job: Job, event: JobSubmitted, terms: dict[str, Any]) -> dict[str, Any] | None:
    """A part of a session follows an open job that nothing follows yet."""
    terms = terms | {"follows": job.follows}
    if event.follows_end:
        ended = sentence(f"ended_{event.follows_end.lower()}")
        text = {language: sentence("predecessor_over", follows=job.follows, how=how)[language] for language, how in ended.items()}
        hint = "Submit it by itself: leave `follows` out."
        return {"reason": "predecessor_over", "text": text, "hint": hint, "terms": terms | {"follows_end": event.follows_end}}
    if job.follows not in state.jobs:
        text = sentence("unknown_predecessor", follows=job.follows)
        return {"reason": "unknown_predecessor", "text": text, "hint": "Follow a job that has not ended.", "terms": terms}
    if (stranger := _stranger(state, job)) is not None:
        text = sentence("session_roles", role=job.role, other_role=stranger.role, other=stranger.id)
        hint = "Submit it apart from the session, or change `relations` in roles.yaml."
        return {"reason": "session_roles", "text": text, "hint": hint, "terms": terms | {"other": stranger.id}}
    if (other := state.followers.get(job.follows)) is None:
        return None
    last = other
    while last in state.followers:
        last = state.followers[last]
    text = sentence("turn_taken", follows=job.follows, other=other, last=last)
    return {"reason": "turn_taken", "text": text, "hint": f"Follow {last}.", "terms": terms | {"last": last}}


def _stranger(state: State, job: Job) -> Job | None:
    """A part of the session that has not ended and whose role may not share one with the job's."""
    before = state.jobs.get(job.follows)
    while before is not None:
        if not state.relations.may_share(job.role, before.role):
            return before
        before = state.jobs.get(before.follows)
    return None


def _first_fit(state: State, job: Job, start_at: float, slots_needed: int) -> float:
    """The first time from `start_at` on at which so few slots are promised that there is room for this job."""
    spans = [
        (at, at + other.seconds_left, state.width_of(other.id))
        for other in state.reserved.values()
        if (at := other.start_at) is not None
    ]
    for at in sorted({start_at, *(end for _, end, _ in spans if end > start_at)}):
        promised = sum(width for begin, end, width in spans if begin < at + job.total_seconds and at < end)
        if promised + slots_needed <= len(state.slots):
            return at
    return start_at  # without reservations everything fits
