"""The daemon: inbox → core.step → commit → effects. The only writer of the store; one thread decides."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import gc
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import IO

from scheduler.child_watch import BEAT, READY
from scheduler.clock import SteadyClock
from scheduler.commands import House, handle
from scheduler.context_size import keep_ring_form
from scheduler.core import actions, events
from scheduler.core.block_times import BlockTimes
from scheduler.core.healing_policy import Fault, HealingPolicy
from scheduler.core.machine import State
from scheduler.core.tags import Tag
from scheduler.core_notes import CoreNotes, restore_notes
from scheduler.daemon_options import PROGRAMS, DaemonOptions, read_options
from scheduler.device_sensors import DeviceSensors
from scheduler.door import Actor, socket_path
from scheduler.door_server import DoorServer
from scheduler.effects import Hands, perform
from scheduler.errors import SchedulerError
from scheduler.house_size import threads_of
from scheduler.ledger import SYSTEM, Deed, Ledger, Turn
from scheduler.logs import log_as_json
from scheduler.memory_shares import MemoryShares, jobs_by_process
from scheduler.outside_heals import OutsideHeals
from scheduler.policy_watch import PolicyWatch
from scheduler.quality_watch import QualityWatch
from scheduler.reports import Reports
from scheduler.role_book import RoleBook
from scheduler.room import prove_room, refusal_of
from scheduler.session_watch import SessionWatch
from scheduler.spare import await_turn
from scheduler.spawn import ProcessList
from scheduler.store import Store
from scheduler.store.opening import open_writer
from scheduler.supervisor import Calls, Supervisor
from scheduler.timetable import Timetable
from scheduler.uploads import Uploads
from scheduler.vault_link import VaultLink
from scheduler.worker_link import WorkerLink, WorkerPlace
from scheduler.yaml_files import text_of

TICK_S = 0.1
GIVE_WAY_S = 0.0005  # a thread that computes (the readings) holds the deciding one up so long at most, after each commit
STOP_PATIENCE_S = 2.0  # for what is still to be written when all workers have ended
PROBLEMS_KEPT = 20  # of a refused registry, in its audit row
EXIT_FAILED = 70
EXIT_LOCKED = 75
EXIT_STORE = 76
_log = logging.getLogger("greenroom.daemon")


class Daemon:
    """The parts, put together; `run` until a stop signal or the end of the lifeline."""

    def __init__(self, options: DaemonOptions, store: Store) -> None:
        self._options = options
        self._policy = PolicyWatch(options.data_dir, options.vault_limit_bytes, store, options.slots)
        self._store = store
        data_dir = options.data_dir
        self._processes = ProcessList(data_dir / "run")
        clock = SteadyClock(store.last_time())
        self.roles = RoleBook(data_dir, store)
        self.vault = VaultLink(
            data_dir / "run" / "vault-0.sock", self._vault_changed, self._may_need_context,
            silent_s=lambda: self._healing()[Fault.VAULT_LOST]["silent_s"],
        )  # fmt: skip
        self._notes = CoreNotes()
        self.ledger = Ledger(
            store, self._restore, clock, self._perform, self._store_is_back, before_commit=self._notes.keep,
            prove=lambda: prove_room(data_dir),
        )  # fmt: skip
        self.reports = Reports(self.ledger, data_dir, self.roles, BlockTimes(store.block_times()), self._healing)
        self.supervisor = Supervisor(
            WorkerPlace(
                program=PROGRAMS[options.engine],
                vault_socket=data_dir / "run" / "vault-0.sock",
                model_dir=data_dir / "models" / options.model,
                log_dir=data_dir / "logs",
                threads=options.threads or threads_of(options.slots),
                heartbeat_s=0.25,
            ),
            self._processes,
            slots=options.slots,
            standbys=options.standbys,
            healing=self._healing,
            boot_number=self._count_boot(clock),
            calls=Calls(
                on_ready=self._worker_ready, on_lost=self._worker_lost, on_report=self.reports.receive,
                on_work=self.reports.see_work, on_start_failed=self._start_failed,
            ),
        )  # fmt: skip
        uploads = Uploads(self.ledger, data_dir, lambda: self._policy.now.uploads, self._healing)
        self._hands = Hands(store, self.supervisor, self.vault, data_dir)
        self._house = House(
            data_dir=data_dir, model=options.model, ledger=self.ledger, supervisor=self.supervisor, vault=self.vault,
            reports=self.reports, roles=self.roles, uploads=uploads, started_at=clock.now(),
        )  # fmt: skip
        self._door = DoorServer(socket_path(data_dir), lambda command, actor, args: handle(self._house, command, actor, args))
        workers = lambda: jobs_by_process(self.supervisor, self.ledger.state)  # noqa: E731
        shares = MemoryShares(data_dir / "run", lambda: self.vault.status, workers)
        sensors = DeviceSensors(data_dir, options.slots, lambda: self.vault.status, shares=shares.of)
        self._timetable = Timetable(self.ledger, data_dir, sensors, uploads=uploads)
        self._outside = OutsideHeals(data_dir, self.ledger)
        is_real = options.engine == "real"
        self._quality = QualityWatch(self.ledger, data_dir, lambda: self._policy.now.quality, is_real)
        self._sessions = SessionWatch(self.ledger, data_dir, is_real)
        self._boot()

    # ---- memory from the store ---------------------------------------------------------------------------------------

    def _restore(self) -> State:
        """The core's state as the store tells it; its first event must be `Booted`. Raises SchedulerError."""
        store = self._store
        paused = store.fact("queue_paused")
        return State.restore(
            self._policy.now.policy,
            self._options.slots,
            store.load_open_jobs(),
            unavailable_roles=self.roles.unavailable(),
            is_queue_paused=bool(paused and paused["is_paused"]),
            never_with=self.roles.never_with(),
            share_with=self.roles.share_with(),
            drained_slots=[n for n in range(self._options.slots) if store.fact(f"slot_drained:{n}")],
            healing=self._policy.now.healing,
            **restore_notes(store),
        )

    def _healing(self) -> HealingPolicy:
        return self._policy.now.healing

    def _boot(self) -> None:
        def act(turn: Turn) -> None:
            turn.apply(events.Booted(at=turn.at))
            self._policy.keep_first(turn)

        if not self.ledger.turn([Deed(act, SYSTEM, None)]):
            assert self.ledger.trouble is not None
            raise self.ledger.trouble

    def _count_boot(self, clock: SteadyClock) -> int:
        """1, 2, …: worker ids of different runs must differ."""
        number = int(self._store.fact("boots", 0)) + 1
        with self._store.transaction():
            self._store.set_fact("boots", number, clock.now())
        return number

    def _perform(self, effect: actions.Action) -> None:
        try:
            perform(self._hands, effect)
        except OSError as error:
            if not isinstance(effect, actions.SendRun):
                raise
            self._give_up(effect, error)

    def _give_up(self, effect: actions.SendRun, error: OSError) -> None:
        """A job whose folder cannot be made: a disk that refuses everything stops all, anything else this job."""
        _log.error("%s cannot be started: %s", effect.job_id, error)
        refusal = refusal_of(self._options.data_dir, error)

        def act(turn: Turn) -> None:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise refusal
            turn.apply(events.JobHasFailed(at=turn.at, lease_id=effect.lease_id, code="no_folder", can_retry=True))

        self.ledger.post(act)

    def _may_need_context(self, job_id: str) -> bool:
        return self.ledger.trouble is not None or job_id in self.ledger.state.jobs

    def _store_is_back(self) -> None:
        """After a failed commit memory was rebuilt: what runs below belongs to a past nobody wrote down. Start it anew."""
        self._notes.forget()  # the facts that were last written may have been taken back
        self.ledger.post(lambda turn: turn.apply(events.Booted(at=turn.at)))
        self._outside.store_is_back()
        for slot in self.supervisor.slots:
            if slot.active is not None:
                slot.active.kill("stopped")

    # ---- what happens below -------------------------------------------------------------------------------------------

    def _worker_ready(self, slot: int, worker_id: str) -> None:
        link = self.supervisor.slots[slot].active

        def act(turn: Turn) -> None:
            turn.store.set_devices(self.supervisor.devices(), turn.at)
            keep_ring_form(turn.store, self._options.model, None if link is None else link.ready, turn.at)
            turn.apply(events.WorkerBecameReady(at=turn.at, slot=slot, worker_id=worker_id))

        self.ledger.post(act)

    def _worker_lost(self, link: WorkerLink, cause: str) -> None:
        self.reports.lose_worker(link.worker_id)
        reason = link.last_words if cause in ("exited", "crashed") else ""

        def act(turn: Turn) -> None:
            turn.apply(
                events.WorkerWasLost(
                    at=turn.at, slot=link.slot, worker_id=link.worker_id, cause=cause, silent_s=link.silent_s,
                    deadline_s=link.deadline_s, reason=reason,
                )
            )  # fmt: skip

        self.ledger.post(act)

    def _start_failed(self, slot: int, failures: int, wait_s: float, cause: str, reason: str) -> None:
        def act(turn: Turn) -> None:
            turn.apply(
                events.WorkerStartFailed(
                    at=turn.at, slot=slot, failures=failures, wait_s=wait_s, cause=cause, reason=reason
                )
            )

        self.ledger.post(act)

    def _vault_changed(self, is_there: bool, cause: str, silent_s: float) -> None:
        tag = "vault:ready" if is_there else "vault:lost"
        pid = self.vault.status.pid if self.vault.status is not None else None
        outcome = "success" if is_there else "failure"

        def act(turn: Turn) -> None:
            turn.record(tag, "vault:0", {} if pid is None else {"pid": pid}, outcome)
            turn.apply(events.VaultChanged(at=turn.at, is_there=is_there, cause=cause, silent_s=silent_s))

        self.ledger.post(act)

    # ---- life ---------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until told to stop; then end the workers and close the door."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if self._options.lifeline_fd is not None:
            loop.add_reader(self._options.lifeline_fd, stop.set)  # readable only at its end: the launcher is gone
        async with asyncio.TaskGroup() as tasks:
            own = [tasks.create_task(self.ledger.run()), tasks.create_task(self.vault.run())]
            # Where the registry is the one of before, nothing changes unless a file did: nobody has to wait at the door
            # for the look at all files, nor for the start of workers.
            if is_preloaded := self._is_preloaded():
                await self._door.start()
            own += [tasks.create_task(work) for work in (self._tick(), self._policy.run(self.ledger))]
            preload = tasks.create_task(self._preload())
            own.append(preload)
            self._timetable.start()
            own += [tasks.create_task(watch.run()) for watch in (self._quality, self._sessions)]
            if not is_preloaded:
                await preload
                await self._door.start()
            _log.info("ready")
            self._tell(READY)
            await stop.wait()
            if self._options.lifeline_fd is not None:
                loop.remove_reader(self._options.lifeline_fd)  # it stays readable
            _log.info("stopping")
            await self._door.stop()
            self._timetable.stop()
            await self.supervisor.stop()
            await self._write_the_rest()
            for task in own:
                task.cancel()

    async def _write_the_rest(self) -> None:
        """The loss of the last workers is still on its way to the store; where that fails the next start says it."""
        try:
            async with asyncio.timeout(STOP_PATIENCE_S):
                await self.ledger.do(lambda _: None, SYSTEM)
        except (SchedulerError, TimeoutError) as error:
            _log.warning("stopped before everything was written: %s", error)

    async def _tick(self) -> None:
        last = 0.0
        while True:
            await self.supervisor.keep()
            self._tell(BEAT)
            self._outside.watch_store()
            if (now := time.monotonic()) - last >= 1.0:
                last = now
                self.ledger.post(lambda turn: turn.apply(events.TimePassed(at=turn.at)))
                self._outside.take_launchers()
            await asyncio.sleep(TICK_S)

    def _tell(self, word: bytes) -> None:
        """For the launcher, which replaces a daemon that falls silent or gets not ready. A full pipe: it does not look."""
        if self._options.heartbeat_fd is not None:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(self._options.heartbeat_fd, word)

    def _is_preloaded(self) -> bool:
        """Whether the registry to preload is, word for word, the one that was loaded last."""
        path = self._options.preload_roles
        try:
            return path is None or self.roles.is_loaded(text_of(path), path.parent)
        except (OSError, UnicodeDecodeError):
            return False

    async def _preload(self) -> None:
        path = self._options.preload_roles
        if path is None:
            return
        try:
            text = await asyncio.to_thread(text_of, path)
            loaded = await self.roles.load(text, path.parent, self.ledger, Actor("system"), is_again=True)
        except (OSError, UnicodeDecodeError, SchedulerError) as error:
            # The roles of the last good registry stay: a typing mistake must not empty the stage.
            message, data = (error.message, error.data) if isinstance(error, SchedulerError) else (str(error), {})
            _log.error("roles of %s were not loaded: %s", path, message)
            body = {"message": message[:2000], "problems": data.get("problems", [])[:PROBLEMS_KEPT]}
            self.ledger.post(lambda turn: turn.record(Tag.ROLE_REFUSED, f"file:{path.name}", body, "failure"))
            return
        _log.info("%d roles loaded from %s", len(loaded.names), path)


