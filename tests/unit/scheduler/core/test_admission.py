"""Admitted, held, rejected: with the reason in two languages and the terms."""

from __future__ import annotations

from typing import Any

from scheduler.core import events
from scheduler.core.actions import MoveJob, SendRun
from scheduler.core.job import HoldReason, JobState
from scheduler.core.sentences import SENTENCES, cost_of, sentence
from tests.unit.scheduler.core.studio import Studio

GIB = 1 << 30


def decision(studio: Studio) -> dict[str, Any]:
    found: dict[str, Any] = studio.all(MoveJob)[0].body["decision"]
    return found


def test_admitted_job_is_queued_with_its_decision() -> None:
    studio = Studio(are_ready=False)
    studio.submit("j0")
    move = studio.only(MoveJob)
    assert (move.source, move.target, move.tag) == (JobState.SUBMITTED, JobState.QUEUED, "job:queued")
    assert move.fields == {"hold": HoldReason.WAITING_FOR_SLOT}
    assert decision(studio)["verdict"] == "admitted"
    assert decision(studio)["rung"] is None
    assert set(decision(studio)) == {"verdict", "reason", "text", "rung", "terms"}
    assert set(decision(studio)["text"]) == {"en", "zh"}


def test_admitted_job_is_leased_in_the_same_step_when_a_slot_is_free() -> None:
    studio = Studio()
    studio.submit("j0")
    assert studio.tags() == ["job:queued", "job:leased"]
    assert studio.only(SendRun).from_block == 0
    assert studio.job("j0").lease_id == studio.only(SendRun).lease_id == "j0-1"


def test_job_for_a_paused_queue_is_told_so() -> None:
    studio = Studio()
    studio.feed(events.QueuePaused(at=studio.at))
    studio.submit("j0")
    assert "the queue is paused" in decision(studio)["text"]["en"]
    assert "已暂停" in decision(studio)["text"]["zh"]


def test_job_for_a_house_that_takes_no_work_is_told_so_and_until_when() -> None:
    studio = Studio(slots=2, maintenance_windows=("thu 00:30-01:00 slots 0",))
    studio.feed(events.SlotDrained(at=studio.at, slot=1, is_drained=True))
    studio.submit("j0")
    assert decision(studio)["text"]["en"] == "Accepted; 0 jobs in line before it.", "one slot takes work"
    studio.tick(800.0)  # the job ran into the window, and stops at its block
    assert studio.at == 1_800.0
    studio.submit("j1", priority=0)
    assert "maintenance or drained, the first takes work again in 1800 s. " in decision(studio)["text"]["en"]
    assert "1800 秒后第一个恢复" in decision(studio)["text"]["zh"]
    studio.feed(events.SlotDrained(at=studio.at, slot=0, is_drained=True))
    studio.submit("j2")
    assert decision(studio)["text"]["en"].startswith("Accepted; every slot is drained, so it waits. ")
    assert "所有槽位都已停止接收新任务，需等待恢复" in decision(studio)["text"]["zh"]


def test_too_large_job_is_rejected_with_what_would_fit() -> None:
    studio = Studio(slot_memory_bytes=4 * GIB)
    studio.submit(
        "j0", context_bytes=6 * GIB, degrade="never", alternatives=(("688*368", 5 * GIB), ("384*256", 3 * GIB))
    )
    move = studio.only(MoveJob)
    assert move.target is JobState.REJECTED
    assert move.fields["error_code"] == "context_too_large"
    assert "6.00" in move.fields["error_message"] and "384*256" in move.fields["error_message"]
    assert "688*368" not in decision(studio)["text"]["zh"]
    assert "error_hint" not in move.fields and "hint" not in decision(studio), "the sentence has the way out, once"
    assert "j0" not in studio.state.jobs


def test_too_large_job_is_told_that_not_even_the_lowest_setting_fits() -> None:
    studio = Studio(slot_memory_bytes=GIB)
    studio.submit("j0", context_bytes=6 * GIB, degrade="never", alternatives=(("steps=4", 5 * GIB), ("size=384*256", 3 * GIB)))
    texts = decision(studio)["text"]
    assert texts["en"].endswith("size=384*256, the lowest setting, does not fit either.") and "size=384*256" in texts["zh"]
    studio.submit("j1", context_bytes=6 * GIB)
    assert decision(studio)["text"]["en"].endswith("there is no lower setting.")


def test_memory_below_a_gib_is_told_so_that_need_and_room_differ() -> None:
    studio = Studio(slot_memory_bytes=99 << 20)
    studio.submit("j0", context_bytes=104_752_742, degrade="never")
    texts = studio.only(MoveJob).body["decision"]["text"]
    assert texts["en"].startswith("This video needs 99.9 MiB on its slot, there are 99.0 MiB;")
    assert "99.9 MiB" in texts["zh"] and "99.0 MiB" in texts["zh"]


