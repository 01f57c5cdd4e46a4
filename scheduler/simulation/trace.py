"""Traces: JSON lines of submissions and faults, checked line by line.

A submission: `{"at": s, "id", "user", "team", "role", "priority", "blocks", "preset"?, "deadline"?, "block_s"?, "gpus"?}`;
`at` and `deadline` in seconds of the trace, `gpus` the slots that it wants at once.
A fault: `{"at": s, "event": "worker_lost" | "worker_back", "slot": n}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from scheduler.errors import SchedulerError
from scheduler.forecast.witness import Request

FAULTS = ("worker_lost", "worker_back")
MAX_LINES = 2_000_000
MAX_BLOCKS = 1_000_000
MAX_GPUS = 1024
DAY_S = 86_400.0
MAX_AT_S = 1e11  # the year 5138; far beyond it a second is less than the spacing of floating-point numbers
MAX_SPAN_S = 366 * DAY_S
_JOB_FIELDS = frozenset({"at", "id", "user", "team", "role", "priority", "blocks", "preset", "deadline", "block_s", "gpus"})
_FAULT_FIELDS = frozenset({"at", "event", "slot"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceJob:
    """A submission. `block_s`: its true seconds per block; only the simulated worker may look at it.

    `expected_s`: those that admission reckons with; None: an average block of its preset. No file has it.
    """

    at: float
    id: str
    user: str
    team: str
    role: str
    priority: int
    blocks: int
    preset: str = "standard"
    deadline: float | None = None
    block_s: float | None = None
    expected_s: float | None = None
    gpus: int = 1

    def to_mapping(self) -> dict[str, Any]:
        """The line as it stands in a file; what is not given is left out."""
        data: dict[str, Any] = {
            "at": round(self.at, 3), "id": self.id, "user": self.user, "team": self.team, "role": self.role,
            "priority": self.priority, "blocks": self.blocks, "preset": self.preset,
        }  # fmt: skip
        if self.deadline is not None:
            data["deadline"] = round(self.deadline, 3)
        if self.block_s is not None:
            data["block_s"] = round(self.block_s, 5)
        if self.gpus > 1:
            data["gpus"] = self.gpus
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFault:
    """A slot loses its worker, or has one again."""

    at: float
    event: str
    slot: int

    def to_mapping(self) -> dict[str, Any]:
        """The line as it stands in a file."""
        return {"at": round(self.at, 3), "event": self.event, "slot": self.slot}


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A checked trace, in order of time. `ignored`: names of fields that were there and mean nothing.

    `begins_at`: when its second 0 was, in seconds since 1970; weekly windows and days of quotas follow from it.
    """

    jobs: tuple[TraceJob, ...]
    faults: tuple[TraceFault, ...] = ()
    ignored: tuple[str, ...] = ()
    begins_at: float = 0.0

    @property
    def opens(self) -> float:
        """Second at which the day of its first line begins. Whole days before it are not lived through."""
        lines: list[TraceJob | TraceFault] = [*self.jobs[:1], *self.faults[:1]]
        return min((line.at for line in lines), default=0.0) // DAY_S * DAY_S

    @property
    def least_slots(self) -> int:
        """As many slots as the faults name."""
        return max((fault.slot + 1 for fault in self.faults), default=1)

    def to_lines(self) -> list[str]:
        """The file's lines, in order of time; `read_lines` is the inverse."""
        entries: list[TraceJob | TraceFault] = sorted([*self.jobs, *self.faults], key=lambda entry: entry.at)
        return [json.dumps(entry.to_mapping(), ensure_ascii=False) for entry in entries]


