"""A house to be hurt and timed: what happened when, read from its audit; the moment of the blow, from the machine's clock."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import signal
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.catalog import BLOCK_SECONDS, SPEECH_RATE
from engine.model.pocket import publish
from engine.model.random_directory import RandomModel
from scheduler.audit.entry import AuditEntry
from scheduler.chaos.census import living
from scheduler.chaos.house import ChaosHouse, until
from scheduler.chaos.points import Kind
from scheduler.store import Reader, open_reader

LONG_S = 60.0  # of a job that is there to be interrupted
WAIT_S = 120.0
_READ = ("0", "63")  # the system call on x86_64 and on aarch64
PEACEFUL_S = 3.36  # seven blocks: enough to know what is usual


class HurtHouse:
    """A running house with one long job at a time."""

    def __init__(self, house: ChaosHouse) -> None:
        self.house = house
        self._names = 0

    @property
    def reader(self) -> Reader:
        """The store, read-only."""
        return open_reader(self.house.data_dir)

    def submit(self, role: str = "teacher", seconds: float = LONG_S, **request: Any) -> str:
        """A job's id; its user is new each time, so that no limit per person is met."""
        self._names += 1
        wish = {"duration_sec": seconds, "fill": "loop", "degrade": "never", **request}
        return str(self.house.door.request_role(f"team-{self._names}", role, **wish)["id"])

    def wait_for_blocks(self, job_id: str, count: int) -> None:
        """Until the job has made so many blocks."""
        until(lambda: self.blocks(job_id) >= count, f"{count} blocks of {job_id}", WAIT_S, 0.01)

    def blocks(self, job_id: str) -> int:
        """Blocks that the job has made."""
        row = self.reader.job(job_id)
        return 0 if row is None else int(row["blocks_done"])

    def active(self) -> int:
        """Process id of the worker that has the slot."""
        return int(until(lambda: living(self.house, Kind.WORKER), "a worker", WAIT_S)[0])

    def wait_for_standby(self) -> None:
        """Until a warm one stands behind the worker."""
        until(lambda: [one for one in self.house.status()["standby"] if one["is_warm"]], "a warm standby", WAIT_S)

    def wait_for_spare(self) -> None:
        """Until the daemon's spare stands behind it, with everything imported."""
        until(lambda: any(_is_waiting(pid) for pid in living(self.house, Kind.SPARE)), "a spare", WAIT_S, 0.02)

    def when(
        self, job_id: str, tags: tuple[str, ...], after: float, where: Callable[[AuditEntry], bool] = lambda _: True
    ) -> float:
        """Time (seconds since 1970) of the job's first audit row with one of these tags after a moment."""

        def look() -> float:
            rows = (entry for entry in self.reader.story(f"job:{job_id}") if entry["action"] in tags and where(entry))
            return next((at for entry in rows if (at := seconds_of(entry)) > after), 0.0)

        return until(look, f"{' or '.join(tags)} of {job_id}", WAIT_S, 0.01)

    def row(self, job_id: str, tag: str, after: float = 0.0) -> AuditEntry:
        """The job's first audit row with this tag after a moment."""

        def look() -> AuditEntry | None:
            story = self.reader.story(f"job:{job_id}")
            return next((entry for entry in story if entry["action"] == tag and seconds_of(entry) >= after), None)

        entry = until(look, f"{tag} of {job_id}", WAIT_S, 0.01)
        assert entry is not None
        return entry

    def teach_block_times(self) -> None:
        """A job of nothing but usual blocks: from then on it is known what is slow."""
        job_id = self.submit(seconds=PEACEFUL_S)
        until(lambda: (self.reader.job(job_id) or {})["state"] == "SUCCEEDED", f"the end of {job_id}", WAIT_S)

    def end_job(self, job_id: str) -> None:
        """Cancel it and wait until it is gone."""
        self.house.door.cancel(job_id)
        until(lambda: (self.reader.job(job_id) or {})["state"] == "CANCELLED", f"the end of {job_id}", WAIT_S)


