"""A store that failed is tried again at intervals, on a disk that was proved first; nothing spins and nothing is half done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from scheduler import ledger as ledger_module
from scheduler.clock import SteadyClock
from scheduler.core import events
from scheduler.core.actions import Action
from scheduler.core.machine import State
from scheduler.core.policy import Policy
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.ledger import SYSTEM, Deed, Ledger, Turn
from scheduler.store import Store
from scheduler.store.opening import open_writer

FULL = SchedulerError(507, "disk_full", "The disk is full.")


def make_ledger(store: Store, perform: Callable[[Action], None], prove: Callable[[], None]) -> Ledger:
    """A booted ledger with one slot."""

    def boot(turn: Turn) -> None:
        turn.apply(events.Booted(at=turn.at))

    made = Ledger(
        store, lambda: State.restore(Policy(), 1, store.load_open_jobs()), SteadyClock(), perform,
        lambda: made.post(boot), prove=prove,
    )  # fmt: skip
    assert made.turn([Deed(boot, SYSTEM, None)])
    return made


def refuse(turn: Turn) -> None:
    """A deed that finds no room in its midst."""
    turn.record("disk:low", "disk", {})
    raise FULL


def test_wishes_are_refused_until_the_disk_is_proved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "RECOVERY_RETRY_S", 0.0)
    answers = [FULL, FULL, None]

    def prove() -> None:
        if (answer := answers.pop(0)) is not None:
            raise answer

    async def scene(store: Store) -> None:
        made = make_ledger(store, lambda _: None, prove)
        running = asyncio.get_running_loop().create_task(made.run())
        errors = []
        for act in (refuse, lambda turn: None):
            with pytest.raises(SchedulerError) as caught:
                await made.do(act, Actor("local"))
            errors.append(caught.value)
        assert [error.status for error in errors] == [507, 507]
        assert FULL not in errors, "each who waits gets an error of their own"
        while made.trouble is not None or not made.state.is_booted:
            await asyncio.sleep(0)
        assert answers == []
        assert await made.do(lambda turn: turn.record("disk:recovered", "disk", {}), SYSTEM) > 0
        running.cancel()

    with open_writer(tmp_path) as store:
        asyncio.run(scene(store))


def test_effect_that_fails_takes_nothing_back_and_ends_nobody(tmp_path: Path) -> None:
    performed: list[Action] = []

    def perform(effect: Action) -> None:
        performed.append(effect)
        raise RuntimeError("a hand that slipped")

    with open_writer(tmp_path) as store:
        made = make_ledger(store, perform, lambda: None)
        made.keep_effect(Action())
        made.keep_effect(Action())
        assert made.turn([])
        assert len(performed) == 2
        assert made.trouble is None
