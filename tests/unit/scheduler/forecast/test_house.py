"""The forecaster's house: the store read on, forecasts kept and scored, its door, and silence when it is gone."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scheduler.core.actions import MoveJob
from scheduler.core.block_times import BlockKey, BlockTime, BlockTimes, Pace
from scheduler.core.job import JobState
from scheduler.core.maintenance import DAYS
from scheduler.core.policy import Policy
from scheduler.core.tags import Tag
from scheduler.errors import SchedulerError
from scheduler.forecast.estimator import Estimator
from scheduler.forecast.mirror import Mirror
from scheduler.forecast.process import Forecaster, forecast_row
from scheduler.forecast.scorebook import scores
from scheduler.forecast.told import told_of, untold_of
from scheduler.forecast.what_if import what_if
from scheduler.forecasts import Forecasts
from scheduler.store import Store, open_reader
from tests.unit.scheduler.store_rig import READER, accept, block, move, role, writer

RECIPE = {"prompt": "x", "settings": {"size": "192*128", "steps": 4}, "model": "pocket"}
START = 1_790_000_000.0
PACE = Pace(BlockTimes(), [])
BLOCK_S = 0.5


class Past:
    """Writes what a daemon would have written; every second counts from `START`."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def job(self, number: int, at: float, **fields: Any) -> str:
        """Accepted and queued."""
        job_id = accept(self.store, number, **{"submitted_at": START + at, "total_blocks": 4, "recipe": RECIPE, **fields})
        self._move(job_id, "SUBMITTED", "QUEUED", at, hold="waiting_for_slot")
        return job_id

    def run(self, job_id: str, at: float, blocks: int) -> None:
        """Leased to slot 0, started, so many blocks made."""
        lease = f"{job_id}-1"
        with self.store.transaction():
            action = move("QUEUED", "LEASED", job_id, slot=0, lease_id=lease, leases=1, hold=None)
            action.body["slot"] = 0
            self.store.move_job(action, READER, START + at)
        self._move(job_id, "LEASED", "RUNNING", at, started_at=START + at)
        for number in range(blocks):
            at += BLOCK_S
            with self.store.transaction():
                action = move("RUNNING", "RUNNING", job_id, blocks_done=number + 1)
                action.body["block"] = number
                self.store.move_job(action, READER, START + at)

    def end(self, job_id: str, at: float) -> None:
        """Succeeded."""
        self._move(job_id, "RUNNING", "SUCCEEDED", at, finished_at=START + at, slot=None, lease_id=None)

    def _move(self, job_id: str, source: str, target: str, at: float, **fields: Any) -> None:
        with self.store.transaction():
            self.store.move_job(move(source, target, job_id, **fields), READER, START + at)


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    """A store with a role, a worker on slot 0 and six finished jobs; a seventh runs, an eighth waits."""
    with writer(tmp_path) as store:
        with store.transaction():
            store.put_role(role(team="education"), READER, START)
            store.record("worker:ready", "slot:0", {}, READER, START)
        made = Past(store)
        for number in range(1, 7):
            job_id = made.job(number, number * 10.0)
            made.run(job_id, number * 10.0 + 1, 4)
            made.end(job_id, number * 10.0 + 3.1)
        made.run(made.job(7, 80.0), 81.0, 2)
        made.job(8, 81.5)
        yield made


def _mirror(past: Past) -> Mirror:
    return Mirror(open_reader(past.store.data_dir), 1, Estimator(lambda _: 9.0))


def test_store_is_read_on_and_becomes_a_state_that_can_be_run_forward(past: Past) -> None:
    mirror = _mirror(past)
    state = mirror.refresh(START + 82.0)
    assert mirror.estimator.runs == 6 and mirror.is_up_to_date()
    running, waiting = state.jobs.values()
    assert (running.state, state.slots[0].job_id, waiting.id in state.line) == (JobState.RUNNING, running.id, True)
    found = mirror.estimator.estimates(state)
    assert found[running.id].finish.p50 == pytest.approx(1.0, abs=0.6)  # two blocks of half a second are left
    assert found[waiting.id].start.p50 < found[waiting.id].finish.p50 == pytest.approx(3.1, abs=1.2)
    past.end(running.id, 83.0)
    assert not mirror.is_up_to_date()
    assert list(mirror.refresh(START + 83.0).jobs) == [waiting.id]
    assert mirror.estimator.runs == 6  # it made two blocks only: too few to tell its pace


