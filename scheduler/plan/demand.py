"""From entries to jobs, through the very code that a submission goes through: blocks, memory, settings, refusals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.catalog import BLOCK_SECONDS
from scheduler.core.role_problem import RoleProblem, sentences
from scheduler.errors import SchedulerError
from scheduler.job_ladder import Picture, job_ladder
from scheduler.plan.entry import Calendar, Entry
from scheduler.plan.pace import Pace, Setting, pace_of
from scheduler.plan.studio import Studio
from scheduler.registry import Role
from scheduler.submission import Submission, check_fields, work_out


@dataclass(frozen=True, kw_only=True)
class Demand:
    """One video that an entry asks for. Times in seconds since 1970; `pace` None: nobody knows how long it takes.

    `alternatives`: (rung, bytes) of lower settings with a smaller context, best first, as a submission carries them.
    """

    id: str
    entry: Entry
    at: float
    closes_at: float
    role: Role
    user: str
    priority: int
    degrade: str
    blocks: int
    context_bytes: int
    alternatives: tuple[tuple[str, int], ...]
    setting: Setting
    pace: Pace | None

    @property
    def video_s(self) -> float:
        """Length of the video."""
        return self.blocks * BLOCK_SECONDS

    @property
    def work_s(self) -> float | None:
        """Seconds of computing; None where the pace is not known."""
        return None if self.pace is None else self.blocks * self.pace.block_s


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An entry that could not even be submitted. `code`: of the plan's sentences, with the words for it.

    `why`: the error's own code, field and data, for pages in another language.
    """

    entry: Entry
    code: str
    words: dict[str, Any]
    why: dict[str, Any] = field(default_factory=dict)


def demand_of(entries: Iterable[Entry], calendar: Calendar, studio: Studio) -> tuple[list[Demand], list[Refusal]]:
    """Every video of the entries that can be submitted, and why the others cannot."""
    wanted: list[Demand] = []
    refused: list[Refusal] = []
    for entry in entries:
        answer = _checked(entry, calendar, studio)
        if isinstance(answer, Refusal):
            refused.append(answer)
        else:
            wanted += _videos(entry, answer, calendar, studio)
    return wanted, refused


def _checked(entry: Entry, calendar: Calendar, studio: Studio) -> Submission | Refusal:
    role = studio.roles.get(entry.role)
    problem = studio.problems.get(entry.role)
    if role is None or problem == RoleProblem.REMOVED:
        known = ", ".join(sorted(set(studio.roles) - set(studio.problems))) or "-"
        return Refusal(entry=entry, code="unknown_role", words={"role": entry.role, "known": known})
    if problem is not None:
        return Refusal(entry=entry, code="role_away", words={"role": entry.role, "problem": sentences(problem)})
    if calendar.at(entry.closes_min) <= studio.now:
        words = {"window": entry.window, "now": calendar.text(studio.now)}
        return Refusal(entry=entry, code="window_over", words=words)
    try:
        check_fields(entry.request())
        return work_out(entry.request(), role, studio.model or "pocket", "", kv=studio.kv)
    except SchedulerError as error:
        why = {"why": {"code": error.code, "field": error.field, "data": error.data}}
        return Refusal(entry=entry, code="refused", words={"reason": error.message, "hint": error.hint}, why=why)


def _videos(entry: Entry, made: Submission, calendar: Calendar, studio: Studio) -> list[Demand]:
    """`count` videos, wanted one after the other, evenly over what is left of the window."""
    opens, closes = max(calendar.at(entry.opens_min), studio.now), calendar.at(entry.closes_min)
    settings = made.recipe.settings
    setting = Setting(width=made.width, height=made.height, steps=settings["steps"])
    picture = Picture(width=made.role.image_width, height=made.role.image_height)
    rungs = job_ladder(made.recipe.model, settings, picture, kv=studio.kv)
    pace = pace_of(studio, setting)
    return [
        Demand(
            id=f"e{entry.number}v{index + 1}", entry=entry, at=opens + (closes - opens) * index / entry.count,
            closes_at=closes, role=made.role, user=made.user, priority=made.priority, degrade=made.degrade,
            blocks=made.total_blocks, context_bytes=made.context_bytes, setting=setting, pace=pace,
            alternatives=tuple((rung.name, rung.predicted_bytes) for rung in rungs if rung.needs_consent and rung.is_available),
        )
        for index in range(entry.count)
    ]  # fmt: skip
