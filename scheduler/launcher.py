"""The launcher: parent of vault, daemon, web and forecaster. It owns the process tree and nothing else.

A child that ends is started again with back-off; SIGINT, SIGTERM or SIGHUP end all in order (web, daemon with its workers,
vault); a kill -9 of the launcher itself ends all at once through the kernel, and the next start sweeps what is left.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import select
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from scheduler.child import Child, ChildHealing
from scheduler.child_watch import BeatPipe, HttpProbe, StoppedLook
from scheduler.clock import environment
from scheduler.core.healing_policy import Fault
from scheduler.door import forecaster_path, socket_path
from scheduler.errors import SchedulerError
from scheduler.last_words import last_words
from scheduler.outside_heals import ChildHeal, spool, trim_spool
from scheduler.policy_file import read_policy
from scheduler.preflight import CannotStart, check_port, lock_data_dir, prepare_data_dir
from scheduler.public_model import prepare_public_model
from scheduler.reach import announced, base_url, exposure
from scheduler.serve_options import ServeOptions
from scheduler.spare import Spare
from scheduler.spawn import ProcessList, become_subreaper, die_with, python_module, reap_orphans, spawn
from scheduler.store import open_reader

HEALTHY_AFTER_S = 20.0  # alive that long: the next failure starts with the first back-off again
STOP_GRACE_S = 8.0
START_TIMEOUT_S = 60.0
MAX_EARLY_KILLS = 3
HELD_UP_S = 3.0  # the launcher itself stood still for so long: silence is not the children's
_IN_USE = re.compile(r"in use", re.IGNORECASE)
EXIT_CHILD_FAILED = 71
EXIT_STOPPED = 130


class Stopped(CannotStart):
    """A stop was asked for before everything was up."""


class Launcher:
    """Starts the children in order and keeps them running until told to stop."""

    def __init__(self, options: ServeOptions, say: Callable[[str], None]) -> None:
        self._options = options
        self._say = say
        self._processes = ProcessList(options.data_dir / "run")
        self._lifeline_read, self._lifeline_write = os.pipe()
        self._beats = BeatPipe()
        self._watched_at = time.monotonic()
        self._healing = read_policy(options.data_dir, 1).healing
        trim_spool(options.data_dir / "run")
        self._clock = environment(_last_time(options.data_dir))
        self._children = [self._vault(), self._daemon(), self._web(), self._forecaster()]
        self._wakeup_read = -1

    def _vault(self) -> Child:
        options = self._options
        argv = python_module(
            "engine.vault", "--socket", str(options.vault_socket), "--limit-gib", str(options.vault_limit_gib),
            "--devices", str(options.slots), "--lifeline-fd", str(self._lifeline_read),
            *([] if options.park_gib is None else ["--park-gib", str(options.park_gib)]),
        )  # fmt: skip
        up = options.vault_socket
        return Child("vault", argv, is_up=up.exists, stale=up, env=options.gpu_environment)

    def _daemon(self) -> Child:
        options = self._options
        argv = python_module(
            "scheduler.daemon", "--data", str(options.data_dir), "--engine", options.engine, "--model", options.model,
            "--slots", str(options.slots), "--vault-limit-gib", str(options.vault_limit_gib),
            "--standbys", str(options.standbys), "--threads", str(options.threads),
            "--lifeline-fd", str(self._lifeline_read), "--heartbeat-fd", str(self._beats.write_end),
            *(["--preload-roles", str(options.preload_roles)] if options.preload_roles else []),
        )  # fmt: skip
        door = socket_path(options.data_dir)
        child = Child(
            "daemon", argv, is_up=door.exists, stale=door, watch=self._beats, fault=Fault.DAEMON_LOST,
            fds=(self._beats.write_end,), env=options.gpu_environment,
        )  # fmt: skip
        child.spare = Spare(lambda turn: self._spawn(child, "spare", ("--turn-fd", str(turn)), (turn,)), self._say)
        return child

    def _web(self) -> Child:
        options = self._options
        host = f"[{options.host}]" if ":" in options.host else options.host
        argv = python_module(
            "gunicorn", "-c", "python:dashboard.serving", "-b", f"{host}:{options.port}", "--no-control-socket", "wsgi:app"
        )
        url = f"{base_url(options.host, options.port)}/healthz"
        return Child(
            "web", argv, is_up=lambda: _answers(url), env={"GREENROOM_DATA": str(options.data_dir)},
            watch=HttpProbe(options.host, options.port, "/healthz"), fault=Fault.WEB_LOST,
            # gunicorn waits without end for a worker that has not said a word yet, and we for a web that has not answered yet
            stopped=StoppedLook(with_forks=True),
        )  # fmt: skip

    def _forecaster(self) -> Child:
        """Nobody waits for it: without it there are no estimates, and that is all."""
        options = self._options
        argv = python_module(
            "scheduler.forecast", "--data", str(options.data_dir), "--slots", str(options.slots), "--model", options.model,
            "--lifeline-fd", str(self._lifeline_read),
        )  # fmt: skip
        return Child("forecaster", argv, is_up=lambda: True, stale=forecaster_path(options.data_dir))

    def start_all(self, should_stop: Callable[[], bool]) -> None:
        """Start in order, each only when the one before is up.

        Raises CannotStart with the end of the log at fault, or Stopped when a stop was asked for meanwhile.
        """
        for child in self._children:
            self._start(child)
            self._wait_until_up(child, should_stop)
            assert child.process is not None
            self._say(f"{child.kind} is up (process {child.process.pid})")

    def _wait_until_up(self, child: Child, should_stop: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not child.is_up():
            assert child.process is not None
            code = child.process.poll()
            if should_stop():
                raise Stopped("stopped before everything was up", EXIT_STOPPED)
            if code is not None and (code >= 0 or child.failures >= MAX_EARLY_KILLS):
                raise CannotStart(f"The {child.kind} {_ending(code)} at once. {self._reason(child)}", EXIT_CHILD_FAILED)
            if code is not None:  # somebody killed it: no fault of its own
                child.failures += 1
                self._start(child)
            if time.monotonic() > deadline:
                how = f"did not come up in {START_TIMEOUT_S:.0f} s"
                raise CannotStart(f"The {child.kind} {how}. {self._reason(child)}", EXIT_CHILD_FAILED)
            time.sleep(0.03)

    def _start(self, child: Child) -> None:
        if child.stale is not None:
            child.stale.unlink(missing_ok=True)
        if child.watch is not None:
            child.watch.restart()
        log = self._log(child)
        child.log_start = log.stat().st_size if log.exists() else 0
        taken = child.spare.take() if child.spare is not None else None
        if taken is not None:
            self._processes.enter(child.kind, taken.pid)
        child.process = taken or self._spawn(child, child.kind)
        child.started_at, child.restart_at = time.monotonic(), None

    def _spawn(
        self, child: Child, kind: str, arguments: tuple[str, ...] = (), fds: tuple[int, ...] = ()
    ) -> subprocess.Popen[bytes]:
        """Start its program, or a spare of it. OSError where the machine refuses."""
        with self._log(child).open("ab") as log:
            return spawn(
                kind, [*child.argv, *arguments], self._processes, pass_fds=(self._lifeline_read, *child.fds, *fds),
                env={**self._clock, **child.env}, log=log,
            )  # fmt: skip

    def _log(self, child: Child) -> Path:
        return self._options.data_dir / "logs" / f"{child.kind}.jsonl"

    def _reason(self, child: Child) -> str:
        """What the child said last, and where the rest is."""
        said = last_words(self._log(child), child.log_start)
        return f"{said} (see {self._log(child)})" if said else f"It said nothing in {self._log(child)}."

    def watch(self, should_stop: Callable[[], bool]) -> None:
        """Restart whatever ends, until told to stop. Wakes when a child ends (SIGCHLD) or a restart is due."""
        while not should_stop():
            now = time.monotonic()
            is_held_up, self._watched_at = now - self._watched_at > HELD_UP_S, now
            for child in self._children:
                self._watch_one(child, now, is_held_up)
            spares = [child.spare.process for child in self._children if child.spare is not None]
            reap_orphans({one.pid for one in [*spares, *(child.process for child in self._children)] if one is not None})
            due = [child.restart_at for child in self._children if child.restart_at is not None]
            yield_s = min([0.5, *(max(0.0, at - now) for at in due)])
            self._wait(yield_s)

    def _watch_one(self, child: Child, now: float, is_held_up: bool) -> None:
        if child.restart_at is not None:
            if now >= child.restart_at:
                self._restart(child, now)
            return
        assert child.process is not None
        code = child.process.poll()
        if code is None:
            self._listen(child, now, is_held_up)
            return
        reason = self._reason(child) if code > 0 else ""
        if child.heal is None:
            fault = Fault.PORT_IN_USE if child.kind == "web" and _IN_USE.search(reason) else child.fault
            child.heal = ChildHealing(fault, f"{child.kind} {_ending(code)}", now)
        was_well = now - child.started_at > HEALTHY_AFTER_S and (child.watch is None or child.watch.is_ready)
        child.failures = 1 if was_well else child.failures + 1
        wait_s = child.wait_after_s(code)
        child.restart_at = now + wait_s
        why = f": {reason}" if reason else ""
        when = f"in {wait_s:.1f} s" if wait_s else "at once"
        self._say(f"{child.kind} {_ending(code)}{why}; starting it again {when}")

    def _listen(self, child: Child, now: float, is_held_up: bool) -> None:
        """A child that is back ends its heal; one that is there but silent or stopped is killed, and so replaced."""
        assert child.process is not None
        stopped_s = child.stopped.seconds(child.process.pid, now)
        if child.watch is None:  # the daemon looks after a vault that took its call; one stopped before that takes none
            if stopped_s > self._healing[child.fault]["silent_s"]:
                self._say(f"{child.kind} is stopped for {stopped_s:.1f} s; replacing it")
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.process.pid, signal.SIGKILL)
            return
        child.watch.look(now)
        heard_at = child.watch.heard_at
        if child.watch.is_ready and child.heal is not None:
            self._healed(child, child.heal, now)
        if child.watch.is_ready and child.spare is not None:
            child.spare.keep(now)
        limit_s = self._healing[child.fault]["silent_s"] if heard_at is not None else child.start_patience_s
        silent_s = max(stopped_s, now - (heard_at if heard_at is not None else child.started_at))
        is_late = not child.watch.is_ready and now - child.started_at > child.start_patience_s
        if stopped_s > self._healing[child.fault]["silent_s"] or ((silent_s > limit_s or is_late) and not is_held_up):
            word = "is stopped" if stopped_s else "is silent" if silent_s > limit_s else "is not ready"
            silent_s = now - child.started_at if word == "is not ready" else silent_s
            self._say(f"{child.kind} {word} for {stopped_s or silent_s:.1f} s; replacing it")
            child.heal = child.heal or ChildHealing(child.fault, f"{child.kind} {word}", now, silent_s)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)  # a web has workers of its own

    def _healed(self, child: Child, heal: ChildHealing, now: float) -> None:
        child.heal = None
        line = ChildHeal(
            id=f"{os.getpid()}-{heal.detected_at:.6f}-{child.kind}", fault=heal.fault, place=child.kind,
            seconds=now - heal.detected_at, acted_s=max(0.0, heal.acted_at - heal.detected_at), silent_s=heal.silent_s,
            cause=heal.cause,
        )  # fmt: skip
        spool(self._options.data_dir / "run", line)

    def _restart(self, child: Child, now: float) -> None:
        """Start it again; a machine that refuses (no disk, no memory) is asked again later."""
        try:
            self._start(child)
            child.last_trouble = ""
            if child.heal is not None:
                child.heal.acted_at = now
        except OSError as error:
            child.failures += 1
            child.restart_at = now + child.backoff_s
            if child.last_trouble != str(error):
                child.last_trouble = str(error)
                self._say(f"{child.kind} cannot be started: {error}; trying again until it can")

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            with contextlib.suppress(InterruptedError):
                select.select([self._wakeup_read], [], [], seconds)
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakeup_read, 4096)

    @contextlib.contextmanager
    def signals(self) -> Iterator[Callable[[], bool]]:
        """Collect the stop signals and wake at SIGCHLD; yields "was a stop asked for?"."""
        self._wakeup_read, wakeup_write = os.pipe()
        for descriptor in (self._wakeup_read, wakeup_write):
            os.set_blocking(descriptor, False)
        asked: list[int] = []
        signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _frame: asked.append(number))
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        try:
            yield lambda: bool(asked)
        finally:
            signal.set_wakeup_fd(-1)
            os.close(self._wakeup_read)
            os.close(wakeup_write)

    def stop_all(self) -> None:
        """End all in reverse order: a word first, SIGKILL after the grace. Nothing is left."""
        for child in reversed(self._children):
            if child.spare is not None:
                child.spare.end()
            if child.process is None or child.process.poll() is not None:
                continue
            child.process.terminate()
            try:
                child.process.wait(STOP_GRACE_S)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        os.close(self._lifeline_write)
        os.close(self._lifeline_read)
        self._beats.close()
        self._processes.sweep()
        for path in (socket_path(self._options.data_dir), self._options.vault_socket):
            with contextlib.suppress(OSError):  # a disk that refuses; the next start takes it away
                path.unlink(missing_ok=True)


def _last_time(data_dir: Path) -> float:
    """When the house wrote something last; 0 where there is no store to read."""
    try:
        reader = open_reader(data_dir)
        try:
            return reader.last_time()
        finally:
            reader.close()
    except SchedulerError:
        return 0.0


def _ending(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False


def ensure_model(options: ServeOptions, say: Callable[[str], None]) -> None:
    """Make the pocket model's directory on the first start, and say whose weights it has."""
    if options.engine != "real" or (options.model_dir / "model.json").exists():
        return
    if options.model != "pocket":
        prepare_public_model(options.model_dir, say)
        return
    made = subprocess.run(
        python_module("engine.model.pocket", str(options.model_dir)), capture_output=True, text=True,
        preexec_fn=functools.partial(die_with, os.getpid()),
    )  # fmt: skip
    if made.returncode:
        raise CannotStart(f"The pocket model could not be made:\n{made.stderr.strip()[-2000:]}", EXIT_CHILD_FAILED)
    say(made.stdout.strip())


