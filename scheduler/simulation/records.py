"""What became of each job of a simulated run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scheduler.core.job import JobState
from scheduler.forecast.ranges import Estimate
from scheduler.simulation.trace import TraceJob


@dataclass(slots=True)
class JobRecord:
    """One job's run. Times in seconds of the trace; `spells`: when a slot held it, from and until.

    `due_at`: since when it could have had its first slot: its submission, its reserved time, the end of the part before it in its
    session, the end of its pause. `is_apart`: that part had ended before this one was asked for, so it followed nothing.
    """

    line: TraceJob
    state: JobState = JobState.SUBMITTED
    leased_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    preemptions: int = 0
    losses: int = 0
    prepare_s: float = 0.0
    error: str = ""  # why it was rejected or has failed
    spells: list[tuple[float, float]] = field(default_factory=list)
    predictions: dict[str, Estimate | None] = field(default_factory=dict)  # by forecaster, made at submission
    due_at: float = field(init=False)
    is_apart: bool = False

    def __post_init__(self) -> None:
        self.due_at = self.line.at if self.line.start_at is None else self.line.start_at

    @property
    def wait_s(self) -> float | None:
        """From when it could have had a slot until one was first given to it."""
        if self.leased_at is None:
            return None
        return max(0.0, self.leased_at - self.due_at)  # the core reckons since 1970, so a reserved time may be off by 1e-6

    @property
    def start_s(self) -> float | None:
        """From submission until its first block began."""
        return None if self.started_at is None else self.started_at - self.line.at

    @property
    def finish_s(self) -> float | None:
        """From submission until it succeeded."""
        if self.state is not JobState.SUCCEEDED or self.ended_at is None:
            return None
        return self.ended_at - self.line.at

    def to_mapping(self, forecaster: str) -> dict[str, Any]:
        """As `simulate` prints it; the ranges are seconds from submission."""
        predicted = self.predictions.get(forecaster)
        line = self.line
        return {
            "id": line.id, "at": line.at, "priority": line.priority, "team": line.team, "role": line.role,
            "state": self.state.value, "wait_s": _rounded(self.wait_s), "start_s": _rounded(self.start_s),
            "finish_s": _rounded(self.finish_s), "finished_at": _rounded(self.ended_at), "preemptions": self.preemptions,
            "workers_lost": self.losses, "prepare_s": round(self.prepare_s, 3),
            "predicted": predicted
            and {"start_s": predicted.start.to_mapping(), "finish_s": predicted.finish.to_mapping(), "runs": predicted.runs},
            "start_at": line.start_at, "follows": line.follows or None,
            "deadline_met": None if line.deadline is None or self.ended_at is None else self.ended_at <= line.deadline,
        }  # fmt: skip


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
