"""The daemon's side of a real worker process, for tests: start it, order, listen."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import wave
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from engine import protocol
from engine.config import Recipe

M = TypeVar("M", bound=protocol.Message)
FINAL = (protocol.JobSucceeded, protocol.JobFailed, protocol.JobPreempted, protocol.JobCancelled)


class WorkerProcess:
    """One worker process and its socket. Everything it said is in `heard`, heartbeats apart."""

    def __init__(self, program: str, *, env: dict[str, str] | None = None, log: Path, **welcome: Any) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(60)
        self.log = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", program, "--control-fd", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
                stdout=file,
                stderr=file,
            )
        theirs.close()
        self.heard: list[protocol.Message] = []
        self.beats: list[protocol.Heartbeat] = []
        self.hello = self.wait_for(protocol.WorkerHello)
        defaults: dict[str, Any] = {
            "version": protocol.PROTOCOL_VERSION, "worker_id": "w1", "slot": 0, "vault_socket": "", "model_dir": "",
            "heartbeat_s": 0.02,
        }  # fmt: skip
        self.say(protocol.Welcome(**{**defaults, **welcome}))

    def say(self, message: protocol.Message) -> None:
        protocol.send(self.socket, message)

    def hear(self) -> protocol.Message:
        """The next message that is no heartbeat. Raises EOFError when the worker is gone."""
        while True:
            try:
                message, _ = protocol.receive(self.socket)
            except (ConnectionResetError, EOFError) as error:
                raise EOFError(f"the worker is gone; its log ends: {self.log.read_text()[-2000:]}") from error
            if not isinstance(message, protocol.Heartbeat):
                self.heard.append(message)
                return message
            self.beats.append(message)

    def wait_for(self, *kinds: type[M], where: Callable[[M], bool] = lambda _: True) -> M:
        while True:
            message = self.hear()
            if isinstance(message, kinds) and where(message):
                return message

    def wait_for_beat(self, where: Callable[[protocol.Heartbeat], bool]) -> protocol.Heartbeat:
        while True:
            message, _ = protocol.receive(self.socket)
            if isinstance(message, protocol.Heartbeat):
                if where(message):
                    return message
            else:
                self.heard.append(message)

    def finish_job(self) -> protocol.Message:
        """Listen until the job's last report."""
        return self.wait_for(*FINAL)  # type: ignore[type-var]

    def all_of(self, kind: type[M]) -> list[M]:
        return [message for message in self.heard if isinstance(message, kind)]

    def drain(self) -> None:
        """Listen until the worker is gone."""
        try:
            while True:
                self.hear()
        except EOFError:
            self.process.wait(60)

    def close(self) -> int:
        """Hang up; the exit code."""
        self.socket.close()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class JobKit:
    """Files and recipe of one small job below `folder`."""

    def __init__(
        self, folder: Path, *, blocks: int, size: str = "192*128", steps: int = 3, infer_frames: int = 48
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.blocks = blocks
        self.portrait, self.voice = folder / "portrait.png", folder / "voice.wav"
        seconds = blocks * 0.48
        write_tone(self.voice, seconds)
        y, x = np.mgrid[0:64, 0:64]
        Image.fromarray(np.stack([x * 4, y * 4, (x ^ y) * 4], -1).astype(np.uint8)).save(self.portrait)
        self.recipe = Recipe(
            settings={"size": size, "steps": steps, "infer_frames": infer_frames, "seed": 7}, role="teacher",
            role_version=1, prompt="A teacher explains.", context={}, style=None, portrait_sha256=_sha256(self.portrait),
            voice_sha256=_sha256(self.voice), voice_seconds=seconds,
        )  # fmt: skip

    def order(
        self, job_dir: Path, *, job_id: str = "job", lease_id: str = "lease-1", from_block: int = 0
    ) -> protocol.RunJob:
        return protocol.RunJob(
            lease_id=lease_id,
            job_id=job_id,
            from_block=from_block,
            total_blocks=self.blocks,
            job_dir=str(job_dir),
            portrait_path=str(self.portrait),
            voice_path=str(self.voice),
            recipe=self.recipe.to_json(),
        )

    def with_recipe(self, **changes: Any) -> JobKit:
        self.recipe = replace(self.recipe, **changes)
        return self


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_tone(path: Path, seconds: float) -> None:
    count = round(seconds * 16_000)
    tone = np.sin(np.arange(count) / 16_000 * 2 * np.pi * 220) * 8000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(tone.astype("<i2").tobytes())


def hashes(job_dir: Path) -> list[tuple[str, str]]:
    """(latents, frames) of every durable block."""
    records = [json.loads(path.read_bytes()) for path in sorted((job_dir / "blocks").glob("*.json"))]
    return [(r["latents_sha256"], r["frames_sha256"]) for r in records]
