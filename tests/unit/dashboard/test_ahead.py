"""What the next half hour is promised: memory and slots by the middles of forecasts, drawn apart from what was measured."""

from __future__ import annotations

import time
from typing import Any

import pytest

from dashboard.ahead import AHEAD_S, promised
from dashboard.pulse import Pulse
from scheduler.store import Store
from tests.unit.dashboard.web_rig import Web
from tests.unit.scheduler.store_rig import READER

GIB, NOW = 1 << 30, 1_000_000.0


def told(start: float, finish: float) -> dict[str, Any]:
    """A forecast whose middles are so many seconds from now."""
    return {"estimate": {"start": [0, NOW + start, 0], "finish": [0, NOW + finish, 0]}, "estimate_state": "known"}


def test_memory_and_slots_follow_the_middles_of_the_forecasts() -> None:
    readings = [{"device": "cpu", "memory_used_bytes": 10 * GIB}]
    jobs = {"runs": {"slot": 0, "context_bytes": 2 * GIB}, "waits": {"slot": None, "context_bytes": 3 * GIB}}
    (found,) = promised(readings, {"runs": told(-60, 300), "waits": told(300, 900)}, jobs, 1, NOW)
    assert found.times == (NOW, NOW + 300, NOW + 900, NOW + AHEAD_S)
    assert found.load_percent == (100, 100, 0, 0)
    assert found.memory_bytes == (10 * GIB, 11 * GIB, 8 * GIB, 8 * GIB)  # 8 GiB are held by others than the job that runs


def test_job_that_waits_may_come_to_any_device_and_one_that_runs_is_on_its_own() -> None:
    readings = [{"device": "gpu0", "memory_used_bytes": None}, {"device": "gpu1", "memory_used_bytes": GIB}, {"device": "gpu7"}]
    jobs = {"runs": {"slot": 0, "context_bytes": GIB}, "waits": {"slot": None, "context_bytes": GIB}}
    first, second = promised(readings, {"runs": told(-60, 600), "waits": told(0, 600)}, jobs, 2, NOW)
    assert (first.load_percent[0], second.load_percent[0]) == (100, 50)
    assert first.memory_bytes is None and second.memory_bytes is not None and second.memory_bytes[0] == 1.5 * GIB


def test_nothing_is_promised_where_nobody_can_tell() -> None:
    readings, jobs = [{"device": "cpu", "memory_used_bytes": GIB}], {"waits": {"slot": None, "context_bytes": GIB}}
    assert promised(readings, {}, jobs, 1, NOW) == [] and promised(readings, {}, {}, 0, NOW) == []
    (idle,) = promised(readings, {}, {}, 1, NOW)
    assert idle.load_percent == (0, 0), "an empty house has promised nothing, and that is known"


def test_charts_go_on_for_half_an_hour_in_another_dash(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    now, job = time.time(), house.job()
    reading = {"memory_used_bytes": 4 * GIB, "memory_total_bytes": 16 * GIB, "utilization_percent": 5, "shares": {"weights": GIB}}
    with house.store.transaction():
        house.store.insert_sample(now - 60, "gpu0", reading)
    monkeypatch.setattr(Pulse, "ask", lambda self: type("Beat", (), {"slots": [{"slot": 0}], "at": now})())
    estimate = {"start": [0, now + 60, 0], "finish": [0, now + 600, 0]}
    monkeypatch.setattr(house.house.board, "told", lambda: {job: {"estimate": estimate}})
    data = house.local().get("/devices/chart?range=1h").get_json()
    assert data["ahead"] == 1_800_000 and data["until"] <= time.time() * 1000, "now stays where it is"
    kinds = {trace["kind"]: trace for trace in data["traces"]}
    assert {kind: trace["dash"] for kind, trace in kinds.items()} == {
        "memory": "solid", "memory_promised": "dash", "load": "dot", "load_promised": "dashdot",
    }  # fmt: skip
    assert max(kinds["load_promised"]["y"]) == 100 and kinds["memory_promised"]["x"][-1] - data["until"] >= 1_799_000
    stack = house.local().get("/watermark/chart?device=gpu0&range=1h").get_json()
    assert stack["ahead_line"]["y"][0] == 4.0 and stack["ahead"] == 1_800_000
    past = house.local().get("/devices/chart?from=2026-01-01T00:00&to=2026-01-01T01:00").get_json()
    assert "ahead" not in past


def sample(store: Store, at: float, **body: Any) -> None:
    """A reading of a GPU."""
    with store.transaction():
        store.insert_sample(at, "gpu0", {"memory_used_bytes": 1, "memory_total_bytes": 2, **body})


def test_marks_name_reasons_codes_and_memory_errors(house: Web) -> None:
    minute = time.time() // 60 * 60
    for ago in (600, 540, 480, 120):
        sample(house.store, minute - ago, throttle_reasons=0x44)  # 0x04 is the cap of the power: not a mark
    sample(house.store, minute - 300, xids=[79, 999], ecc_corrected=3)
    sample(house.store, minute - 240, xids=[95], ecc_corrected=5)
    with house.store.transaction():
        house.store.record("fault:detected", "slot:0", {"heal": "h1", "fault": "worker_died"}, READER, minute - 90)
    events = house.local().get("/devices/chart?range=1h").get_json()["events"]
    said = {(event["kind"], event["text"]) for event in events}
    assert ("hot", "gpu0 throttled for 3 min: heat (hardware's limit)") in said
    assert ("hot", "gpu0 throttled for 1 min: heat (hardware's limit)") in said
    assert ("error", "gpu0 XID 79: fallen off the bus") in said
    assert ("error", "gpu0 XID 999: see the driver's list of XID errors") in said
    assert ("ecc", "gpu0 XID 95: memory error that was not contained (ECC)") in said
    assert ("ecc", "gpu0 corrected memory errors (ECC): 2") in said
