"""A recipe says what was made, at which setting and from which block on, and nothing else."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from engine import protocol
from scheduler.assets import AssetLibrary
from scheduler.clock import SteadyClock
from scheduler.commands.house import House
from scheduler.commands.jobs import repeated, settings_of
from scheduler.core import events
from scheduler.core.block_times import BlockTimes
from scheduler.core.healing_policy import HealingPolicy
from scheduler.core.learnt_memory import LearntMemory, Measured, MemoryKey
from scheduler.core.machine import State
from scheduler.core.policy import Policy
from scheduler.ledger import SYSTEM, Ledger, Turn
from scheduler.reports import Reports
from scheduler.role_book import RoleBook
from scheduler.store import Store
from scheduler.submission import Submission, work_out
from scheduler.worker_link import WorkerLink
from tests.unit.scheduler.store_rig import AT, READER, accept, move, role, writer

TEACHER = role(preset="pocket", version=1)
LINK = cast(WorkerLink, SimpleNamespace(ready=None, block_deadline_s=None))


def recipe(**changes: Any) -> dict[str, Any]:
    """Of a job of the teacher at five steps."""
    request = {"user": "reader", "role": "teacher", "context": {"topic": "rain"}, "steps": 5}
    made = work_out(request, TEACHER, "pocket", "", kv=None).recipe
    return replace(made, **changes).to_json()


def queued(store: Store, **columns: Any) -> str:
    """A job in line."""
    with store.transaction():
        store.put_role(TEACHER, READER, AT)
    job_id = accept(store, recipe=recipe())
    with store.transaction():
        store.move_job(move("SUBMITTED", "QUEUED", job_id, hold="recovering", **columns), READER, AT)
    return job_id


def started(tmp_path: Path, resume: str, from_block: int, **columns: Any) -> dict[str, Any]:
    """A job's recipe after its worker has said that it begins."""
    with writer(tmp_path) as store:
        job_id = queued(store, **columns)

        async def play() -> None:
            def restored() -> State:
                return State.restore(Policy(), 1, store.load_open_jobs())

            ledger = Ledger(store, restored, SteadyClock(AT), lambda _: None, lambda: None)
            reports = Reports(ledger, tmp_path, RoleBook(tmp_path, store), BlockTimes(), HealingPolicy)
            running = asyncio.create_task(ledger.run())
            await ledger.do(lambda turn: turn.apply(events.Booted(at=turn.at)), SYSTEM)
            await ledger.do(lambda turn: turn.apply(events.WorkerBecameReady(at=turn.at, slot=0, worker_id="w0")), SYSTEM)
            lease = str(ledger.state.jobs[job_id].lease_id)
            said: dict[str, Any] = {"lease_id": lease, "resume": resume, "from_block": from_block}
            reports.receive(LINK, protocol.JobStarted(**said, prepare_ms=1.0, width=192, height=128))
            await ledger.do(lambda turn: None, SYSTEM)
            running.cancel()

        asyncio.run(play())
        row = store.job(job_id)
        assert row is not None
        found: dict[str, Any] = json.loads(row["recipe"])
        return found


def test_blocks_that_the_daemon_had_not_heard_of_were_made_at_the_setting_whose_context_made_them(tmp_path: Path) -> None:
    found = started(tmp_path, "exact", 4, blocks_done=2, rungs="steps=4")
    assert (found["settings"]["steps"], found["degradations"]) == (4, ["from block 2: steps=4"])


def test_rebuilt_job_has_its_new_setting_from_where_it_goes_on(tmp_path: Path) -> None:
    found = started(tmp_path, "continuous", 3, blocks_done=2, rungs="steps=4")
    assert found["degradations"] == ["from block 3: steps=4"]


def made_again(tmp_path: Path, **changes: Any) -> Submission:
    """The submission for a video of 192x128 that is made again."""
    with writer(tmp_path) as store:
        lowered = recipe(**changes)
        job_id = accept(store, recipe=lowered, width=192, height=128)
        for sha256 in (lowered["portrait_sha256"], lowered["voice_sha256"]):
            path = AssetLibrary(tmp_path).path_of(sha256)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        row = store.job(job_id)
        assert row is not None
        roles = SimpleNamespace(version=lambda name, version: TEACHER)
        house = SimpleNamespace(data_dir=tmp_path, roles=roles, weights_sha256=str, kv=lambda: None)
        return repeated(cast(House, house), row)


def test_video_made_again_is_made_at_one_setting_and_its_recipe_says_so(tmp_path: Path) -> None:
    settings = {**recipe()["settings"], "steps": 4}
    again = made_again(tmp_path, degradations=("from block 3: steps=4",), settings=settings).recipe
    assert (again.settings["steps"], again.degradations) == (4, ()), "no block of it had more"


def test_video_made_again_is_of_the_memorys_kind_that_it_was_whatever_the_roles_portrait(tmp_path: Path) -> None:
    made = made_again(tmp_path, portrait_sha256="9" * 64)
    learnt = LearntMemory()
    kind = MemoryKey("pocket", "512x512", 4, "fp8", "cuda", "resident")
    learnt.measure(Measured(key=kind, context_bytes=1000, predicted_bytes=9000, peak_bytes=9000), "j0", 1.0)
    ready = protocol.WorkerReady(warm_ms=1.0, device="cuda", weights_sha256="", weights_trained=False)
    slot = SimpleNamespace(active=SimpleNamespace(ready=ready))
    house = SimpleNamespace(supervisor=SimpleNamespace(slots=[slot]), kv=lambda: None)
    turn = SimpleNamespace(state=SimpleNamespace(memory=learnt))
    found = settings_of(cast(House, house), cast(Turn, turn), made, is_fixed=True)
    assert found == {"alternatives": (), "memory": (("", replace(kind, size="192x128", steps=5)),)}
