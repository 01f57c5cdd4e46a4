"""What anybody can see of the house: the only way by which forecasters learn. No true pace is among it."""

from __future__ import annotations

from dataclasses import dataclass

from scheduler.core.state import State
from scheduler.forecast.ranges import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A submission as the scheduler knows it. `at`: seconds."""

    at: float
    id: str
    role: str
    team: str
    user: str
    priority: int
    blocks: int
    preset: str
    device: str = ""
    rungs: str = ""
    gpus: int = 1  # slots that make it together

    @property
    def kind(self) -> tuple[str, str, str]:
        """What its block time depends on apart from the role."""
        return (self.preset, self.rungs, self.device if self.gpus == 1 else f"{self.device}x{self.gpus}")


class Witness:
    """Somebody who is told what happens, in order of time. To a subclass nothing matters but what it overrides."""

    def submitted(self, request: Request) -> None:
        """A job was accepted."""

    def leased(self, at: float, job_id: str, slot: int) -> None:
        """A slot was given to a job."""

    def started(self, at: float, job_id: str) -> None:
        """Its worker has prepared and begins."""

    def block_done(self, at: float, job_id: str, seconds: float) -> None:
        """A block is durable; it took so many seconds."""

    def stopped(self, at: float, job_id: str, cause: str) -> None:
        """It gave its slot up and goes on later ("preempted", "lost")."""

    def ended(self, at: float, job_id: str, is_success: bool) -> None:
        """It succeeded, or ended otherwise."""

    def slot_lost(self, at: float, slot: int) -> None:
        """A slot has no worker any more."""

    def slot_back(self, at: float, slot: int) -> None:
        """A slot has a worker again."""


class Forecaster(Witness):
    """A witness who foretells a job's end."""

    def predict(self, state: State, request: Request) -> Estimate | None:
        """The ranges of a job just submitted; None: cannot tell (yet)."""
        return None
