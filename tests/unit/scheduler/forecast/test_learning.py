"""What forecasts are learnt from: paces, demand, losses; and how ranges are corrected by what came true."""

from __future__ import annotations

import random
from dataclasses import replace
from math import exp

import pytest

from scheduler.forecast.conformal import Conformal, Raw
from scheduler.forecast.drift import Drift
from scheduler.forecast.learnt import Learnt
from scheduler.forecast.losses import Losses
from scheduler.forecast.paces import Paces
from scheduler.forecast.ranges import Range, quantile, range_of
from scheduler.forecast.score import pinball, score_of
from scheduler.forecast.witness import Request


def _request(number: int, at: float = 0.0, *, role: str = "a", preset: str = "standard", blocks: int = 20) -> Request:
    return Request(at=at, id=f"j{number}", role=role, team="t", user="u", priority=5, blocks=blocks, preset=preset)


def _teach(paces: Paces, count: int, seconds: float, first: int = 0, **kind: str) -> None:
    for number in range(first, first + count):
        request = _request(number, **kind)  # type: ignore[arg-type]
        paces.submitted(request)
        for block in range(10):
            paces.block_done(request.id, seconds * (0.9, 1.1)[block % 2])
        paces.ended(request.id)


def test_pace_is_learnt_per_preset_and_role_and_unknown_kinds_follow_the_house() -> None:
    paces = Paces(lambda request: {"standard": 0.5, "hd": 1.0}[request.preset])
    first = paces.of(_request(0))
    assert first.seconds == pytest.approx(0.5) and first.sigma > 0.3
    _teach(paces, 40, 0.8)
    assert paces.of(_request(900)).seconds == pytest.approx(0.8, rel=0.05)
    assert paces.of(_request(900)).sigma < 0.15
    unseen = paces.of(_request(901, preset="hd"))
    assert unseen.seconds == pytest.approx(1.6, rel=0.1) and unseen.sigma > 0.3
    _teach(paces, 40, 1.2, first=50, role="b")
    assert paces.of(_request(902, role="b")).seconds > 1.1 > paces.of(_request(903, role="a")).seconds


def test_drift_asked_for_a_thousand_times_is_what_it_would_be_worked_out_anew() -> None:
    source, paces, asked = random.Random(3), Paces(lambda _: 0.5), 0
    for number in range(60):
        paces.submitted(_request(number))
        for _ in range(source.randint(1, 12)):
            one = source.randint(max(0, number - 3), number)
            paces.block_done(f"j{one}", 0.5 * exp(source.gauss(0.0, 0.4)))
            for without in ("", "j7", f"j{number}"):
                running = without if without in paces._running else ""
                anew = paces._drift.level(paces._job_sigma, paces._at_work(running))
                assert paces._level(running) == paces._level(running) == anew
                asked += running != ""
        if number >= 3:
            paces.ended(f"j{number - 3}")
    assert asked > 50


def test_outliers_hardly_move_a_pace() -> None:
    paces = Paces(lambda _: 0.5)
    _teach(paces, 30, 0.5)
    _teach(paces, 1, 50.0, first=100)
    assert paces.of(_request(900)).seconds < 0.56


def test_drift_is_followed_fast_where_it_is_fast_and_noise_is_averaged_where_there_is_none() -> None:
    source, calm, moving = random.Random(5), Drift(), Drift()
    for number in range(200):
        noise = source.gauss(0.0, 0.15)
        calm.take(noise, 1.0, calm.levels, 0.15)
        moving.take(noise + 0.02 * number, 1.0, moving.levels, 0.15)
    assert abs(calm.level(0.15)) < 0.04
    assert moving.level(0.15) > 0.02 * 199 - 0.25  # twelve jobs behind at most; a memory of 36 would be 36 behind
    assert moving.level(0.15, [(4.3, 1.0)] * 3) > moving.level(0.15), "jobs at work count before they end"
    assert moving.levels == tuple(moving.levels)


def test_drift_of_the_house_moves_kinds_that_were_not_seen_meanwhile() -> None:
    source, paces = random.Random(6), Paces(lambda request: {"standard": 0.5, "hd": 1.0}[request.preset])
    for number in range(120):
        preset, slow = ("hd", "standard")[number % 2 or number >= 80], 1.4 if number >= 80 else 1.0
        seconds = {"standard": 0.5, "hd": 1.0}[preset] * slow * exp(source.gauss(0.0, 0.1))
        _teach(paces, 1, seconds, first=number, preset=preset)
    assert paces.of(_request(900)).seconds == pytest.approx(0.7, rel=0.07)
    assert paces.of(_request(900, preset="hd")).seconds == pytest.approx(1.4, rel=0.15)


def test_own_blocks_tell_more_and_more_of_a_running_job() -> None:
    paces = Paces(lambda _: 0.5)
    _teach(paces, 30, 0.5)
    request = _request(200)
    paces.submitted(request)
    seen = []
    for _ in range(40):
        paces.block_done(request.id, 0.75)
        seen.append(paces.of(request))
    assert seen[0].seconds < seen[5].seconds < seen[39].seconds <= 0.75
    assert seen[39].sigma < seen[0].sigma


