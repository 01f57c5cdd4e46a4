"""Before a job gets another priority: who would be done sooner, who later."""

from __future__ import annotations

import pytest

from scheduler.errors import SchedulerError
from scheduler.forecast.reorder import reorder
from tests.unit.scheduler.forecast.test_house import START, Past, _mirror, past

__all__ = ["past"]  # the same store as the forecaster's other tests


def test_another_priority_tells_whose_end_moves_and_changes_nothing(past: Past) -> None:
    last = past.job(9, 81.6)
    mirror, before = _mirror(past), past.store.last_seq()
    running, first, _ = mirror.refresh(START + 82.0).jobs
    told = reorder(mirror.refresh(START + 82.0), mirror.estimator, last, 60)
    moved = {one["job"]: one["moved_s"] for one in told["changes"]}
    assert moved[last] < -1.0 < 1.0 < moved[first] and running not in moved
    assert told["changed"] == 2 and all(one["finish"] > START + 82.0 for one in told["changes"])
    assert past.store.last_seq() == before
    with pytest.raises(SchedulerError, match="not open"):
        reorder(mirror.refresh(START + 82.0), mirror.estimator, "nobody", 60)
