"""The faults page: what is open, what was healed and how fast, in both languages, from the log alone."""

from __future__ import annotations

import time
from typing import Any

import pytest

from dashboard import healing
from dashboard.i18n import LANGUAGES, catalogue
from scheduler.audit.entry import SYSTEM
from scheduler.core.block_times import BlockKey, BlockTime
from scheduler.core.healing_policy import ALERT, KINDS, Fault, HealingPolicy
from tests.unit.dashboard.web_rig import Web


def say(house: Web, tag: str, heal: str, place: str, at: float, **body: Any) -> None:
    """A row of a heal."""
    with house.store.transaction():
        house.store.record(tag, place, {"heal": heal, **body}, SYSTEM, at)


@pytest.fixture
def broken(house: Web) -> Web:
    """One fault healed, one that needs a person, one open."""
    now = time.time()
    for number, fault in ((1, "hung_step"), (2, "out_of_memory"), (3, "worker_died"), (4, "crash_loop")):
        reason = {"reason": f"Error{number}: <b>torch</b>"} if number >= 3 else {}
        say(house, "fault:detected", f"h{number}", f"slot:{number}", now, fault=fault, detect_ms=5100, job_id=None, **reason)
    say(house, "heal:acted", "h1", "slot:1", now + 0.2, fault="hung_step", action="replace", act_ms=200)
    say(house, "heal:recovered", "h1", "slot:1", now + 0.7, fault="hung_step", action="replace", recovery_ms=700, total_ms=5800)
    say(house, "heal:abandoned", "h2", "slot:2", now + 1, fault="out_of_memory", action=None, cause="ladder_exhausted")
    return house


def test_heals_are_put_together_from_their_rows(broken: Web) -> None:
    told = broken.local().get("/faults").get_json()
    states = {heal["id"]: (heal["state"], heal["act_ms"], heal["recovery_ms"]) for heal in told["heals"]}
    ended = {"h1": ("recovered", 200, 700), "h2": ("abandoned", None, None)}
    assert states == {**ended, "h3": ("open", None, None), "h4": ("open", None, None)}
    assert [heal["id"] for heal in told["open"]] == ["h4", "h3"]


def test_first_page_says_what_was_healed_beside_what_failed(broken: Web) -> None:
    page = broken.local().get("/dashboard").text
    assert "Nothing had to be healed so far" in page.split("data-heals-empty hidden")[1], "told, and out of sight"
    assert page.count("recovered in 700 ms") == 2, "among the heals and in the log"


def test_page_without_loud_history_says_that_it_is_folded_not_that_nothing_was_healed(broken: Web) -> None:
    for fault in ("hung_step", "out_of_memory"):
        say(broken, "fault:muted", "", f"fault:{fault}", time.time(), fault=fault, reason="known")
    page = broken.local().get("/dashboard/faults/").text
    assert "kinds are muted" in page and "No fault was healed yet" not in page


@pytest.mark.parametrize(("language", "word"), [("en", "Worker hung"), ("zh-CN", "工作进程卡住")])
def test_page_says_what_is_broken_and_how_fast_it_was_healed(broken: Web, language: str, word: str) -> None:
    page = broken.local().get(f"/dashboard/faults/?lang={language}").text
    assert word in page and "700 ms" in page
    assert page.count("<circle") == 1, "only what was healed has a recovery time"
    assert page.index('data-heal="h3"') < page.index('data-heal="h1"'), "what is open comes first"


def test_last_words_of_a_program_are_for_those_who_see_the_audit(broken: Web) -> None:
    page = broken.local().get("/dashboard/faults/").text
    assert "Error3" not in page and "Error4: &lt;b&gt;torch" in page, "a program that never worked has seen nobody's words"
    assert "Error3: &lt;b&gt;torch" in broken.person("ada", "ops").get("/dashboard/faults/").text


def test_policy_in_force_and_learnt_times_are_shown(house: Web) -> None:
    policy = HealingPolicy.from_mapping({"stutter": {"blocks": 7}}).to_mapping()
    with house.store.transaction():
        house.store.set_fact("healing_policy", policy, 1.0)
        house.store.set_fact("policy_version", 4, 1.0)
        house.store.keep_block_time(BlockKey("pocket", "384x256", 4, "cpu"), BlockTime(0.25, 0.01, 0.4, 12), 1.0)
    page = house.local().get("/dashboard/faults/").text
    assert "<code>blocks: 7.0</code>" in page and "version 4" in page and "250 ms" in page


def test_every_fault_and_action_has_words_in_both_languages() -> None:
    for language in LANGUAGES:
        words = catalogue(language)
        for fault in Fault:
            assert {f"fault_name.{fault}", f"fault_means.{fault}", f"fault_remedy.{fault}"} <= set(words), fault
        for action in {action for kind in KINDS.values() for action in kind.actions} | {ALERT, "ask", "caches", "idle_contexts"}:
            assert f"heal_action.{action}" in words, action


def test_picture_keeps_its_dots_within_its_frame() -> None:
    heals = [
        {"state": "recovered", "recovery_ms": ms, "ended_at": "2026-01-02T03:04:05.000000Z", "fault": "stutter"}
        for ms in (0, 5, 90_000, 10**9)
    ]
    picture = healing.draw(heals, now=healing.seconds("2026-01-02T03:05:00.000000Z"))
    assert all(0 <= dot.y <= healing.HEIGHT or dot.heal["recovery_ms"] == 10**9 for dot in picture.dots)
    assert all(healing.LEFT <= dot.x <= healing.WIDTH for dot in picture.dots)
    assert healing.draw([]).dots == []
