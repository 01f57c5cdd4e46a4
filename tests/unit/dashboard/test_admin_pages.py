"""People and tokens, the policy with its history, rehearsals: who may see what, and what stands beside what."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import pytest

from dashboard import policy_history
from dashboard.views import rehearsals
from scheduler.client import Scheduler
from scheduler.core.healing_policy import HealingPolicy
from scheduler.core.policy import Policy
from tests.unit.dashboard.web_rig import Web
from tests.unit.scheduler.store_rig import READER

SECRET = "gr_SECRET-TOKEN"


def test_only_admins_manage_people_and_a_secret_is_shown_once(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def create(self: Scheduler, user: str, label: str) -> dict[str, Any]:
        asked.append({"user": user, "label": label})
        return {"token": SECRET, "label": label}

    monkeypatch.setattr(Scheduler, "create_token", create)
    headers = {"X-CSRF-Token": "form-token"}
    wish = {"user": "ana", "label": "render farm"}
    for group in ("user", "planner", "coordinator", "designer", "ops"):
        client = house.person(f"p-{group}", group)
        assert client.get("/dashboard/people").status_code == 403
        assert client.post("/people/tokens", json=wish, headers=headers).status_code == 403
        assert "/dashboard/people" not in client.get("/dashboard").get_data(as_text=True)
    assert asked == []
    admin = house.person("ana", "admin")
    assert admin.post("/people/tokens", json=wish).status_code == 403, "without the form's token"
    assert admin.post("/people/tokens", json=wish, headers=headers).get_json()["token"] == SECRET
    assert asked == [wish]
    with house.store.transaction():
        house.store.insert_token("c" * 64, "ana", "render farm", READER, time.time())
    for path in ("/dashboard/people", "/people"):
        said = admin.get(path, headers={"Accept": "application/json"} if path == "/people" else {}).get_data(as_text=True)
        assert "render farm" in said and "c" * 64 not in said and SECRET not in said


def test_policy_page_tells_what_changed_and_what_was_refused(house: Web) -> None:
    def hold(number: int, **changes: Any) -> None:
        policy = dataclasses.replace(Policy(), **changes).to_mapping()
        with house.store.transaction():
            house.store.set_fact(f"policy:{number}", {**policy, "faults": HealingPolicy().to_mapping()}, time.time())
            house.store.set_fact("policy_version", number, time.time())
            house.store.record("policy:changed", "policy", {"version": number}, READER, time.time())

    hold(1)
    hold(2, ageing_per_s=0.25)
    client = house.local()
    reads = house.house.reads
    assert policy_history.history(reads)[0]["changes"] == [("ageing_per_s", 0.05, 0.25)]
    page = client.get("/dashboard/policy?from=1&to=2").get_data(as_text=True)
    assert "different from the shipped ones: 1" in page and page.count("<code>ageing_per_s</code>") == 4
    assert client.get("/dashboard/policy?from=7").status_code == 404
    with house.store.transaction():
        house.store.record("policy:refused", "policy", {"message": "line 3: no"}, READER, time.time(), outcome="failure")
    assert "line 3: no" in client.get("/dashboard/policy").get_data(as_text=True)
    hold(3)
    assert "line 3: no" not in client.get("/dashboard/policy").get_data(as_text=True)


def test_rehearsals_stand_beside_each_other_with_what_makes_them_unlike(house: Web) -> None:
    client = house.local()
    assert "No rehearsal was kept yet" in client.get("/dashboard/rehearsals/").get_data(as_text=True)
    with house.store.transaction():
        for slots, longest in ((1, 600.0), (2, 60.0)):
            house.store.insert_rehearsal(report(slots, longest), READER.name, time.time())
    page = client.get("/dashboard/rehearsals/?number=2&with=1").get_data(as_text=True)
    assert "slots 1 → 2" in page and "10:00" in page and "a second slot" in page
    one, other = ({"report": report(slots, longest)} for slots, longest in ((2, 60.0), (1, 600.0)))
    assert rehearsals.unlike(one, other) == [("slots", 1, 2)]
    assert [(row["name"], row["cells"][3]["before"]) for row in rehearsals.waits(one, other)] == [("urgent", 600.0)]
    assert client.get("/dashboard/rehearsals/?number=9").status_code == 404


def report(slots: int, longest: float) -> dict[str, Any]:
    """A rehearsal's report as the simulation writes it."""
    return {
        "kind": "simulated", "day": "peak", "seed": 1, "slots": slots, "block_s": 1.2, "block_s_basis": "learnt",
        "totals": {"jobs": 9, "succeeded": 9, "failed": 0, "rejected": 0, "preemptions": 2, "workers_lost": 0,
                   "utilisation": 0.9, "degraded": 0},
        "peaks": {"queue": 3, "longest_wait_s": longest},
        "classes": {"urgent": {"jobs": 2, "p50_wait_s": 1.0, "p90_wait_s": 2.0, "p99_wait_s": 3.0, "longest_wait_s": longest}},
        "suggestions": [{"text": "a second slot", "zh": "加一个槽位"}], "policy": {"ageing_per_s": 0.05},
    }  # fmt: skip