def _lock(data_dir: Path) -> IO[str]:
    file = (data_dir / "run" / "daemon.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print(json.dumps({"level": "error", "message": f"another daemon runs on {data_dir}"}), file=sys.stderr)
        raise SystemExit(EXIT_LOCKED) from None
    return file


def main() -> None:
    """Entry of `python -m scheduler.daemon`."""
    options = read_options()
    avoid_pauses()
    log_as_json("daemon")
    if options.turn_fd is not None:
        await_turn(options.turn_fd)
    lock = _lock(options.data_dir)
    with contextlib.closing(lock):
        try:
            store = open_writer(options.data_dir)
            daemon = Daemon(options, store)
        except SchedulerError as error:
            _log.error("%s", f"{error.message} {error.hint}".strip())
            raise SystemExit(EXIT_STORE) from error
        try:
            asyncio.run(daemon.run())
        except Exception as error:
            for cause in _causes(error):
                _log.error("the daemon failed: %s: %s", type(cause).__name__, cause, exc_info=cause)
            raise SystemExit(EXIT_FAILED) from error
        store.close()


def avoid_pauses() -> None:
    """Python's own: a thread that computes gives way soon, and what was imported is not searched for garbage again and again
    (a look at all of it takes 30 ms)."""
    sys.setswitchinterval(GIVE_WAY_S)
    gc.freeze()


def _causes(error: BaseException) -> list[BaseException]:
    """What a group of errors is made of."""
    if isinstance(error, BaseExceptionGroup):
        return [cause for inner in error.exceptions for cause in _causes(inner)]
    return [error]


if __name__ == "__main__":
    main()
