"""Scores of a finished video on its page, in the API and in the role's charts, with words by the policy's marks."""

from __future__ import annotations

import time
from typing import Any

import pytest

from scheduler.core.quality import MARKS, QualityPolicy
from scheduler.core.quality_text import good_text, red_text, written
from tests.unit.dashboard.web_rig import Web
from tests.unit.scheduler.store_rig import READER

SCORES: dict[str, float | None] = {
    "seconds": 6.0, "lip_offset_s": 0.08, "lip_correlation": 0.71, "blurred_ratio": 0.48, "frozen_ratio": 0.0,
    "longest_freeze_s": 0.32, "flicker": 0.0021, "identity_drift": 0.024, "loudness_db": None,
}  # fmt: skip


def done(house: Web, number: int = 1, **changes: Any) -> str:
    """A finished job; its id."""
    job = house.job(number, **changes)
    for source, target in (("QUEUED", "LEASED"), ("LEASED", "RUNNING")):
        house.move(job, source, target)
    house.move(job, "RUNNING", "SUCCEEDED", finished_at=time.time(), video_path=f"jobs/{job}/video.mp4")
    return job


def fact(house: Web, name: str, value: Any) -> None:
    with house.store.transaction():
        house.store.set_fact(name, value, time.time())


def measured(house: Web, job: str, scores: dict[str, float | None] = SCORES, has_portrait: bool = True) -> None:
    with house.store.transaction():
        house.store.keep_scores(job, scores, READER, time.time(), took_s=2.5, has_portrait=has_portrait)


def failed(house: Web, job: str) -> None:
    with house.store.transaction():
        house.store.keep_unmeasured(
            job, "video_missing", "video.mp4 is not there.", READER, time.time(), took_s=0.0, has_portrait=False
        )


def state(house: Web, job: str) -> dict[str, Any]:
    """What the API says of the quality."""
    found: dict[str, Any] = house.local().get(f"/jobs/{job}").get_json()["quality"]
    return found


def test_scores_stand_on_the_page_with_value_unit_and_word_in_both_languages(house: Web) -> None:
    job = done(house)
    measured(house, job, has_portrait=False)
    page = house.person("reader").get(f"/dashboard/jobs/{job}").text
    row = page.partition('data-score="blurred_ratio"')[2].partition("</tr>")[0]
    assert "48.0 %" in row and 'data-word="bad"' in row and "▲" in row and "≤ 2 %" in row
    row = page.partition('data-score="lip_offset_s"')[2].partition("</tr>")[0]
    assert "+0.08 s" in row and 'data-word="good"' in row and "✓" in row
    row = page.partition('data-score="loudness_db"')[2].partition("</tr>")[0]
    assert "cannot be told" in row and "–" in row
    assert 'data-word="bad"' in page.partition('id="quality-title"')[2].partition("</div>")[0], "the worst word is the verdict"
    assert "sharpest frames" in page, "what it was held against is said"
    figures = house.person("reader").get(f"/dashboard/jobs/{job}/figures?lang=zh").text
    assert "模糊帧" in figures and "不合格" in figures


def test_api_tells_scores_as_data(house: Web) -> None:
    job = done(house)
    measured(house, job)
    found = state(house, job)
    assert (found["state"], found["verdict"], found["has_portrait"], found["took_s"]) == ("measured", "bad", True, 2.5)
    by_name = {one["name"]: one for one in found["scores"]}
    assert (by_name["blurred_ratio"]["value"], by_name["blurred_ratio"]["word"]) == (0.48, "bad")
    assert by_name["longest_freeze_s"]["word"] == "look"
    assert house.local().get(f"/jobs/{house.job(2)}").get_json()["quality"] is None, "nothing is claimed of a job that waits"


def test_words_follow_the_policy_in_force(house: Web) -> None:
    job = done(house)
    measured(house, job)
    fact(house, "quality_policy", QualityPolicy.from_mapping({"blurred_ratio": {"bad_above": 0.6}}).to_mapping())
    assert state(house, job)["verdict"] == "look"


