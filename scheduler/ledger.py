"""Where the pure core meets the store: deeds go in, one transaction per batch, effects only after the commit.

A deed is a function of a `Turn`: it feeds events to the core, and the facts that come out are written at once in the open
transaction. Everything that waits is taken into one transaction (one fsync for many), then callers get their answers and
effects are performed. A deed that fails half done is taken back alone: memory goes back to where it was, the others are done
anew. A store that fails leaves memory ahead of the disk: then nothing is answered, memory is rebuilt from the store, and until
that succeeds and the disk has room every wish is refused with the reason.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from scheduler.clock import SteadyClock
from scheduler.core.actions import Action, MoveJob, Record, Refuse
from scheduler.core.events import Event
from scheduler.core.job import Job
from scheduler.core.machine import State, step
from scheduler.crash_points import SchedulerPoint, pass_by
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.rewind import Mark, NoWayBack, mark_of, rewound
from scheduler.store import Store, StoreFailed

T = TypeVar("T")
SYSTEM = Actor("system")
MAX_BATCH = 256
RECOVERY_RETRY_S = 1.0
_NO_STORE = frozenset({"disk_full", "store_failed", "store_busy", "store_damaged"})  # nothing can be written just now
_log = logging.getLogger("greenroom.ledger")


def job_of(state: State, lease_id: str) -> Job | None:
    """The job that runs under this lease, while it is the valid one."""
    slot = state.leases.get(lease_id)
    return None if slot is None or slot.job_id is None else state.jobs[slot.job_id]


class Turn:
    """What a deed may use: the store inside its transaction, the core, and the time."""

    def __init__(self, ledger: Ledger, actor: Actor) -> None:
        self.store = ledger.store
        self.state = ledger.state
        self.at = ledger.clock.now()
        self.actor = actor
        self._ledger = ledger
        self.has_changed = False

    def apply(self, event: Event) -> list[Action]:
        """Feed the core; write the facts; keep the effects for after the commit. Raises SchedulerError on a refusal."""
        actions = step(self.state, event)
        if actions and isinstance(refusal := actions[0], Refuse):
            status = 404 if refusal.code.startswith("unknown_") else 409
            raise SchedulerError(status, refusal.code, refusal.message, hint=refusal.hint, story=list(refusal.story))
        for action in actions:
            self.has_changed = True
            if isinstance(action, MoveJob):
                self.store.move_job(action, self.actor, self.at)
            elif isinstance(action, Record):
                self.store.record(action.tag, action.subject, action.body, self.actor, self.at, outcome=action.outcome)
            else:
                self._ledger.keep_effect(action)
        return actions

    def job_of(self, lease_id: str) -> Job | None:
        """The job that runs under this lease, while it is the valid one."""
        return job_of(self.state, lease_id)

    def record(self, tag: str, subject: str, body: dict[str, Any] | None = None, outcome: str = "success") -> int:
        """Write a deed that is no change of a job's state; returns its audit seq."""
        self.has_changed = True
        return self.store.record(tag, subject, body or {}, self.actor, self.at, outcome=outcome)


@dataclass
class Deed(Generic[T]):
    """Something to do in a transaction, and who waits for its result.

    It may be done twice (when a neighbour failed), so it changes nothing but what its `Turn` offers.
    """

    act: Callable[[Turn], T]
    actor: Actor
    answer: asyncio.Future[T] | None


@dataclass(frozen=True)
class Fault:
    """Why a transaction was taken back, memory before it, and the place of the deed at fault; None: it was the store."""

    error: SchedulerError
    mark: Mark
    index: int | None


