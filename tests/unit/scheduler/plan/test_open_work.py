"""Jobs that are in the house already: a plan is played behind those that have a slot, around reserved times and sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scheduler.core.policy import Policy
from scheduler.plan.check import verdict_of
from scheduler.plan.open_work import with_open_work
from scheduler.plan.played import Outcome, Stage
from scheduler.plan.report import check_plan
from scheduler.plan.simulated import play
from scheduler.plan.studio import OpenWork, Studio
from scheduler.store import open_reader
from tests.unit.scheduler.plan.rig import GIB, NINE, calendar, plan, studio
from tests.unit.scheduler.store_rig import accept, go, writer

RECIPE = {"prompt": "Explain rain", "settings": {"seed": 420, "steps": 4}}


def work(job_id: str, blocks_left: int, **changes: Any) -> OpenWork:
    """An open job of a second for each block, which came a minute ago."""
    values: dict[str, Any] = {
        "id": job_id, "user": "b", "team": "x", "role": "student", "priority": 10, "submitted_at": NINE - 60,
        "blocks_left": blocks_left, "block_s": 1.0, **changes,
    }  # fmt: skip
    return OpenWork(**values)


def outcomes(house: Studio, *entries: str) -> dict[str, Outcome]:
    """What becomes of the videos of these entries, typical speeds."""
    of = plan(*entries)
    return Stage(house, calendar(of, house), play).day(of.entries).outcomes


def test_video_that_is_wanted_now_begins_after_the_job_that_plays(tmp_path: Path) -> None:
    house = studio(tmp_path, open_jobs=(work("j1", 900),))
    start = outcomes(house, 'role: teacher, user: a, window: "09:00-10:00"')["e1v1"].start
    assert start is not None and 900 <= start - NINE < 910


def test_reserved_job_takes_its_slot_at_its_time_and_not_before(tmp_path: Path) -> None:
    house = studio(tmp_path, open_jobs=(work("j1", 1800, start_at=NINE + 3600),))
    found = outcomes(
        house, 'role: teacher, user: a, window: "09:00-09:10"', 'role: teacher, user: a, window: "10:05-11:00"',
    )  # fmt: skip
    early, late = found["e1v1"].start, found["e2v1"].start
    assert early is not None and early - NINE < 5, "nothing idles for a reservation"
    assert late is not None and 5400 <= late - NINE < 5410


def test_parts_of_a_session_play_one_after_the_other_on_one_slot(tmp_path: Path) -> None:
    parts = (work("j1", 600), work("j2", 600, follows="j1"), work("j3", 600, follows="j2"))
    house = studio(tmp_path, slots=2, open_jobs=parts)
    start = outcomes(house, 'role: teacher, user: a, window: "09:00-10:00"')["e1v1"].start
    assert start is not None and start - NINE < 5, "the other slot is free all the time"


def test_parts_behind_a_reserved_one_play_after_it(tmp_path: Path) -> None:
    parts = (work("j1", 600, start_at=NINE + 3600), work("j2", 600, follows="j1"), work("j3", 600, follows="j2"))
    house = studio(tmp_path, open_jobs=parts)
    start = outcomes(house, 'role: teacher, user: a, window: "10:05-11:00"')["e1v1"].start
    assert start is not None and start - NINE >= 5400, "the session plays from ten until half past"


def test_open_work_is_read_with_its_times_those_that_play_first(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        shape = {"width": 128, "height": 192, "recipe": RECIPE}
        waits = accept(store, 1, start_at=NINE + 600, **shape)
        plays = accept(store, 2, **shape)
        after = accept(store, 3, follows=plays, **shape)
        for job_id in (waits, plays, after):
            go(store, "SUBMITTED", "QUEUED", job_id=job_id)
        go(store, "QUEUED", "LEASED", job_id=plays)
        reader = open_reader(tmp_path)
        found, unknown = with_open_work(studio(tmp_path), reader)
        reader.close()
    assert unknown == 0
    assert [(one.id, one.start_at, one.follows) for one in found.open_jobs] == [
        (plays, None, ""), (waits, NINE + 600, ""), (after, None, plays),
    ]  # fmt: skip


def test_videos_that_begin_at_once_on_idle_slots_are_not_queued(tmp_path: Path) -> None:
    house = studio(tmp_path, slots=4, policy=Policy(slot_memory_bytes=GIB, max_queued_per_user=2))
    one = 'role: teacher, user: a, window: "10:00-11:00"'
    for count, verdict in ((6, "fits"), (7, "does_not_fit")):
        found = check_plan(plan(*[one] * count), house, play, tmp_path / "jobs")
        assert verdict_of(found.checks) == verdict, count
        assert all(entry["fits"] for entry in found.entries) == (verdict == "fits"), "the played day says the same"
