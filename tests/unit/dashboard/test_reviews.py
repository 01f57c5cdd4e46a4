"""Notes and verdicts on pages and in the API: who reads them, who may do what, and that words stay words."""

from __future__ import annotations

import pytest

from dashboard import formats
from dashboard.job_phases import stages
from scheduler.audit import Actor
from tests.unit.dashboard.test_markup import EVIL
from tests.unit.dashboard.test_quality import done, measured
from tests.unit.dashboard.web_rig import Web
from tests.unit.scheduler.store_rig import AT, block

FORM = {"X-CSRF-Token": "form-token"}
DORA = Actor("user:dora", "", "")


def made(house: Web, number: int = 1, user: str = "reader") -> str:
    """A finished job with 24 frames."""
    job = done(house, number, user=user)
    with house.store.transaction():
        for at in (0, 1):
            house.store.insert_block(block(at, job))
    return job


def note(house: Web, job: str, text: str, video_s: float | None = None, answers: int | None = None, by: str = "dora") -> int:
    with house.store.transaction():
        return house.store.write_note(job, text, Actor(f"user:{by}", "", ""), AT, video_s=video_s, answers=answers)


def judge(house: Web, job: str, verdict: str, reason: str = "", before: int = 0) -> None:
    with house.store.transaction():
        house.store.keep_verdict(job, verdict, reason, before, DORA, AT)


def test_notes_stand_in_the_order_of_the_video_with_answers_and_what_one_may_do(house: Web) -> None:
    job = made(house)
    late, early, whole = note(house, job, "late", 0.9), note(house, job, "early", 0.1), note(house, job, "whole")
    note(house, job, "mine", answers=late, by="reader")
    gone, kept = note(house, job, "gone"), note(house, job, "kept for its answer", 0.5)
    note(house, job, "still here", answers=kept)
    with house.store.transaction():
        house.store.change_note(gone, "retracted", DORA, AT)
        house.store.change_note(kept, "retracted", DORA, AT)
        house.store.change_note(early, "resolved", DORA, AT)
    found = house.person("reader").get(f"/jobs/{job}/notes").get_json()["notes"]
    assert [one["number"] for one in found] == [whole, early, kept, late]
    assert [one["text"] for one in found] == ["whole", "early", "", "late"]
    assert [one["may"] for one in found] == [["resolve"], ["reopen"], [], ["resolve"]], "the owner resolves"
    assert [answer["may"] for answer in found[3]["answers"]] == [["retract"]]
    dora = house.person("dora", "designer").get(f"/jobs/{job}/notes").get_json()["notes"]
    assert dora[3]["may"] == ["resolve", "retract"] and dora[3]["answers"][0]["may"] == []
    ops = house.person("olga", "ops").get(f"/jobs/{job}/notes").get_json()["notes"]
    assert all(one["may"] == [] for one in ops), "who watches only, changes nothing of others"
    page = house.person("reader").get(f"/dashboard/jobs/{job}?lang=en").text
    assert 'data-seek="0.9"' in page and "0:00.9" in page and "This note was retracted." in page and "resolved by dora" in page


def test_whoever_may_not_watch_reads_no_word_and_sees_the_verdict_only(house: Web) -> None:
    job = made(house)
    note(house, job, "SECRET-WORDS", 0.4)
    judge(house, job, "rejected", "SECRET-REASON")
    tom = house.person("tom")
    assert tom.get(f"/jobs/{job}/notes").status_code == 403
    for path, body in ((f"/jobs/{job}/notes", {"text": "x"}), (f"/jobs/{job}/notes/1", {"deed": "resolve"}),
                       (f"/jobs/{job}/verdict", {"verdict": "approved"})):  # fmt: skip
        assert tom.post(path, json=body, headers=FORM).status_code == 403, path
    for path in (f"/jobs/{job}", f"/dashboard/jobs/{job}", f"/dashboard/jobs/{job}/figures", f"/jobs/{job}/story",
                 "/dashboard/jobs", "/live.json?since=0&rooms=global,job:" + job):  # fmt: skip
        answer = tom.get(path)
        assert answer.status_code == 200 and "SECRET" not in answer.text, path
    assert tom.get(f"/jobs/{job}").get_json()["judged"] == {
        "verdict": "rejected", "number": 1, "by": "dora", "at": AT, "reason": None,
    }  # fmt: skip
    assert house.person("reader").get(f"/jobs/{job}").get_json()["judged"]["reason"] == "SECRET-REASON"


