"""The morning check: figures from the store's minutes, what needs somebody, one sign-off per day, charts over a span."""

from __future__ import annotations

import time
from typing import Any

import pytest

from dashboard.marks import Marks
from dashboard.morning import device_rows, report
from dashboard.pulse import Beat
from tests.unit.dashboard.web_rig import Web
from tests.unit.scheduler.store_rig import READER

MARKS = Marks(95.0, 80.0)


def minute(number: int, levels: dict[int, int], peak: int) -> dict[str, Any]:
    count = sum(levels.values())
    return {
        "device": "gpu0", "minute": number, "readings": count, "memory_readings": count, "memory_peak_bytes": peak,
        "levels": levels, "memory_sum_bytes": sum(level * seconds for level, seconds in levels.items()),
        "memory_total_bytes": 100, "load_readings": 0, "load_sum": 0.0, "load_peak": None, "temperature_peak_c": None,
    }  # fmt: skip


def record(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon's part of a deed: a row in the log, in the caller's name."""

    def write(door: Any, action: str, subject: str, body: dict[str, Any]) -> dict[str, Any]:
        with house.store.transaction():
            return {"audit_seq": house.store.record(action, subject, body, door._actor, time.time())}

    monkeypatch.setattr("scheduler.client.Scheduler.record", write)


def test_peak_mean_p95_and_time_above_the_mark_are_of_all_readings() -> None:
    (row,) = device_rows([minute(0, {50: 60}, 50), minute(1, {50: 50, 96: 4, 97: 6}, 98)], MARKS, 0.0, 240.0)
    assert (row["peak_percent"], row["mean_percent"]) == (98.0, round((50 * 110 + 96 * 4 + 97 * 6) / 120, 1))
    assert row["p95_percent"] == 96, "114 of 120 readings did not exceed it"
    assert row["above_s"] == 10
    assert (row["measured_s"], row["measured_share"], row["load_percent"]) == (120, 0.5, None)
    assert [MARKS.level(value) for value in (None, 79.9, 80.0, 95.0)] == ["unknown", "calm", "near", "above"]


def test_check_names_what_needs_somebody_and_says_when_nothing_does(house: Web) -> None:
    now = time.time()
    with house.store.transaction():
        for ago in range(120):
            house.store.insert_sample(now - ago, "gpu0", {"memory_used_bytes": 97, "memory_total_bytes": 100})
    job = house.job()
    house.move(job, "QUEUED", "FAILED", error_code="out_of_memory", finished_at=now)
    found = house.local().get("/watermark").get_json()
    assert {finding["what"] for finding in found["findings"]} >= {"above", "out_of_memory", "failures", "gaps"}
    assert found["verdict"] == "look"
    assert found["devices"][0]["above_s"] == 120
    page = house.local().get("/dashboard/watermark/").text
    assert "gpu0: 2:00 above the memory mark" in page
    assert "Nobody has signed" in page, "this machine itself may not sign"


def test_sign_off_is_by_right_once_per_day_and_keeps_the_figures(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    record(house, monkeypatch)
    csrf = {"X-CSRF-Token": "form-token"}
    assert house.person("tom").post("/watermark/sign-off", json={}, headers=csrf).status_code == 403
    assert house.person("ana", "coordinator").post("/watermark/sign-off", json={}).status_code == 403, "without the form's token"
    signed = house.person("ana", "coordinator").post("/watermark/sign-off", json={"note": "fan is loud"}, headers=csrf)
    assert signed.status_code == 200
    again = house.person("olga", "ops").post("/watermark/sign-off", json={}, headers=csrf)
    assert (again.status_code, again.get_json()["error"]["code"]) == (409, "already_signed")
    assert "ana" in again.get_json()["error"]["message"]
    row = house.store.audit(action="watermark:signed")[0]
    assert (row["actor"], row["body"]["reason"], row["body"]["failures"]) == ("user:ana", "fan is loud", 0)
    page = house.local().get("/dashboard/watermark/").text
    assert "Signed off by ana" in page and "fan is loud" in page
    assert house.local().get("/watermark").get_json()["signed"]["by"] == "ana"


def test_stack_says_who_held_the_memory_and_what_is_not_ours(house: Web) -> None:
    now = time.time()
    job = house.job()
    body = {"memory_used_bytes": 10 << 30, "memory_total_bytes": 16 << 30, "shares": {"weights": 4 << 30, f"job:{job}": 5 << 30}}
    with house.store.transaction():
        house.store.insert_sample(now - 60, "gpu0", body)
    data = house.local().get("/watermark/chart?device=gpu0&range=1h").get_json()
    assert {trace["owner"]: trace["y"] for trace in data["traces"]} == {
        "weights": [4.0, 4.0], f"job:{job}": [5.0, 5.0], "others": [1.0, 1.0],
    }  # fmt: skip
    assert data["range"] == [0, 16.0]
    assert [line["at"] for line in data["lines"]] == [15.2, 12.8]


def test_charts_mark_what_happened_in_their_span(house: Web) -> None:
    now = time.time()
    with house.store.transaction():
        house.store.insert_sample(now - 60, "gpu0", {"memory_used_bytes": 1, "memory_total_bytes": 2, "throttle_reasons": 0x40})
        house.store.record("fault:detected", "slot:0", {"heal": "h1", "fault": "worker_died"}, READER, now - 90)
    events = house.local().get("/devices/chart?range=6h").get_json()["events"]
    assert {event["kind"] for event in events} == {"open", "hot"}


@pytest.mark.parametrize("query", ["range=2h", "to=2026-01-01T00:00", "from=soon", "from=2026-01-02T00:00&to=2026-01-01T00:00"])
def test_range_that_means_nothing_is_refused_by_name(house: Web, query: str) -> None:
    answer = house.local().get(f"/devices/chart?{query}")
    assert answer.status_code == 422
    assert answer.get_json()["error"]["field"] in ("range", "from", "to")


def test_span_of_ones_own_reaches_the_charts_as_it_was_given(house: Web) -> None:
    page = house.local().get("/dashboard/watermark/?from=2026-11-20T09:00%2B08:00&to=2026-11-20T11:00%2B08:00").text
    assert 'data-chart="/devices/chart?from=2026-11-20T09%3A00%2B08%3A00&amp;to=2026-11-20T11%3A00%2B08%3A00"' in page
    chart = house.local().get("/devices/chart?from=2026-11-20T09:00%2B08:00&to=2026-11-20T11:00%2B08:00").get_json()
    assert (chart["until"] - chart["since"], chart["is_live"]) == (7_200_000, False)


def test_daemon_that_fell_silent_is_something_to_look_at(house: Web) -> None:
    reads, now = house.house.reads, time.time()
    status = {"queue": {"paused": False}, "disk": {"free_bytes": 1 << 40, "total_bytes": 1 << 41}}
    for age, expected in ((0.5, False), (60.0, True)):
        found = {finding.what for finding in report(reads, Beat(now - age, status), now).findings}
        assert ("silent" in found) is expected, age


def test_header_tells_the_longest_wait_and_the_end_of_a_pause(house: Web) -> None:
    house.job(1, submitted_at=time.time() - 100)
    house.job(2)
    with house.store.transaction():
        house.store.set_fact("queue_paused", {"is_paused": True, "reason": "new driver", "until": 2e9}, time.time())
    pulse = house.local().get("/live.json").get_json()["pulse"]
    assert 99 < pulse["longest_wait_s"] < 160
    assert pulse["pause"] == {"reason": "new driver", "until": 2e9}
    assert pulse["marks"] == {"high": 95.0, "low": 80.0}


def test_stack_puts_the_jobs_of_a_person_together(house: Web) -> None:
    jobs = [house.job(1, user="ana"), house.job(2, user="ana"), house.job(3, user="tom")]
    shares = {f"job:{job}": size << 30 for job, size in zip(jobs, (1, 2, 4), strict=True)}
    with house.store.transaction():
        body = {"memory_used_bytes": 10 << 30, "memory_total_bytes": 16 << 30, "shares": shares}
        house.store.insert_sample(time.time() - 60, "gpu0", body)
    data = house.local().get("/watermark/chart?device=gpu0&range=1h&by=user").get_json()
    assert {trace["name"]: trace["y"][0] for trace in data["traces"]} == {"ana": 3.0, "tom": 4.0, "not ours": 3.0}
