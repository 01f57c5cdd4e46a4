"""From a worker's report to a kind of memory, and from a kind to the rungs of a job."""

from __future__ import annotations

from pathlib import Path

from engine import protocol
from engine.config import Settings
from scheduler.clock import SteadyClock
from scheduler.context_size import context_bytes
from scheduler.core import events
from scheduler.core.learnt_memory import LearntMemory, Measured, MemoryKey
from scheduler.core.machine import State
from scheduler.core.policy import Policy
from scheduler.core_notes import CoreNotes, restore_notes
from scheduler.job_ladder import Picture, job_ladder, settings_below
from scheduler.ledger import SYSTEM, Deed, Ledger, Turn
from scheduler.memory_kinds import PeakMark, kind_at, measured
from scheduler.rewind import mark_of, rewound
from tests.unit.scheduler.store_rig import writer

CARD = protocol.WorkerReady(warm_ms=1.0, device="cuda", weights_sha256="", weights_trained=False, software={"gpu": "a card"})
CPU = protocol.WorkerReady(warm_ms=1.0, device="cpu", weights_sha256="", weights_trained=False)
KEY = MemoryKey("pocket", "384x256", 4, "fp8", "a card", "resident")


def report(lease: str = "j1-1", peak: int = 9_100_000, predicted: int = 9_000_000) -> protocol.BlockDone:
    return protocol.BlockDone(
        lease_id=lease, block=0, frames=12, seconds=0.5, latents_sha256="", frames_sha256="", fragment_sha256="",
        fragment_bytes=1, peak_bytes=peak, predicted_bytes=predicted, placement="fp8 resident",
    )  # fmt: skip


def learnt() -> LearntMemory:
    found = LearntMemory()
    for number in range(3):
        seen = Measured(key=KEY, context_bytes=1_000_000, predicted_bytes=9_000_000, peak_bytes=9_100_000)
        found.measure(seen, f"j{number}", 1.0)
    return found


def test_only_the_lease_under_which_a_peak_rose_made_it() -> None:
    mark = PeakMark()
    assert not mark.is_bound("a-1", 100)
    assert not mark.is_bound("a-1", 100), "its own peak of before"
    assert mark.is_bound("b-1", 100)
    assert not mark.is_bound("b-1", 101)
    assert mark.is_bound("c-1", 101)


def test_report_says_something_where_the_peak_was_measured_and_predicted_on_a_card() -> None:
    def said(message: protocol.BlockDone, ready: protocol.WorkerReady) -> Measured | None:
        return measured(message, ready, PeakMark(), "pocket", 384, 256, Settings(size="384*256", steps=4))

    context = context_bytes("pocket", 384, 256, Settings(size="384*256", steps=4), CARD.kv)
    seen = said(report(predicted=9_000_000, peak=9_000_000 + context // 10), CARD)
    assert seen is not None and (seen.key, seen.thousandths, seen.is_bound) == (KEY, 1100, False)
    assert seen.context_bytes == context, "of the block's own settings, whatever its job is given next"
    assert said(report(), CPU) is None
    assert said(report(predicted=0), CARD) is None and said(report(peak=0), CARD) is None


def test_kinds_follow_the_card_that_is_there_and_are_unknown_where_cards_differ() -> None:
    other = protocol.WorkerReady(
        warm_ms=1.0, device="cuda", weights_sha256="", weights_trained=False, software={"gpu": "another"}
    )
    at = kind_at(learnt(), "pocket", [CARD, None])
    assert at is not None and at(384, 256, 4) == KEY
    assert kind_at(learnt(), "pocket") is not None, "a forecast asks without workers"
    assert kind_at(learnt(), "pocket", [CARD, other]) is None
    assert kind_at(learnt(), "pocket", [CPU]) is None and kind_at(learnt(), "14b", [CARD]) is None


def test_each_rung_of_a_ladder_has_its_own_kind() -> None:
    asked = {"size": "384*256", "steps": 4}
    picture = Picture(width=768, height=512)
    ladder = job_ladder("pocket", asked, picture, kv=None, kind_at=kind_at(learnt(), "pocket"))
    kinds = dict(settings_below(ladder)["memory"])
    assert kinds[""] == KEY and kinds["steps=3"].steps == 3
    assert learnt().need(kinds["steps=3"], 1_000_000, 1.0).is_borrowed


def test_what_was_learnt_outlives_a_restart_and_a_deed_that_was_undone(tmp_path: Path) -> None:
    def restored() -> State:
        return State.restore(Policy(), 1, store.load_open_jobs(), **restore_notes(store))

    def learn(turn: Turn) -> None:
        if not turn.state.is_booted:
            turn.apply(events.Booted(at=turn.at))
        seen = Measured(key=KEY, context_bytes=1_000_000, predicted_bytes=9_000_000, peak_bytes=9_100_000)
        turn.state.memory.measure(seen, f"j{turn.state.memory.version}", turn.at)

    with writer(tmp_path) as store:
        ledger = Ledger(store, restored, SteadyClock(0.0), lambda _: None, lambda: None, before_commit=CoreNotes().keep)
        assert ledger.turn([Deed(learn, SYSTEM, None)]) and ledger.turn([Deed(learn, SYSTEM, None)])
        kept = dict(ledger.state.memory.records)
        assert len(kept[KEY].recent) == 2 and restored().memory.records == kept
        mark = mark_of(ledger.state)
        ledger.state.memory.fail(KEY, 1_000_000, None, "j9", 9.0)
        assert rewound(mark, restored()).memory.records == kept
