"""Learnt block times: one stall moves no deadline, a lasting change does, and what was never measured is scaled."""

from __future__ import annotations

from scheduler.core.block_times import BlockKey, BlockTime, BlockTimes

KEY = BlockKey("pocket", "384x256", 4, "cpu")


def learnt(*seconds: float) -> BlockTime:
    """The estimate after these blocks."""
    times = BlockTimes()
    for value in seconds:
        times.learn(KEY, value)
    found = times.of(KEY)
    assert found is not None
    return found


def test_one_stall_among_many_blocks_moves_the_deadline_by_little() -> None:
    usual, stalled = learnt(*[0.5] * 40), learnt(*[0.5] * 40, 60.0)
    assert stalled.typical_s < 1.05 * usual.typical_s
    assert stalled.deadline_s(3, 0.1) < 1.3 * usual.deadline_s(3, 0.1)
    assert stalled.slowest_s == 60.0


def test_lasting_change_is_learnt() -> None:
    assert learnt(*[0.5] * 30, *[1.0] * 200).typical_s > 0.9


def test_deadline_is_three_times_the_predicted_block_and_never_below_its_floor() -> None:
    time = learnt(*[2.0] * 50)
    assert 6.0 <= time.deadline_s(3, 5.0) <= 6.6
    assert learnt(*[0.1] * 50).deadline_s(3, 5.0) == 5.0


def test_other_steps_are_scaled_from_the_nearest_and_other_devices_are_not() -> None:
    times = BlockTimes([(KEY, BlockTime(1.0, 0.1, 2.0, 9))])
    fewer = times.predict(BlockKey("pocket", "384x256", 3, "cpu"))
    assert fewer is not None and (fewer.typical_s, fewer.count) == (0.75, 0)
    assert times.predict(BlockKey("pocket", "384x256", 4, "cuda:0")) is None
    assert times.predict(KEY) is times.of(KEY)
