"""Batches with faulty deeds in them: the others stand as if the faulty ones had never been asked for."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.core import events
from scheduler.core.actions import Action
from scheduler.core.invariants import check_invariants
from scheduler.core.machine import State
from scheduler.core.policy import Policy
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.ledger import SYSTEM, Deed, Ledger, Turn
from scheduler.store import NewJob
from scheduler.store.opening import open_writer

LOCAL = Actor("local")
Act = Callable[[Turn], Any]


class StillClock:
    """Every turn at the same time, so that two runs can be compared to the letter."""

    def now(self) -> float:
        """Seconds since 1970."""
        return 1_000.0


class Desk:
    """A ledger on a real store with two slots, one of them with a worker."""

    def __init__(self, data_dir: Path) -> None:
        self.store = open_writer(data_dir)
        self.effects: list[Action] = []
        self.ledger = Ledger(self.store, self.restore, StillClock(), self.effects.append, lambda: None)  # type: ignore[arg-type]
        ready = Deed(lambda turn: turn.apply(events.WorkerBecameReady(at=turn.at, slot=0, worker_id="w1")), SYSTEM, None)
        assert self.ledger.turn([Deed(lambda turn: turn.apply(events.Booted(at=turn.at)), SYSTEM, None), ready])

    def restore(self) -> State:
        """Memory as the store tells it."""
        return State.restore(Policy(), 2, self.store.load_open_jobs())

    def run(self, batches: list[list[Act]]) -> list[Any]:
        """Each batch in a turn; answers in order, refusals as their codes."""

        async def scene() -> list[Any]:
            deeds = [[Deed(act, LOCAL, asyncio.get_running_loop().create_future()) for act in batch] for batch in batches]
            for batch in deeds:
                assert self.ledger.turn(batch)
                check_invariants(self.ledger.state)
                assert {job.id: job for job in self.store.load_open_jobs()} == self.ledger.state.jobs
            waiting = [deed.answer for batch in deeds for deed in batch if deed.answer is not None]
            answers = await asyncio.gather(*waiting, return_exceptions=True)
            return [answer.code if isinstance(answer, SchedulerError) else answer for answer in answers]

        return asyncio.run(scene())

    def facts(self) -> tuple[list[Any], list[Any], list[Action]]:
        """What is written and done: jobs, audit without the hashes, effects."""
        rows = [(entry["seq"], entry["action"], entry["object"], entry["body"]) for entry in self.store.audit_after(0, 10_000)]
        return self.store.load_open_jobs(), rows[1:], self.effects  # the first row names versions and is no deed


def submit(number: int, priority: int) -> Act:
    """Accept a job."""

    def act(turn: Turn) -> str:
        job_id, ordinal = f"j{number}", turn.store.next_ordinal()
        turn.has_changed = True
        turn.store.insert_job(
            NewJob(
                id=job_id, ordinal=ordinal, user="u", team="t", role="r", role_version=1, priority=priority, degrade="ask",
                total_blocks=4, context_bytes=1, submitted_at=turn.at, recipe={},
            ),
            turn.actor, turn.at,
        )  # fmt: skip
        turn.apply(
            events.JobSubmitted(
                at=turn.at, job_id=job_id, ordinal=ordinal, user="u", team="t", role="r", priority=priority, total_blocks=4,
                context_bytes=1,
            )
        )  # fmt: skip
        return job_id

    return act


def wish(kind: type[events.Event], number: int) -> Act:
    """Cancel, pause or resume a job that may not exist."""
    return lambda turn: len(turn.apply(kind(at=turn.at, job_id=f"j{number}")))  # type: ignore[call-arg]


def then_fails(act: Act, error: Exception) -> Act:
    """Do it, then fail."""

    def broken(turn: Turn) -> None:
        try:
            act(turn)
        except SchedulerError:
            turn.record("disk:low", "disk")  # refused: something else is half done then
        raise error

    return broken


def spoil_memory(turn: Turn) -> None:
    """A fault in the midst of a step: memory is changed, nothing was written."""
    turn.state.slots[0].strikes += 1
    turn.state.ended["CANCELLED"] += 1
    turn.state.jobs.clear()
    raise AssertionError("an invariant does not hold")


def insert_twice(turn: Turn) -> None:
    """The store refuses the second row."""
    for _ in range(2):
        turn.store._write("INSERT INTO facts (name, value, at) VALUES (?, ?, ?)", ("twice", "1", turn.at))


numbers = st.integers(0, 7)
wishes = st.builds(wish, st.sampled_from([events.CancelRequested, events.PauseRequested, events.ResumeRequested]), numbers)
errors = st.sampled_from([RuntimeError("ours"), SchedulerError(409, "stale_state", "half done"), KeyError("x")])
faulty = st.one_of(
    st.builds(then_fails, wishes, errors),
    st.builds(then_fails, st.builds(submit, st.integers(100, 110), st.integers(0, 100)), errors),
    st.just(spoil_memory),
    st.just(insert_twice),
)


@st.composite
def days(draw: st.DrawFn) -> list[list[tuple[Act, bool]]]:
    """Batches of (deed, is it faulty); each job is submitted once."""
    unused = iter(range(8))
    batches = []
    for size in draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)):
        batch = []
        for _ in range(size):
            kind = draw(st.sampled_from(["submit", "wish", "fault"]))
            number = next(unused, None) if kind == "submit" else None
            if number is not None:
                batch.append((submit(number, draw(st.integers(0, 100))), False))
            else:
                batch.append((draw(faulty), True) if kind == "fault" else (draw(wishes), False))
        batches.append(batch)
    return batches


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(days())
def test_faulty_deeds_leave_no_trace_and_their_neighbours_are_answered(day: list[list[tuple[Act, bool]]]) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        mixed, clean = Desk(Path(one)), Desk(Path(other))
        answers = mixed.run([[act for act, _ in batch] for batch in day])
        expected = clean.run([[act for act, is_faulty in batch if not is_faulty] for batch in day])
        flags = [is_faulty for batch in day for _, is_faulty in batch]
        assert [answer for answer, is_faulty in zip(answers, flags, strict=True) if not is_faulty] == expected
        codes = {answer for answer, is_faulty in zip(answers, flags, strict=True) if is_faulty}
        assert codes <= {"internal_error", "stale_state", "bad_statement"}
        assert mixed.facts() == clean.facts()
        assert vars(mixed.ledger.state).keys() == vars(clean.ledger.state).keys()
        assert mixed.ledger.state.slots == clean.ledger.state.slots
        mixed.store.close()
        clean.store.close()


def test_memory_that_contradicts_the_store_is_built_anew(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run([[submit(1, 5)]])
    desk.ledger.state.slots[0].lease_id = "not-the-one"  # before the batch, so the copy is wrong too

    async def scene() -> None:
        deeds = [Deed(act, LOCAL, asyncio.get_running_loop().create_future()) for act in (submit(2, 5), spoil_memory)]
        assert not desk.ledger.turn(deeds)
        for deed in deeds:
            with pytest.raises(SchedulerError) as caught:
                await deed.answer  # type: ignore[misc]
            assert caught.value.status == 500

    asyncio.run(scene())
    assert desk.ledger.trouble is not None
    assert desk.store.job("j2") is None
    desk.store.close()