def read_trace(path: Path) -> Trace:
    """A trace from a file. Raises SchedulerError `bad_trace` with the line at fault and the way out."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            return read_lines(file, str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise SchedulerError(
            422, "bad_trace", f"{path} cannot be read: {error}", hint="Give a file of JSON lines, UTF-8."
        ) from error


def read_lines(lines: Iterable[str], name: str = "trace") -> Trace:
    """A trace from lines; empty ones are skipped. Raises SchedulerError `bad_trace`."""
    reader = _Reader(name)
    for number, line in enumerate(lines, 1):
        if line.strip():
            reader.take(number, line)
    if not reader.jobs:
        raise SchedulerError(
            422, "bad_trace", f"{name} holds no submission.", hint='Write lines such as {"at": 0, "id": "a", …}.'
        )
    reader.check_span()
    return Trace(
        jobs=tuple(sorted(reader.jobs, key=lambda job: job.at)),
        faults=tuple(sorted(reader.faults, key=lambda fault: fault.at)),
        ignored=tuple(sorted(reader.ignored)),
    )


@dataclass
class _Reader:
    name: str
    jobs: list[TraceJob] = field(default_factory=list)
    faults: list[TraceFault] = field(default_factory=list)
    ignored: set[str] = field(default_factory=set)
    places: dict[str, int] = field(default_factory=dict)
    number: int = 0
    first: tuple[float, int] = (inf, 0)  # `at` and number of the earliest and the latest line
    last: tuple[float, int] = (-inf, 0)

    def take(self, number: int, line: str) -> None:
        self.number = number
        if number > MAX_LINES:
            raise self.bad(f"more than {MAX_LINES:,} lines.", "Split the trace.")
        try:
            data = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self.bad(f"not JSON: {error}.", "Write one JSON object per line.") from error
        if not isinstance(data, dict):
            raise self.bad("not a JSON object.", 'Write {"at": 0, "id": "a", …}.')
        at = self.number_of(data, "at", least=0.0)
        self.first, self.last = min(self.first, (at, number)), max(self.last, (at, number))
        if "event" in data:
            self._take_fault(data, at)
        else:
            self._take_job(data, at)

    def check_span(self) -> None:
        """Every second of a trace is lived through, so a wrong `at` would cost hours: refuse what spans more than a year."""
        (first, line), (last, self.number) = self.first, self.last
        if last - first > MAX_SPAN_S:
            days = (last - first) / DAY_S
            raise self.bad(
                f"at is {last:.15g}, {days:,.0f} days after the earliest line, {line} (at {first:.15g}).",
                f"Count all lines from one beginning, or split what spans more than {MAX_SPAN_S / DAY_S:.0f} days.", "at",
            )

    def _take_fault(self, data: Mapping[str, Any], at: float) -> None:
        if data["event"] not in FAULTS:
            raise self.bad(f"event {data['event']!r} is unknown.", f"Use {' or '.join(FAULTS)}.")
        self.ignored |= data.keys() - _FAULT_FIELDS
        self.faults.append(TraceFault(at=at, event=data["event"], slot=self.whole(data, "slot", least=0, most=1023)))

    def _take_job(self, data: Mapping[str, Any], at: float) -> None:
        job_id = self.text(data, "id")
        if job_id in self.places:
            raise self.bad(f"id {job_id!r} stands in line {self.places[job_id]} already.", "Give every job its own id.")
        self.places[job_id] = self.number
        self.ignored |= data.keys() - _JOB_FIELDS
        given = {name for name in ("deadline", "block_s", "gpus") if data.get(name) is not None}
        self.jobs.append(
            TraceJob(
                at=at, id=job_id, user=self.text(data, "user"), team=self.text(data, "team"), role=self.text(data, "role"),
                priority=self.whole(data, "priority", least=0, most=100),
                blocks=self.whole(data, "blocks", least=1, most=MAX_BLOCKS),
                preset=self.text(data, "preset") if data.get("preset") is not None else "standard",
                deadline=self.number_of(data, "deadline", least=at) if "deadline" in given else None,
                block_s=self.number_of(data, "block_s", least=1e-4) if "block_s" in given else None,
                gpus=self.whole(data, "gpus", least=1, most=MAX_GPUS) if "gpus" in given else 1,
            )
        )  # fmt: skip

    def bad(self, message: str, hint: str, field: str | None = None) -> SchedulerError:
        return SchedulerError(422, "bad_trace", f"{self.name}, line {self.number}: {message}", field=field, hint=hint)

    def text(self, data: Mapping[str, Any], name: str) -> str:
        value = data.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= 200:
            raise self.bad(f"{name} is {_shown(data, name)}.", "Give a text of 1 to 200 characters.", name)
        return value

    def number_of(self, data: Mapping[str, Any], name: str, *, least: float) -> float:
        value = data.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= MAX_AT_S:
            hint = f"Give seconds of at least {least:g} and at most {MAX_AT_S:g}."
            raise self.bad(f"{name} is {_shown(data, name)}.", hint, name)
        return float(value)

    def whole(self, data: Mapping[str, Any], name: str, *, least: int, most: int) -> int:
        value = data.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.bad(f"{name} is {_shown(data, name)}.", f"Give a whole number from {least} to {most}.", name)
        return value


def request_of(line: TraceJob, begins_at: float = 0.0) -> Request:
    """What the scheduler is told of a trace's line; `begins_at`: when the trace's second 0 was."""
    return Request(
        at=begins_at + line.at, id=line.id, role=line.role, team=line.team, user=line.user, priority=line.priority,
        blocks=line.blocks, preset=line.preset, gpus=line.gpus,
    )  # fmt: skip


def _shown(data: Mapping[str, Any], name: str) -> str:
    return f"{str(data[name])[:60]!r}" if name in data else "missing"
