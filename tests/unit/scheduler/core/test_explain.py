"""Every queued job has a reason that a person can read, in English and Chinese, with its data."""

from __future__ import annotations

import json

import pytest

from scheduler.core import events
from scheduler.core.explain import Situation, explain, situation_of, why
from scheduler.core.job import HoldReason
from tests.unit.scheduler.core.studio import Studio


def reason(studio: Studio, job_id: str) -> HoldReason:
    explanation = why(studio.state, job_id)
    assert explanation is not None
    assert explanation.text["en"] and explanation.text["zh"]
    assert "?" not in explanation.text["en"], explanation.text
    return explanation.reason


@pytest.fixture
def studio() -> Studio:
    """One slot that runs `j0`; `j1` and `j2` wait."""
    studio = Studio()
    for name in ("j0", "j1", "j2"):
        studio.submit(name)
    return studio


def test_waiting_job_knows_its_place_and_who_is_ahead(studio: Studio) -> None:
    explanation = why(studio.state, "j2")
    assert explanation is not None and explanation.reason is HoldReason.WAITING_FOR_SLOT
    assert explanation.data["ahead"] == ["j1"]
    assert (explanation.data["place"], explanation.data["total"]) == (2, 2)
    assert explanation.text["en"] == "Number 2 of 2 in line; the next one is j1."
    first = why(studio.state, "j1")
    assert first is not None and first.text["en"].startswith("First in line")


def test_running_or_unknown_job_has_no_reason(studio: Studio) -> None:
    assert why(studio.state, "j0") is None
    assert why(studio.state, "nobody") is None


def test_house_wide_reasons_come_first(studio: Studio) -> None:
    studio.feed(events.QueuePaused(at=studio.at))
    assert reason(studio, "j1") is HoldReason.QUEUE_PAUSED
    studio.feed(events.QueueResumed(at=studio.at))
    studio.feed(events.SlotDrained(at=studio.at, slot=0, is_drained=True))
    assert reason(studio, "j1") is HoldReason.SLOT_DRAINED
    studio.feed(events.SlotDrained(at=studio.at, slot=0, is_drained=False))
    studio.lose()
    assert reason(studio, "j0") is HoldReason.NO_WORKER


def test_own_reasons_stand_before_house_wide_ones(studio: Studio) -> None:
    studio.pause("j1")
    studio.feed(events.QueuePaused(at=studio.at))
    assert reason(studio, "j1") is HoldReason.PAUSED


def test_preempted_and_recovering_jobs_say_so() -> None:
    studio = Studio(slots=2)
    studio.submit("j0", priority=5)
    studio.submit("j1", priority=100)
    studio.start("j0", blocks=2)
    studio.submit("j2", priority=100)
    studio.stop("j0")
    explanation = why(studio.state, "j0")
    assert explanation is not None and explanation.reason is HoldReason.PREEMPTED
    assert "block 2" in explanation.text["en"]
    studio.lose(0)
    assert reason(studio, "j2") is HoldReason.RECOVERING


def test_retrying_job_says_until_when(studio: Studio) -> None:
    studio.fail("j0")
    explanation = why(studio.state, "j0")
    assert explanation is not None and explanation.reason is HoldReason.RETRYING
    assert explanation.data["until"] == studio.at + 2.0
    assert "in 2 s" in explanation.text["en"]


def test_excluded_job_names_the_role_and_job_it_waits_for() -> None:
    studio = Studio(slots=2)
    studio.role("teacher", never_with=("presenter",))
    studio.submit("j0")
    studio.submit("j1", role="presenter")
    explanation = why(studio.state, "j1")
    assert explanation is not None and explanation.reason is HoldReason.EXCLUDED
    assert explanation.data["other_job"] == "j0" and explanation.data["other_role"] == "teacher"
    assert [blocker["rule"] for blocker in explanation.data["blockers"]] == ["excluded"], "a slot is free"
    assert "j0" in explanation.text["zh"]


def test_role_and_consent_have_their_sentences() -> None:
    studio = Studio(slot_memory_bytes=1)
    studio.role("teacher", is_available=False)
    studio.submit("j0", context_bytes=1)
    assert reason(studio, "j0") is HoldReason.ROLE_UNAVAILABLE
    studio.submit("j1", context_bytes=2, alternatives=(("384*256", 1),), role="student")
    told = explain(studio.job("j1"), situation_of(studio.state), studio.at, rung="384*256")
    assert told.reason is HoldReason.AWAITING_CONSENT and "384*256" in told.text["zh"]
    assert told.data["blockers"][0]["until"] == studio.at + 3_600.0, "the question ends by itself"


def test_drained_slot_at_work_stands_in_nobodys_way() -> None:
    studio = Studio(slots=2)
    studio.submit("j0")
    studio.submit("j1")
    studio.submit("j2")
    studio.feed(events.SlotDrained(at=studio.at, slot=0, is_drained=True))
    found = why(studio.state, "j2")
    assert found is not None and found.reason is HoldReason.WAITING_FOR_SLOT
    assert [(one["rule"], one["job"]) for one in found.data["blockers"]] == [("slot_busy", "j1")]
    studio.feed(events.SlotDrained(at=studio.at, slot=1, is_drained=True))
    found = why(studio.state, "j2")
    assert found is not None
    assert found.data["blockers"] == [{"rule": "slot_drained", "job": None, "amount": 2, "until": None}]


def test_situation_survives_the_store(studio: Studio) -> None:
    studio.role("teacher", never_with=("presenter",))
    situation = situation_of(studio.state)
    assert Situation.from_mapping(json.loads(json.dumps(situation.to_mapping()))) == situation
    assert situation == situation_of(studio.state)