def test_time_between_blocks_counts_not_only_the_computing_in_them() -> None:
    learnt = Learnt(lambda _: 0.5)
    for number in range(10):
        request = _request(number)
        learnt.submitted(request)
        learnt.leased(0.0, request.id, 0)
        learnt.started(0.0, request.id)
        for block in range(10):
            learnt.block_done(0.4 * (block + 1), request.id, 0.1)  # encoded, written, committed
        learnt.ended(4.1, request.id, True)
    assert learnt.paces.of(_request(900)).seconds == pytest.approx(0.4, rel=0.02)


def test_losses_are_counted_per_slot_and_remembered_with_their_length() -> None:
    losses = Losses()
    for slot in range(2):
        losses.slot_back(0.0, slot)
    assert losses.rate(7_200.0) < 1e-4
    for number in range(10):
        losses.slot_lost(100.0 * number, 0)
        losses.slot_back(100.0 * number + 40.0, 0)
    assert losses.rate(3_600.0) == pytest.approx(10 / (2 * 3_600 + 3_600), rel=0.01)
    drawn = [losses.draw_down_s(random.Random(number)) for number in range(60)]
    assert sorted(drawn)[30] == 40.0


def test_ranges_cover_four_of_five_after_being_far_too_narrow() -> None:
    source, conformal, hits = random.Random(3), Conformal(), []
    for number in range(1_500):
        load = source.random()
        raw = Raw(0.0, 0.12, (load, 0.0))
        truth = source.gauss(0.1, 0.2 + 0.2 * load)  # far wider than foretold, more so under load, and too late
        low, middle, high = conformal.correct(raw)
        if number >= 500:
            hits.append((load > 0.5, low <= truth <= high, middle))
        conformal.learn(raw, truth)
    for is_loaded in (True, False):
        part = [hit for loaded, hit, _ in hits if loaded is is_loaded]
        assert 0.74 <= sum(part) / len(part) <= 0.87
    assert sum(middle for _, _, middle in hits) / len(hits) == pytest.approx(0.1, abs=0.03)


def test_ranges_draw_in_little_after_a_stretch_of_hits_and_out_at_once_after_misses() -> None:
    source, conformal, asked = random.Random(7), Conformal(), Raw(0.0, 1.0, (0.0, 0.0))

    def after(residuals: list[float]) -> tuple[float, float]:
        for residual in residuals:
            conformal.learn(asked, residual)
        low, _, high = conformal.correct(asked)
        return low, high

    usual = after([source.gauss(0.0, 1.0) for _ in range(600)])
    calm = after([source.uniform(-0.6, 0.6) for _ in range(60)])
    assert 0.8 < (calm[1] - calm[0]) / (usual[1] - usual[0]) < 0.95
    late = after([3.0] * 60)
    assert late[1] > 2.0 * usual[1] and late[0] == pytest.approx(calm[0], rel=0.15)


def test_middle_is_not_moved_by_what_may_be_chance() -> None:
    steady, chance = Conformal(), Conformal()
    for number in range(60):
        steady.learn(Raw(0.0, 0.2, (0.0, 0.0)), 0.2)
        chance.learn(Raw(0.0, 0.2, (0.0, 0.0)), (0.03, -0.01)[number % 2] + (0.2, -0.2)[number % 2])
    asked = Raw(1.0, 0.2, (0.0, 0.0))
    assert steady.correct(asked)[1] > 1.1
    assert abs(chance.correct(asked)[1] - 1.0) < 0.02


def test_score_names_the_worst_stretch() -> None:
    narrow, wide = Range(9.0, 10.0, 11.0), Range(1.0, 10.0, 100.0)
    outcomes = [(wide, 20.0)] * 500 + [(narrow, 20.0)] * 100 + [(wide, 20.0)] * 400
    score = score_of(outcomes)
    assert (score.forecasts, score.coverage_80, score.worst_window_coverage) == (1000, 0.9, 0.6)
    assert score.median_error == 0.5
    assert score_of([]).to_mapping()["coverage_80"] is None and score_of([]).to_mapping()["pinball_s"] is None


def test_quantile_loss_is_least_for_the_true_quantiles() -> None:
    assert pinball(Range(8.0, 10.0, 12.0), 10.0) == pytest.approx((0.1 * 2.0 + 0.0 + 0.1 * 2.0) / 3)
    assert pinball(Range(8.0, 10.0, 12.0), 15.0) == pytest.approx((0.1 * 7.0 + 0.5 * 5.0 + 0.9 * 3.0) / 3)
    drawn = [exp(number / 100) for number in range(100, 300)]
    ordered = sorted(drawn)
    true = Range(quantile(ordered, 0.1), quantile(ordered, 0.5), quantile(ordered, 0.9))
    for factor in (0.8, 1.25):
        for name in ("p10", "p50", "p90"):
            odd = replace(true, **{name: getattr(true, name) * factor})
            assert _loss(true, drawn) < _loss(odd, drawn)


def _loss(told: Range, drawn: list[float]) -> float:
    loss = score_of([(told, one) for one in drawn]).pinball_s
    assert loss is not None
    return loss


def test_quantiles_interpolate_between_values() -> None:
    assert quantile([1.0, 2.0, 3.0], 0.25) == 1.5
    assert range_of([5.0]) == Range(5.0, 5.0, 5.0)
    with pytest.raises(ValueError, match="no quantile"):
        quantile([], 0.5)
