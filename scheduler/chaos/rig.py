"""A house for one fault: work done in peace before it, work under way in it, and the check afterwards."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.chaos.checker import Checker
from scheduler.chaos.house import ChaosHouse
from scheduler.chaos.load import Load
from scheduler.chaos.wall_clock import WallClock

HEAL_S = 120.0


class Rig:
    """A house with one job made in peace, and one under way whose end is awaited."""

    def __init__(self, house: ChaosHouse, engine: str, clock: WallClock | None = None) -> None:
        self.house, self.clock = house, clock
        self.load = Load([lambda: house.door], lambda: house.reader, engine, seed=1)
        self.checker = Checker(house, self.load)

    def begin(self, faults: Mapping[str, str] | None = None) -> None:
        """Start the house and make the reference. `faults`: further rules of its policy."""
        self.house.be_patient(faults)
        self.house.start()
        self.checker.take_references({0: self.load.ask(0)}, HEAL_S)

    def ask(self) -> str:
        """One job more, accepted."""
        return self.load.ask(0)

    def blocks(self, job_id: str) -> int:
        """Blocks that the job has made."""
        row = self.house.reader.job(job_id)
        return 0 if row is None else int(row["blocks_done"])

    def finish(self) -> list[str]:
        """Everything accepted ends well; the house is checked and ended."""
        found = self.checker.wait_until_quiet(HEAL_S) or self.checker.check()
        if (code := self.house.stop()) != 0:
            found.append(f"the launcher ended with code {code}")
        return found + self.checker.check_after_the_end()
