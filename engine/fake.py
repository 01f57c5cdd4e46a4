"""`python -m engine.fake --control-fd N`: a real program with the worker's protocol and files, but no model, no torch.

It draws a test card that shows the block's number, in the time and with the faults of the script named in
`GREENROOM_FAKE_SCRIPT`: `{"block_s": 0.05, "warm_s": 0, "faults": [{"job": "*", "block": 3, "do": "crash"}]}`.

- crash: SIGKILL before the block
- hang: no progress for `seconds` (absent: for ever) while heartbeats go on; stop_heartbeat: the same in silence
- slow: `seconds` more; fail, fail_retry: JobFailed that a retry cannot or can help; out_of_memory: no memory on the device
- wrong_lease: the block is reported under another lease; garbage: bytes that are no message

A fault happens `times` (1) times, also across restarts, `at` a named point of the block (step, decode, sink), and where
`above_steps` is given only while the job is made with more steps. `crash_at_start`: so many processes end at once.
Pictures have the size that the model would give them: what is learnt here of a size's blocks is true of that size.
Pictures and hashes follow from the recipe and the block alone, so a block that is made again is the same one. There is
no context that could be lost: every resume is exact.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import itertools
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save

from engine import protocol
from engine.catalog import BLOCK_FRAMES, BLOCK_LATENTS
from engine.config import fit_size
from engine.errors import EngineError, OutOfDeviceMemory
from engine.fake_script import VARIABLE, Fault, ScriptRun
from engine.worker.channel import Channel
from engine.worker.crash_points import CrashPoints
from engine.worker.log import start_log
from engine.worker.maker import MadeFiles, OnProgress, Task
from engine.worker.shell import Shell

if TYPE_CHECKING:
    from engine.worker.portraits import Portraits

_CARD = 96, 64  # width and height as it is drawn, before it is stretched to a job's size
_FOR_EVER_S = 10**6
_DIGITS = {  # 3 wide, 5 high, one bit per pixel, top row first
    "0": 0b111101101101111, "1": 0b010110010010111, "2": 0b111001111100111, "3": 0b111001111001111,
    "4": 0b101101111001001, "5": 0b111100111001111, "6": 0b111100111101111, "7": 0b111001001001001,
    "8": 0b111101111101111, "9": 0b111101111001111,
}  # fmt: skip


class ScriptedFailure(EngineError):
    """The script says so."""

    code = "scripted"

    def __init__(self, *, can_retry: bool) -> None:
        super().__init__()
        self.can_retry = can_retry


class FaultyChannel(Channel):
    """A line that can fall silent, name a wrong lease, or carry garbage."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._raw = sock
        self.is_silent = False
        self.has_wrong_lease = False

    def say(self, message: protocol.Message) -> None:
        """Send a report, once under a wrong lease where that is wanted."""
        if self.has_wrong_lease and isinstance(message, protocol.BlockDone):
            self.has_wrong_lease = False
            message = dataclasses.replace(message, lease_id="a-lease-of-nobody")
        super().say(message)

    def beat(self, heartbeat: protocol.Heartbeat) -> None:
        """Send a heartbeat, unless silent."""
        if not self.is_silent:
            super().beat(heartbeat)

    def send_garbage(self) -> None:
        """Send bytes that are no message."""
        self._raw.sendall(b"\x00\x00\x00\x07garbage")


class FakeScene:
    """A job that is drawn instead of computed. It has no context that could be lost."""

    context_ms = 0.0

    def __init__(self, task: Task, size: tuple[int, int], run: ScriptRun, act: Callable[[Fault], None]) -> None:
        self._task, self._run, self._act = task, run, act
        self.width, self.height = size
        recipe = {k: v for k, v in task.recipe.to_json().items() if k not in ("made_with", "weights_sha256")}
        self._seed = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).digest()

    @property
    def context_blocks(self) -> int | None:
        """Every block follows from the recipe alone: as if the context were exactly where the durable blocks end."""
        records = self._task.voice.parent / "blocks"
        count = next(block for block in itertools.count() if not (records / f"{block:06d}.json").exists())
        return count or None

    def begin(self) -> None:
        """Nothing to fill."""

    def rebuild(self, latents: Sequence[Callable[[], bytes]]) -> None:
        """Nothing to fill."""

    def make(self, block: int, on_progress: OnProgress) -> MadeFiles:
        """Do what the script has for this block, wait, draw."""
        began = time.perf_counter()
        for step in range(self._task.settings.steps):
            on_progress("step", step)
            if step == 0:
                self._pass_by("step", block)
            time.sleep(self._run.script.block_s / self._task.settings.steps)
        on_progress("decode", 0)
        self._pass_by("decode", block)
        if block + 1 == self._task.settings.infer_frames // BLOCK_FRAMES:
            on_progress("sink", 0)
            self._pass_by("sink", block)
        digest = hashlib.sha256(self._seed + block.to_bytes(8, "big")).digest()
        latents = np.frombuffer(digest * 3, np.uint8).astype(np.float32).reshape(1, BLOCK_LATENTS, 4, 8)
        return MadeFiles(
            latents=save({"latents": latents}),
            latents_sha256=hashlib.sha256(latents.tobytes()).hexdigest(),
            frames=draw_card(block, digest, self.width, self.height),
            stage_ms={"steps": (time.perf_counter() - began) * 1000},
        )

    def begin_next(self, block: int, on_progress: OnProgress) -> None:
        """All of a block's time is spent in `make`."""

    def _pass_by(self, point: str, block: int) -> None:
        for fault in self._run.faults_at(self._task.job_id, block, point, self._task.settings.steps):
            self._act(fault)

    def flip(self, blocks_done: int) -> None:
        """Nothing to flip."""

    def close(self, *, is_kept: bool) -> None:
        """Nothing to free."""