def test_page_says_whether_scores_are_still_to_come_and_why_not(house: Web) -> None:
    older, job = done(house, 1), done(house, 2)
    assert state(house, job) == {"state": "off"}
    fact(house, "quality_now", {"is_on": True, "job": None, "since": 0})
    assert (state(house, job), state(house, older)["ahead"]) == ({"state": "waiting", "ahead": 0}, 1)
    fact(house, "quality_now", {"is_on": True, "job": job, "since": 0})
    assert state(house, job)["state"] == "measuring"
    page = house.person("reader").get(f"/dashboard/jobs/{job}").text
    assert 'data-quality="measuring"' in page and "Is being measured" in page
    fact(house, "quality_now", {"is_on": True, "job": None, "since": 0})
    failed(house, job)
    assert state(house, job)["is_again"]
    failed(house, job)
    page = house.person("reader").get(f"/dashboard/jobs/{job}?lang=zh").text
    assert "视频已不存在" in page and "不会再试" in page
    fact(house, "quality_policy", QualityPolicy(catch_up=1).to_mapping())
    assert state(house, older) == {"state": "unmeasured", "newest": 1}


def test_failed_measuring_is_among_the_recent_errors_in_words(house: Web) -> None:
    job = done(house)
    failed(house, job)
    error = house.local().get("/dashboard.json").get_json()["recent_errors"][0]
    assert error["message"] == f"The quality of {job} could not be measured: video.mp4 is not there."


def test_role_charts_draw_scores_over_time_with_the_red_lines(house: Web) -> None:
    jobs = [done(house, number) for number in (1, 2, 3)]
    for job, offset in zip(jobs, (-0.4, 0.05, None), strict=True):
        measured(house, job, {**SCORES, "lip_offset_s": offset})
    done(house, 4, role="student")
    lips = house.local().get("/roles/teacher/chart?kind=lips&range=1h").get_json()
    assert [(trace["kind"], trace["y"], trace["text"]) for trace in lips["traces"]] == [
        ("good", [0.05], [jobs[1]]), ("bad", [-0.4], [jobs[0]]),
    ]  # fmt: skip
    assert {line["at"] for line in lips["lines"]} == {0.3, -0.3, 0.12, -0.12}
    assert lips["range"][0] < -0.4 and lips["range"][1] > 0.3
    blur = house.local().get("/roles/teacher/chart?kind=blur&range=1h").get_json()
    assert (blur["unit"], blur["traces"][0]["kind"], blur["traces"][0]["y"]) == ("%", "bad", [48.0] * 3)
    assert blur["range"][0] <= 0 and blur["range"][1] > 48
    page = house.local().get("/dashboard/roles/teacher").text
    assert "kind=lips" in page and "kind=blur" in page


@pytest.mark.parametrize(
    ("measure", "value", "text", "good", "red"),
    [
        ("lip_offset_s", -0.2, "-0.20 s", "≤ 0.12 s", "≤ 0.3 s"), ("lip_correlation", 0.7, "0.70", "≥ 0.5", "≥ 0.3"),
        ("flicker", 0.0021, "0.21 %", "≤ 0.4 %", "≤ 1.6 %"), ("identity_drift", 0.0239, "0.024", "≤ 0.05", "≤ 0.1"),
        ("loudness_db", -19.4, "-19 dB", "-30 … -9 dB", "-45 … -3 dB"), ("loudness_db", None, "–", "-30 … -9 dB", "-45 … -3 dB"),
    ],
)  # fmt: skip
def test_scores_and_marks_read_well(measure: str, value: float | None, text: str, good: str, red: str) -> None:
    assert (written(measure, value), good_text(measure, MARKS[measure]), red_text(measure, MARKS[measure])) == (text, good, red)