def test_agreed_setting_of_a_waiting_job_has_its_own_pace(past: Past) -> None:
    mirror = _mirror(past)
    waiting = "j000000000008"
    mirror.refresh(START + 82.0)
    assert mirror.estimator.requests[waiting].rungs == ""
    with past.store.transaction():
        agreed = MoveJob(waiting, JobState.QUEUED, JobState.QUEUED, Tag.JOB_CONSENTED, {"rungs": "steps=3"}, {})
        past.store.move_job(agreed, READER, START + 82.0)
    mirror.refresh(START + 83.0)
    assert mirror.estimator.requests[waiting].rungs == "steps=3"


@pytest.mark.parametrize(("action", "cause", "is_kept"), [
    ("job:degraded", "instead_of_preemption", True), ("job:degraded", "deadline", True), ("job:restored", "stutter", True),
    ("job:preempting", "preempted", False),
])  # fmt: skip
def test_job_that_only_changes_its_steps_is_not_foretold_to_give_up_its_slot(
    past: Past, action: str, cause: str, is_kept: bool
) -> None:
    running, waiting = "j000000000007", "j000000000008"
    with past.store.transaction():
        past.store.set_fact("policy", Policy(degrade_within_s=20.0, min_run_blocks=0).to_mapping(), START)
        raised = MoveJob(waiting, JobState.QUEUED, JobState.QUEUED, Tag.JOB_REPRIORITISED, {"priority": 60}, {})
        past.store.move_job(raised, READER, START + 82.0)  # it leads by the margin
        fields = {"rungs": "steps=3", "degrade": "allow"} if action == "job:degraded" else {"degrade": "allow"}
        move_ = MoveJob(running, JobState.RUNNING, JobState.PREEMPTING, Tag(action), fields, {"cause": cause})
        past.store.move_job(move_, READER, START + 82.0)
    mirror = _mirror(past)
    found = mirror.estimator.estimates(mirror.refresh(START + 82.05))
    assert (found[waiting].start.p50 > 0.7) is is_kept, found[waiting]


def test_the_present_block_of_what_runs_began_when_the_last_one_was_made(past: Past) -> None:
    running = "j000000000007"
    with past.store.transaction():
        for number in range(2):
            past.store.insert_block(block(number, running, seconds=0.6, made_at=START + 81.5 + 0.5 * number))
    slot = _mirror(past).refresh(START + 82.3).slots[0]
    assert slot.job_id == running
    assert slot.block_since == START + 82.0
    assert slot.block_s == pytest.approx((0.48 + 2 * 0.6) / 3)


def test_what_is_said_of_a_finished_job_is_no_submission(past: Past) -> None:
    mirror = _mirror(past)
    with past.store.transaction():
        for action in ("quality:measured", "note:written", "video:approved"):
            past.store.record(action, "job:j000000000001", {}, READER, START + 90)
    mirror.refresh(START + 91.0)
    assert len(mirror.estimator.demand.latest(100)) == 8 and len(mirror.estimator.requests) == 2
    assert len(_mirror(past).estimator.demand.latest(100)) == 8, "nor when the log is read anew"


def test_forecasts_are_kept_once_and_scored_against_what_happened(past: Past) -> None:
    mirror = _mirror(past)
    state = mirror.refresh(START + 82.0)
    found = mirror.estimator.estimates(state, scored=set(state.jobs))
    board = {"seq": mirror.seq, "runs": 6}
    basis = {job_id: mirror.estimator.basis_of(job_id) for job_id in found}
    rows = [forecast_row(name, START + 82.0, board, one, basis[name] or {}) for name, one in found.items()]
    with past.store.transaction():
        for row in (*rows, *rows, {**rows[0], "job_id": "nobody"}):
            past.store.keep_forecast(row)
    running, waiting = state.jobs
    assert mirror.kept([running, waiting, "nobody"]) == {running, waiting}
    past.end(running, 83.0)
    outcomes = past.store.forecast_outcomes(0.0)
    assert [row["job_id"] for row in outcomes] == [running]
    score = scores(outcomes)
    assert score["latest"]["forecasts"] == 1 and score["weeks"][0]["week"].startswith("2026-W")
    again = _mirror(past)  # after a restart: what was told is known, and teaches
    assert again.estimator.basis_of(waiting) is not None and again.estimator.basis_of(running) is None


def test_cancelled_jobs_are_not_scored() -> None:
    rows = [{"state": state, "at": 9.0, "finished_at": 5.0} for state in ("CANCELLED", "CANCELLED", "FAILED", "SUCCEEDED")]
    assert scores(rows) == {
        "latest": scores([])["latest"], "weeks": [], "not_scored": 4,
        "not_scored_by": {"cancelled": 2, "failed": 1, "ended_before": 1},
    }  # fmt: skip