class FakeMaker:
    """The program behind the shell. Remembers which roles it was asked to prepare, to answer with the right tier."""

    name = "fake"

    def __init__(self, channel: FaultyChannel, run: ScriptRun) -> None:
        self._channel, self._run = channel, run
        self._roles: set[str] = set()
        self._portraits: Portraits | None = None

    def warm_up(self, welcome: protocol.Welcome) -> protocol.WorkerReady:
        """Take the scripted time."""
        time.sleep(self._run.script.warm_s)
        software = {"python": sys.version.split()[0], "numpy": np.__version__}
        warm_ms = self._run.script.warm_s * 1000
        sha256, kv = hashlib.sha256(b"fake").hexdigest(), self._run.script.kv
        return protocol.WorkerReady(warm_ms, "fake", sha256, False, software, kv)

    def open(self, task: Task) -> FakeScene:
        """Count the job. Raises EngineError where its portrait is not the recipe's, or does not fit its size."""
        self._run.count_run()
        return FakeScene(task, self._size(task), self._run, self._act)

    def _size(self, task: Task) -> tuple[int, int]:
        """(width, height) of the video, found as the model's program finds them."""
        if self._portraits is None:
            from engine.worker.portraits import Portraits  # Pillow is slow to import, and a standby needs none

            self._portraits = Portraits()
        return fit_size(task.settings.size, *self._portraits.size(task.portrait, task.recipe.portrait_sha256))

    def prepare_role(self, order: protocol.PrepareRole) -> protocol.RolePrepared:
        """Nothing has to be made but the scripted time passes; the second time is said to be on the device."""
        time.sleep(self._run.script.prepare_s)
        tier = "gpu" if order.role in self._roles else "prepared"
        self._roles.add(order.role)
        return protocol.RolePrepared(order.request_id, tier, switch_ms=0.0, prepare_ms=0.0)

    def _act(self, fault: Fault) -> None:
        """Let the fault happen."""
        match fault.do:
            case "crash":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                time.sleep(fault.seconds or _FOR_EVER_S)
            case "stop_heartbeat":
                self._channel.is_silent = True
                time.sleep(fault.seconds or _FOR_EVER_S)
                self._channel.is_silent = False
            case "slow":
                time.sleep(fault.seconds or 1.0)
            case "fail" | "fail_retry":
                raise ScriptedFailure(can_retry=fault.do == "fail_retry")
            case "out_of_memory":
                raise OutOfDeviceMemory("The script says so.")
            case "wrong_lease":
                self._channel.has_wrong_lease = True
            case "garbage":
                self._channel.send_garbage()


def draw_card(block: int, digest: bytes, width: int, height: int) -> np.ndarray:
    """uint8 [12, height, width, 3]: the block's number on a coloured ground, and a bar that moves with the frames."""
    card_width, card_height = _CARD
    frames = np.empty((BLOCK_FRAMES, card_height, card_width, 3), np.uint8)
    frames[:] = np.frombuffer(digest[:3], np.uint8) // 2
    for place, digit in enumerate(f"{block:06d}"):
        for pixel in range(15):
            if _DIGITS[digit] >> (14 - pixel) & 1:
                y, x = 16 + pixel // 3 * 5, 4 + place * 15 + pixel % 3 * 4
                frames[:, y : y + 5, x : x + 4] = 255
    for number in range(BLOCK_FRAMES):
        frames[number, -8:, number * 8 : number * 8 + 8] = (255, 200, 0)
    rows, columns = np.arange(height) * card_height // height, np.arange(width) * card_width // width
    return frames.take(columns, axis=2).take(rows, axis=1)


def main(argv: Sequence[str] | None = None) -> int:
    """Work until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="engine.fake", description="A scripted worker for tests.")
    parser.add_argument("--control-fd", type=int, required=True, help="the daemon's socket")
    options = parser.parse_args(argv)
    start_log("fake")
    path = os.environ.get(VARIABLE)
    channel = FaultyChannel(socket.socket(fileno=options.control_fd))
    run = ScriptRun(Path(path) if path else None)
    if run.is_start_spoilt():
        raise ScriptedFailure(can_retry=False)
    maker = FakeMaker(channel, run)
    return Shell(channel, maker, CrashPoints.from_environment(os.environ)).run()


if __name__ == "__main__":
    sys.exit(main())
