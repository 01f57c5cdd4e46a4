"""A real vault process for tests."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from pathlib import Path

from engine.protocol import VaultStatus
from engine.vault.client import VaultClient


class VaultProcess:
    """`python -m engine.vault`; `start` returns when it listens, `kill` is SIGKILL."""

    def __init__(
        self, socket_path: Path, limit_gib: float = 1.0, device_files_gib: float | None = None, devices: int = 1,
        park_gib: float | None = None,
    ) -> None:  # fmt: skip
        """`device_files_gib`: memory files of so much stand for each device's memory."""
        self.socket_path, self._devices, self._park_gib = socket_path, devices, park_gib
        self._limit_gib, self._device_files_gib = limit_gib, device_files_gib
        self.process: subprocess.Popen[bytes] | None = None
        self.lifeline = -1
        self._clients: list[VaultClient] = []

    def start(self) -> VaultProcess:
        theirs, self.lifeline = os.pipe()
        options: dict[str, object] = {"--socket": self.socket_path, "--limit-gib": self._limit_gib, "--lifeline-fd": theirs}
        if self._device_files_gib is not None:
            options["--device-files-gib"] = self._device_files_gib
        if self._devices != 1:
            options["--devices"] = self._devices
        if self._park_gib is not None:
            options["--park-gib"] = self._park_gib
        arguments = [str(part) for option in options.items() for part in option]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "engine.vault", *arguments],
            pass_fds=(theirs,),
            stderr=subprocess.PIPE,
        )
        os.close(theirs)
        assert self.process.stderr is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stderr, selectors.EVENT_READ)
            assert selector.select(60), "the vault does not start"
        line = self.process.stderr.readline()
        assert b"listening" in line, line
        return self

    def client(self, owner: str = "test", patience_s: float = 10.0, device: int = 0) -> VaultClient:
        """Closed when the vault is stopped, at the latest."""
        self._clients.append(VaultClient(str(self.socket_path), owner, device=device, patience_s=patience_s))
        return self._clients[-1]

    def status(self) -> VaultStatus:
        client = self.client("looker")
        try:
            return client.status()
        finally:
            client.close()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        """Wait for the end and clean up; the exit code."""
        assert self.process is not None and self.process.stderr is not None
        code = self.process.wait(60)
        self.process.stderr.close()
        os.close(self.lifeline)
        self.process = None
        return code

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        if self.process is not None:
            self.process.terminate()
            self.wait()
