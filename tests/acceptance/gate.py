"""Gates at a worker's named points: a test that acts in the middle of a job first makes sure that it is there, and stays."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from engine.crash_orders import ORDERS_VARIABLE, TAKEN
from engine.worker.crash_points import CrashPoint
from tests.acceptance.studio import until

FOR_EVER = '{"hang_s": 600}'


class Gate:
    """Whoever passes a closed point first stands still there until it is let go. Its heart beats on."""

    def __init__(self, folder: Path) -> None:
        self._orders = folder
        (folder / TAKEN).mkdir(parents=True)

    @property
    def env(self) -> dict[str, str]:
        """What workers have to be started with."""
        return {ORDERS_VARIABLE: str(self._orders)}

    def close(self, point: CrashPoint) -> None:
        """The next who comes by stands still. The order is there at once with all its words: half of one is another."""
        written = self._orders / f".{point}"
        written.write_text(FOR_EVER)
        written.rename(self._orders / point)

    def held(self, point: CrashPoint) -> int:
        """The process that stands there, once one does."""
        trace = until(lambda: self._traces(point), f"somebody at {point}")[0]
        return int(trace.suffix[1:])

    def open(self, point: CrashPoint) -> None:
        """Nobody is held there any more, whoever stands there goes on."""
        (self._orders / point).unlink(missing_ok=True)
        for trace in self._traces(point):
            trace.unlink()

    def hold_after_blocks(self, count: int) -> int:
        """Close it before the job begins; let the job make so many blocks. The process that is held after the last of them."""
        point = CrashPoint.AFTER_BLOCK_DONE
        for _ in range(count - 1):
            self.held(point)
            self.close(point)
            for trace in self._traces(point):
                trace.unlink()
        return self.held(point)

    def kill(self, point: CrashPoint) -> None:
        """SIGKILL whoever stands there."""
        pid = self.held(point)
        os.kill(pid, signal.SIGKILL)
        (self._orders / TAKEN / f"{point}.{pid}").unlink()

    def _traces(self, point: CrashPoint) -> list[Path]:
        return list((self._orders / TAKEN).glob(f"{point}.*"))


def be_patient(home: Path, hung_s: float = 600.0) -> None:
    """A policy by which nobody who is held or slow is taken for dead, but for a block that stands still for so long."""
    (home / "var").mkdir(exist_ok=True)
    text = f"faults:\n  hung_step: {{floor_s: {hung_s}, cold_s: {hung_s}}}\n  heartbeat_lost: {{floor_s: 60}}\n"
    (home / "var" / "policy.yaml").write_text(text)
