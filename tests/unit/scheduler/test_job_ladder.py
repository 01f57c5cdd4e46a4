"""A job's ladder: falling bytes, what the engine cannot do named, and recipes that say what changed."""

from __future__ import annotations

import json
from typing import Any

from scheduler.core.ladder import DEVICE, JOB, step_down, step_up
from scheduler.job_ladder import Picture, at_rung, job_ladder, ladder_of_row

PICTURE = Picture(width=512, height=768)
ASKED: dict[str, Any] = {"size": "688*368", "steps": 5}


def test_ladder_falls_from_what_nobody_sees_to_what_shows() -> None:
    ladder = job_ladder("pocket", ASKED, PICTURE, kv=None)
    settings = [rung for rung in ladder if rung.kind == JOB]
    assert [rung.name for rung in settings] == ["", "steps=4", "steps=3", "steps=3 size=384*256"]
    sizes = [rung.predicted_bytes for rung in settings]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == len(sizes)
    assert [rung.needs_consent for rung in settings] == [False, True, True, True]
    assert all(rung.kind == DEVICE for rung in ladder[: len(ladder) - len(settings)])


def test_size_of_a_video_that_has_begun_is_no_rung_any_more_and_says_why() -> None:
    ladder = job_ladder("pocket", ASKED, PICTURE, begun_at=ASKED["size"], kv=None)
    choice = step_down(ladder, "steps=3", {"idle_contexts", "caches"}, "allow")
    assert choice.rung is None
    assert dict(choice.passed)["steps=3 size=384*256"] == "the size of a video that has begun stays"
    assert "fp8_rings" in dict(choice.passed)


def test_way_up_ends_where_memory_does() -> None:
    ladder = job_ladder("pocket", ASKED, PICTURE, begun_at=ASKED["size"], kv=None)
    four = next(rung for rung in ladder if rung.name == "steps=4")
    up = step_up(ladder, "steps=3", four.predicted_bytes)
    assert up is four
    assert step_up(ladder, "steps=4", four.predicted_bytes) is None
    assert step_up(ladder, "", None) is None


def test_begun_video_keeps_the_size_that_it_came_down_to_on_its_way_up() -> None:
    small = "steps=3 size=384*256"
    ladder = job_ladder("pocket", ASKED, PICTURE, begun_at="384*256", kv=None)
    assert {rung.name for rung in ladder if rung.kind == JOB and rung.is_available} == {small}
    assert step_up(ladder, small, None) is None, "every better setting has another size"
    assert step_up(job_ladder("pocket", ASKED, PICTURE, kv=None), small, None) is not None, "nothing of it has been made"


def test_started_video_is_known_by_the_setting_that_it_runs_at() -> None:
    recipe = {"model": "pocket", "settings": ASKED}
    row: dict[str, Any] = {"recipe": json.dumps(recipe), "asked": None, "rungs": "", "blocks_done": 0}

    def available(is_started: bool, **changed: Any) -> list[str]:
        ladder = ladder_of_row({**row, **changed}, PICTURE, is_started=is_started, kv=None)
        return [rung.name for rung in ladder if rung.kind == JOB and rung.is_available]

    small = "steps=3 size=384*256"
    at_asked_size = ["", "steps=4", "steps=3"]
    assert available(False) == [*at_asked_size, small]
    assert available(True) == at_asked_size, "it was sent to its worker: its first block may be there before it is asked"
    assert available(False, blocks_done=1) == at_asked_size
    assert available(False, rungs=small) == [*at_asked_size, small]
    assert available(True, rungs=small) == [small]
    assert available(False, rungs=small, blocks_done=1) == [small]
    lowered = json.dumps(at_rung({**recipe, "degradations": []}, small, None, 0))
    assert available(True, rungs=small, recipe=lowered, asked=json.dumps(ASKED)) == [small]


def test_recipe_says_each_change_once_and_finds_the_way_back() -> None:
    recipe = {"settings": dict(ASKED), "degradations": []}
    lower = at_rung(recipe, "steps=3", None, 7)
    assert (lower["settings"]["steps"], lower["degradations"]) == (3, ["from block 7: steps=3"])
    assert at_rung(lower, "steps=3", ASKED, 9) == lower, "the same again is no change"
    back = at_rung(lower, "", ASKED, 20)
    assert back["settings"] == ASKED
    assert back["degradations"] == ["from block 7: steps=3", "from block 20: as asked"]
    assert at_rung(recipe, "", None, 0) == recipe
