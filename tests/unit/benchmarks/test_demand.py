"""The measure of foreseen demand: it rewards the truth, and asks only where the truth is known."""

from __future__ import annotations

import json
import random
from statistics import mean

import pytest

from benchmarks.demand import WITHIN_S, looks, main, score
from scheduler.simulation.synthetic import synthetic_trace


def test_score_is_the_distance_less_half_of_that_among_the_futures() -> None:
    assert score([3.0, 3.0, 3.0], 3.0) == 0.0 and score([3.0, 3.0], 5.0) == 2.0
    assert score([0.0, 2.0], 1.0) == pytest.approx(1.0 - 2.0 / 2.0)
    assert score([0.0, 1.0, 5.0], 2.0) == pytest.approx(2.0 - 0.5 * (1.0 + 5.0 + 4.0) / 3.0)


def test_nobody_scores_better_in_the_mean_than_who_draws_from_the_law() -> None:
    source = random.Random(1)

    def scored(middle: float, spread: float) -> float:
        return mean(
            score([source.gauss(middle, spread) for _ in range(10)], source.gauss(10.0, 2.0)) for _ in range(4_000)
        )

    best = scored(10.0, 2.0)
    assert best < min(scored(11.0, 2.0), scored(10.0, 0.8), scored(10.0, 5.0))


def test_truth_is_what_was_asked_for_after_a_submission_and_lies_within_the_trace() -> None:
    trace = synthetic_trace("bursts", slots=2, jobs=400, seed=5)
    found = list(looks(trace))
    assert len(found) > 20
    for place, truth in found:
        now = trace.jobs[place].at
        assert now + WITHIN_S[-1] <= trace.jobs[-1].at
        later = [sum(job.blocks for job in trace.jobs[place + 1 :] if job.at <= now + until) for until in WITHIN_S]
        assert truth == later


def test_house_foresees_better_than_a_steady_rate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "--kinds", "bursts", "--seeds", "3001", "--jobs", "500"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["mean"]["house"] < told["mean"]["steady"] and told["results"][0]["looks"] > 20
    with pytest.raises(SystemExit):
        main(["--kinds", "storm"])
