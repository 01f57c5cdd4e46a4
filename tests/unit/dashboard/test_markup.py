"""Markup that somebody wrote into a plan, a report, a policy or a label is text on every page that shows it."""

from __future__ import annotations

import time
from typing import Any

from tests.unit.dashboard.test_admin_pages import report
from tests.unit.dashboard.test_plan_page import DAY, ENTRY, REPORT
from tests.unit.dashboard.web_rig import Web
from tests.unit.scheduler.store_rig import READER

EVIL = "</script><img src=x onerror=alert(1)>'\""
AT = time.time()


def fill(house: Web) -> None:
    """Evil words wherever a person's words are kept."""
    change: dict[str, Any] = {**ENTRY["changes"][0], "text": EVIL, "zh": EVIL, "window": EVIL, "line": 3, "role": EVIL}
    entry = {**ENTRY, "role": EVIL, "user": EVIL, "changes": [change]}
    check = {"name": EVIL, "state": "bad", "text": EVIL, "zh": EVIL, "data": {}}
    repair = {"fits": True, "changes": [change]}
    plan = {**REPORT, "entries": [entry], "checks": [check], "repair": repair, "plan_sha256": "a" * 64}
    rehearsed = {**report(1, 60.0), "day": EVIL, "suggestions": [{"text": EVIL, "zh": EVIL}], "policy": {EVIL: EVIL}}
    with house.store.transaction():
        house.store.keep_plan(DAY, "yaml", f"entries: {EVIL}", "a" * 64, 2, EVIL, AT)
        house.store.insert_plan_check(plan, EVIL, AT)
        house.store.insert_rehearsal(report(2, 60.0), EVIL, AT)
        house.store.insert_rehearsal(rehearsed, EVIL, AT)
        house.store.set_fact("policy:1", {EVIL: EVIL, "list": [EVIL]}, AT)
        house.store.set_fact("policy_version", 1, AT)
        house.store.record("policy:changed", "policy", {"version": 1}, READER, AT)
        house.store.record("policy:refused", "policy", {"message": EVIL}, READER, AT, outcome="failure")


def test_markup_of_stored_words_is_text_in_both_languages(house: Web) -> None:
    client = house.person("ana", "admin")
    fill(house)
    with house.store.transaction():
        house.store.insert_token("d" * 64, "ana", EVIL, READER, AT)
    pages = (f"/dashboard/plan/?day={DAY}", "/dashboard/rehearsals/?with=1", "/dashboard/policy?from=1", "/dashboard/people")
    for path in pages:
        for language in ("en", "zh-CN"):
            answer = client.get(f"{path}{'&' if '?' in path else '?'}lang={language}")
            assert answer.status_code == 200, path
            assert "<img src=x" not in answer.text and "</script><img" not in answer.text, path
            assert "onerror=alert(1)" in answer.text, f"{path} does not show it at all"
