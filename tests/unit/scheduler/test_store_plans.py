"""Day plans, their checks and rehearsals in the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scheduler.store import open_reader
from tests.unit.scheduler.store_rig import AT, accept, go, writer


def _report(verdict: str = "fits", code: int = 0) -> dict[str, Any]:
    return {"day": "2026-11-23", "plan_sha256": "ab", "verdict": verdict, "exit_code": code, "checks": []}


def test_plan_filed_again_replaces_the_one_of_that_day_only(tmp_path: Path) -> None:
    with writer(tmp_path) as store, store.transaction():
        store.keep_plan("2026-11-23", "yaml", "entries: []", "aa", 1, "local", AT)
        store.keep_plan("2026-11-24", "csv", "role", "bb", 2, "local", AT)
        store.keep_plan("2026-11-23", "yaml", "entries: [x]", "cc", 3, "user:planner", AT + 1)
    reader = open_reader(tmp_path)
    filed = reader.filed_plan("2026-11-23")
    assert filed is not None and (filed["text"], filed["videos"], filed["actor"]) == ("entries: [x]", 3, "user:planner")
    assert [plan["day"] for plan in reader.filed_plans()] == ["2026-11-24", "2026-11-23"]
    assert reader.filed_plan("2026-11-25") is None


def test_newest_check_of_a_day_is_the_one_that_is_read(tmp_path: Path) -> None:
    with writer(tmp_path) as store, store.transaction():
        first = store.insert_plan_check(_report(), "system", AT)
        second = store.insert_plan_check(_report("does_not_fit", 11), "local", AT + 1)
        store.insert_plan_check({**_report(), "day": "2026-11-24"}, "system", AT + 2)
    reader = open_reader(tmp_path)
    check = reader.plan_check("2026-11-23")
    assert check is not None and (check["id"], check["exit_code"], check["report"]["verdict"]) == (second, 11, "does_not_fit")
    newest = reader.plan_check()
    assert newest is not None and newest["day"] == "2026-11-24"
    assert [row["id"] for row in reader.plan_checks()] == [second + 1, second, first]


def test_rehearsals_are_kept_whole_and_listed_light(tmp_path: Path) -> None:
    with writer(tmp_path) as store, store.transaction():
        number = store.insert_rehearsal({"kind": "simulated", "day": "peak", "totals": {"jobs": 7}}, "local", AT)
    reader = open_reader(tmp_path)
    found = reader.rehearsal(number)
    assert found is not None and found["report"]["totals"] == {"jobs": 7}
    (row,) = reader.rehearsals()
    assert (row["id"], row["kind"], "report" in row) == (number, "simulated", False)
    assert reader.rehearsal(number + 1) is None


def test_costs_come_from_undisturbed_finished_jobs_only(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        calm, disturbed = accept(store, 1), accept(store, 2)
        path = ("SUBMITTED", "QUEUED", "LEASED", "RUNNING", "SUCCEEDED")
        go(store, *path, job_id=calm, started_at=AT, finished_at=AT + 9, leases=1)
        go(store, *path, job_id=disturbed, started_at=AT, finished_at=AT + 90, leases=2, preemptions=1)
    reader = open_reader(tmp_path)
    (cost,) = reader.job_costs()
    assert (cost["run_s"], cost["block_s"]) == (9.0, None)
    assert [row["id"] for row in reader.arrivals(AT + 2, AT + 100)] == [disturbed]
