"""Lists and changes of many: filters in the address, files that spreadsheets may open, lists shown before anything is done."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.dashboard.test_watermark import record
from tests.unit.dashboard.web_rig import Web, web
from tests.unit.scheduler.store_rig import block

CSRF = {"X-CSRF-Token": "form-token"}


def test_filters_are_pills_that_can_be_taken_out_and_pages_keep_them(house: Web) -> None:
    for number in range(1, 5):
        house.job(number, user="tom" if number > 1 else "ada")
    page = house.local().get("/dashboard/jobs?user=tom&state=QUEUED&per_page=2").text
    assert page.count('<tr data-job="') == 2
    assert "page 1 of 2" in page
    assert 'href="?user=tom&amp;state=QUEUED&amp;per_page=2&amp;page=2"' in page
    assert 'href="?state=QUEUED&amp;per_page=2"' in page, "the pill of the user takes only the user out"
    assert "No job meets these filters" in house.local().get("/dashboard/jobs?user=nobody").text
    wrong = house.local().get("/dashboard/jobs?sort=mood")
    assert wrong.get_json()["error"]["field"] == "sort"


def test_queue_of_one_person_has_their_jobs_with_their_places_among_all(house: Web) -> None:
    ids = [house.job(number, user="tom" if number > 1 else "ada") for number in range(1, 4)]
    everybody, toms = (house.local().get(path).get_json() for path in ("/queue", "/queue?user=tom"))
    assert [job["id"] for job in everybody["jobs"]] == ids and everybody["queue"]["length"] == 3
    assert [job["id"] for job in toms["jobs"]] == ids[1:]
    assert [job["place"] for job in toms["jobs"]] == [{"place": 2, "of": 3}, {"place": 3, "of": 3}]
    assert toms["queue"]["length"] == 3
    assert house.local().get("/queue?user=nobody").get_json()["jobs"] == []
    house.move(ids[1], "QUEUED", "LEASED", slot=0)
    house.move(ids[1], "LEASED", "RUNNING")
    assert [job["id"] for job in house.local().get("/queue?user=tom").get_json()["running"]] == [ids[1]]
    assert house.local().get("/queue?user=ada").get_json()["running"] == []


def test_list_as_a_file_is_safe_complete_by_right_and_audited(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    record(house, monkeypatch)
    for number in range(1, 4):
        house.job(number, user="=HYPERLINK(1)" if number == 2 else "tom", team="研发")
    assert house.person("tom").get("/dashboard/jobs.csv").status_code == 403
    answer = house.person("ada", "coordinator").get("/dashboard/jobs.csv?sort=ordinal")
    text = answer.data.decode("utf-8")
    assert text.startswith("\ufeffid,")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [row["user"] for row in rows] == ["tom", "'=HYPERLINK(1)", "tom"]
    assert rows[0]["team"] == "研发" and rows[0]["submitted_at"].endswith("Z")
    assert "SECRET" not in text
    listed = house.person("ada", "coordinator").get("/dashboard/jobs.json?user=tom").get_json()
    assert [row["user"] for row in listed] == ["tom", "tom"]
    deeds = house.store.audit(action="jobs:exported")
    assert [row["body"]["format"] for row in deeds] == ["json", "csv"]
    assert (deeds[0]["actor"], deeds[0]["body"]["filters"]["user"]) == ("user:ada", "tom")


def test_bulk_shows_its_list_first_and_looks_at_every_job_itself(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, others, ended = house.job(1, user="tom"), house.job(2, user="ada"), house.job(3, user="tom")
    house.move(ended, "QUEUED", "CANCELLED")
    cancelled: list[str] = []

    def cancel(_: Any, job_id: str) -> dict[str, Any]:
        cancelled.append(job_id)
        return {"id": job_id, "state": "CANCELLED"}

    monkeypatch.setattr("scheduler.client.Scheduler.cancel", cancel)
    tom, wish = house.person("tom"), {"action": "cancel", "ids": [mine, others, ended, "jnone"]}
    first = tom.post("/jobs/bulk", json=wish, headers=CSRF).get_json()
    assert [job["can"] for job in first["jobs"]] == [True, False, False, False]
    assert first["words"][0] == "Cancel 1 of 4 jobs?"
    assert cancelled == []
    done = tom.post("/jobs/bulk", json={**wish, "is_sure": True}, headers=CSRF).get_json()
    assert (done["is_done"], done["count"], cancelled) == (True, 1, [mine])
    assert tom.post("/jobs/bulk", json={"action": "cancel", "ids": []}, headers=CSRF).status_code == 422


def test_preview_says_who_is_passed_and_who_gives_way_and_changes_nothing(house: Web) -> None:
    first, second, third = (house.job(number, user=f"u{number}", priority=50 - 10 * number) for number in (1, 2, 3))
    running = house.job(4, user="night", priority=5, total_blocks=80)
    house.move(running, "QUEUED", "LEASED", slot=0, lease_id="l")
    house.move(running, "LEASED", "RUNNING", blocks_done=10)
    seen = house.local().get(f"/jobs/{third}/priority/preview").get_json()
    assert (seen["place"], seen["then"]) == ([3, 3], [1, 3])
    assert {one["id"] for one in seen["passed"]} == {first, second}
    assert 40 <= seen["priority"] <= 42, "no more than it takes"
    now = house.local().get(f"/jobs/{third}/priority/preview?priority=100").get_json()
    assert (now["gives_way"]["id"], now["gives_way"]["rule"]) == (running, "urgent")
    assert any("night" in words for words in now["words"])
    low = house.local().get(f"/jobs/{third}/priority/preview?priority=1").get_json()
    assert (low["then"], low["passed_count"], low["gives_way"]) == ([3, 3], 0, None)
    job = house.store.job(third)
    assert job is not None and job["priority"] == 20


def test_preview_names_the_job_whose_block_ends_soonest_where_an_urgent_one_would_stop_it(house: Web) -> None:
    now = time.time()
    for number, priority, made_at in ((1, 8, now - 600.0), (2, 5, now - 100.0)):  # blocks of eleven minutes
        running = house.job(number, priority=priority, total_blocks=80)
        house.move(running, "QUEUED", "LEASED", slot=number - 1, lease_id=f"{running}-1")
        house.move(running, "LEASED", "RUNNING", blocks_done=2)
        with house.store.transaction():
            house.store.insert_block(block(0, running, seconds=1_000.0, made_at=made_at - 1_000.0))
            house.store.insert_block(block(1, running, seconds=1_000.0, made_at=made_at))
    waiting = house.job(3)
    seen = house.local().get(f"/jobs/{waiting}/priority/preview?priority=100").get_json()
    assert seen["gives_way"]["id"] == "j000000000001"


def test_muted_fault_is_folded_away_with_its_reason_by_right(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    record(house, monkeypatch)
    wish = {"fault": "stutter", "reason": "neighbour renders until noon"}
    assert house.person("tom").post("/faults/mute", json=wish, headers=CSRF).status_code == 403
    ana = house.person("ana", "coordinator")
    assert ana.post("/faults/mute", json={"fault": "boredom", "reason": "x"}, headers=CSRF).status_code == 422
    assert ana.post("/faults/mute", json={"fault": "stutter", "reason": ""}, headers=CSRF).status_code == 422
    assert ana.post("/faults/mute", json=wish, headers=CSRF).get_json()["for_s"] == 3600
    muted = house.local().get("/faults").get_json()["muted"]["stutter"]
    assert (muted["by"], muted["reason"]) == ("ana", "neighbour renders until noon")
    assert "neighbour renders until noon" in house.local().get("/dashboard/faults/").text
    assert house.person("tom").post("/faults/unmute", json={"fault": "stutter"}, headers=CSRF).status_code == 403
    assert ana.post("/faults/unmute", json={"fault": "boredom"}, headers=CSRF).status_code == 422
    assert ana.post("/faults/unmute", json={"fault": "gpu_lost"}, headers=CSRF).get_json()["seq"] is None, "it is not muted"
    assert ana.post("/faults/unmute", json={"fault": "stutter"}, headers=CSRF).status_code == 200
    assert house.local().get("/faults").get_json()["muted"] == {}


def test_address_of_the_audit_page_with_an_ending_is_its_export_in_the_studios_zone(tmp_path: Path) -> None:
    with web(tmp_path, zone="Asia/Shanghai") as house:
        client = house.person("olga", "ops")
        answer = client.get("/dashboard/audit.csv?action=job:*&since=2026-11-21 16:00&before_seq=7")
        assert answer.status_code == 302
        assert answer.headers["Location"] == "/audit.csv?action=job%3A%2A&since=2026-11-21T08%3A00%3A00.000000Z"
        assert house.person("anna", "user").get("/dashboard/audit.csv").status_code == 403