def test_another_pair_of_eyes_judges(house: Web) -> None:
    job = made(house, user="paul")
    wish = {"verdict": "approved"}
    people = (("paul", "planner", 403), ("pia", "planner", 503), ("dora", "designer", 503), ("olga", "ops", 403),
              ("paul", "coordinator", 503), ("uma", "user", 403))  # fmt: skip
    for name, group, status in people:
        client = house.person(name, group)
        assert client.post(f"/jobs/{job}/verdict", json=wish, headers=FORM).status_code == status, (name, group)
        has_form = 'id="judge"' in client.get(f"/dashboard/jobs/{job}").text
        assert has_form == (status == 503), (name, group)
    assert house.local().post(f"/jobs/{job}/verdict", json=wish).status_code == 403


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("notes", {"text": "x" * 10_000}, "text"), ("notes", {"text": ""}, "text"), ("notes", {}, "text"),
        ("notes", {"text": "x", "video_s": -0.1}, "video_s"), ("notes", {"text": "x", "video_s": "1"}, "video_s"),
        ("notes", {"text": "x", "answers": 0}, "answers"), ("notes/1", {"deed": "burn"}, "deed"),
        ("verdict", {"verdict": "fine"}, "verdict"), ("verdict", {"verdict": "rejected", "reason": "x" * 501}, "reason"),
        ("verdict", {"verdict": "approved", "before": -1}, "before"),
    ],
)  # fmt: skip
def test_bad_wish_is_refused_by_its_field(house: Web, path: str, body: dict[str, object], field: str) -> None:
    job = made(house)
    answer = house.person("dora", "designer").post(f"/jobs/{job}/{path}", json=body, headers=FORM)
    assert (answer.status_code, answer.get_json()["error"]["field"]) == (422, field)
    unknown = house.person("dora", "designer").post("/jobs/j00000000nope/notes", json={"text": "x"}, headers=FORM)
    assert unknown.status_code == 404


def test_markup_in_notes_and_reasons_is_text(house: Web) -> None:
    job = made(house)
    number = note(house, job, EVIL, 0.4)
    note(house, job, EVIL, answers=number)
    judge(house, job, "rejected", EVIL)
    for language in ("en", "zh-CN"):
        for path in (f"/dashboard/jobs/{job}", f"/dashboard/jobs/{job}/figures"):
            text = house.person("dora", "designer").get(f"{path}?lang={language}").text
            assert "<img src=x" not in text and text.count("onerror=alert(1)") >= 3, path


def test_lists_are_filtered_by_verdict_and_files_have_it(house: Web) -> None:
    jobs = [made(house, number) for number in (1, 2, 3)]
    judge(house, jobs[0], "approved")
    judge(house, jobs[1], "rejected", "no")
    client = house.person("ada", "coordinator")
    for verdict, job in zip(("approved", "rejected", "unjudged"), jobs, strict=True):
        assert [row["id"] for row in client.get(f"/jobs?verdict={verdict}").get_json()["jobs"]] == [job]
        page = client.get(f"/dashboard/jobs?verdict={verdict}&lang=en").text
        assert f'data-job="{job}"' in page and page.count("data-job=") == 1
    assert "✕ rejected" in client.get("/dashboard/jobs?verdict=rejected&lang=en").text
    assert client.get("/jobs?verdict=fine").get_json()["error"]["field"] == "verdict"
    assert "✕ 退回" in client.get("/users/reader?lang=zh").text
    (card,) = house.house.reads.jobs_by_id([jobs[1]])
    assert card["verdict"] == "rejected", "live lists hear of it"


def test_rejected_video_is_made_again_with_changes(house: Web) -> None:
    job = made(house)
    judge(house, job, "rejected", "too dark")
    page = house.person("reader").get(f"/dashboard/jobs/{job}?lang=en").text
    assert "too dark" in page and "Make it again with changes" in page and f'href="/submit?from={job}"' in page
    assert 'name="before" value="1"' in page, "the next verdict says which one it follows"
    judge(house, job, "approved", before=1)
    assert "Make it again with changes" not in house.person("reader").get(f"/dashboard/jobs/{job}?lang=en").text


def test_measuring_is_the_last_stage_of_the_bar_with_its_seconds(house: Web) -> None:
    found = stages([{"name": "encode", "ms": 1000.0}, {"name": "audio", "ms": 500.0}, {"name": "steps", "ms": 1500.0}], 2, 2.0)
    assert [stage["name"] for stage in found] == ["audio", "steps", "encode", "quality"]
    assert found[-1] == {"name": "quality", "seconds": 2.0, "ms": None, "share": 40.0}
    job = made(house)
    client = house.person("reader")
    assert "measuring the quality" not in client.get(f"/dashboard/jobs/{job}?lang=en").text
    measured(house, job)
    assert "measuring the quality" in client.get(f"/dashboard/jobs/{job}?lang=en").text
    assert "测量质量" in client.get(f"/dashboard/jobs/{job}/figures?lang=zh").text


def test_moments_read_well() -> None:
    assert [formats.moment_of(value) for value in (None, 0, 3.24, 59.96, 75.5, 3725.0)] == [
        "–", "0:00.0", "0:03.2", "1:00.0", "1:15.5", "1:02:05.0",
    ]  # fmt: skip
