"""Better settings again: on the same slot, once nothing speaks against it, and no better ones than it came down from."""

from __future__ import annotations

from scheduler.core import events
from scheduler.core.actions import SendPreempt
from tests.unit.scheduler.core.studio import Studio
from tests.unit.scheduler.core.test_healing import begin, house, no_memory, read, slow_block
from tests.unit.scheduler.core.test_setting_changes import LOW, begin_again

FAULTS = {"stutter": {"return_after_s": 30}, "memory_high": {"return_after_s": 10}}


def stutter(studio: Studio) -> None:
    """Its blocks are late: it comes down a rung, and is well there."""
    before = studio.job("j0").rungs
    slow_block(studio, "j0", seconds=0.5)
    slow_block(studio, "j0")
    slow_block(studio, "j0")
    assert studio.job("j0").rungs != before
    studio.stop("j0")
    begin_again(studio, "j0")
    slow_block(studio, "j0", seconds=0.5)


def climb(studio: Studio, seconds: float) -> list[str]:
    """Time goes by with a block per second; settings that the job is to have hold at once. Returns them in order."""
    taken = []
    for _ in range(round(seconds)):
        for passes in (lambda: studio.tick(1.0), lambda: slow_block(studio, "j0", seconds=0.5)):
            passes()
            if studio.all(SendPreempt):
                taken.append(studio.job("j0").rungs)
                studio.stop("j0")
                begin_again(studio, "j0")
    return taken


def test_job_that_gave_up_steps_for_its_deadline_does_not_take_them_back() -> None:
    studio = house(faults=FAULTS, degrade_late_s=1_000.0)
    begin(studio, "j0", 1, degrade="allow", total_blocks=500, block_ms=1_000, deadline=studio.at + 540, ladder=LOW)
    stutter(studio)
    assert climb(studio, 35) == [""], "the stutter is over, and it is in time"
    for _ in range(3):
        studio.tick(20.0)
        slow_block(studio, "j0", seconds=0.5)
    assert studio.job("j0").rungs == "steps=4", "it would be late"
    studio.stop("j0")
    begin_again(studio, "j0")
    assert climb(studio, 150) == []


def test_job_comes_back_to_the_setting_that_it_came_down_from_and_not_above() -> None:
    studio = house(faults=FAULTS, degrade_late_s=1_000.0)
    begin(studio, "j0", 1, degrade="allow", total_blocks=500, block_ms=1_000, deadline=studio.at + 400, ladder=LOW)
    slow_block(studio, "j0", seconds=0.5)
    assert studio.job("j0").rungs == "steps=4", "for its deadline"
    studio.stop("j0")
    begin_again(studio, "j0")
    stutter(studio)
    assert studio.job("j0").rungs == "steps=3"
    assert climb(studio, 35) == ["steps=4"], "the stutter is over"
    assert climb(studio, 150) == []


def test_memory_that_is_there_again_brings_nothing_back_to_a_job_that_stutters() -> None:
    studio = house(faults=FAULTS)
    begin(studio, "j0", 1, degrade="allow", total_blocks=500, ladder=LOW)
    for _ in range(2):
        slow_block(studio, "j0")
    studio.stop("j0")
    begin_again(studio, "j0")
    for _ in range(2):
        no_memory(studio, "j0", LOW)
        begin_again(studio, "j0")
    studio.make("j0", 1)
    assert studio.job("j0").rungs == "steps=3"
    for _ in range(4):
        read(studio, 10, memory_ratio=0.5)
        studio.tick(0.0)
        assert not studio.all(SendPreempt), "no block says that it is well again"
        slow_block(studio, "j0", seconds=0.7)
    slow_block(studio, "j0", seconds=0.5)
    assert climb(studio, 1) == ["steps=4"]


def test_steps_do_not_come_back_into_memory_that_is_short() -> None:
    studio = house(faults={**FAULTS, "memory_high": {"action": "alert", "return_after_s": 10}})
    begin(studio, "j0", 1, degrade="allow", total_blocks=500, ladder=LOW)
    stutter(studio)
    read(studio, 7, memory_ratio=0.99)
    assert climb(studio, 35) == []
    read(studio, 7, memory_ratio=0.5)
    assert climb(studio, 1) == [""]


def test_drained_slot_keeps_the_job_that_takes_another_setting_there() -> None:
    studio = house(faults=FAULTS)
    begin(studio, "j0", 1, degrade="allow", total_blocks=500, ladder=LOW)
    studio.submit("urgent", priority=100, role="companion")
    studio.stop("j0")
    studio.finish("urgent")
    begin_again(studio, "j0")
    studio.feed(events.SlotDrained(at=studio.at, slot=0, is_drained=True))
    stutter(studio)
    assert studio.running() == ["j0"], "what runs there goes on"
    studio.submit("urgent too", priority=100)
    assert climb(studio, 35) == [""], "and nobody else may have the slot"
    assert studio.running() == ["j0"]


def test_slot_whose_maintenance_began_lets_its_job_go() -> None:
    studio = house(maintenance_windows=("thu 00:17-01:00",))
    begin(studio, "j0", 1, degrade="allow", total_blocks=500, ladder=LOW)
    slow_block(studio, "j0")
    slow_block(studio, "j0")
    studio.tick(25.0)
    assert studio.state.slots[0].drained_for == {"maintenance"}
    studio.stop("j0")
    assert studio.running() == ["-"]
