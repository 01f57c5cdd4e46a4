"""Regular work on a real store."""

from __future__ import annotations

import asyncio
from pathlib import Path

from scheduler.clock import SteadyClock
from scheduler.core import events
from scheduler.core.machine import State
from scheduler.core.policy import Policy
from scheduler.device_sensors import DeviceSensors
from scheduler.ledger import SYSTEM, Deed, Ledger
from scheduler.store import open_writer
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
