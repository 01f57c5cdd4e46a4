"""What a block of a job will take, as the daemon tells the core: learnt, on the slowest device that may make it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from scheduler.core.block_times import BlockKey, BlockTimes
from scheduler.core.healing_policy import HealingPolicy
from scheduler.reports import Reports


def test_pace_is_that_of_the_slowest_device_and_unknown_where_nothing_alike_was_made(tmp_path: Path) -> None:
    times = BlockTimes()
    for device, seconds in (("cpu", 0.9), ("gpu", 0.3)):
        times.learn(BlockKey("pocket", "192x128", 4, device), seconds)
    reports = Reports(cast(Any, None), tmp_path, cast(Any, None), times, HealingPolicy)
    recipe = {"model": "pocket", "settings": {"steps": 4}}
    assert reports.block_ms(recipe, 192, 128, ["cpu", "gpu"]) == 900
    assert reports.block_ms(recipe, 192, 128, ["gpu"]) == 300
    assert reports.block_ms({**recipe, "settings": {"steps": 3}}, 192, 128, ["gpu"]) == 225
    assert reports.block_ms(recipe, 384, 256, ["gpu"]) is None
    assert reports.block_ms(recipe, 192, 128, []) is None