@contextlib.contextmanager
def running(options: ServeOptions, say: Callable[[str], None]) -> Iterator[tuple[Launcher, Callable[[], bool]]]:
    """The whole system, started and, in the end, gone. Call from the main thread. Raises CannotStart."""
    prepare_data_dir(options.data_dir)
    lock = lock_data_dir(options.data_dir)
    try:
        for record in ProcessList(options.data_dir / "run").sweep():
            say(f"ended a leftover of the run before: {record.kind} (process {record.pid})")
        check_port(options.host, options.port)
        ensure_model(options, say)
        become_subreaper()
        launcher = Launcher(options, say)
        with announced(options.data_dir, base_url(options.host, options.port)), launcher.signals() as should_stop:
            try:
                launcher.start_all(should_stop)
                yield launcher, should_stop
            finally:
                launcher.stop_all()
    finally:
        lock.close()


def serve(options: ServeOptions, say: Callable[[str], None] = print) -> int:
    """Run until a signal; returns the exit code."""
    try:
        with running(options, say) as (launcher, should_stop):
            say(f"Greenroom is at {base_url(options.host, options.port)}/dashboard; data in {options.data_dir}")
            if warning := exposure(options.host, options.port):
                say(warning)
            launcher.watch(should_stop)
            say("stopping")
    except CannotStart as error:
        say(str(error))
        return error.exit_code
    return 0
