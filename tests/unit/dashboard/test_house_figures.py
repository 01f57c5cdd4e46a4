"""Figures about the house: who stopped for whom, quotas, hours of the week, the next half hour, blocks role by role."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Any

import pytest

from dashboard import timeline
from dashboard.formats import zone_of
from dashboard.handovers import handovers
from dashboard.heat import heat
from dashboard.overview import pulse_message
from dashboard.promises import promises
from dashboard.pulse import Beat, Pulse
from dashboard.quotas import quotas
from dashboard.span import Span
from engine.config import AdapterUse
from scheduler.core.policy import Policy
from scheduler.errors import DaemonUnreachable, SchedulerError
from scheduler.refusal_words import chinese
from tests.unit.dashboard.web_rig import Web
from tests.unit.scheduler.store_rig import READER, role

GIB = 1 << 30


def deed(house: Web, action: str, job: str, at: float, **body: Any) -> None:
    """A row of the log."""
    with house.store.transaction():
        house.store.record(action, f"job:{job}", body, READER, at)


def test_handover_says_how_soon_one_stopped_and_the_other_began(house: Web) -> None:
    victim, urgent, other = (house.job(number) for number in (1, 2, 3))
    now = time.time()
    deed(house, "job:preempting", victim, now, preemptor=urgent, preemptor_role="presenter")
    deed(house, "job:preempted", victim, now + 0.25)
    deed(house, "job:started", other, now + 0.3)
    deed(house, "job:started", urgent, now + 0.75)
    deed(house, "job:started", urgent, now + 9)
    (one,) = handovers(house.house.reads)
    assert (one.victim, one.victim_role, one.preemptor, one.preemptor_role) == (victim, "teacher", urgent, "presenter")
    assert (round(one.stopped_s or 0, 2), round(one.started_s or 0, 2)) == (0.25, 0.75)
    assert handovers(house.house.reads, other) == []
    for job in (victim, urgent):
        house.move(job, "QUEUED", "CANCELLED")
    page = house.local().get(f"/dashboard/jobs/{victim}").get_data(as_text=True)
    assert "stopped 0.25 s after it was asked" in page
    assert "it began after 0.75 s" in house.local().get(f"/dashboard/jobs/{urgent}").get_data(as_text=True)


def test_quotas_name_who_uses_how_much_and_only_where_there_is_one(house: Web) -> None:
    house.job(1, user="reader")
    house.job(2, user="reader")
    limits = {"max_queued_per_user": 2, "gpu_s_per_day_per_team": 100.0}
    policy = dataclasses.replace(Policy(), **limits)
    day = int((time.time() - policy.quota_day_starts_s) // 86_400)
    with house.store.transaction():
        house.store.set_fact("policy", policy.to_mapping(), time.time())
        house.store.set_fact("shares", {"spent": {"day": day, "ms": [["team", "education", 25_000]]}}, time.time())
    rows = quotas(house.house.reads)
    found = {(row["rule"], row["kind"], row["name"]): (row["used"], row["limit"], row["share"]) for row in rows}
    assert found == {("queued", "user", "reader"): (2, 2, 100.0), ("gpu_s_per_day", "team", "education"): (25.0, 100.0, 25.0)}
    assert "2 / 2 ▲" in house.local().get("/dashboard/roles/").get_data(as_text=True)
    tomorrow = quotas(house.house.reads, time.time() + 86_400)
    assert all(row["rule"] != "gpu_s_per_day" for row in tomorrow), "counted anew"


def test_week_is_read_in_the_studios_hours(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    midnight = 1_700_000_000 // 86_400 * 86_400  # a Tuesday's midnight UTC
    rows = [{"at": midnight + 3600, "load": 80.0}, {"at": midnight + 3600, "load": 40.0}, {"at": midnight + 7200, "load": None}]
    monkeypatch.setattr(type(house.house.reads.store), "minute_steps", lambda self, since, until, step: rows)
    week = heat(house.house.reads, zone_of("Asia/Shanghai"))
    measured = [(day, hour, value) for day, row in enumerate(week) for hour, value in enumerate(row)]
    assert [one for one in measured if one[2] is not None] == [(1, 9, 60)]
    rows.clear()
    assert heat(house.house.reads, None) == []


def test_next_half_hour_counts_what_lies_within_it() -> None:
    def told(start: float, finish: float) -> dict[str, Any]:
        return {"estimate": {"start": [start] * 3, "finish": [finish] * 3}}

    assert timeline.promised({"a": told(-60, 900), "b": told(900, 9000)}, 2, 0.0) == 50.0
    assert timeline.promised({}, 1, 0.0) == 0.0
    assert timeline.promised({"a": {"estimate": None}}, 1, 0.0) is None
    assert timeline.promised({}, 0, 0.0) is None


def test_blocks_of_roles_stand_beside_each_other(house: Web) -> None:
    assert house.local().get("/roles/chart?range=7d").get_json()["traces"] == []
    assert house.local().get("/roles/chart?range=9d").status_code == 422


def test_promise_is_held_against_every_finished_job(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    done = [
        {"asked_at": 0.0, "started_at": 10.0, "finished_at": 30.0, "frames": 250},  # 10 s of video
        {"asked_at": 0.0, "started_at": 90.0, "finished_at": 100.0, "frames": 250},
    ]
    monkeypatch.setattr(type(house.house.reads.store), "role_done", lambda self, role, since, until, limit=500: done)
    span = Span(0.0, 100.0, "1h", "")
    found = promises(house.house.reads, "teacher", {"start_within_s": 60.0, "finish_factor": 3.0}, span)
    assert [(one["rule"], one["kept"], one["of"], one["percent"]) for one in found] == [
        ("start_within_s", 1, 2, 50.0), ("finish_factor", 1, 2, 50.0)
    ]  # fmt: skip
    assert promises(house.house.reads, "teacher", {}, span) == []
    assert "This role promises nothing" in house.local().get("/dashboard/roles/teacher").text


def test_every_page_says_what_keeps_an_answering_daemon_from_working(house: Web) -> None:
    full = SchedulerError(507, "disk_full", "The disk is full.", hint="Free some space; work goes on by itself.").to_json()
    beat = Beat(at=1.0, status={"daemon": {"trouble": full}})
    told = pulse_message(beat, house.house.reads, house.house.settings)["trouble"]
    assert told == {"en": "The disk is full. Free some space; work goes on by itself.", "zh": chinese()["disk_full"]}
    silent = Beat(at=1.0, trouble=DaemonUnreachable("run/daemon.sock", "no such file"))
    told = pulse_message(silent, house.house.reads, house.house.settings)["trouble"]
    assert "does not answer" in told["en"] and told["zh"] == chinese()["daemon_unreachable"]
    well = Beat(at=1.0, status={"daemon": {"trouble": None}})
    assert pulse_message(well, house.house.reads, house.house.settings)["trouble"] is None


def test_house_of_eight_gpus_is_told_of_in_one_message_and_all_are_on_the_first_page(house: Web) -> None:
    now = time.time()
    body = {
        "name": "NVIDIA H200", "memory_used_bytes": 43 * GIB, "memory_total_bytes": 140 * GIB, "utilization_percent": 100,
        "temperature_c": 66, "power_w": 654.321, "sm_clock_mhz": 1980,
    }  # fmt: skip
    with house.store.transaction():
        for number in range(8):
            house.store.insert_sample(now, f"gpu{number}", body)
    slot = {
        "worker": "w12-34", "state": "busy", "drained": False, "device": "cuda", "role": "presenter", "job_id": "jm81dg4r9r4fv",
        "block": 1064, "total_blocks": 2084, "phase": "denoise", "step": 3, "failures": 0, "pid": 31003, "last_error": "",
    }  # fmt: skip
    slots = [{"slot": number, **slot} for number in range(8)]
    beat = Beat(at=now, status={"slots": slots, "daemon": {"now": now}}, wall_at=now - 9e6)
    message = pulse_message(beat, house.house.reads, house.house.settings)
    assert [device["device"] for device in message["devices"]] == [f"gpu{number}" for number in range(8)]
    assert [one["slot"] for one in message["slots"]] == list(range(8)) and message["clock"] is not None
    assert len(json.dumps(message)) < 4096
    closed = {"drained": True, "drained_for": ["maintenance"], "drained_until": now, "job_id": None, "role": None, "phase": None}
    for more in ({"drained": True, "drained_for": ["person"]}, closed):
        beat.status["slots"] = [{**one, **more} for one in slots]
        message = pulse_message(beat, house.house.reads, house.house.settings)
        assert len(json.dumps(message, separators=(",", ":"))) < 4096, "as the socket writes it"
    page = house.local().get("/dashboard").text
    assert all(f'data-device="gpu{number}"' in page for number in range(8))


def test_role_page_says_where_its_adapters_are(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    names = (("captain", "a"), ("smile", "b"))
    uses = tuple(AdapterUse(name=name, sha256=sha * 64, alpha=4.0, weight=1.0) for name, sha in names)
    with house.store.transaction():
        house.store.put_role(role(adapters=uses), READER, time.time())
    monkeypatch.setattr(Pulse, "ask", lambda self: Beat(at=1.0, status={"vault": {"adapters": ["a" * 64]}}))
    page = " ".join(house.local().get("/dashboard/roles/teacher").text.split())
    assert 'captain <span class="muted small">in host memory</span>' in page
    assert 'smile <span class="muted small">on disk</span>' in page
    playing = {"vault": {"adapters": []}, "slots": [{"role": "teacher"}]}
    monkeypatch.setattr(Pulse, "ask", lambda self: Beat(at=1.0, status=playing))
    assert house.local().get("/dashboard/roles/teacher").text.count("attached to the model that plays now") == 2
    monkeypatch.setattr(Pulse, "ask", lambda self: Beat())
    assert "on disk" not in house.local().get("/dashboard/roles/teacher").text, "nothing is claimed while the daemon is silent"
