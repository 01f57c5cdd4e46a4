"""The plan of a run: from the seed alone, everything struck at least once, and the names that engine and scheduler know."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from engine.vault.crash_points import VaultPoint
from engine.worker.crash_points import CrashPoint
from scheduler.chaos.plan import Deed, make_plan
from scheduler.chaos.points import POINTS, Kind, points_of
from scheduler.crash_points import SchedulerPoint
from scheduler.errors import SchedulerError


def test_points_are_those_that_engine_vault_and_scheduler_pass() -> None:
    known = {*map(str, CrashPoint), *map(str, VaultPoint), *map(str, SchedulerPoint)}
    assert set(POINTS) == known
    assert set(points_of("real")) == known and set(points_of("fake")) < known


def test_every_named_point_is_really_passed_somewhere() -> None:
    root = Path(__file__).resolve().parents[3]
    sources = [path.read_text() for top in ("engine", "scheduler") for path in (root / top).rglob("*.py")]
    code = "\n".join(text for text in sources if "class CrashPoint" not in text and "class SchedulerPoint" not in text)
    for point in (*CrashPoint, *VaultPoint, *SchedulerPoint):
        if not point.startswith("inside_"):  # those are entered by their `before_…`
            assert f"{type(point).__name__}.{point.name}" in code, point


def test_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    plans = [make_plan(seed, 120, "fake") for seed in (7, 7, 8)]
    assert plans[0] == plans[1] != plans[2]


@pytest.mark.parametrize("engine", ["fake", "real"])
def test_plan_strikes_every_kind_and_every_point_at_least_once(engine: str) -> None:
    kills = [blow for blow in make_plan(3, 60, engine) if blow.deed is Deed.KILL]
    assert len(kills) == 60
    assert {blow.kind for blow in kills if blow.point is None} == set(Kind)
    assert {blow.point for blow in kills} - {None} == set(points_of(engine))
    assert all(blow.point is None or POINTS[blow.point].kind is blow.kind for blow in kills)


def test_plan_pauses_slows_and_freezes_between_the_kills() -> None:
    deeds = Counter(blow.deed for blow in make_plan(3, 240, "fake"))
    assert deeds[Deed.KILL] == 240 and deeds[Deed.PAUSE] == 20 and deeds[Deed.SLOW] == 6 and deeds[Deed.FREEZE] == 4


def test_too_few_kills_for_the_points_are_refused_with_the_way_out() -> None:
    with pytest.raises(SchedulerError) as caught:
        make_plan(1, 5, "fake")
    assert caught.value.code == "too_few_kills" and "--points none" in caught.value.hint
