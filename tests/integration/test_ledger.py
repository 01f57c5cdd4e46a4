"""The ledger with a real store: one transaction per batch, and a store that fails and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.clock import SteadyClock
from scheduler.core import events
from scheduler.core.actions import Action, SendRun
from scheduler.core.machine import State
from scheduler.core.policy import Policy
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.ledger import SYSTEM, Deed, Ledger, Turn
from scheduler.store import NewJob, Store
from scheduler.store.opening import open_writer
from scheduler.store.transaction import CHECKPOINT_COMMITS

LOCAL = Actor("local")


class Bench:
    """A ledger on a real store, with a worker that is said to be ready and effects that are only listed."""

    def __init__(self, data_dir: Path) -> None:
        self.store: Store = open_writer(data_dir)
        self.effects: list[Action] = []
        self.recoveries = 0
        self.ledger = Ledger(self.store, self.restore, SteadyClock(), self.effects.append, self.back)
        assert self.ledger.turn([Deed(lambda turn: turn.apply(events.Booted(at=turn.at)), SYSTEM, None)])

    def restore(self) -> State:
        """Memory as the store tells it."""
        return State.restore(Policy(), 1, self.store.load_open_jobs())

    def back(self) -> None:
        """The store works again: what the daemon does then."""
        self.recoveries += 1
        self.ledger.post(lambda turn: turn.apply(events.Booted(at=turn.at)))

    def submit(self, number: int, padding: int = 0) -> Deed[str]:
        """A deed that accepts a job, with a recipe of some size."""

        def act(turn: Turn) -> str:
            job_id = f"j{number}"
            turn.has_changed = True
            turn.store.insert_job(
                NewJob(
                    id=job_id, ordinal=turn.store.next_ordinal(), user="u", team="t", role="r", role_version=1, priority=1,
                    degrade="ask", total_blocks=4, context_bytes=1, submitted_at=turn.at, recipe={"padding": "x" * padding},
                ),
                turn.actor, turn.at,
            )  # fmt: skip
            turn.apply(
                events.JobSubmitted(
                    at=turn.at, job_id=job_id, ordinal=turn.store.next_ordinal() - 1, user="u", team="t", role="r",
                    priority=1, total_blocks=4, context_bytes=1,
                )
            )  # fmt: skip
            return job_id

        return Deed(act, LOCAL, None)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A ledger whose slot has a worker."""
    made = Bench(tmp_path)
    yield made
    made.store.close()


def test_effects_come_after_the_commit(bench: Bench) -> None:
    ready = Deed(lambda turn: turn.apply(events.WorkerBecameReady(at=turn.at, slot=0, worker_id="w1")), SYSTEM, None)

    def look(turn: Turn) -> None:
        assert bench.effects == [], "an effect was performed inside the transaction"

    assert bench.ledger.turn([ready, bench.submit(1), Deed(look, SYSTEM, None)])
    assert [type(effect) for effect in bench.effects] == [SendRun]
    job = bench.store.job("j1")
    assert job is not None and job["state"] == "LEASED"


def test_answers_go_out_before_the_store_is_tended(bench: Bench) -> None:
    seen: list[str] = []
    bench.store._commits = CHECKPOINT_COMMITS
    bench.store._connection.set_trace_callback(lambda text: seen.append("checkpoint") if "checkpoint" in text else None)

    async def ask() -> None:
        seen.append(await bench.ledger.do(bench.submit(1).act, LOCAL))

    async def scene() -> None:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(bench.ledger.run())
            await tasks.create_task(ask())
            while len(seen) < 2:
                await asyncio.sleep(0)
            running.cancel()

    asyncio.run(scene())
    assert seen == ["j1", "checkpoint"]


