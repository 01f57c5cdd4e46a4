"""What the core knows beside its jobs, over a restart: who is asked and for what, how a job came down and may go up."""

from __future__ import annotations

from pathlib import Path

from scheduler.clock import SteadyClock
from scheduler.core import events
from scheduler.core.healing_policy import Fault
from scheduler.core.heals import Descent
from scheduler.core.machine import State
from scheduler.core.policy import Policy
from scheduler.core_notes import CoreNotes, restore_notes
from scheduler.ledger import SYSTEM, Deed, Ledger, Turn
from tests.unit.scheduler.store_rig import accept, move, writer


def test_questions_and_descents_outlive_a_restart(tmp_path: Path) -> None:
    def restored() -> State:
        return State.restore(Policy(), 1, store.load_open_jobs(), **restore_notes(store))

    def fall(turn: Turn) -> None:
        turn.apply(events.Booted(at=turn.at))
        heals = turn.state.heals
        heal = heals.detect(turn, Fault.STUTTER, f"job:{job_id}", turn.state.healing[Fault.STUTTER], job_id=job_id)
        heals.ask(turn, heal, job_id, "steps=3", 80)
        turn.state.degraded[job_id] = Descent(heal.id, Fault.STUTTER, 5.0, 120.0, "steps=4")

    with writer(tmp_path) as store:
        job_id = accept(store, 1)
        with store.transaction():
            store.move_job(move("SUBMITTED", "QUEUED", job_id, hold="waiting_for_slot"), SYSTEM, 1.0)
        ledger = Ledger(store, restored, SteadyClock(0.0), lambda _: None, lambda: None, before_commit=CoreNotes().keep)
        assert ledger.turn([Deed(fall, SYSTEM, None)])
        again = restored()
        assert again.degraded == ledger.state.degraded and again.degraded[job_id].top == "steps=4"
        heal = again.heals.asking(job_id)
        assert heal is not None and heal.asked == {job_id: 80}
