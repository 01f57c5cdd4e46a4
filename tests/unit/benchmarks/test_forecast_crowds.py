"""Who knows the law of crowds and sees who came expects as many more as do come, with the chances that it says."""

from __future__ import annotations

import random
from itertools import takewhile

import numpy as np
import pytest

from benchmarks.forecast_crowds import StillToCome
from scheduler.simulation.synthetic import KINDS, Day

BURSTS = KINDS["bursts"]
SINGLE = 0.05
JOBS = 1_500


def _expected(told: StillToCome) -> float:
    return float(told.chances @ np.arange(len(told.chances)))


def _seen(seed: int) -> list[tuple[float, float]]:
    """(place of the truth among what was foretold, what was expected less the truth) after each submission of a day."""
    day, came = Day(BURSTS, 2, random.Random(seed)), []
    for moment, jobs in takewhile(lambda _: day.number <= JOBS, day.moments(0.0)):
        came += [(job.at, moment) for job in jobs]
        end = moment
    told, source, found = StillToCome(BURSTS), random.Random(seed), []
    for at, _ in takewhile(lambda one: one[0] <= end, sorted(came)):
        told.submitted(at, day.single_rate(at))
        truth = sum(moment <= at < later for later, moment in came)
        below = float(told.chances[:truth].sum())
        found.append((below + source.random() * float(told.chances[truth]), _expected(told) - truth))
    return found


def test_number_that_is_still_to_come_lies_where_its_chances_say() -> None:
    seen = [one for seed in range(6) for one in _seen(seed)]
    assert len(seen) > 5 * JOBS
    tenths = np.histogram([place for place, _ in seen], bins=10, range=(0.0, 1.0))[0] / len(seen)
    assert tenths.min() > 0.08 and tenths.max() < 0.12, tenths
    assert abs(np.mean([off for _, off in seen])) < 0.3  # of 4 on average


def test_crowd_is_believed_as_it_comes_and_forgotten_when_nobody_comes() -> None:
    told = StillToCome(BURSTS)
    told.submitted(600.0, SINGLE)
    first = _expected(told)
    for number in range(1, 8):
        told.submitted(600.0 + 0.3 * number, SINGLE)
    begun = _expected(told)
    assert first < 2.0 < 10.0 < begun
    told.reach(604.0)
    assert _expected(told) < begun
    told.reach(660.0)
    assert told.chances[0] == pytest.approx(1.0, abs=0.02)  # another may have begun just now
    told.reach(90_000.0)
    assert told.chances.sum() == pytest.approx(1.0) and told.chances[0] > 0.98
    with pytest.raises(ValueError, match="before"):
        told.reach(89_999.0)


def test_draws_come_as_often_as_their_chances_say() -> None:
    told = StillToCome(BURSTS)
    for number in range(12):
        told.submitted(60.0 + 0.2 * number, SINGLE)
    drawn = told.draw(4_000, random.Random(1))
    counts = np.bincount(drawn, minlength=len(told.chances)) / len(drawn)
    assert np.abs(counts - told.chances).max() < 0.002
    assert drawn != sorted(drawn)