def test_refused_wish_changes_nothing_and_its_neighbours_are_kept(bench: Bench) -> None:
    async def scene() -> None:
        answers = []
        for deed in (bench.submit(1), _cancel("no-such-job"), bench.submit(2)):
            deed.answer = asyncio.get_running_loop().create_future()
            answers.append(deed)
        assert bench.ledger.turn(answers)
        first, refused, second = (deed.answer for deed in answers)
        assert first is not None and second is not None and refused is not None
        assert (await first, await second) == ("j1", "j2")
        with pytest.raises(SchedulerError) as caught:
            await refused
        assert caught.value.status == 404

    asyncio.run(scene())
    assert bench.store.state_counts()["QUEUED"] == 2


def test_full_disk_acknowledges_nothing_and_work_goes_on_when_there_is_room(bench: Bench) -> None:
    connection = bench.store._connection
    used = connection.execute("PRAGMA page_count").fetchone()[0]

    async def scene() -> None:
        running = asyncio.get_running_loop().create_task(bench.ledger.run())
        kept = await bench.ledger.do(bench.submit(1).act, LOCAL)
        connection.execute(f"PRAGMA max_page_count={used + 4}")
        with pytest.raises(SchedulerError) as caught:
            await bench.ledger.do(bench.submit(2, padding=200_000).act, LOCAL)
        assert (caught.value.status, caught.value.code) == (507, "disk_full")
        assert bench.store.job("j2") is None
        connection.execute("PRAGMA max_page_count=1000000")
        while bench.ledger.trouble is not None or not bench.ledger.state.is_booted:
            await asyncio.sleep(0.01)
        assert await bench.ledger.do(bench.submit(3).act, LOCAL) == "j3"
        assert set(bench.ledger.state.jobs) == {kept, "j3"}
        running.cancel()

    asyncio.run(scene())
    assert bench.recoveries == 1


def test_report_that_cannot_be_written_keeps_its_neighbours_and_starts_anew(bench: Bench) -> None:
    def broken(turn: Turn) -> None:
        turn.record("disk:low", "disk", {})
        raise RuntimeError("a fault in our own code")

    assert not bench.ledger.turn([bench.submit(1), Deed(broken, SYSTEM, None), bench.submit(2)])
    assert bench.store.job("j1") is not None and bench.store.job("j2") is not None
    assert "disk:low" not in {entry["action"] for entry in bench.store.audit_after(0, 100)}
    assert bench.ledger.trouble is not None and bench.ledger.trouble.status == 500


def test_wish_that_fails_half_done_costs_no_worker_its_lease(bench: Bench) -> None:
    ready = Deed(lambda turn: turn.apply(events.WorkerBecameReady(at=turn.at, slot=0, worker_id="w1")), SYSTEM, None)
    assert bench.ledger.turn([ready, bench.submit(1)])
    lease_id = bench.ledger.state.jobs["j1"].lease_id

    def broken(turn: Turn) -> None:
        turn.apply(events.CancelRequested(at=turn.at, job_id="j1"))
        raise RuntimeError("a fault in our own code")

    async def scene() -> None:
        deed = Deed(broken, LOCAL, asyncio.get_running_loop().create_future())
        assert bench.ledger.turn([deed])
        assert deed.answer is not None
        with pytest.raises(SchedulerError) as caught:
            await deed.answer
        assert caught.value.code == "internal_error"

    asyncio.run(scene())
    assert [type(effect) for effect in bench.effects] == [SendRun]
    assert set(bench.ledger.state.leases) == {lease_id}
    started = Deed(lambda turn: turn.apply(events.JobWasStarted(at=turn.at, lease_id=str(lease_id), resume=None)), SYSTEM, None)
    assert bench.ledger.turn([started])
    job = bench.store.job("j1")
    assert job is not None and job["state"] == "RUNNING" and not job["is_cancel_requested"]


def _cancel(job_id: str) -> Deed[None]:
    def act(turn: Turn) -> None:
        turn.apply(events.CancelRequested(at=turn.at, job_id=job_id))

    return Deed(act, LOCAL, None)
