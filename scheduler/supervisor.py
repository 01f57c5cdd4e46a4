"""Starts, watches and kills workers: one active worker per slot and warm standbys behind it.

A standby is the same program, warm and without a slot's work; when the active worker is lost it is promoted at once and a
new standby is started behind it. Judging is the daemon's (policy); here are only the processes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from engine import protocol
from scheduler.core.healing_policy import Fault, HealingPolicy, Rule
from scheduler.spawn import ProcessList
from scheduler.worker_link import WorkerLink, WorkerPlace

HEALTHY_AFTER_S = 30.0
STALL_S = 1.0  # the daemon itself was held up for so long: its workers' silence is not theirs
BLOCK_PHASES = frozenset({"step", "decode", "sink", "encode", "write"})
_log = logging.getLogger("greenroom.supervisor")


@dataclass
class Slot:
    """A slot's workers and its recent failures (crash loop: each one doubles the wait before the next start)."""

    number: int
    active: WorkerLink | None = None
    standbys: list[WorkerLink] = field(default_factory=list)  # starting or warm
    failures: int = 0
    not_before: float = 0.0  # monotonic: no start before
    last_error: str = ""

    def fail(self, error: str, rule: Rule) -> float:
        """One more failure in a row: the next start waits longer. Returns the seconds."""
        self.failures += 1
        self.last_error = error
        wait_s = min(rule["max_s"], rule["first_s"] * 2 ** min(self.failures - 2, 30)) if self.failures > 1 else 0.0
        self.not_before = time.monotonic() + wait_s
        return wait_s

    def succeed(self) -> None:
        """What ended now is no sign of a crash loop."""
        self.failures, self.not_before, self.last_error = 0, 0.0, ""


@dataclass(frozen=True, kw_only=True)
class Calls:
    """Whom the supervisor tells: a worker serves a slot, the slot's worker is lost, a start failed, a report came,
    a worker gets on."""

    on_ready: Callable[[int, str], None]
    on_lost: Callable[[WorkerLink, str], None]
    on_report: Callable[[WorkerLink, protocol.Message], None]
    on_work: Callable[[WorkerLink, float], None]  # it gets on; how long it may stand still where it is
    on_start_failed: Callable[[int, int, float, str, str], None]  # slot, failures in a row, wait, cause, last words


