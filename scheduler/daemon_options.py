"""What the launcher asks of the daemon, on its command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = {"real": "engine.worker", "fake": "engine.fake"}


@dataclass(frozen=True, kw_only=True)
class DaemonOptions:
    """The options. `turn_fd`: it is a spare, which waits there for its turn."""

    data_dir: Path
    engine: str
    model: str
    slots: int
    standbys: int
    threads: int
    vault_limit_gib: float
    preload_roles: Path | None
    lifeline_fd: int | None
    heartbeat_fd: int | None = None
    turn_fd: int | None = None

    @property
    def vault_limit_bytes(self) -> int:
        """Memory that the vault may hold."""
        return int(self.vault_limit_gib * 2**30)


def read_options() -> DaemonOptions:
    """The options of this process. SystemExit where they are wrong."""
    parser = argparse.ArgumentParser(prog="scheduler.daemon", description="Greenroom's scheduler; started by the launcher.")
    parser.add_argument("--data", dest="data_dir", type=Path, required=True)
    parser.add_argument("--engine", choices=sorted(PROGRAMS), default="real")
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--standbys", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--vault-limit-gib", type=float, default=4.0)
    parser.add_argument("--preload-roles", type=Path)
    parser.add_argument("--lifeline-fd", type=int)
    parser.add_argument("--heartbeat-fd", type=int)
    parser.add_argument("--turn-fd", type=int)
    return DaemonOptions(**vars(parser.parse_args()))