def _is_waiting(pid: int) -> bool:
    """Whether a process reads from a pipe that has nothing: what a spare does when it has imported everything."""
    try:
        number, first, *_ = Path(f"/proc/{pid}/syscall").read_text().split()
        return number in _READ and str(Path(f"/proc/{pid}/fd/{int(first, 16)}").readlink()).startswith("pipe:")
    except (OSError, ValueError):
        return False


def seconds_of(entry: AuditEntry) -> float:
    """The row's time, seconds since 1970."""
    return datetime.datetime.fromisoformat(entry["at_utc"]).timestamp()


@contextlib.contextmanager
def hurt_house(
    engine: str, *, model: str = "pocket", standbys: int = 1, block_s: float = 0.1, script: dict[str, Any] | None = None,
    faults: dict[str, str] | None = None, data_dir: Path | None = None,
) -> Iterator[HurtHouse]:  # fmt: skip
    """Start one, wait for a worker, end it. `block_s`, `script`: of the scripted engine; `faults`: lines of the policy."""
    with tempfile.TemporaryDirectory(prefix="greenroom-recovery-") as folder:
        house = ChaosHouse(
            Path(folder), engine, data_dir,
            program=(sys.executable, "-m", "benchmarks.serve", "--model", model, "--standbys", str(standbys)),
        )  # fmt: skip
        house.be_patient(faults)
        write_script(house, {"block_s": block_s, **(script or {})})
        try:
            house.start()
            yield HurtHouse(house)
        finally:
            house.end()


ROLE = """{name}:
  image: "images/{name}.png"
  audio: "audios/{name}.wav"
  prompt_template: "A {name} speaks, looking into the camera"
  priority: {priority}
  preset: {preset}
  team: measured
"""


def house_of(
    home: Path, *, model: RandomModel, width: int, height: int, preset: str, device: str,
    serve: Sequence[str] = ("benchmarks.serve",),
) -> ChaosHouse:  # fmt: skip
    """A house that is not started yet, with a model of random weights and two roles whose portraits are as large as the video.
    `serve`: the launcher's module and its words."""
    house = ChaosHouse(
        home, "real", env={"GREENROOM_DEVICE": device},
        program=(sys.executable, "-m", *serve, "--model", model.shape.name, "--vault-limit-gib", "64"),
    )  # fmt: skip
    house.be_patient()
    publish(house.data_dir / "models" / model.shape.name, {"model.json": model.to_json().encode()})
    roles = ""
    for name, priority in (("teacher", 10), ("presenter", 20)):
        y, x = np.mgrid[0:height, 0:width]
        Image.fromarray(np.stack([x, y, x ^ y], -1).astype(np.uint8)).save(house.roles.parent / "images" / f"{name}.png")
        _write_tone(house.roles.parent / "audios" / f"{name}.wav")
        roles += ROLE.format(name=name, priority=priority, preset=preset)
    house.roles.write_text(roles, encoding="utf-8")
    return house


def _write_tone(path: Path) -> None:
    """A voice of two blocks: every longer job repeats it, so that a length is exactly what was asked for."""
    samples = round(2 * BLOCK_SECONDS * SPEECH_RATE)
    tone = np.sin(np.arange(samples) / SPEECH_RATE * 2 * np.pi * 220) * 8000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SPEECH_RATE)
        file.writeframes(tone.astype("<i2").tobytes())


def write_script(house: ChaosHouse, script: dict[str, Any]) -> None:
    """What workers that start from now on follow."""
    (house.home / "script.json").write_text(json.dumps(script), encoding="utf-8")


def strike(pid: int, number: signal.Signals = signal.SIGKILL) -> float:
    """Send it; the moment of the blow, seconds since 1970."""
    at = time.time()
    os.kill(pid, number)
    return at
