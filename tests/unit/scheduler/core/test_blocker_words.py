"""Every rule that keeps a job waiting has words in both languages, with the figures that it brings along."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

from scheduler.core.blocker_words import BLOCKERS, words_of
from scheduler.core.blockers import blockers_of
from scheduler.core.explain import hold_of
from scheduler.core.job import OWN_HOLDS, HoldReason
from scheduler.core.sentences import SENTENCES
from scheduler.core.situation import Playing, Situation
from tests.unit.scheduler.core.studio import Studio

SOURCE = Path(__file__).resolve().parents[4] / "scheduler" / "core" / "blockers.py"


def _rules() -> set[str]:
    calls = [node for node in ast.walk(ast.parse(SOURCE.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    rules = {node.args[0].value for node in calls if ast.unparse(node.func) == "_of" and isinstance(node.args[0], ast.Constant)}
    return {str(rule) for rule in rules} | {hold.value for hold in OWN_HOLDS}


def test_every_rule_has_its_words_in_both_languages_and_nothing_else_has() -> None:
    assert set(BLOCKERS) == _rules() | {"ahead_more", "slot_drained_until"}
    for words in BLOCKERS.values():
        names = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in words.values()]
        assert set(words) == {"en", "zh"} and names[0] == names[1]


def test_every_hold_reason_has_its_sentence() -> None:
    assert {hold.value for hold in HoldReason} <= set(SENTENCES)


def test_blockers_are_said_with_their_figures() -> None:
    studio = Studio()
    for name in ("j0", "j1"):
        studio.submit(name)
    playing = (
        Playing(slot=0, job_id="j0", role="guest", user="anna", team="a", is_drained=False),
        Playing(slot=1, job_id="j9", role="other", user="otto", team="a", is_drained=False),
    )
    job = studio.state.jobs["j1"]
    situation = Situation(
        is_queue_paused=True, slots=2, drained_slots=2, ready_slots=0, playing=playing, excluded=((job.role, ("guest",)),),
        handicaps=((job.team, 12.5),), running_limits=(("user", 1),), gangs=(("j1", 2),),
    )  # fmt: skip
    data = {"ahead": [f"k{number}" for number in range(7)]}
    found = blockers_of(job, situation, hold_of(job, situation), data, data["ahead"])
    said = [words_of(blocker) for blocker in found]
    assert {blocker["rule"] for blocker in found} >= {"queue_paused", "slot_drained", "excluded", "gang", "ahead", "fair_share"}
    for words in said:
        assert not re.search(r"None|\{|\}", words["en"] + words["zh"]), words
        assert not re.search(r"[A-Za-z]+ [a-z]+ [a-z]+", words["zh"]), words
    english = "\n".join(words["en"] for words in said)
    assert "j0 plays on slot 0; its role guest may not play together" in english and "2 other jobs ahead of it." in english
    share = next(words for blocker, words in zip(found, said, strict=True) if blocker["rule"] == "fair_share")
    assert share["en"].startswith("Counting what its running videos still need, team ") and "lately" not in share["en"]
    assert share["zh"].startswith("计入正在运行的视频仍需的用时")
    assert "12.5 points less" in english and "It needs 2 slots at once" in english
    until = words_of({"rule": "slot_drained", "job": None, "amount": 1, "until": 1_000.0})
    assert "maintenance" in until["en"] and "维护" in until["zh"], "it is not told as drained for good"
