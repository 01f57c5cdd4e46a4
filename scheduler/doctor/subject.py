"""What is looked at: the place and the ports that `serve` would have with the same flags."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from scheduler.serve_options import ServeOptions

DEFAULTS = ServeOptions()


@dataclass(frozen=True, kw_only=True)
class Subject:
    """As in `ServeOptions`; `data_dir` need not exist yet."""

    data_dir: Path
    model: str = DEFAULTS.model
    host: str = DEFAULTS.host
    port: int = DEFAULTS.port

    @property
    def run_dir(self) -> Path:
        """Where sockets, locks and the list of processes lie."""
        return self.data_dir / "run"

    @property
    def model_dir(self) -> Path:
        """Where the model's files lie, or would lie."""
        return self.data_dir / "models" / self.model

    @property
    def place(self) -> Path:
        """The data directory, or the nearest folder above it that is there and can be seen."""
        wanted = self.data_dir.resolve()  # `serve` follows links, too
        return next(folder for folder in (wanted, *wanted.parents) if is_there(folder))


def is_there(path: Path) -> bool:
    """Whether something is there; no, too, where this user may not even look."""
    try:
        return path.exists()
    except PermissionError:
        return False


def is_mine_to_write(folder: Path) -> bool:
    """Whether files can be made there: asked of the kernel, nothing is written."""
    return os.access(folder, os.W_OK | os.X_OK)
