"""The fleet with real scripted workers: what cannot be started, what is asked to stop, who takes a lost worker's place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from engine import protocol
from scheduler.core.healing_policy import HealingPolicy
from scheduler.spawn import ProcessList
from scheduler.supervisor import Calls, Supervisor
from scheduler.worker_link import WorkerPlace


class Fleet:
    """A supervisor and what it said."""

    def __init__(self, home: Path, log_dir: Path, healing: HealingPolicy | None = None, **env: str) -> None:
        self.ready: list[str] = []
        self.lost: list[tuple[str, str]] = []
        self.seen: list[tuple[str, float]] = []  # who gets on, and how long it may stand still
        self.failed: list[tuple[int, int, float, str, str]] = []  # slot, failures, wait, cause, last words
        place = WorkerPlace(
            program="engine.fake", vault_socket=home / "none.sock", model_dir=home, log_dir=log_dir, threads=1, heartbeat_s=0.1,
            env=env,
        )  # fmt: skip
        self.supervisor = Supervisor(
            place, ProcessList(home), slots=1, standbys=1, healing=lambda: healing or HealingPolicy(), boot_number=1,
            calls=Calls(
                on_ready=lambda slot, worker_id: self.ready.append(worker_id),
                on_lost=lambda link, cause: self.lost.append((link.worker_id, cause)),
                on_report=lambda link, message: None,
                on_work=lambda link, allowed_s: self.seen.append((link.worker_id, allowed_s)),
                on_start_failed=lambda *said: self.failed.append(said),
            ),
        )  # fmt: skip
        self.slot = self.supervisor.slots[0]

    async def keep_until(self, is_so: Callable[[], bool]) -> None:
        """Look after the fleet until something is so."""
        async with asyncio.timeout(120):
            while not is_so():
                await self.supervisor.keep()
                await asyncio.sleep(0.01)


def test_worker_that_cannot_be_started_is_a_failure_of_its_slot_and_of_nothing_else(tmp_path: Path) -> None:
    async def scene() -> None:
        fleet = Fleet(tmp_path, tmp_path / "no" / "logs")
        await fleet.supervisor.keep()
        await fleet.supervisor.keep()
        assert fleet.slot.failures == 2
        assert fleet.slot.standbys == []
        assert "cannot be started" in fleet.slot.last_error
        assert [failed[1:4] for failed in fleet.failed] == [(1, 0.0, "cannot_start"), (2, 1.0, "cannot_start")]
        await fleet.supervisor.stop()

    asyncio.run(scene())


def test_worker_that_was_told_to_stop_is_no_crash(tmp_path: Path) -> None:
    async def scene() -> None:
        fleet = Fleet(tmp_path, tmp_path)
        await fleet.keep_until(lambda: bool(fleet.ready))
        await fleet.supervisor.stop()
        assert fleet.lost == [(fleet.ready[0], "stopped")]
        assert fleet.slot.failures == 0

    asyncio.run(scene())


def test_killed_worker_is_said_to_be_killed_and_a_dying_standby_does_not_take_its_place(tmp_path: Path) -> None:
    async def scene() -> None:
        fleet = Fleet(tmp_path, tmp_path)
        await fleet.keep_until(lambda: bool(fleet.slot.standbys) and fleet.slot.standbys[0].ready is not None)
        active, standby = fleet.slot.active, fleet.slot.standbys[0]
        assert active is not None and active._process is not None
        standby.kill("heartbeat_lost")
        active._process.kill()
        await fleet.keep_until(lambda: len(fleet.ready) == 2)
        assert fleet.lost == [(active.worker_id, "killed")]
        assert fleet.ready[1] not in (active.worker_id, standby.worker_id)
        await fleet.supervisor.stop()

    asyncio.run(scene())


def test_role_that_hangs_while_no_job_is_there_costs_the_worker_its_place_though_its_heart_beats(tmp_path: Path) -> None:
    (tmp_path / "script.json").write_text('{"prepare_s": 600}')
    healing = HealingPolicy.from_mapping({"hung_step": {"long_s": 1}, "heartbeat_lost": {"floor_s": 60}})

    async def scene() -> None:
        fleet = Fleet(tmp_path, tmp_path, healing, GREENROOM_FAKE_SCRIPT=str(tmp_path / "script.json"))
        await fleet.keep_until(lambda: fleet.slot.active is not None)
        active = fleet.slot.active
        assert active is not None
        active.send(protocol.PrepareRole("r1", "teacher", "a prompt", "none.png", {}))
        await fleet.keep_until(lambda: len(fleet.ready) == 2)
        assert fleet.lost == [(active.worker_id, "hung_step")]
        await fleet.supervisor.stop()

    asyncio.run(scene())