def test_what_if_tells_when_and_whom_it_delays_and_changes_nothing(past: Past) -> None:
    mirror = _mirror(past)
    request = {"user": "reader", "role": "teacher", "priority": 100, "context": {"topic": "rain"}}
    before = past.store.last_seq()
    answer = what_if(mirror.refresh(START + 82.0), mirror.estimator, request, mirror.role("teacher"), "pocket", PACE)
    assert answer["decision"]["verdict"] == "admitted" and answer["estimate_state"] == "known"
    assert answer["decision"]["text"]["en"].startswith("It would be accepted; ")
    assert answer["delayed"] >= 1 and answer["delays"][0]["delay_s"] > 1.0
    assert past.store.last_seq() == before and "what-if" not in mirror.estimator.requests
    late = what_if(
        mirror.refresh(START + 82.0), mirror.estimator, {**request, "priority": 0}, mirror.role("teacher"), "pocket", PACE
    )
    assert late["delays"] == [] and late["estimate"]["start"][1] > answer["estimate"]["start"][1]
    first = {**request, "preset": "standard", "duration_sec": 60, "fill": "loop", "preview_first": True}
    held = what_if(mirror.refresh(START + 82.0), mirror.estimator, first, mirror.role("teacher"), "pocket", PACE)
    assert (held["decision"]["reason"], held["estimate_state"], held["delays"]) == ("approval", "held", [])
    assert held["cost"] == {"preview_gpu_s": None, "gpu_s": None}, "such blocks were never measured"
    measured = (("256x256", 3, 0.5), ("448x448", 4, 2.0))
    times = BlockTimes((BlockKey("pocket", size, steps, "cpu"), BlockTime.first(s)) for size, steps, s in measured)
    known = Pace(times, ["cpu"])
    held = what_if(mirror.refresh(START + 82.0), mirror.estimator, first, mirror.role("teacher"), "pocket", known)
    assert held["cost"] == {"preview_gpu_s": 15.0, "gpu_s": 250.0}, "30 blocks of 0.5 s and 125 of 2 s"
    assert held["decision"]["text"]["en"].startswith("A preview would be made first")
    with past.store.transaction():  # the slot's memory is the daemon's to know
        past.store.set_fact("policy", Policy(slot_memory_bytes=1_000).to_mapping(), START)
    tight = what_if(_mirror(past).refresh(START + 82.0), mirror.estimator, request, mirror.role("teacher"), "pocket", PACE)
    assert (tight["decision"]["reason"], tight["estimate_state"]) == ("context_too_large", "rejected")
    with pytest.raises(SchedulerError, match="no role 'nobody'") as caught:
        mirror.role("nobody")
    assert caught.value.hint == "Roles: teacher."


@pytest.mark.parametrize(("degrade", "is_eased"), [("allow", True), ("ask", False)])
def test_what_if_knows_who_would_rather_take_fewer_steps_than_give_way(past: Past, degrade: str, is_eased: bool) -> None:
    past.end("j000000000007", 82.0)
    with past.store.transaction():
        past.store.set_fact("policy", Policy(degrade_within_s=20.0, min_run_blocks=0).to_mapping(), START)
    running = past.job(9, 82.0, total_blocks=22, degrade=degrade)
    past.run(running, 82.0, 2)  # twenty are left: some ten seconds
    mirror = _mirror(past)
    request = {"role": "teacher", "user": "u", "context": {"topic": "rain"}, "priority": 60}
    answer = what_if(mirror.refresh(START + 83.0), mirror.estimator, request, mirror.role("teacher"), "pocket", PACE)
    assert (running in {one["job"] for one in answer["delays"]}) is not is_eased, answer
    start = answer["estimate"]["start"][1] - START - 83.0
    assert 5.0 < start < 9.0 if is_eased else start < 1.5, start  # three quarters of ten seconds
    ahead = mirror.estimator.estimates(mirror.refresh(START + 83.0))[running].finish.p50
    assert ahead == pytest.approx(10.0, abs=1.5), "as long as nobody comes it has all its steps"


