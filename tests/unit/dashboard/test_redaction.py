"""Other people's words stay theirs: in answers, on pages, on the socket."""

from __future__ import annotations

import json

from dashboard.cards import chunks, event_card, job_card
from dashboard.principal import Principal
from dashboard.sockets import may_enter
from tests.unit.dashboard.web_rig import Web

PATHS = ("/jobs", "/jobs/{id}", "/jobs/{id}/story", "/dashboard/jobs/{id}", "/queue", "/dashboard", "/dashboard/roles/teacher")


def test_plain_user_never_reads_the_words_of_another(house: Web) -> None:
    job = house.job(user="reader")
    tom = house.person("tom")
    for path in PATHS:
        answer = tom.get(path.format(id=job))
        assert answer.status_code == 200, path
        assert b"SECRET" not in answer.data, path
    assert tom.get(f"/jobs/{job}").get_json()["is_redacted"] is True
    assert tom.get("/users/reader").status_code == 403


def test_owner_and_reviewer_read_them(house: Web) -> None:
    job = house.job(user="reader")
    for client in (house.person("reader"), house.person("ana", "designer")):
        assert client.get(f"/jobs/{job}").get_json()["recipe"]["prompt"] == "Explain SECRET-PROMPT"
        assert b"SECRET-PROMPT" in client.get(f"/dashboard/jobs/{job}").data


def test_video_of_another_is_not_shown(house: Web) -> None:
    job = house.job(user="reader")
    assert house.person("tom").get(f"/jobs/{job}/video").get_json()["error"]["code"] == "no_right"
    assert house.person("reader").get(f"/jobs/{job}/video").get_json()["error"]["code"] == "no_video_yet"


def test_what_the_socket_carries_has_chosen_fields_only(house: Web) -> None:
    job = house.job(user="reader")
    row = house.house.reads.jobs_by_id([job])[0]
    assert set(job_card({**row, "recipe": "SECRET"})) == {
        "id", "user", "role", "priority", "state", "hold", "blocks_done", "total_blocks", "slot", "verdict",
    }  # fmt: skip
    event = {"seq": 1, "at_utc": "x", "action": "job:failed", "object": f"job:{job}", "outcome": "failure",
             "body": {"prompt": "SECRET", "context": {"a": "SECRET"}, "code": "x" * 500, "slot": 0}}  # fmt: skip
    card = event_card(event)
    assert "SECRET" not in json.dumps(card)
    assert len(card["body"]["code"]) == 160
    assert card["body"]["slot"] == 0


def test_pushes_stay_within_their_size() -> None:
    items = [{"id": f"job-{number}", "text": "字" * 40} for number in range(100)]
    parts = chunks(items, 1900)
    assert [item for part in parts for item in part] == items
    assert all(len(json.dumps(part, separators=(",", ":"))) <= 1900 for part in parts)
    assert chunks([], 100) == []


def test_rooms_of_people_are_their_own(house: Web) -> None:
    see = frozenset({"see"})
    reader = Principal("session", "reader", "user", "", see)
    assert may_enter(reader, "user:reader")
    assert may_enter(reader, "job:j1")
    assert not may_enter(reader, "user:tom")
    assert not may_enter(reader, "secrets")
    assert not may_enter(reader, "user:")
    assert may_enter(Principal("session", "ada", "ops", "", see | {"see_people"}), "user:tom")
    assert not may_enter(Principal("nobody", "", "", "", frozenset()), "global")
