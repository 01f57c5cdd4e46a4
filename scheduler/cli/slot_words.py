"""Why a slot takes no work, as sentences: people drained it, maintenance until when, the faults that healing saw, a start."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

from scheduler.core.maintenance import CAUSE
from scheduler.plan.entry import Calendar
from scheduler.plan.sentences import Words, sentence

PERSON = "person"


def is_ready(slot: dict[str, Any]) -> bool:
    """Does a slot of the daemon's status take work?"""
    return slot["worker"] is not None and not slot["drained"]


def idle_words(slot: dict[str, Any], now: float, zone: tzinfo) -> Words:
    """Why this slot takes no work, in both languages; for a drained slot every reason. `now`: seconds since 1970."""
    causes = set(slot["drained_for"])
    found = []
    if CAUSE in causes:
        today = Calendar(datetime.fromtimestamp(now, zone).date(), zone)
        until = slot["drained_until"] or now  # none: it is over, and the next tick gives the slot back
        found.append(sentence("slot_in_maintenance", until=f"{today.text(until)} ({zone})"))
    if PERSON in causes:
        found.append(sentence("slot_drained_by_hand"))
    if faults := sorted(causes - {CAUSE, PERSON}):
        found.append(sentence("slot_drained_for", causes=", ".join(faults)))
    if not causes:
        found.append(sentence("slot_failed", error=slot["last_error"]) if slot["last_error"] else sentence("slot_starting"))
    return _joined(found, ", ", "，")


def idle_slots_words(slots: list[dict[str, Any]], now: float, zone: tzinfo) -> Words:
    """All slots that take no work, each with its reason and what a person can do; empty where all do."""
    found = []
    for slot in slots:
        if not is_ready(slot):
            why = idle_words(slot, now, zone)
            if PERSON in slot["drained_for"]:
                why = sentence("slot_give_back", why=why, slot=slot["slot"])
            found.append(sentence("slot_idle", slot=slot["slot"], why=why))
    return _joined(found, "; ", "；")


def _joined(sentences: list[Words], english: str, chinese: str) -> Words:
    return {language: joint.join(one[language] for one in sentences) for language, joint in (("en", english), ("zh", chinese))}
