"""Faults of disk, files, vault and clock: each on a house of its own, with the same checker as the kills."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scheduler.chaos.census import living
from scheduler.chaos.clock_jump import ZONE, clock_jump
from scheduler.chaos.house import ChaosHouse, NotWithin, until
from scheduler.chaos.points import Kind
from scheduler.chaos.rig import HEAL_S, Rig
from scheduler.chaos.wall_clock import NO_LIBRARY, WallClock, find_library
from scheduler.errors import SchedulerError
from scheduler.preflight import EXIT_NO_RIGHTS

SMALL_DISK = "260m"
MOUNT_S = 60.0
_WRONG_ENGINE = {
    "fake": "the scripted engine has no weights",
    "real": "it needs blocks of a known length, as the scripted engine has them",
}


@dataclass
class Outcome:
    """How a fault went. `was_tried` False: `reason` says why not."""

    name: str
    was_tried: bool = True
    reason: str = ""
    seconds: float = 0.0
    findings: list[str] = field(default_factory=list)


def disk_full(rig: Rig) -> list[str]:
    """Wishes are refused with 507, work waits, and goes on by itself when there is room."""
    rig.begin()
    rig.ask()
    ballast, found = rig.house.data_dir / "ballast", []
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 14))
    try:
        until(lambda: _refusal(rig) == "disk_full", "a refusal with disk_full", 30.0, 0.1)
        for kind in (Kind.WORKER, Kind.VAULT, Kind.DAEMON):  # none of them can come back on a full disk, or must
            for pid in living(rig.house, kind):
                _kill(pid)
        time.sleep(2.0)
    except NotWithin as error:
        found.append(str(error))
    ballast.unlink()
    return found + rig.finish()


def read_only(rig: Rig) -> list[str]:
    """A house cannot start on it and says so; then everything is as it was."""
    rig.begin()
    rig.ask()
    rig.house.stop()
    gc.collect()  # our own read-only connections keep the shared index open for writing
    _mount("-o", "remount,ro", str(rig.house.data_dir))
    found = []
    try:
        rig.house.start(is_awaited=False)
        if (code := rig.house.wait_for_end(60, "the launcher's end on a read-only disk")) != EXIT_NO_RIGHTS:
            found.append(f"on a read-only disk the launcher ended with code {code}, not {EXIT_NO_RIGHTS}")
        if "Traceback" in rig.house.said:
            found.append("a traceback instead of a sentence")
    finally:
        _mount("-o", "remount,rw", str(rig.house.data_dir))
    rig.house.start()
    return found + rig.finish()


def read_only_jobs(rig: Rig) -> list[str]:
    """The folder of the jobs becomes read-only under a running house: nothing fails for good, nothing is lost."""
    rig.begin()
    folder = str(rig.house.data_dir / "jobs")
    _mount("--bind", folder, folder)
    found = []
    try:
        _mount("-o", "remount,bind,ro", folder)
        with contextlib.suppress(SchedulerError):
            rig.ask()
        time.sleep(4.0)
        found += [f"{one.job_id} ended on a read-only folder" for one in rig.load.acknowledged if one.job_id in _failed(rig)]
    finally:
        _command("umount", "--lazy", folder)
    for one in rig.load.asked:
        if one.job_id is None:
            one.job_id = until(lambda one=one: rig.house.door.submit(one.request, one.key)["id"], "the wish", 60.0)  # type: ignore[misc]
    return found + rig.finish()


def corrupt_weight(rig: Rig) -> list[str]:
    """One flipped bit in a weights file: no worker shows another face; with the file mended the job goes on."""

    def flip(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(path.stat().st_size // 2)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 4]))

    return _spoil(rig, flip)


def truncated_model(rig: Rig) -> list[str]:
    """A weights file that ends too early: the same."""
    return _spoil(rig, lambda path: os.truncate(path, path.stat().st_size // 2))


def _spoil(rig: Rig, spoil: Callable[[Path], None]) -> list[str]:
    rig.begin()
    path = max((rig.house.data_dir / "models").rglob("*.safetensors"), key=lambda path: path.stat().st_size)
    whole, found = path.read_bytes(), []
    spoil(path)
    for kind in (Kind.VAULT, Kind.STANDBY, Kind.WORKER):
        for pid in living(rig.house, kind):
            _kill(pid)
    job_id = rig.ask()
    try:
        until(lambda: rig.house.status()["slots"][0]["failures"] >= 2, "two workers that refuse the damaged file", HEAL_S)
    except NotWithin as error:
        found.append(str(error))
    if rig.blocks(job_id):
        found.append(f"{job_id} was made with damaged weights")
    path.write_bytes(whole)
    return found + rig.finish()


def dead_vault(rig: Rig) -> list[str]:
    """A vault that hangs is replaced, and the job under way is finished."""
    rig.begin()
    job_id = rig.ask()
    until(lambda: rig.blocks(job_id) >= 1, "a block", HEAL_S)
    (old,) = living(rig.house, Kind.VAULT)
    os.kill(old, signal.SIGSTOP)
    found = []
    try:
        until(lambda: old not in living(rig.house, Kind.VAULT), "the end of a vault that hangs", 60.0)
    except NotWithin as error:
        found.append(str(error))
        os.kill(old, signal.SIGCONT)
    return found + rig.finish()


@dataclass(frozen=True)
class Fault:
    """A fault, the engines that it means something to, and whether it needs a disk of its own (root may mount one) or a wall
    clock of its own (libfaketime)."""

    play: Callable[[Rig], list[str]]
    engines: tuple[str, ...] = ("real", "fake")
    needs_disk: bool = False
    needs_clock: bool = False


FAULTS: dict[str, Fault] = {
    "disk_full": Fault(disk_full, needs_disk=True),
    "read_only": Fault(read_only, needs_disk=True),
    "read_only_jobs": Fault(read_only_jobs, needs_disk=True),
    "dead_vault": Fault(dead_vault),
    "corrupt_weight": Fault(corrupt_weight, ("real",)),
    "truncated_model": Fault(truncated_model, ("real",)),
    "clock_jump": Fault(clock_jump, ("fake",), needs_clock=True),
}


def run_fault(name: str, engine: str) -> Outcome:
    """Play one fault. What cannot be tried here says why."""
    fault, outcome = FAULTS[name], Outcome(name)
    if engine not in fault.engines:
        return Outcome(name, was_tried=False, reason=_WRONG_ENGINE[engine])
    library = find_library() if fault.needs_clock else None
    if fault.needs_clock and library is None:
        return Outcome(name, was_tried=False, reason=NO_LIBRARY)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="greenroom-fault-") as folder, contextlib.ExitStack() as stack:
        data_dir = Path(folder) / "var"
        data_dir.mkdir()
        if fault.needs_disk and not stack.enter_context(_small_disk(data_dir)):
            return Outcome(name, was_tried=False, reason="only root may mount a disk of its own")
        clock = None if library is None else WallClock(Path(folder), library)
        env = {} if clock is None else {**clock.environment, "GREENROOM_ZONE": ZONE}
        house = ChaosHouse(Path(folder), engine, data_dir, env)
        stack.callback(house.end)
        try:
            outcome.findings = fault.play(Rig(house, engine, clock))
        except (NotWithin, SchedulerError) as error:
            outcome.findings.append(str(error))
        if outcome.findings:
            kept = Path(tempfile.gettempdir()) / f"greenroom-fault-{name}-logs"
            shutil.copytree(house.data_dir / "logs", kept, dirs_exist_ok=True)
            (kept / "launcher.log").write_text(house.said, encoding="utf-8")  # whom it replaced, and why
            outcome.findings.append(f"logs are in {kept}")
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


@contextlib.contextmanager
def _small_disk(data_dir: Path) -> Iterator[bool]:
    """A file system of its own at `data_dir`; False where that is not allowed."""
    is_made = False
    with contextlib.suppress(subprocess.CalledProcessError):
        _mount("-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(data_dir))
        is_made = True
    try:
        yield is_made
    finally:
        if is_made:
            _command("umount", "--lazy", str(data_dir))


def _mount(*arguments: str) -> None:
    _command("mount", *arguments)


def _command(*words: str) -> None:
    """Raises NotWithin where the system does not come back from it."""
    try:
        subprocess.run(words, check=True, capture_output=True, timeout=MOUNT_S)
    except subprocess.TimeoutExpired as error:
        raise NotWithin(f"not within {MOUNT_S:.0f} s: {' '.join(words)}") from error


def _refusal(rig: Rig) -> str:
    try:
        rig.house.door.request_role("team-refused", "teacher")
    except SchedulerError as error:
        return error.code
    return ""


def _failed(rig: Rig) -> set[str]:
    return {row["id"] for row in rig.house.reader.jobs(state="FAILED", per_page=100).rows}


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
