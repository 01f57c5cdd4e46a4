"""A pause of the queue: why, by whom, and until when. One that has an end ends by itself."""

from __future__ import annotations

from typing import Any

from scheduler.core import events
from scheduler.ledger import Turn

FACT = "queue_paused"


def pause(turn: Turn, reason: str, until: float | None) -> dict[str, Any]:
    """Pause, or give a pause another reason or end. `until`: seconds since 1970; None: until somebody resumes it."""
    was_paused = turn.state.is_queue_paused
    turn.apply(events.QueuePaused(at=turn.at, reason=reason, until=until))
    if was_paused:  # nothing moves, but who waits is told something else
        turn.record("queue:paused", "queue", {"reason": reason, "until": until})
    turn.store.set_fact(FACT, {"is_paused": True, "reason": reason, "by": turn.actor.name, "until": until}, turn.at)
    return {"paused": True, "reason": reason, "until": until}


def resume(turn: Turn) -> dict[str, Any]:
    """Start jobs again."""
    turn.apply(events.QueueResumed(at=turn.at))
    turn.store.set_fact(FACT, {"is_paused": False, "reason": "", "by": turn.actor.name, "until": None}, turn.at)
    return {"paused": False}


def end_pause_in_time(turn: Turn) -> None:
    """Resume when the time of the pause is over; looked at each second."""
    if not turn.state.is_queue_paused:
        return
    fact = turn.store.fact(FACT)
    until = fact.get("until") if isinstance(fact, dict) else None
    if until is not None and turn.at >= until:
        resume(turn)
