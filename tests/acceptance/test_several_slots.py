"""A house of two slots: two jobs at once, a fault of one leaves the other alone, and a job goes on at either."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.worker.crash_points import CrashPoint
from scheduler.errors import SchedulerError
from tests.acceptance.gate import Gate, be_patient
from tests.acceptance.studio import Studio, until
from tests.acceptance.test_kills import check_story, wait_until_told_to_give_way
from tests.browser.scenes import script

Make = Callable[..., Studio]


def slots_of(studio: Studio, job_id: str) -> list[int]:
    """The slots that the job had, in order."""
    return [entry["body"]["slot"] for entry in studio.reader.story(job_id) if entry["action"] == "job:leased"]


def wait_until_both_play(studio: Studio, *jobs: str) -> dict[str, int]:
    """Until these jobs play at the same time; the slot of each. A role goes where it played last."""

    def seats() -> dict[str, int]:
        return {slot["job_id"]: slot["slot"] for slot in studio.door.status()["slots"] if slot["job_id"] in jobs}

    until(lambda: len(seats()) == len(jobs), f"{jobs} at the same time")
    return seats()


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """Where a test holds workers while it acts, in a house that is patient with them."""
    be_patient(tmp_path)
    return Gate(tmp_path / "orders")


def begin_both(studio: Studio, gate: Gate) -> tuple[str, str]:
    """Two jobs that play at the same time: the first is held after two blocks, the second where it starts."""
    gate.close(CrashPoint.AFTER_BLOCK_DONE)
    first: str = studio.door.request_role("education-team", "teacher")["id"]
    gate.hold_after_blocks(2)
    gate.close(CrashPoint.AFTER_STARTED)
    second: str = studio.door.request_role("market-team", "presenter")["id"]
    gate.held(CrashPoint.AFTER_STARTED)
    assert wait_until_both_play(studio, first, second) == {first: 0, second: 1}
    return first, second


def test_two_jobs_play_at_once_and_a_killed_worker_leaves_the_other_alone(
    make_studio: Make, tmp_path: Path, gate: Gate
) -> None:
    studio = make_studio("fake", {**script(tmp_path, 0.15), **gate.env}, slots=2)
    assert "2 slots of the scripted engine" in studio.said
    first, second = begin_both(studio, gate)
    other = studio.slot(1)["pid"]
    gate.kill(CrashPoint.AFTER_BLOCK_DONE)
    until(lambda: len(slots_of(studio, first)) == 2, "the first job goes on while the second has its slot")
    gate.open(CrashPoint.AFTER_STARTED)
    for job_id in (first, second):
        studio.wait_for_end(job_id)
        check_story(studio, job_id)
    assert (slots_of(studio, second), studio.slot(1)["pid"]) == ([1], other)
    assert slots_of(studio, first) == [0, 0]
    assert studio.stop() == 0


def test_worker_and_standby_of_a_slot_see_the_slots_gpu_alone(make_studio: Make) -> None:
    studio = make_studio("fake", {"CUDA_VISIBLE_DEVICES": "1,0"}, slots=2)
    until(lambda: len(studio.door.status()["standby"]) == 2, "a standby for each")
    status = studio.door.status()
    for one in [*status["slots"], *status["standby"]]:
        said = Path(f"/proc/{one['pid']}/environ").read_bytes().split(b"\0")
        assert f"CUDA_VISIBLE_DEVICES={1 - one['slot']}".encode() in said


def test_role_is_switched_where_no_other_stage_is_lost_and_its_job_plays_there(make_studio: Make, tmp_path: Path) -> None:
    studio = make_studio("fake", script(tmp_path, 0.05), slots=2)
    assert [studio.door.switch_role(role)["slot"] for role in ("teacher", "assistant", "teacher", "assistant")] == [0, 1, 0, 1]
    job_id = studio.door.request_role("support-team", "assistant")["id"]
    studio.wait_for_end(job_id)
    assert slots_of(studio, job_id) == [1]


def test_house_that_loses_a_slot_and_gets_it_back_goes_on_with_everything(
    make_studio: Make, tmp_path: Path, gate: Gate
) -> None:
    studio = make_studio("fake", {**script(tmp_path, 0.15), **gate.env}, slots=2)
    first, second = begin_both(studio, gate)
    gate.close(CrashPoint.AFTER_BLOCK_DONE)
    studio.kill("launcher")
    until(lambda: not studio.processes(), "the end of everything")
    for point in (CrashPoint.AFTER_STARTED, CrashPoint.AFTER_BLOCK_DONE):
        gate.open(point)
    studio.slots = 1
    studio.start()
    with pytest.raises(SchedulerError, match=r"There is no slot 1\.") as caught:
        studio.door.drain_slot(1)
    assert caught.value.hint == "Slots are 0 to 0."
    for job_id in (second, first):
        studio.wait_for_end(job_id)
        check_story(studio, job_id)
        assert slots_of(studio, job_id)[-1] == 0
    assert studio.stop() == 0
    studio.slots = 2
    studio.start()
    studio.door.drain_slot(1)
    assert studio.stop() == 0
    studio.slots = 1
    studio.start()
    assert not studio.slot()["drained"] and studio.stop() == 0
    studio.slots = 2
    studio.start()
    assert [slot["drained"] for slot in studio.door.status()["slots"]] == [False, True], "people drained it, and nobody else"
    assert studio.stop() == 0


def test_window_of_a_slot_that_is_gone_is_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "policy.yaml").write_text("maintenance_windows: [sat 03:00-04:30 slots 1]\n")
    studio = Studio(tmp_path, "fake")
    with pytest.raises(AssertionError) as caught:
        studio.start()
    assert "names slot 1; this house has only slot 0" in str(caught.value) and "vault is up" not in str(caught.value)


# ---- with the real engine: the bits ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Studio, str, Gate]]:
    """A studio of two slots, a job that was left in peace, and the gate for others."""
    home = tmp_path_factory.mktemp("real")
    be_patient(home)
    gate = Gate(home / "orders")
    studio = Studio(home, "real", {"GREENROOM_DEVICE": "cpu", **gate.env}, slots=2)
    try:
        studio.start()
        assert "2 slots on the processor" in studio.said
        whole = studio.door.request_role("education-team", "teacher", duration_sec=3.2)["id"]  # 7 blocks, cut at a pause
        studio.wait_for_end(whole, 240)
        check_story(studio, whole)
        yield studio, whole, gate
        assert studio.stop() == 0
    finally:
        studio.end()


def test_job_preempted_on_one_slot_goes_on_exactly_on_the_other(real: tuple[Studio, str, Gate]) -> None:
    studio, whole, gate = real
    studio.door.drain_slot(1)
    gate.close(CrashPoint.AFTER_BLOCK_DONE)
    low = studio.door.again(whole)["id"]
    gate.hold_after_blocks(2)
    urgent = studio.door.request_role("market-team", "presenter", priority=100)["id"]
    wait_until_told_to_give_way(studio, low)
    gate.close(CrashPoint.AFTER_STARTED)
    gate.open(CrashPoint.AFTER_BLOCK_DONE)
    gate.held(CrashPoint.AFTER_STARTED)
    until(lambda: studio.slot()["job_id"] == urgent, "the urgent job on the first slot")
    studio.door.drain_slot(1, False)
    until(lambda: len(slots_of(studio, low)) == 2, "the other one plays again")
    gate.open(CrashPoint.AFTER_STARTED)
    studio.wait_for_end(low, 240)
    assert (slots_of(studio, low), slots_of(studio, urgent)) == ([0, 1], [0])
    assert (studio.job(low)["preemptions"], studio.job(low)["resume"]) == (1, "exact")
    assert studio.hashes(low) == studio.hashes(whole)
    studio.wait_for_end(urgent, 240)
    for job_id in (low, urgent):
        check_story(studio, job_id)


def test_jobs_beside_each_other_have_the_bits_of_one_alone_when_a_worker_is_killed(real: tuple[Studio, str, Gate]) -> None:
    studio, whole, gate = real
    gate.close(CrashPoint.AFTER_BLOCK_DONE)
    jobs = [studio.door.again(whole)["id"]]
    gate.hold_after_blocks(2)
    gate.close(CrashPoint.AFTER_STARTED)
    jobs.append(studio.door.again(whole)["id"])
    gate.held(CrashPoint.AFTER_STARTED)
    seat = wait_until_both_play(studio, *jobs)[jobs[1]]
    other = studio.slot(seat)["pid"]
    gate.open(CrashPoint.AFTER_STARTED)
    gate.kill(CrashPoint.AFTER_BLOCK_DONE)
    for job_id in jobs:
        studio.wait_for_end(job_id, 240)
        check_story(studio, job_id)
        assert studio.hashes(job_id) == studio.hashes(whole)
    assert (slots_of(studio, jobs[1]), studio.slot(seat)["pid"]) == ([seat], other)
