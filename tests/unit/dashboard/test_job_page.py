"""The job page: where its time went, and a new video that begins as a copy of it."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.job_phases import phases, stages
from tests.unit.dashboard.web_rig import RECIPE, Web


def job(**changes: Any) -> dict[str, Any]:
    usual = {"submitted_at": 0.0, "started_at": 10.0, "finished_at": None, "state": "RUNNING", "preview": "", "approved_at": None}
    return {**usual, **changes}


@pytest.mark.parametrize(
    ("row", "span", "computing", "expected"),
    [
        (job(started_at=None, state="QUEUED"), (None, None, None), 0.0, {"waited": 100.0}),
        (job(), (None, None, None), 0.0, {"waited": 10.0, "prepared": 90.0}),
        (job(started_at=None, state="QUEUED", preview="j1"), (None, None, None), 0.0, {"judged": 100.0}),
        (job(preview="j1", approved_at=7.0), (None, None, None), 0.0, {"judged": 7.0, "waited": 3.0, "prepared": 90.0}),
        (job(started_at=None, state="LEASED", leases=1, leased_at=4.0), (None,) * 3, 0.0, {"waited": 4.0, "prepared": 96.0}),
        (job(leases=1, leased_at=4.0), (14.0, 90.0, 2.0), 40.0, {"waited": 4.0, "prepared": 8.0, "made": 40.0, "between": 48.0}),
        (job(leases=2, leased_at=60), (14.0, 90.0, 2.0), 40.0, {"waited": 10.0, "prepared": 2.0, "made": 40.0, "between": 48.0}),
        (job(), (14.0, 90.0, 2.0), 40.0, {"waited": 10.0, "prepared": 2.0, "made": 40.0, "between": 48.0}),
        (job(state="SUCCEEDED", finished_at=95.0), (14.0, 90.0, 2.0), 78.0,
         {"waited": 10.0, "prepared": 2.0, "made": 78.0, "closed": 5.0}),
    ],
    ids=["waits", "begins", "is judged", "was judged", "is given", "was given", "given twice", "runs", "done"],
)  # fmt: skip
def test_stretches_of_a_life_add_up_to_it(
    row: dict[str, Any], span: tuple[float | None, ...], computing: float, expected: dict[str, float]
) -> None:
    first, last, first_s = span
    found = phases(row, {"first_at": first, "last_at": last, "first_s": first_s}, computing, now=100.0)
    assert {phase["name"]: phase["seconds"] for phase in found} == expected
    assert sum(phase["seconds"] for phase in found) == (row["finished_at"] or 100.0)
    assert sum(phase["share"] for phase in found) == pytest.approx(100.0)


def test_stage_has_its_seconds_altogether_and_per_block() -> None:
    (stage, _) = stages([{"name": "steps", "ms": 3000.0}, {"name": "encode", "ms": 1000.0}], 4)
    assert stage == {"name": "steps", "seconds": 3.0, "ms": 750.0, "share": 75.0}


def test_copy_begins_with_the_words_and_settings_of_the_job(house: Web) -> None:
    recipe = {**RECIPE, "context": {"topic": "glaciers"}, "fill": "loop"}
    made = house.job(user="ada", recipe=recipe, priority=33)
    page = house.person("ada").get(f"/submit?from={made}").text
    assert 'name="context.topic" value="glaciers"' in page
    assert 'value="420"' in page and 'value="33"' in page and 'name="size" maxlength="20" value="192*128"' in page
    assert '<option value="loop" selected>' in page
    assert f"/submit?from={made}" in house.person("ada").get(f"/dashboard/jobs/{made}").text
    stranger = house.person("tom").get(f"/submit?from={made}")
    assert stranger.status_code == 403
    assert "glaciers" not in stranger.text
    assert house.person("ada").get("/submit?from=jnothere").status_code == 404
