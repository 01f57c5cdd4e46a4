"""What a video's blocks are predicted to take: learnt, on the slowest device that may make it."""

from __future__ import annotations

from scheduler.core.block_times import BlockKey, BlockTimes, Pace


def test_pace_is_that_of_the_slowest_device_and_unknown_where_nothing_alike_was_made() -> None:
    times = BlockTimes()
    for device, seconds in (("cpu", 0.9), ("gpu", 0.3)):
        times.learn(BlockKey("pocket", "192x128", 4, device), seconds)
    recipe = {"model": "pocket", "settings": {"steps": 4}}
    assert Pace(times, ["cpu", "gpu"]).block_ms(recipe, 192, 128) == 900
    assert Pace(times, ["gpu"]).block_ms(recipe, 192, 128) == 300
    assert Pace(times, ["gpu"]).block_ms({**recipe, "settings": {"steps": 3}}, 192, 128) == 225
    assert Pace(times, ["gpu"]).block_ms(recipe, 384, 256) is None
    assert Pace(times, []).block_ms(recipe, 192, 128) is None
    assert Pace(times, ["cpu", "gpu"]).gpu_seconds(recipe, 192, 128, 10) == 9.0
    assert Pace(times, []).gpu_seconds(recipe, 192, 128, 10) is None
