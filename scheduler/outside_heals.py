"""Faults that are seen and mended outside the core: a disk without room, and what the launcher did to its children.

The launcher cannot wait for a daemon that hangs, so it writes what it did into `run/launcher-heals.jsonl`; the daemon of the
day takes it from there, each line once.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from scheduler.core import events
from scheduler.core.healing_policy import Fault
from scheduler.ledger import Ledger, Turn

SPOOL = "launcher-heals.jsonl"
_SEEN = "launcher_heals_seen"
KEPT = 200  # lines
_log = logging.getLogger("greenroom.healing")


@dataclass(frozen=True, kw_only=True)
class ChildHeal:
    """A child of the launcher that was replaced. `id` tells two lines apart, over all runs."""

    id: str
    fault: str
    place: str
    seconds: float
    acted_s: float
    silent_s: float
    cause: str


def spool(run_dir: Path, heal: ChildHeal) -> None:
    """Leave a heal for the daemon. A disk that refuses costs the record, not the heal."""
    try:
        with (run_dir / SPOOL).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(heal)) + "\n")
    except OSError as error:
        _log.warning("%s of %s is not recorded: %s", heal.fault, heal.place, error)


def trim_spool(run_dir: Path) -> None:
    """Keep the newest lines; called while no daemon reads. A disk that refuses is told elsewhere."""
    path = run_dir / SPOOL
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if len(lines) > KEPT:
            path.write_text("\n".join(lines[-KEPT:]) + "\n", encoding="utf-8")
    except OSError:
        return


class OutsideHeals:
    """Brings them into the log."""

    def __init__(self, data_dir: Path, ledger: Ledger) -> None:
        self._path = data_dir / "run" / SPOOL
        self._ledger = ledger
        self._size = 0
        self._trouble: tuple[float, str] | None = None  # since when (monotonic) and why nothing could be written

    def watch_store(self) -> None:
        """Notice when the store begins to refuse. Call often."""
        if self._ledger.trouble is not None and self._trouble is None:
            self._trouble = (time.monotonic(), self._ledger.trouble.code)

    def store_is_back(self) -> None:
        """Say what could not be written while it lasted; only of a disk without room."""
        began, code = self._trouble or (time.monotonic(), "")
        self._trouble = None
        if code == "disk_full":
            seconds = time.monotonic() - began
            self._ledger.post(
                lambda turn: turn.apply(
                    events.HealedOutside(at=turn.at, fault=Fault.DISK_FULL, place="disk", seconds=seconds, cause=code)
                )
            )

    def take_launchers(self) -> None:
        """Take what the launcher has written since the last look."""
        try:
            size = self._path.stat().st_size
            if size == self._size:
                return
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return
        self._size = size
        self._ledger.post(lambda turn: _take(turn, lines))


def _take(turn: Turn, lines: list[str]) -> None:
    seen = list(turn.store.fact(_SEEN) or [])
    known = set(seen)
    for line in lines:
        try:
            heal = ChildHeal(**json.loads(line))
        except (ValueError, TypeError):
            continue  # torn by a crash
        if heal.id in known or heal.fault not in set(Fault):
            continue
        seen.append(heal.id)
        turn.apply(
            events.HealedOutside(
                at=turn.at, fault=heal.fault, place=heal.place, seconds=heal.seconds, acted_s=heal.acted_s,
                silent_s=heal.silent_s, cause=heal.cause,
            )
        )  # fmt: skip
    if len(seen) != len(known):
        turn.store.set_fact(_SEEN, seen[-1000:], turn.at)
