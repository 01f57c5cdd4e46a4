"""The registry across restarts: a daemon that comes back knows whether it has taken up this very text already."""

from __future__ import annotations

import asyncio
from pathlib import Path

from scheduler.clock import SteadyClock
from scheduler.core import events
from scheduler.core.machine import State
from scheduler.core.policy import Policy
from scheduler.ledger import SYSTEM, Deed, Ledger
from scheduler.role_book import RoleBook
from scheduler.store import Store, open_writer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def make_ledger(store: Store) -> Ledger:
    """A ledger that has booted; its effects are dropped."""
    ledger = Ledger(
        store, lambda: State.restore(Policy(), 1, store.load_open_jobs()), SteadyClock(), lambda _: None, lambda: None
    )
    assert ledger.turn([Deed(lambda turn: turn.apply(events.Booted(at=turn.at)), SYSTEM, None)])
    return ledger


def test_registry_that_was_loaded_is_known_after_a_restart_word_for_word(tmp_path: Path) -> None:
    text = (EXAMPLES / "roles.yaml").read_text(encoding="utf-8")

    async def load() -> None:
        ledger = make_ledger(store)
        turns = asyncio.create_task(ledger.run())
        book = RoleBook(tmp_path, store)
        assert not book.is_loaded(text, EXAMPLES)
        await book.load(text, EXAMPLES, ledger, SYSTEM)
        turns.cancel()

    store = open_writer(tmp_path)
    asyncio.run(load())
    store.close()
    store = open_writer(tmp_path)
    book = RoleBook(tmp_path, store)
    assert book.is_loaded(text, EXAMPLES)
    assert not book.is_loaded(text + "\n# changed", EXAMPLES)
    assert not book.is_loaded(text, tmp_path), "the same words, other files"
    store.close()