class Ledger:
    """The daemon's single thread of decisions."""

    def __init__(
        self,
        store: Store,
        restore: Callable[[], State],
        clock: SteadyClock,
        perform: Callable[[Action], None],
        on_recovered: Callable[[], None],
        before_commit: Callable[[Turn], None] = lambda turn: None,
        prove: Callable[[], None] = lambda: None,
    ) -> None:
        """`restore`: memory from the store. `prove`: raises SchedulerError while nothing can be written; own thread."""
        self.store = store
        store.is_tended = True  # by `run`, when the answers are out
        self.clock = clock
        self.state = restore()
        self.trouble: SchedulerError | None = None  # why every wish is refused just now
        self._restore, self._perform, self._on_recovered = restore, perform, on_recovered
        self._before_commit, self._prove = before_commit, prove
        self._pause_s = 0.0  # before the next try to recover
        self._waiting: asyncio.Queue[Deed[Any]] = asyncio.Queue()
        self._effects: list[Action] = []

    def keep_effect(self, action: Action) -> None:
        """Remember an effect until the commit."""
        self._effects.append(action)

    def post(self, act: Callable[[Turn], Any], actor: Actor = SYSTEM) -> None:
        """Do it soon; nobody waits."""
        self._waiting.put_nowait(Deed(act, actor, None))

    async def do(self, act: Callable[[Turn], T], actor: Actor) -> T:
        """Do it and wait until it is committed. Raises SchedulerError."""
        if self.trouble is not None:
            raise _again(self.trouble)
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait(Deed(act, actor, answer))
        return await answer

    async def run(self) -> None:
        """Take what waits, for ever."""
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < MAX_BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            if not self.turn(batch):
                await self._recover()
            await asyncio.sleep(0)  # let answers and sockets move before the next batch
            self.store.tend()

    def turn(self, batch: list[Deed[Any]]) -> bool:
        """All deeds of a batch in one transaction; answers and effects come after the commit. False: `_recover` is needed.

        A deed at fault is taken out: what came before it and what comes after it is done anew, each in a transaction. Who
        asked for it is told. Where nobody did it was a report from below, which is lost: then everything begins anew.
        """
        parts, is_report_lost = [batch], False
        while parts:
            part = parts.pop()
            fault = self._commit(part)
            if fault is None:
                continue
            culprit = part[fault.index] if fault.index is not None else None
            if culprit is None or not self._go_back(fault.mark):
                self._fail([*part, *(deed for rest in parts for deed in rest)], fault.error)
                return False
            is_report_lost |= culprit.answer is None
            _answer(culprit, None, fault.error)
            last_error = fault.error
            parts += [rest for rest in (part[fault.index + 1 :], part[: fault.index]) if rest]  # type: ignore[operator]
        if is_report_lost:
            self._fail([], last_error)
        return not is_report_lost

    def _commit(self, part: list[Deed[Any]]) -> Fault | None:
        """One transaction, then the answers and effects of its deeds. A Fault: nothing was written, memory is ahead."""
        outcomes: list[tuple[Deed[Any], Any, SchedulerError | None]] = []
        mark, index = mark_of(self.state), None
        try:
            with self.store.transaction():
                for index, deed in enumerate(part):  # noqa: B007 the one at fault is asked for below
                    outcomes.append(self._one(deed))
                index = None
                self._before_commit(Turn(self, SYSTEM))
                pass_by(SchedulerPoint.DAEMON_BEFORE_COMMIT)
        except SchedulerError as error:
            self._effects.clear()
            return Fault(error, mark, None if error.code in _NO_STORE else index)
        except Exception:  # noqa: BLE001 a fault in one deed must not end the daemon; it is logged and undone
            _log.exception("a deed failed; it is undone")
            self._effects.clear()
            return Fault(SchedulerError(500, "internal_error", "The scheduler failed here; nothing was changed.",
                                        hint="The daemon's log has the details."), mark, index)  # fmt: skip
        pass_by(SchedulerPoint.DAEMON_AFTER_COMMIT)
        for outcome in outcomes:
            _answer(*outcome)
        pass_by(SchedulerPoint.DAEMON_AFTER_ANSWER)
        self._pause_s = 0.0
        effects, self._effects = self._effects, []
        for effect in effects:
            try:
                self._perform(effect)
            except Exception:  # noqa: BLE001 the deed stands; what was not done shows as a lease that runs out
                _log.exception("an effect failed: %s", effect)
        pass_by(SchedulerPoint.DAEMON_AFTER_EFFECTS)
        return None

    def _go_back(self, mark: Mark) -> bool:
        """Memory as it was when the mark was made; False when that cannot be had."""
        try:
            self.state = rewound(mark, self._restore())
        except (SchedulerError, NoWayBack) as error:
            _log.error("memory cannot be taken back: %s", error)
            return False
        return True

    def _one(self, deed: Deed[Any]) -> tuple[Deed[Any], Any, SchedulerError | None]:
        turn = Turn(self, deed.actor)
        try:
            return deed, deed.act(turn), None
        except SchedulerError as error:
            if turn.has_changed or isinstance(error, StoreFailed) or error.code in _NO_STORE:
                raise  # half a deed must not be committed
            return deed, None, error

    def _fail(self, batch: list[Deed[Any]], error: SchedulerError) -> None:
        self.trouble = error
        self._effects.clear()
        for deed in batch:
            _answer(deed, None, _again(error))

    async def _recover(self) -> None:
        """Wait until the disk takes writes, then rebuild memory from the store; refuse wishes meanwhile.

        The second try and all after it, until a turn succeeds, come a while after the one before.
        """
        while True:
            await asyncio.sleep(self._pause_s)
            self._pause_s = RECOVERY_RETRY_S
            try:
                await asyncio.to_thread(self._prove)
                while not self._waiting.empty():  # meant for a memory that is gone
                    self._fail([self._waiting.get_nowait()], self.trouble or SchedulerError(503, "store_failed", "No store."))
                self.state = self._restore()
                break
            except SchedulerError as error:
                if self.trouble is None or self.trouble.code != error.code:
                    _log.error("the store still fails: %s", error)
                self.trouble = error
        self.trouble = None
        self._on_recovered()


def _answer(deed: Deed[Any], result: Any, refusal: SchedulerError | None) -> None:
    """Tell who waits, if anybody still does."""
    if deed.answer is None or deed.answer.done():
        return
    if refusal is not None:
        deed.answer.set_exception(refusal)
    else:
        deed.answer.set_result(result)


def _again(error: SchedulerError) -> SchedulerError:
    """The same error for another who waits: an exception that is raised twice keeps the frames of both."""
    return SchedulerError.from_json(error.to_json())