def test_what_if_knows_the_end_of_maintenance_though_nobody_waits(past: Past) -> None:
    past.end("j000000000007", 83.0)
    past.run("j000000000008", 84.0, 2)
    past.end("j000000000008", 85.0)
    since = time.gmtime(START)
    window = f"{DAYS[since.tm_wday]} {since.tm_hour:02d}:00-{since.tm_hour + 1:02d}:00"
    with past.store.transaction():
        past.store.set_fact("policy", Policy(maintenance_windows=(window,)).to_mapping(), START)
    mirror = _mirror(past)
    state = mirror.refresh(START + 86.0)
    assert state.slots[0].drained_for == {"maintenance"}
    answer = what_if(state, mirror.estimator, {"user": "a", "role": "teacher", "context": {"topic": "rain"}},
                     mirror.role("teacher"), "pocket", PACE)  # fmt: skip
    ends_at = START // 3600 * 3600 + 3600
    first, _, last = answer["estimate"]["start"]
    assert ends_at - 1 <= first and last <= ends_at + 120


def test_slot_that_healing_keeps_from_work_is_no_slot_of_the_futures(past: Past) -> None:
    def note(action: str, thing: str, **body: Any) -> None:
        with past.store.transaction():
            past.store.record(action, thing, body, READER, START + 82.0)

    mirror = _mirror(past)
    note("slot:drained", "slot:0", cause="thermal", job_id=None)
    state = mirror.refresh(START + 83.0)
    assert state.slots[0].drained_for == {"thermal"}
    assert untold_of(state, "j000000000008") == "slots_drained"
    note("slot:returned", "slot:0", cause="thermal")
    assert not mirror.refresh(START + 83.0).slots[0].is_drained
    note("slot:drained", "slot:0", cause="thermal", job_id=None)
    note("daemon:booted", "queue")
    assert not mirror.refresh(START + 83.0).slots[0].is_drained


def test_fewer_than_five_runs_tell_nothing() -> None:
    assert told_of(None, 0.0, 4, "held") == {"estimate": None, "estimate_state": "few_runs"}
    assert told_of(None, 0.0, 5, "held") == {"estimate": None, "estimate_state": "held"}


@contextmanager
def _running(data_dir: Path, clock_off_s: float) -> Iterator[None]:
    """A forecaster in a thread whose clock stands `clock_off_s` before ours."""
    (data_dir / "run").mkdir(exist_ok=True)
    loop = asyncio.new_event_loop()
    forecaster = Forecaster(data_dir, 1, "pocket", clock=lambda: time.time() - clock_off_s)
    loop.add_signal_handler = lambda *_: None  # type: ignore[method-assign, assignment]  # a thread has no signals
    thread = threading.Thread(target=lambda: loop.run_until_complete(forecaster.run()))
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(forecaster.stop)
        thread.join(30)
        loop.close()


def _asked(forecasts: Forecasts, job_id: str, state: str) -> dict[str, Any]:
    deadline = time.monotonic() + 90
    while (told := forecasts.everybody().of(job_id))["estimate_state"] != state and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    return told


def _numbers(forecasts: Forecasts) -> dict[str, Any]:
    """What lies on the board, however old; nothing while the door is not open yet."""
    try:
        jobs: dict[str, Any] = forecasts._ask("estimates", {}, 5.0)["jobs"]
    except SchedulerError:
        return {}
    return jobs


def test_door_answers_fresh_ranges_and_nothing_when_it_is_gone(past: Past) -> None:
    forecasts, waiting = Forecasts(past.store.data_dir), "j000000000008"
    assert forecasts.everybody().of(waiting) == {"estimate": None, "estimate_state": "stale"}
    assert forecasts.of_new(waiting)["estimate_state"] == "stale"
    with _running(past.store.data_dir, clock_off_s=0.0):
        told = _asked(forecasts, waiting, "known")
        assert told["estimate"]["runs"] == 6 and len(told["estimate"]["finish"]) == 3
        assert forecasts.score()["weeks"] == []
        with pytest.raises(SchedulerError, match="nonsense"):
            forecasts.what_if({"user": "u", "role": "teacher", "nonsense": 1})
        after = {"user": "u", "role": "teacher", "context": {"topic": "rain"}, "follows": "j000000000001"}
        decision = forecasts.what_if(after)["decision"]
        assert decision["reason"] == "predecessor_over", "as a submission says it, and not that nobody knows the job"
    assert forecasts.everybody().of(waiting) == {"estimate": None, "estimate_state": "stale"}
    with pytest.raises(SchedulerError, match="does not answer"):
        forecasts.score()


def test_old_numbers_of_a_forecaster_that_stands_still_are_not_shown(past: Past) -> None:
    forecasts = Forecasts(past.store.data_dir)
    with _running(past.store.data_dir, clock_off_s=60.0):
        deadline = time.monotonic() + 90
        while not _numbers(forecasts) and time.monotonic() < deadline:
            threading.Event().wait(0.05)
        assert _numbers(forecasts)  # it has some, a minute old
        assert forecasts.everybody() == {}
