"""Shares and waits, a role's histories, and the table of rights as it is drawn."""

from __future__ import annotations

import time

from dashboard.fairness import quantile, shares, waits
from dashboard.rights import RIGHTS
from dashboard.views.rights import PARTS
from tests.unit.dashboard.web_rig import Web
from tests.unit.scheduler.store_rig import READER, block


def finished(house: Web, number: int, team: str, wait_s: float, seconds: float) -> str:
    """A job that waited, made one block and was done a moment ago."""
    now = time.time()
    job = house.job(number, team=team, submitted_at=now - 100 - wait_s)
    house.move(job, "QUEUED", "LEASED", slot=0, lease_id=f"{job}-1")
    house.move(job, "LEASED", "RUNNING", started_at=now - 100)
    with house.store.transaction():
        house.store.insert_block(block(0, job, seconds=seconds, made_at=now - 50, peak_bytes=3 << 30))
    house.move(job, "RUNNING", "SUCCEEDED", finished_at=now - 40, frames=12)
    return job


def test_team_has_the_share_of_the_computing_that_its_blocks_took(house: Web) -> None:
    for number in range(1, 6):
        finished(house, number, "education", 10 * number, 3.0)
    finished(house, 6, "market", 5, 5.0)
    reads, since = house.house.reads, time.time() - 3600
    rows = shares(reads, since)
    assert [(row["team"], row["jobs"], row["share"]) for row in rows] == [("education", 5, 75.0), ("market", 1, 25.0)]
    assert (round(rows[0]["p90_s"]), rows[1]["p90_s"]) == (50, None), "a quantile of one wait says nothing"
    (role,) = waits(reads, since)
    assert (role["jobs"], round(role["median_s"]), round(role["longest_s"])) == (6, 20, 50)
    assert quantile([1.0] * 4, 0.9) is None
    assert "75 %" in house.local().get("/dashboard/roles/?range=1h").text


def test_role_has_a_history_of_videos_memory_and_switches(house: Web) -> None:
    job = finished(house, 1, "education", 10, 3.0)
    with house.store.transaction():
        body = {"role": "teacher", "slot": 0, "tier": "host", "switch_ms": 42.0, "prepare_ms": 7.0}
        house.store.record("role:switched", "role:teacher", body, READER, time.time())

    def chart(kind: str) -> dict[str, list[float]]:
        (trace,) = house.local().get(f"/roles/teacher/chart?kind={kind}&range=1h").get_json()["traces"]
        found: dict[str, list[float]] = trace
        return found

    assert [round(value) for value in chart("videos")["y"]] == [60]
    assert job in str(chart("videos")["text"])
    assert (chart("memory")["y"], chart("blocks")["y"], chart("switches")["y"]) == ([3.0], [3.0], [42.0])
    assert house.local().get("/roles/teacher/chart?kind=mood").status_code == 422
    assert house.local().get("/roles/nobody/chart").status_code == 404


def test_every_right_is_drawn_in_its_part_with_words(house: Web) -> None:
    assert {right for part in PARTS.values() for right in part} == RIGHTS
    page = house.local().get("/dashboard/rights").text
    assert all(f"<code class=\"muted small\">{right}</code>" in page for right in RIGHTS)
    assert page.count('<span class="yes">') == sum(len(groups) for groups in house.house.rights.holders.values())
