"""Estimates in the API: null with the reason while no forecaster answers, and its numbers when it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dashboard import estimates
from scheduler.forecasts import Forecasts, Foretold
from tests.unit.dashboard.web_rig import web

RANGE = [1.0, 2.0, 3.0]
KNOWN: dict[str, Any] = {"estimate": {"start": RANGE, "finish": RANGE, "runs": 9}, "estimate_state": "known"}


def test_without_a_forecaster_jobs_have_no_estimate_and_say_why(tmp_path: Path) -> None:
    with web(tmp_path) as here:
        job_id = here.job()
        client = here.local()
        job = client.get(f"/jobs/{job_id}").get_json()
        assert (job["estimate"], job["estimate_state"]) == (None, "stale")
        queue = client.get("/queue").get_json()
        assert [(one["id"], one["estimate"], one["estimate_state"]) for one in queue["jobs"]] == [(job_id, None, "stale")]
        answer = client.get("/forecast/score")
        assert answer.status_code == 503 and answer.get_json()["error"]["code"] == "no_forecaster"
        what_if = client.post("/jobs/what-if", json={"role": "teacher"})
        assert what_if.status_code == 503


def test_numbers_of_the_forecaster_stand_beside_open_jobs_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with web(tmp_path) as here:
        first, second = here.job(1), here.job(2)
        here.move(second, "QUEUED", "CANCELLED")
        monkeypatch.setattr(Forecasts, "everybody", lambda self: Foretold({first: KNOWN, second: KNOWN}))
        client = here.local()
        assert client.get(f"/jobs/{first}").get_json()["estimate"] == KNOWN["estimate"]
        assert client.get(f"/jobs/{second}").get_json()["estimate_state"] == "over"
        assert client.get("/queue").get_json()["jobs"][0]["estimate_state"] == "known"
        newest = here.job(3)
        assert client.get(f"/jobs/{newest}").get_json()["estimate_state"] == "pending", "the forecaster has not seen it yet"


def test_answer_to_a_submission_carries_what_is_known_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with web(tmp_path) as here, here.app.app_context():
        monkeypatch.setattr(Forecasts, "of_new", lambda self, job_id: KNOWN if job_id == "j1" else {})
        queued = {"id": "j1", "state": "QUEUED", "estimate": None}
        assert estimates.with_new(queued, waits=True)["estimate"]["runs"] == 9
        assert estimates.with_new({"id": "j1", "state": "REJECTED"}, waits=True)["estimate_state"] == "over"
        later = estimates.with_new(queued, waits=False)
        assert (later["estimate"], later["estimate_state"]) == (None, "pending"), "nobody waits who did not ask to"


def test_question_before_another_priority_says_who_is_done_when_or_that_nobody_can_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web(tmp_path) as here:
        job_id = here.job()
        client = here.person("ana", "coordinator")
        words = client.get(f"/jobs/{job_id}/priority/preview?priority=60").get_json()["words"]
        assert words[-1] == "When they would be done cannot be told just now."
        moved = [
            {"job": "j2", "user": "tom", "role": "student", "moved_s": 125.2, "finish": 0.0},
            {"job": job_id, "user": "ana", "role": "teacher", "moved_s": -60.0, "finish": 0.0},
        ]
        monkeypatch.setattr(Forecasts, "reorder", lambda self, job, priority: {"changes": moved, "changed": 2})
        words = client.get(f"/jobs/{job_id}/priority/preview?priority=60").get_json()["words"]
        assert words[-2].startswith("student j2 of tom: done 2:05 later, about ")
        assert words[-1].startswith(f"teacher {job_id} of ana: done 1:00 sooner, about ")
        same = client.get(f"/jobs/{job_id}/priority/preview?priority={here.store.job(job_id)['priority']}").get_json()  # type: ignore[index]
        assert same["moved"] == []