def test_too_large_job_may_be_degraded_where_the_requester_allows_it() -> None:
    studio = Studio(slot_memory_bytes=4 * GIB)
    studio.submit("j0", context_bytes=6 * GIB, degrade="allow", alternatives=(("384*256", 3 * GIB),))
    assert decision(studio)["verdict"] == "admitted" and decision(studio)["rung"] == "384*256"
    assert studio.job("j0").context_bytes == 3 * GIB
    assert studio.running() == ["j0"]


def test_too_large_job_waits_for_consent_where_the_requester_is_to_be_asked() -> None:
    studio = Studio(slot_memory_bytes=4 * GIB)
    studio.submit("j0", context_bytes=6 * GIB, alternatives=(("384*256", 3 * GIB),))
    assert decision(studio)["verdict"] == "held" and decision(studio)["rung"] == "384*256"
    assert studio.job("j0").hold is HoldReason.AWAITING_CONSENT
    studio.feed(events.ConsentAnswered(at=studio.at, job_id="j0", is_agreed=True))
    assert studio.tags()[0] == "job:consented"
    assert studio.running() == ["j0"]


def test_refused_or_forgotten_consent_ends_the_job() -> None:
    studio = Studio(slot_memory_bytes=GIB, consent_timeout_s=60)
    for name in ("j0", "j1"):
        studio.submit(name, context_bytes=2 * GIB, alternatives=(("small", GIB),))
    studio.feed(events.ConsentAnswered(at=studio.at, job_id="j0", is_agreed=False))
    assert studio.only(MoveJob).target is JobState.CANCELLED
    studio.tick(59)
    assert not studio.actions
    studio.tick(2)
    assert studio.only(MoveJob).body == {"cause": "consent_timed_out"}
    assert studio.only(MoveJob).fields["error_message"] == "Nobody agreed to small in time."
    studio.feed(events.ConsentAnswered(at=studio.at, job_id="j1", is_agreed=True))
    assert studio.refusal().code == "illegal_move"


def test_full_queue_rejects_per_user_and_altogether() -> None:
    studio = Studio(are_ready=False, max_queued_per_user=2, max_queued=3)
    studio.submit("j0")
    studio.submit("j1")
    studio.submit("j2")
    assert studio.only(MoveJob).fields["error_code"] == "queue_full"
    assert "education-team" in studio.only(MoveJob).fields["error_message"]
    studio.submit("j3", user="liang")
    assert studio.job("j3").state is JobState.QUEUED
    studio.submit("j4", user="noor")
    assert studio.only(MoveJob).fields["error_code"] == "queue_full"
    assert studio.only(MoveJob).fields["error_message"].endswith("Try again later.")


def test_started_jobs_do_not_count_as_queued() -> None:
    studio = Studio(max_queued_per_user=1)
    studio.submit("j0")
    studio.submit("j1")
    assert studio.job("j1").state is JobState.QUEUED
    studio.submit("j2")
    assert studio.only(MoveJob).target is JobState.REJECTED


def test_job_of_an_unavailable_role_is_held_until_the_role_is_back() -> None:
    studio = Studio()
    studio.role("teacher", is_available=False)
    studio.submit("j0")
    assert decision(studio)["verdict"] == "held"
    assert decision(studio)["reason"] == "role_unavailable"
    studio.role("teacher")
    assert studio.tags() == ["role:changed", "job:queued", "job:leased"]


def test_same_id_or_old_ordinal_is_refused_as_duplicate() -> None:
    studio = Studio()
    studio.submit("j0")
    studio.submit("j0")
    assert studio.refusal().code == "duplicate_job"
    assert studio.refusal().story


def test_one_is_told_as_one_and_more_as_more() -> None:
    ahead = [sentence("admitted", ahead=count)["en"] for count in (0, 1, 2)]
    assert ahead == [f"Accepted; {count} in line before it." for count in ("0 jobs", "1 job", "2 jobs")]
    assert cost_of("steps=1")["en"] == "1 denoising step, coarser detail"
    assert not [code for code, texts in SENTENCES.items() if "(s)" in texts["en"]]


def test_every_sentence_speaks_both_languages_with_the_same_data() -> None:
    for code, texts in SENTENCES.items():
        assert set(texts) == {"en", "zh"}, code
        names = [sorted(part.split("}")[0].split(":")[0] for part in text.split("{")[1:]) for text in texts.values()]
        assert set(names[0]) == set(names[1]), code
