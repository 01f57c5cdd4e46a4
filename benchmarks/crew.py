"""A vault and its workers as real processes, without a house around them: for boxes that have torch and nothing of the web."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from engine import protocol
from engine.catalog import BLOCK_SECONDS
from engine.config import Recipe
from engine.vault.client import VaultClient

M = TypeVar("M", bound=protocol.Message)
WAIT_S = 180.0
HEARTBEAT_S = 0.01
SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class Heard:
    """A message and when it came, seconds of the monotonic clock."""

    at: float
    message: protocol.Message


class Member:
    """One worker process; a thread writes down what it says. As the daemon: it is gone when its process has ended."""

    def __init__(self, program: str, log: Path, vault_socket: Path, model_dir: str, name: str) -> None:
        self._socket, theirs = socket.socketpair()
        self.began = time.monotonic()
        self.log, self.name = log, name
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", program, "--control-fd", str(theirs.fileno())], pass_fds=(theirs.fileno(),),
                env={**os.environ, "OMP_NUM_THREADS": "1", "GREENROOM_DEVICE": "cuda"}, stdout=file, stderr=file,
            )  # fmt: skip
        theirs.close()
        self._heard: list[Heard] = []
        self._news = threading.Condition()
        self._is_over = False
        self._welcome = protocol.Welcome(
            version=protocol.PROTOCOL_VERSION, worker_id=name, slot=0, vault_socket=str(vault_socket), model_dir=model_dir,
            heartbeat_s=HEARTBEAT_S,
        )  # fmt: skip
        threading.Thread(target=self._listen, daemon=True).start()

    def say(self, message: protocol.Message) -> None:
        """Send a command."""
        protocol.send(self._socket, message)

    def wait_for(self, kind: type[M], where: Callable[[M], bool] = lambda _: True, after: float = 0.0) -> tuple[float, M]:
        """The first message of a kind after a moment, and when it came. Raises RuntimeError when the worker ends first."""
        deadline = time.monotonic() + WAIT_S
        seen = 0
        with self._news:
            while True:
                for heard in self._heard[seen:]:
                    if heard.at >= after and isinstance(heard.message, kind) and where(heard.message):
                        return heard.at, heard.message
                seen = len(self._heard)
                if self._is_over or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} never said {kind.__name__}; its log ends: {self.log.read_text()[-2500:]}")
                self._news.wait(1.0)

    def all_of(self, kind: type[M]) -> list[M]:
        """Everything of a kind that was said."""
        with self._news:
            return [heard.message for heard in self._heard if isinstance(heard.message, kind)]

    def wait_until_ready(self) -> float:
        """Seconds from the start of the process until it is warm."""
        return self.wait_for(protocol.WorkerReady)[0] - self.began

    def kill(self) -> tuple[float, float]:
        """SIGKILL: when, and when the process was gone."""
        at = time.monotonic()
        self.process.kill()
        self.process.wait()
        return at, time.monotonic()

    def end(self) -> int:
        """Hang up; the exit code."""
        self._socket.close()
        return self.process.wait(30)

    def _listen(self) -> None:
        try:
            while True:
                message, _ = protocol.receive(self._socket)
                with self._news:
                    self._heard.append(Heard(time.monotonic(), message))
                    self._news.notify_all()
                if isinstance(message, protocol.WorkerHello):
                    self.say(self._welcome)
        except (OSError, EOFError):
            with self._news:
                self._is_over = True
                self._news.notify_all()


@dataclass
class Crew:
    """The vault, and the workers that were started. `folder` is theirs alone."""

    folder: Path
    program: str
    model_dir: str
    members: list[Member] = field(default_factory=list)
    vault: subprocess.Popen[bytes] | None = None

    @property
    def vault_socket(self) -> Path:
        """Where the vault listens."""
        return self.folder / "vault.sock"

    def start_vault(self, limit_gib: float = 32.0) -> None:
        """Start one and wait until it listens."""
        with (self.folder / "vault.log").open("ab") as log:
            command = [sys.executable, "-m", "engine.vault", "--socket", str(self.vault_socket), "--limit-gib", str(limit_gib)]
            self.vault = subprocess.Popen(command, stderr=log)
        client = VaultClient(str(self.vault_socket), "daemon", patience_s=WAIT_S)
        client.status()
        client.close()

    def ask_vault(self, request: protocol.Message) -> None:
        """Tell the vault something, as the daemon would."""
        client = VaultClient(str(self.vault_socket), "daemon")
        client.tell(request)
        client.close()

    def start_worker(self) -> Member:
        """Start one; it is not waited for."""
        name = f"w{len(self.members)}"
        member = Member(self.program, self.folder / f"{name}.log", self.vault_socket, self.model_dir, name)
        self.members.append(member)
        return member

    def end(self) -> None:
        """Hang up on everybody, then stop the vault."""
        for member in self.members:
            if member.process.poll() is None:
                member.end()
        if self.vault is not None and self.vault.poll() is None:
            self.vault.terminate()
            self.vault.wait(30)

    def kill_everybody(self) -> None:
        """SIGKILL for all at once."""
        processes = [member.process for member in self.members] + ([self.vault] if self.vault is not None else [])
        for process in processes:
            if process.poll() is None:
                process.kill()
        for process in processes:
            process.wait()


class Kit:
    """Files and recipe of a job of some blocks."""

    def __init__(self, folder: Path, width: int, height: int, blocks: int, settings: dict[str, Any]) -> None:
        from PIL import Image

        self.blocks = blocks
        self.portrait, self.voice = folder / "portrait.png", folder / "voice.wav"
        y, x = np.mgrid[0:height, 0:width]
        Image.fromarray(np.stack([x, y, x ^ y], -1).astype(np.uint8)).save(self.portrait)
        seconds = blocks * BLOCK_SECONDS
        tone = np.sin(np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE * 2 * np.pi * 220) * 8000
        with wave.open(str(self.voice), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(tone.astype("<i2").tobytes())
        self.recipe = Recipe(
            settings=settings, role="measured", role_version=1, prompt="A person speaks.", context={}, style=None,
            portrait_sha256=_sha256(self.portrait), voice_sha256=_sha256(self.voice), voice_seconds=seconds,
        )  # fmt: skip

    def order(self, job_dir: Path, from_block: int = 0) -> protocol.RunJob:
        """The job in its own folder, from a block on."""
        return protocol.RunJob(
            lease_id=f"{job_dir.name}-{from_block}-{time.monotonic_ns()}", job_id=job_dir.name, from_block=from_block,
            total_blocks=self.blocks, job_dir=str(job_dir), portrait_path=str(self.portrait), voice_path=str(self.voice),
            recipe=self.recipe.to_json(),
        )  # fmt: skip


def block_hashes(job_dir: Path) -> list[tuple[str, str]]:
    """(latents, frames) of every durable block."""
    records = [json.loads(path.read_bytes()) for path in sorted((job_dir / "blocks").glob("*.json"))]
    return [(record["latents_sha256"], record["frames_sha256"]) for record in records]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
