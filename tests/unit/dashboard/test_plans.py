"""Plans, checks and rehearsals over the API: what is read, who may ask, what stays hidden."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.dashboard.web_rig import Web
from tests.unit.scheduler.store_rig import AT

DAY = "2026-11-23"
CHECK = {"name": "plan line 2, teacher", "state": "bad", "text": "tone: 'SECRET' is no choice", "zh": "SECRET",
         "data": {"code": "refused", "line": 2}}  # fmt: skip
REPORT: dict[str, Any] = {
    "day": DAY, "plan_sha256": "ab", "verdict": "does_not_fit", "exit_code": 11, "checks": [CHECK], "entries": [],
    "quarters": [],
}  # fmt: skip


def _filled(house: Web) -> None:
    with house.store.transaction():
        house.store.keep_plan(DAY, "yaml", "entries: [SECRET]", "ab", 3, "user:ada", AT)
        house.store.insert_plan_check({**REPORT, "verdict": "fits", "exit_code": 0}, "system", AT)
        house.store.insert_plan_check(REPORT, "system", AT + 1)
        house.store.insert_rehearsal({"kind": "simulated", "day": "peak", "totals": {"jobs": 7}}, "system", AT)


def test_newest_check_of_a_day_is_read_by_everybody_without_others_words(house: Web) -> None:
    _filled(house)
    for client, has_words in ((house.person("tom"), False), (house.person("ada", "coordinator"), True)):
        answer = client.get(f"/plan/check?day={DAY}")
        found = answer.get_json()
        assert (answer.status_code, found["exit_code"], found["number"], found["by"]) == (200, 11, 2, "system")
        assert (b"SECRET" in answer.data) is has_words


def test_filed_plan_is_shown_to_those_who_may_see_words(house: Web) -> None:
    _filled(house)
    assert house.person("tom").get(f"/plan?day={DAY}").status_code == 403
    found = house.person("ada", "planner").get(f"/plan?day={DAY}").get_json()
    assert (found["text"], found["videos"], found["days"]) == ("entries: [SECRET]", 3, [DAY])


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/plan?day=2001-01-01", 404, "no_plan"), ("/plan/check", 404, "no_check"),
        ("/plan/check?day=2026-13-01", 422, "bad_query"), ("/plan/check?day=today", 422, "bad_field"),
        ("/rehearsals/99", 404, "no_rehearsal"), (f"/rehearsals/{10**30}", 404, "no_rehearsal"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_with_the_way_out(house: Web, path: str, status: int, code: str) -> None:
    answer = house.person("ada", "coordinator").get(path)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (status, code)
    assert answer.get_json()["error"]["hint"]


def test_rehearsals_are_listed_and_read(house: Web) -> None:
    _filled(house)
    client = house.person("tom")
    assert [row["id"] for row in client.get("/rehearsals").get_json()["rehearsals"]] == [1]
    assert client.get("/rehearsals/1").get_json()["totals"] == {"jobs": 7}


def test_checking_and_rehearsing_are_wishes_of_those_who_may(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Any]] = []

    def check(_self: object, text: str | None = None, kind: str = "yaml") -> dict[str, Any]:
        asked.append((kind, text))
        return {"is_running": True} if text is None else {**REPORT, "number": 3, "by": "user:ada", "at": AT}

    monkeypatch.setattr("scheduler.client.Scheduler.check_plan", check)
    headers = {"X-CSRF-Token": "form-token"}
    planner, user = house.person("ada", "planner"), house.person("tom")
    sent = planner.post("/plan/check", json={"text": "role,user", "kind": "csv"}, headers=headers)
    started = planner.post("/plan/check", json={}, headers=headers)
    assert (sent.status_code, sent.get_json()["verdict"], started.status_code) == (200, "does_not_fit", 202)
    assert asked == [("csv", "role,user"), ("yaml", None)]
    assert user.post("/plan/check", json={}, headers=headers).status_code == 403
    assert user.put("/plan", json={"text": "x"}, headers=headers).status_code == 403
    assert planner.post("/rehearsals", json={}, headers=headers).status_code == 403
    answer = house.person("eve", "ops").post("/rehearsals", json={"day": "/etc/x.jsonl"}, headers=headers)
    assert (answer.status_code, answer.get_json()["error"]["field"]) == (422, "day")
