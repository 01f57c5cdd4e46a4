"""A role's file goes and comes back: its waiting jobs are held, with the file named, and go on."""

from __future__ import annotations

import asyncio
from pathlib import Path

from scheduler.asset_watch import AssetWatch
from scheduler.assets import AssetLibrary
from scheduler.clock import SteadyClock
from scheduler.core import events
from scheduler.core.explain import why
from scheduler.core.job import HoldReason
from scheduler.core.machine import State
from scheduler.core.policy import Policy
from scheduler.ledger import SYSTEM, Deed, Ledger
from scheduler.store.opening import open_writer
from tests.unit.scheduler.store_rig import new_job, role


def test_job_of_a_role_that_lost_its_portrait_waits_until_the_file_is_back(tmp_path: Path) -> None:
    made = role("teacher")
    library = AssetLibrary(tmp_path)
    portrait, voice = library.path_of(made.portrait_sha256), library.path_of(made.voice_sha256)
    for path in (portrait, voice):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"kept")

    async def scene(ledger: Ledger) -> None:
        running = asyncio.get_running_loop().create_task(ledger.run())

        async def look(watch: AssetWatch) -> None:
            await watch.look()
            await ledger.do(lambda turn: None, SYSTEM)

        await ledger.do(lambda turn: turn.store.put_role(made, turn.actor, turn.at), SYSTEM)
        known = (made.portrait_sha256, "portrait", len(b"kept"), {})
        await ledger.do(lambda turn: turn.store.insert_asset(*known, turn.at), SYSTEM)
        watch = AssetWatch(ledger, tmp_path)
        await look(watch)
        assert store.roles()[0]["is_available"] and not ledger.state.unavailable_roles

        portrait.unlink()
        await look(watch)
        assert store.roles()[0]["problem"] == "portrait_missing"
        row = new_job(0, id="j0")
        await ledger.do(lambda turn: turn.store.insert_job(row, turn.actor, turn.at), SYSTEM)
        submitted = events.JobSubmitted(
            at=ledger.clock.now(), job_id="j0", ordinal=row.ordinal, user=row.user, team=row.team, role="teacher", priority=5,
            total_blocks=4, context_bytes=1,
        )  # fmt: skip
        await ledger.do(lambda turn: turn.apply(submitted), SYSTEM)
        explanation = why(ledger.state, "j0")
        assert explanation is not None and explanation.reason is HoldReason.ROLE_UNAVAILABLE
        assert "portrait" in explanation.text["en"] and "人像" in explanation.text["zh"]
        (blocker,) = [blocker for blocker in explanation.data["blockers"] if blocker["rule"] == "asset_missing"]
        assert (blocker["role"], blocker["thing"]) == ("teacher", "portrait")

        portrait.write_bytes(b"kep")
        seq = store.last_seq()
        await look(watch)
        assert store.last_seq() == seq, "what is known is not told again, and a file that was cut short is none"
        portrait.write_bytes(b"kept")
        await look(AssetWatch(ledger, tmp_path))  # one that comes after a restart finds it back as well
        assert store.roles()[0]["is_available"] and ledger.state.jobs["j0"].hold is HoldReason.WAITING_FOR_SLOT
        running.cancel()

    with open_writer(tmp_path) as store:
        ledger = Ledger(store, lambda: State.restore(Policy(), 1, []), SteadyClock(), lambda _: None, lambda: None)
        assert ledger.turn([Deed(lambda turn: turn.apply(events.Booted(at=turn.at)), SYSTEM, None)])
        asyncio.run(asyncio.wait_for(scene(ledger), 60))