class Supervisor:
    """The fleet of worker processes. Calls back on the event loop's thread."""

    def __init__(
        self,
        place: WorkerPlace,
        processes: ProcessList,
        *,
        slots: int,
        standbys: int,
        healing: Callable[[], HealingPolicy],
        boot_number: int,
        calls: Calls,
    ) -> None:
        """`healing`: the policy that holds now; its deadlines decide when silence or standstill means death."""
        self.slots = [Slot(number) for number in range(slots)]
        self._place, self._processes = place, processes
        self._standbys, self._healing, self._calls = standbys, healing, calls
        self._kept_at = time.monotonic()
        self._boot_number = boot_number
        self._count = 0
        self._links: dict[str, WorkerLink] = {}
        self._is_stopping = False

    # ---- looking ------------------------------------------------------------------------------------------------------

    def link(self, worker_id: str) -> WorkerLink | None:
        """The worker of this id while it lives."""
        return self._links.get(worker_id)

    # ---- acting -------------------------------------------------------------------------------------------------------

    async def keep(self) -> None:
        """Start what is missing and kill what is silent. Call several times per second."""
        if self._is_stopping:
            return
        now = time.monotonic()
        stalled_s, self._kept_at = now - self._kept_at, now
        for link in list(self._links.values()):
            if stalled_s > STALL_S:
                link.forgive(stalled_s)
            else:
                self._judge(link, now)
        for slot in self.slots:
            # One at a time: a standby would take half the machine from the worker that people wait for, and a broken
            # program must not be started in pairs.
            is_warming = any(link.ready is None for link in slot.standbys)
            wanted = 1 if slot.active is None else self._standbys
            if not is_warming and len(slot.standbys) < wanted and now >= slot.not_before:
                await self._start(slot)

    def _judge(self, link: WorkerLink, now: float) -> None:
        hung, beat = self._healing()[Fault.HUNG_STEP], self._healing()[Fault.HEARTBEAT_LOST]
        silent_s = now - link.heard_at
        if link.ready is None:
            if now - link.started_at > hung["start_s"]:
                link.judge("start_timeout", now - link.started_at, hung["start_s"])
        elif silent_s > (allowed_s := max(beat["floor_s"], beat["factor"] * link.widest_gap_s)):
            link.judge("heartbeat_lost", silent_s, allowed_s)
        elif _is_at_work(link) and now - link.moved_at > (allowed_s := _step_deadline_s(link, hung)):
            link.judge("hung_step", now - link.moved_at, allowed_s)

    async def _start(self, slot: Slot) -> None:
        self._count += 1
        worker_id = f"w{self._boot_number}-{self._count}"
        link = WorkerLink(worker_id, slot.number, self._place, self._message, self._ended)
        slot.standbys.append(link)
        self._links[worker_id] = link
        try:
            await link.start(self._processes)
        except OSError as error:  # no memory, no descriptor, no disk: tried again later
            slot.standbys.remove(link)
            del self._links[worker_id]
            self._fail(slot, "cannot_start", f"cannot be started: {error}")
            _log.error("a worker for slot %d cannot be started: %s", slot.number, error)

    def kill(self, worker_id: str, cause: str) -> None:
        """Kill a worker; its loss is reported as usual."""
        if (link := self._links.get(worker_id)) is not None:
            link.kill(cause)

    def send(self, worker_id: str, message: protocol.Message) -> bool:
        """Send to a worker; False when it is gone."""
        link = self._links.get(worker_id)
        if link is None:
            return False
        link.send(message)
        return True

    def devices(self) -> list[str]:
        """What the ready workers compute on, each name once."""
        ready = [slot.active.ready for slot in self.slots if slot.active is not None]
        return sorted({one.device for one in ready if one is not None})

    async def stop(self, grace_s: float = 3.0) -> None:
        """End all workers: a word first, SIGKILL after the grace."""
        self._is_stopping = True
        for link in self._links.values():
            link.stop()
        deadline = time.monotonic() + grace_s
        while self._links and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for link in list(self._links.values()):
            link.kill("stopped")
        while self._links:
            await asyncio.sleep(0.01)

    def _fail(self, slot: Slot, cause: str, reason: str) -> None:
        wait_s = slot.fail(reason or cause, self._healing()[Fault.CRASH_LOOP])
        self._calls.on_start_failed(slot.number, slot.failures, wait_s, cause, reason)

    # ---- hearing ------------------------------------------------------------------------------------------------------

    def _message(self, link: WorkerLink, message: protocol.Message) -> None:
        if isinstance(message, protocol.WorkerHello):
            self._welcome(link, message)
        elif isinstance(message, protocol.WorkerReady):
            self._promote(self.slots[link.slot])
        elif not isinstance(message, protocol.Heartbeat):
            self._calls.on_report(link, message)
        elif link.is_further:
            self._calls.on_work(link, _step_deadline_s(link, self._healing()[Fault.HUNG_STEP]))

    def _welcome(self, link: WorkerLink, hello: protocol.WorkerHello) -> None:
        if hello.version != protocol.PROTOCOL_VERSION:
            link.kill("protocol")
            return
        place = self._place
        link.send(
            protocol.Welcome(
                version=protocol.PROTOCOL_VERSION,
                worker_id=link.worker_id,
                slot=link.slot,
                vault_socket=str(place.vault_socket),
                model_dir=str(place.model_dir),
                heartbeat_s=place.heartbeat_s,
                threads=place.threads,
            )
        )

    def _promote(self, slot: Slot) -> None:
        """Put the first warm standby on the empty slot."""
        if slot.active is not None:
            return
        for link in slot.standbys:
            if link.ready is not None and not link.is_leaving:
                slot.standbys.remove(link)
                slot.active = link
                self._calls.on_ready(slot.number, link.worker_id)
                return

    def _ended(self, link: WorkerLink, cause: str) -> None:
        del self._links[link.worker_id]
        slot = self.slots[link.slot]
        # A worker that lived long, made a block or was ended from outside is no sign of a crash loop.
        is_healthy = link.has_made_block or time.monotonic() - link.started_at > HEALTHY_AFTER_S
        is_from_outside = link.ready is not None and cause not in ("exited", "crashed")
        if is_healthy or cause == "stopped":
            slot.succeed()
        elif not is_from_outside:
            self._fail(slot, cause, link.last_words)
        if link is slot.active:
            slot.active = None
            self._calls.on_lost(link, cause)
            self._promote(slot)
        else:
            slot.standbys.remove(link)


def _is_at_work(link: WorkerLink) -> bool:
    """Whether it has a job, or prepares a role without one. Heartbeats come from another thread and prove nothing of this."""
    return link.heartbeat.lease_id is not None or link.heartbeat.phase == "prepare"


def _step_deadline_s(link: WorkerLink, rule: Rule) -> float:
    """How long a worker may stand still where it is: by what was learnt inside a block, else by the rule."""
    if link.heartbeat.phase not in BLOCK_PHASES:
        return rule["long_s"]
    return rule["cold_s"] if link.block_deadline_s is None else link.block_deadline_s
