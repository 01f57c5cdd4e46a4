"""Regular work on a real store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from scheduler import queue_pause
from scheduler.clock import SteadyClock
from scheduler.core import events
from scheduler.core.machine import State
from scheduler.core.policy import Policy
from scheduler.device_sensors import DeviceSensors
from scheduler.door import Actor
from scheduler.ledger import SYSTEM, Deed, Ledger, Turn
from scheduler.store.opening import open_writer
from scheduler.timetable import Timetable


def test_nightly_verification_verifies_and_says_so(tmp_path: Path) -> None:
    async def scene(ledger: Ledger) -> None:
        running = asyncio.get_running_loop().create_task(ledger.run())
        await Timetable(ledger, tmp_path, DeviceSensors(tmp_path, 1, lambda: None))._verify()
        await ledger.do(lambda turn: None, SYSTEM)
        running.cancel()

    with open_writer(tmp_path) as store:
        ledger = Ledger(store, lambda: State.restore(Policy(), 1, []), SteadyClock(), lambda _: None, lambda: None)
        assert ledger.turn([Deed(lambda turn: turn.apply(events.Booted(at=turn.at)), SYSTEM, None)])
        asyncio.run(scene(ledger))
        entry = store.audit_entry(store.last_seq())
    assert entry is not None
    assert (entry["action"], entry["outcome"], entry["body"]["ok"]) == ("audit:verified", "success", True)


def test_pause_with_an_end_ends_by_itself_and_says_who_began_it(tmp_path: Path) -> None:
    planner = Actor("user:planner", "", "")
    with open_writer(tmp_path) as store:
        ledger = Ledger(store, lambda: State.restore(Policy(), 1, []), SteadyClock(), lambda _: None, lambda: None)

        def turn(act: Callable[[Turn], object], actor: Actor = SYSTEM) -> None:
            assert ledger.turn([Deed(act, actor, None)])

        turn(lambda turn: turn.apply(events.Booted(at=turn.at)))
        turn(lambda turn: queue_pause.pause(turn, "new driver", turn.at + 3600), planner)
        turn(queue_pause.end_pause_in_time)
        assert ledger.state.is_queue_paused, "its time is not over"
        turn(lambda turn: queue_pause.pause(turn, "new driver, sooner", turn.at - 1), planner)
        turn(queue_pause.end_pause_in_time)
        assert not ledger.state.is_queue_paused
        assert store.fact("queue_paused")["is_paused"] is False
        said = [(row["action"], row["actor"], row["body"].get("reason")) for row in store.story("queue")][1:]
    assert said == [
        ("queue:paused", "user:planner", "new driver"), ("queue:paused", "user:planner", "new driver, sooner"),
        ("queue:resumed", "system", None),
    ]  # fmt: skip
