"""Who waits for somebody's word is told so, and not that too many are ahead."""

from __future__ import annotations

from scheduler.core import events
from scheduler.forecast.process import _for_a_person
from scheduler.forecast.told import untold_of
from tests.unit.scheduler.core.studio import Studio


def test_job_that_waits_for_somebodys_word_is_not_called_far_back() -> None:
    studio = Studio()
    studio.submit("main", preview="cheap", total_blocks=200)
    studio.submit("cheap", total_blocks=4)
    studio.submit("next", total_blocks=4)
    studio.submit("stopped", total_blocks=4)
    studio.pause("stopped")
    assert _for_a_person(studio.state) == {"main", "stopped"}, "not the one that stands in line"


def test_parts_behind_one_that_waits_for_somebodys_word_are_not_called_far_back() -> None:
    studio = Studio()
    for name, before in (("plays", ""), ("next", "plays"), ("stopped", ""), ("second", "stopped"), ("third", "second")):
        studio.submit(name, total_blocks=4, follows=before)
    studio.pause("stopped")
    assert _for_a_person(studio.state) == {"stopped", "second", "third"}


def test_what_holds_everybody_back_is_told_and_not_taken_for_a_person() -> None:
    studio = Studio(slots=2)
    for name in ("plays", "plays too", "next", "stopped"):
        studio.submit(name, total_blocks=4)
    studio.pause("stopped")
    assert [untold_of(studio.state, name, "far_back") for name in ("next", "stopped")] == ["far_back", "held"]
    studio.feed(events.SlotDrained(at=studio.at, slot=0, is_drained=True))
    assert untold_of(studio.state, "next", "far_back") == "far_back", "the other slot works on"
    studio.feed(events.SlotDrained(at=studio.at, slot=1, is_drained=True))
    assert [untold_of(studio.state, name) for name in ("next", "stopped")] == ["slots_drained", "held"]
    studio.feed(events.QueuePaused(at=studio.at))
    assert untold_of(studio.state, "next") == "queue_paused"
