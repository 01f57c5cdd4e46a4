"""The worker process around the program that makes the pixels.

Three threads: the main one computes; one reads commands, keeps wishes and ends the process when the daemon is gone;
one beats, also while the main one is deep in a computation. A hung computation shows as an unchanged position; the
daemon judges.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections import deque
from typing import NoReturn

from engine import protocol
from engine.errors import EngineError, ProtocolError
from engine.worker.channel import Channel
from engine.worker.crash_points import CrashPoints
from engine.worker.desk import Desk, Wish, Wishes
from engine.worker.failure import failure_of
from engine.worker.job_run import JobRun
from engine.worker.maker import Maker
from engine.worker.position import Position

_log = logging.getLogger(__name__)

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_PROTOCOL = 76


class Shell:
    """Runs one worker process until it is told to stop or its daemon is gone."""

    def __init__(self, channel: Channel, maker: Maker, crash: CrashPoints) -> None:
        self._channel, self._maker = channel, maker
        self._position = Position()
        self._wishes = Wishes()
        self._inbox: queue.SimpleQueue[protocol.Message] = queue.SimpleQueue()
        self._orders: deque[protocol.RunJob] = deque()  # came while another job was running
        self._desk = Desk(self._say, self._position, crash, self._wishes, self._serve_roles)

    def run(self) -> int:
        """Handshake, warm up, work. Returns the exit code (or ends the process at once, see `_read_commands`)."""
        try:
            welcome = self._shake_hands()
        except (EOFError, OSError):
            return EXIT_OK
        except ProtocolError as error:
            _log.error("no handshake", extra={"data": {"error": str(error)}})
            return EXIT_PROTOCOL
        threading.Thread(target=self._read_commands, name="commands", daemon=True).start()
        threading.Thread(target=self._beat, args=(welcome.heartbeat_s,), name="heartbeat", daemon=True).start()
        self._position.move("warm_up")
        try:
            ready = self._maker.warm_up(welcome)
        except EngineError as error:
            _log.error(
                "not able to work", extra={"data": {"code": error.code, "error": str(error), "hint": error.hint}}
            )
            return EXIT_FAILED
        self._desk.made_with = {**ready.software, "device": ready.device}
        self._position.move("idle")
        self._say(ready)
        while True:
            self._work(self._orders.popleft() if self._orders else self._inbox.get())

    def _shake_hands(self) -> protocol.Welcome:
        hello = protocol.WorkerHello(version=protocol.PROTOCOL_VERSION, pid=os.getpid(), engine=self._maker.name)
        self._channel.say(hello)
        welcome = self._channel.hear()
        if not isinstance(welcome, protocol.Welcome):
            raise ProtocolError(f"{type(welcome).__name__} instead of Welcome")
        if welcome.version != protocol.PROTOCOL_VERSION:
            raise ProtocolError(f"the daemon speaks version {welcome.version}, not {protocol.PROTOCOL_VERSION}")
        return welcome

    # ---- main thread -----------------------------------------------------------------------------------------------

    def _work(self, message: protocol.Message) -> None:
        match message:
            case protocol.RunJob():
                report = JobRun(message, self._maker, self._desk).run()
                self._position.move("idle")
                self._wishes.forget()
                self._say(report)
            case protocol.PrepareRole():
                self._prepare_role(message)
            case _:
                _log.warning("not a command", extra={"data": {"type": type(message).__name__}})

    def _serve_roles(self) -> None:
        """Between two blocks: roles that somebody wants prepared; a job that came too early waits."""
        while True:
            try:
                message = self._inbox.get_nowait()
            except queue.Empty:
                return
            if isinstance(message, protocol.RunJob):
                self._orders.append(message)
            else:
                self._work(message)

    def _prepare_role(self, order: protocol.PrepareRole) -> None:
        was = self._position.read()
        self._position.move("prepare", lease_id=was.lease_id, block=was.block)  # also without a job: it may hang like one
        try:
            answer: protocol.Message = self._maker.prepare_role(order)
        except Exception as error:  # noqa: BLE001 - nothing is swallowed: logged, and answered with RoleRefused
            failure = failure_of(error)
            _log.exception("role refused", extra={"data": {"role": order.role, "code": failure.code}})
            answer = protocol.RoleRefused(order.request_id, failure.code, failure.message, failure.hint)
        finally:
            self._position.move(was.phase, lease_id=was.lease_id, block=was.block, step=was.step)
        self._say(answer)

    def _say(self, message: protocol.Message) -> None:
        try:
            self._channel.say(message)
        except OSError:
            end_at_once(EXIT_OK)  # the daemon is gone, and its wish to hear with it

    # ---- other threads ---------------------------------------------------------------------------------------------

    def _read_commands(self) -> None:
        """Ends the process when the daemon says so, is gone, or talks nonsense: everything of worth is on the disk."""
        try:
            for message in self._channel.commands():
                match message:
                    case protocol.PreemptJob():
                        self._wishes.add(message.lease_id, Wish.PREEMPT)
                    case protocol.CancelJob():
                        self._wishes.add(message.lease_id, Wish.CANCEL)
                    case protocol.StopWorker():
                        break
                    case _:
                        self._inbox.put(message)
        except ProtocolError as error:
            _log.error("the daemon talks nonsense", extra={"data": {"error": str(error)}})
            end_at_once(EXIT_PROTOCOL)
        end_at_once(EXIT_OK)

    def _beat(self, every_s: float) -> None:
        while True:
            try:
                self._channel.beat(self._position.read())
            except OSError:
                return  # the thread that reads commands sees it as well and ends the process
            time.sleep(every_s)


def end_at_once(code: int) -> NoReturn:
    """Without waiting for the main thread, which may be deep in a computation."""
    logging.shutdown()
    os._exit(code)
