"""Predicted memory is corrected by what jobs took: in a simulated house whose truth is not the planner's."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import pytest

from scheduler.core import events
from scheduler.core.actions import MoveJob, Record
from scheduler.core.ladder import AS_ASKED, Rung
from scheduler.core.learnt_memory import FORGET_S, LEAST, MOST, REMEMBERED, LearntMemory, Measured, MemoryKey
from tests.unit.scheduler.core.studio import Studio

GB = 10**9
LIMIT = 4 * GB
BASE = 16 * GB  # weights: of the peak, not of a context


def key(steps: int = 4, size: str = "640x384", device: str = "some GPU", rung: str = "resident") -> MemoryKey:
    return MemoryKey("14b", size, steps, "fp8", device, rung)


def seen(ratio: float, *, steps: int = 4, context: int = 1_000_000, is_bound: bool = False) -> Measured:
    peak = BASE + round(ratio * context)
    return Measured(key=key(steps), context_bytes=context, predicted_bytes=BASE + context, peak_bytes=peak, is_bound=is_bound)


@dataclass
class House:
    """One slot whose jobs take `truth` times what is predicted, and fail where that is more than there is."""

    truth: float
    studio: Studio = field(default_factory=lambda: Studio(slot_memory_bytes=LIMIT))
    rows: list[dict[str, Any]] = field(default_factory=list)
    out_of_memory: int = 0
    jobs: int = 0

    def play(self, predicted: int, steps: int = 4, degrade: str = "allow") -> str:
        """A job from submission to its end; at which setting it was made, or that it was rejected."""
        self.jobs += 1
        name = f"j{self.jobs}"
        ladder = tuple(
            Rung(name=rung, predicted_bytes=size, needs_consent=bool(rung), memory=key(of_steps))
            for rung, size, of_steps in ((AS_ASKED, predicted, steps), ("steps=3", predicted * 3 // 4, 3))
        )
        self.studio.submit(
            name, context_bytes=predicted, degrade=degrade, total_blocks=2,
            alternatives=tuple((rung.name, rung.predicted_bytes) for rung in ladder[1:]),
            memory=tuple((rung.name, rung.memory) for rung in ladder),
        )  # fmt: skip
        if name not in self.studio.state.jobs:
            return "rejected"
        while True:
            here = next(rung for rung in ladder if rung.name == self.studio.job(name).rungs)
            assert here.memory is not None
            lease = self.studio.lease(name)
            need = round(self.truth * here.predicted_bytes)
            self.feed(events.JobWasStarted(at=self.studio.at, lease_id=lease, resume="fresh", ladder=ladder))
            if need <= LIMIT:
                break
            self.out_of_memory += 1
            self.feed(events.JobHasFailed(at=self.studio.at, lease_id=lease, code="out_of_memory", can_retry=True))
        measured = Measured(
            key=here.memory, context_bytes=here.predicted_bytes, predicted_bytes=BASE + here.predicted_bytes,
            peak_bytes=BASE + need,
        )  # fmt: skip
        for block in range(2):
            self.feed(events.BlockWasDone(at=self.studio.at, lease_id=lease, block=block, memory=measured))
        self.feed(events.JobHasSucceeded(at=self.studio.at, lease_id=lease))
        return here.name or "as asked"

    def feed(self, event: events.Event) -> None:
        self.studio.feed(event)
        self.rows += [json.loads(json.dumps(row.body)) for row in self.studio.all(Record) if row.tag == "memory:measured"]


def test_house_that_takes_more_than_predicted_stops_running_out_of_memory() -> None:
    house = House(truth=1.08)
    made = [house.play(round(3.9 * GB)) for _ in range(12)]
    assert made[-1] == "steps=3" and 1 <= house.out_of_memory <= 4
    failed = house.out_of_memory
    assert {house.play(round(3.85 * GB)) for _ in range(20)} == {"steps=3"}
    assert house.out_of_memory == failed, "what was learnt is kept"
    assert house.play(round(3.6 * GB)) == "as asked", "3.89 GB fit"


def test_house_that_measured_smaller_jobs_never_runs_out_of_memory_with_larger_ones() -> None:
    house = House(truth=1.08)
    for _ in range(3):
        house.play(2 * GB)
    assert house.play(round(3.9 * GB), steps=5) == "steps=3"
    assert not house.out_of_memory


def test_house_that_takes_less_than_predicted_admits_what_fits() -> None:
    house = House(truth=0.9)
    assert house.play(round(4.2 * GB), degrade="never") == "rejected", "nothing is known yet"
    for _ in range(3):
        house.play(3 * GB)
    assert house.play(round(4.2 * GB), degrade="never") == "as asked"
    assert house.play(round(4.6 * GB), degrade="never") == "rejected", "4.14 GB do not fit"
    assert not house.out_of_memory


def test_decision_says_how_much_was_measured_and_of_how_many_jobs() -> None:
    house = House(truth=1.08)
    for _ in range(3):
        house.play(2 * GB)
    house.studio.submit("more", context_bytes=round(3.9 * GB), degrade="never", memory=((AS_ASKED, key()),))
    decision = house.studio.all(MoveJob)[0].body["decision"]
    assert "8 % more memory than predicted here (3 measured)" in decision["text"]["en"] and "多 8 %" in decision["text"]["zh"]
    assert "3.92 GiB" in decision["text"]["en"]
    found = decision["terms"]["learnt_memory"]
    assert found == {"context_bytes": -(-round(3.9 * GB) * 1080 // 1000), "thousandths": 1080, "jobs": 3, "is_borrowed": False}


@pytest.mark.parametrize("truth", [1.08, 0.93, 1.0])
def test_rows_of_the_log_alone_give_back_what_was_learnt(truth: float) -> None:
    house = House(truth=truth)
    for number in range(REMEMBERED + 8):
        house.play(round((2 + number % 3) * 0.97 * GB), steps=4 + number % 2)
    learnt = house.studio.state.memory
    assert len(learnt.records) >= 2
    assert LearntMemory.replayed(house.rows).records == learnt.records
    assert LearntMemory.from_mapping(json.loads(json.dumps(learnt.to_mapping()))).records == learnt.records


def test_correction_covers_all_but_one_stray_job() -> None:
    learnt = LearntMemory()
    for number in range(REMEMBERED):
        learnt.measure(seen(1.3 if number == 20 else 1.01 + number % 3 / 100), f"j{number}", 0.0)
    assert learnt.need(key(), 1000, 0.0).thousandths == 1030
    learnt.measure(seen(1.3), "again", 0.0)
    assert learnt.need(key(), 1000, 0.0).thousandths == 1300, "twice is no chance"


def test_one_job_is_one_entry_and_more_is_believed_sooner_than_less() -> None:
    learnt = LearntMemory()
    for _ in range(5):
        learnt.measure(seen(0.9), "j0", 0.0)
    assert learnt.records[key()].recent == (900,)
    assert learnt.need(key(), 1000, 0.0).thousandths == 1000
    assert learnt.measure(seen(1.05), "j0", 0.0) is not None
    assert learnt.need(key(), 1000, 0.0).thousandths == 1050


def test_jobs_side_by_side_on_two_slots_are_an_entry_each_whichever_made_the_last_block() -> None:
    learnt, rows = LearntMemory(), []
    for block in range(10):
        for name in ("a", "b"):
            rows.append(learnt.measure(seen(0.9 + block // 5 / 100), name, 0.0))
    assert learnt.records[key()].recent == (910, 910)
    assert learnt.need(key(), 1000, 0.0).thousandths == 1000, "two jobs are too few to believe less"
    said = [row for row in rows if row is not None]
    assert [row["entry"] for row in said] == [900, 900, 910, 910], "a row of the log where something is new"
    assert LearntMemory.replayed(said).records == learnt.records


def test_what_an_older_house_kept_is_read() -> None:
    old = {"kinds": [{**asdict(key()), "recent": [1010, 1020], "job_id": "b", "context_bytes": 1000, "at": 5.0}]}
    learnt = LearntMemory.from_mapping(old)
    assert learnt.need(key(), 1000, 5.0).thousandths == 1020
    learnt.measure(seen(1.03), "b", 6.0)
    assert learnt.records[key()].recent == (1010, 1030)


def test_peak_of_others_is_held_against_what_is_believed_now_and_not_against_what_was_forgotten() -> None:
    learnt = LearntMemory()
    learnt.measure(seen(1.4), "old", 0.0)
    assert learnt.measure(seen(1.2, is_bound=True), "new", FORGET_S + 1) is None


def test_peak_of_earlier_work_proves_only_that_a_job_takes_no_more() -> None:
    learnt = LearntMemory()
    assert learnt.measure(seen(1.2, is_bound=True), "j0", 0.0) is None
    for number in range(3):
        assert learnt.measure(seen(0.95, is_bound=True), f"j{number}", 0.0) is not None
    assert learnt.need(key(), 1000, 0.0).thousandths == 950


def test_correction_stays_within_bounds_and_is_forgotten_in_time() -> None:
    learnt = LearntMemory()
    for number in range(3):
        learnt.measure(seen(9.0, steps=3), f"a{number}", 0.0)
        learnt.measure(seen(0.1, steps=4), f"b{number}", 0.0)
    assert learnt.need(key(3), 1000, 0.0).thousandths == MOST
    assert learnt.need(key(4), 1000, 0.0).thousandths == LEAST
    assert learnt.need(key(3), 1000, FORGET_S + 1).thousandths == 1000


def test_other_devices_and_models_lend_nothing() -> None:
    learnt = LearntMemory()
    for number in range(3):
        learnt.measure(seen(1.1), f"j{number}", 0.0)
    assert learnt.need(key(5), 1000, 0.0).is_borrowed
    assert learnt.need(key(rung="streamed_rings"), 1000, 0.0).is_borrowed
    assert learnt.need(key(device="another GPU"), 1000, 0.0).thousandths == 1000
    assert learnt.need(None, 1000, 0.0).thousandths == 1000
