"""The house on a device as all parts of `benchmarks.recovery --device` see it."""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import time
from typing import Any

from benchmarks.recovery_house import HurtHouse
from engine.catalog import BLOCK_SECONDS
from scheduler.chaos.census import residents
from scheduler.chaos.house import ChaosHouse, NotWithin, until

BLOCKS = 6  # of the jobs that must come out as an undisturbed one
SEED = 5
END_S = 60.0
Found = dict[str, Any]


class Stage:
    """The house, and what all parts know of it."""

    def __init__(self, hurt: HurtHouse, options: argparse.Namespace, until_at: float) -> None:
        self.hurt, self.options, self._until = hurt, options, until_at
        self.device = options.device
        self.draws = random.Random(SEED)
        self.ready_at = time.monotonic()
        self.block_s, self.standby_s = 0.0, 0.0
        self.width, self.height = 0, 0
        self.reference: list[tuple[str, str]] = []

    def is_over(self) -> bool:
        """No time is left for another blow."""
        return time.monotonic() > self._until

    def submit(self, role: str = "teacher", blocks: int = 60, **request: Any) -> str:
        """A job of so many blocks; the same recipe each time, but for what is said."""
        return self.hurt.submit(role, blocks * BLOCK_SECONDS, seed=7, **request)

    def is_done(self, job_id: str) -> bool:
        """Has it succeeded? Raises NotWithin when it never will."""
        row = self.hurt.reader.job(job_id) or {}
        if row.get("state") in ("FAILED", "REJECTED", "CANCELLED"):
            raise NotWithin(f"{job_id} ended as {row['state']}: {row['error_message']}")
        return bool(row.get("state") == "SUCCEEDED")

    def finish(self, job_id: str) -> list[tuple[str, str]]:
        """Wait for its end; the hashes of its blocks."""
        until(lambda: self.is_done(job_id), f"the end of {job_id}", END_S)
        return [(row["latents_sha256"], row["frames_sha256"]) for row in self.hurt.reader.blocks(job_id)]

    def learn(self) -> None:
        """Undisturbed jobs: their bits, and the usual time of a block. Then a warm standby is waited for."""
        for _ in range(2):
            job_id = self.submit(blocks=BLOCKS)
            found = self.finish(job_id)
            assert len(found) == BLOCKS and self.reference in ([], found), f"undisturbed jobs differ: {self.reference}, {found}"
            self.reference = found
        made = [row["made_at"] for row in self.hurt.reader.blocks(job_id)]
        self.block_s = statistics.median(later - earlier for earlier, later in itertools.pairwise(made[1:]))
        row = self.hurt.reader.job(job_id)
        assert row is not None
        self.width, self.height = row["width"], row["height"]
        self.hurt.wait_for_standby()
        self.standby_s = time.monotonic() - self.ready_at

    def come_to_rest(self) -> None:
        """After a part that failed: nothing of it goes on."""
        for row in self.hurt.reader.load_open_jobs():
            self.hurt.house.door.cancel(row.id)
        until(lambda: not self.hurt.reader.load_open_jobs(), "the end of all jobs", END_S)


def goal(name: str, limit: float, found: float) -> Found:
    """One line of the verdict."""
    return {"goal": name, "limit": round(limit, 3), "found": round(found, 3), "is_reached": found <= limit}


def summary(each: list[Found], field: str) -> Found:
    values = [one[field] for one in each]
    return {"times": len(values), "median_s": round(statistics.median(values), 3), "worst_s": round(max(values), 3)}


def strike_all(house: ChaosHouse) -> int:
    """kill -9 of the launcher and so, by the kernel, of everybody; how many there were. They are waited for."""
    assert house.launcher is not None
    there = len(residents(house))
    house.launcher.kill()
    house.launcher.wait()
    until(lambda: not residents(house), "the end of everybody", 10)
    return there
