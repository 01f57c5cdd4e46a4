"""policy.yaml while the house runs: a mistake in it changes nothing, also for the successor of a daemon that dies meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from scheduler.clock import SteadyClock
from scheduler.core import events
from scheduler.core.machine import State
from scheduler.errors import SchedulerError
from scheduler.ledger import SYSTEM, Deed, Ledger, Turn
from scheduler.policy_watch import PolicyWatch
from scheduler.store import Store
from scheduler.store.opening import open_writer

MEMORY = 1 << 30


def booted(data_dir: Path, store: Store) -> tuple[PolicyWatch, Ledger]:
    """The policy of a daemon that has just come, and its ledger."""
    watch = PolicyWatch(data_dir, MEMORY, store, 1)
    ledger = Ledger(store, lambda: State.restore(watch.now.policy, 1, []), SteadyClock(), lambda _: None, lambda: None)

    def boot(turn: Turn) -> None:
        turn.apply(events.Booted(at=turn.at))
        watch.keep_first(turn)

    assert ledger.turn([Deed(boot, SYSTEM, None)])
    return watch, ledger


def told(store: Store) -> list[str]:
    """What the log says of the policy, in order."""
    return [row["action"] for row in reversed(store.audit()) if row["object"] == "policy"]


def play(ledger: Ledger, scene: Callable[[], Awaitable[None]]) -> None:
    """Let the ledger run while the scene is played."""

    async def run() -> None:
        running = asyncio.get_running_loop().create_task(ledger.run())
        await scene()
        running.cancel()

    asyncio.run(asyncio.wait_for(run(), 60))


def test_successor_of_a_daemon_goes_on_with_the_policy_that_held_while_the_file_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("max_queued: 7\nfaults:\n  hung_step: {floor_s: 3}\n")
    with open_writer(tmp_path) as store:
        booted(tmp_path, store)
    file.write_text("max_queued: none\n")
    for _ in range(2):
        with open_writer(tmp_path) as store:
            watch, ledger = booted(tmp_path, store)
            assert (watch.now.policy.max_queued, ledger.state.policy.max_queued, watch.version) == (7, 7, 1)
            assert watch.now.healing.to_mapping()["hung_step"]["floor_s"] == 3
            assert told(store) == ["policy:changed", "policy:refused"], "told once, however often a daemon comes"
    file.write_text("max_queued: 7\nfaults:\n  hung_step: {floor_s: 3}\n")
    with open_writer(tmp_path) as store:
        booted(tmp_path, store)
        assert told(store)[2:] == ["policy:accepted"]


def test_first_daemon_of_a_directory_refuses_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("max_queued: none\n")
    with open_writer(tmp_path) as store, pytest.raises(SchedulerError, match="max_queued"):
        PolicyWatch(tmp_path, MEMORY, store, 1)


def test_mistake_that_is_taken_back_is_told_as_mended_though_no_number_changes(tmp_path: Path) -> None:
    with open_writer(tmp_path) as store:
        watch, ledger = booted(tmp_path, store)

        async def scene() -> None:
            for text in ("max_queued: none\n", "max_queued: none  # still\n", ""):
                (tmp_path / "policy.yaml").write_text(text)
                watch.look(ledger)
                await ledger.do(lambda turn: None, SYSTEM)

        play(ledger, scene)
        assert told(store) == ["policy:changed", "policy:refused", "policy:accepted"] and watch.version == 1
