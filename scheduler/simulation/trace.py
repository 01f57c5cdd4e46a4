"""Traces: JSON lines of submissions, faults and pauses, checked line by line.

A submission: `{"at": s, "id", "user", "team", "role", "priority", "blocks", "preset"?, "deadline"?, "start_at"?, "follows"?,
"block_s"?, "gpus"?}`; `at`, `deadline` and `start_at` (reserved: it begins then, not before) in seconds of the trace, `follows`
the id of the line before it in its session, `gpus` the slots that it wants at once.
A fault: `{"at": s, "event": "worker_lost" | "worker_back", "slot": n}`.
A pause: `{"at": s, "event": "job_paused" | "job_resumed", "id"}` or `{"at": s, "event": "queue_paused" | "queue_resumed"}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from scheduler.core.counted import counted
from scheduler.errors import SchedulerError
from scheduler.forecast.witness import Request

FAULTS = ("worker_lost", "worker_back")
PAUSES_OF_JOBS = ("job_paused", "job_resumed")
PAUSES_OF_QUEUE = ("queue_paused", "queue_resumed")
MAX_LINES = 2_000_000
MAX_BLOCKS = 1_000_000
MAX_GPUS = 1024
DAY_S = 86_400.0
MAX_AT_S = 1e11  # the year 5138; far beyond it a second is less than the spacing of floating-point numbers
MAX_SPAN_S = 366 * DAY_S
MAX_AHEAD_S = 30 * DAY_S  # so far ahead a time is reserved at most, here as in the house
_ROUNDING_S = 0.001  # of the times in a file
_JOB_FIELDS = frozenset({
    "at", "id", "user", "team", "role", "priority", "blocks", "preset", "deadline", "start_at", "follows", "block_s", "gpus",
})  # fmt: skip
_FAULT_FIELDS = frozenset({"at", "event", "slot"})
_PAUSE_FIELDS = frozenset({"at", "event", "id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceJob:
    """A submission. `block_s`: its true seconds per block; only the simulated worker may look at it.

    `expected_s`: those that admission reckons with; None: an average block of its preset; no file has it. `follows`: the job
    before it in its session, of an earlier line. `start_at`: the time that is reserved for it.
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
    follows: str = ""
    start_at: float | None = None
    gpus: int = 1

    def to_mapping(self) -> dict[str, Any]:
        """The line as it stands in a file; what is not given is left out."""
        data: dict[str, Any] = {
            "at": round(self.at, 3), "id": self.id, "user": self.user, "team": self.team, "role": self.role,
            "priority": self.priority, "blocks": self.blocks, "preset": self.preset,
        }  # fmt: skip
        if self.deadline is not None:
            data["deadline"] = round(self.deadline, 3)
        if self.start_at is not None:
            data["start_at"] = round(self.start_at, 3)
        if self.follows:
            data["follows"] = self.follows
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePause:
    """Somebody pauses a job or lets it go on; `id` is empty where it is the whole queue."""

    at: float
    event: str
    id: str = ""

    def to_mapping(self) -> dict[str, Any]:
        """The line as it stands in a file."""
        return {"at": round(self.at, 3), "event": self.event, **({"id": self.id} if self.id else {})}


Line = TraceJob | TraceFault | TracePause


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A checked trace, in order of time. `ignored`: names of fields that were there and mean nothing.

    `begins_at`: when its second 0 was, in seconds since 1970; weekly windows and days of quotas follow from it.
    """

    jobs: tuple[TraceJob, ...]
    faults: tuple[TraceFault, ...] = ()
    pauses: tuple[TracePause, ...] = ()
    ignored: tuple[str, ...] = ()
    begins_at: float = 0.0

    @property
    def opens(self) -> float:
        """Second at which the day of its first line begins. Whole days before it are not lived through."""
        lines: list[Line] = [*self.jobs[:1], *self.faults[:1], *self.pauses[:1]]
        return min((line.at for line in lines), default=0.0) // DAY_S * DAY_S

    @property
    def least_slots(self) -> int:
        """As many slots as the faults name."""
        return max((fault.slot + 1 for fault in self.faults), default=1)

    @property
    def lines(self) -> list[Line]:
        """Everything in order of time; of one moment first what breaks, then what is asked for, then what is paused."""
        return sorted([*self.faults, *self.jobs, *self.pauses], key=lambda line: line.at)

    def to_lines(self) -> list[str]:
        """The file's lines, in order of time; `read_lines` is the inverse."""
        return [json.dumps(line.to_mapping(), ensure_ascii=False) for line in self.lines]


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
    reader.check_pauses()
    return Trace(
        jobs=tuple(sorted(reader.jobs, key=lambda job: job.at)),
        faults=tuple(sorted(reader.faults, key=lambda fault: fault.at)),
        pauses=tuple(sorted(reader.pauses.values(), key=lambda pause: pause.at)),
        ignored=tuple(sorted(reader.ignored)),
    )


@dataclass
class _Reader:
    name: str
    jobs: list[TraceJob] = field(default_factory=list)
    faults: list[TraceFault] = field(default_factory=list)
    pauses: dict[int, TracePause] = field(default_factory=dict)  # by number of their line
    ignored: set[str] = field(default_factory=set)
    places: dict[str, tuple[int, float]] = field(default_factory=dict)  # of a job: number of its line, and its `at`
    followers: dict[str, str] = field(default_factory=dict)  # job → the part of its session that comes next
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
        if "\\u" in line and not _is_text(json.dumps(data, ensure_ascii=False)):
            raise self.bad("a character is half of a pair (\\ud800 to \\udfff alone).", "Write it as UTF-8, or as both halves.")
        at = self.number_of(data, "at", least=0.0)
        self.first, self.last = min(self.first, (at, number)), max(self.last, (at, number))
        if "event" not in data:
            self._take_job(data, at)
        elif data["event"] in FAULTS:
            self.ignored |= data.keys() - _FAULT_FIELDS
            self.faults.append(TraceFault(at=at, event=data["event"], slot=self.whole(data, "slot", least=0, most=1023)))
        elif data["event"] in (*PAUSES_OF_JOBS, *PAUSES_OF_QUEUE):
            self._take_pause(data, at)
        else:
            known = ", ".join(" or ".join(pair) for pair in (FAULTS, PAUSES_OF_JOBS, PAUSES_OF_QUEUE))
            raise self.bad(f"event {data['event']!r} is unknown.", f"Use {known}.")

    def check_span(self) -> None:
        """Every second of a trace is lived through, so a wrong `at` would cost hours: refuse what spans more than a year."""
        (first, line), (last, self.number) = self.first, self.last
        if last - first > MAX_SPAN_S:
            days = (last - first) / DAY_S
            raise self.bad(
                f"at is {last:.15g}, {days:,.0f} days after the earliest line, {line} (at {first:.15g}).",
                f"Count all lines from one beginning, or split what spans more than {MAX_SPAN_S / DAY_S:.0f} days.", "at",
            )

    def check_pauses(self) -> None:
        """Who is paused stands in the trace, on whichever line, and was asked for by then."""
        for number, pause in self.pauses.items():
            self.number = number
            if pause.id and pause.id not in self.places:
                raise self.bad(f"id is {pause.id!r}, and no submission has that id.", "Name a job of this trace.", "id")
            if pause.id and pause.at < self.places[pause.id][1]:
                line, at = self.places[pause.id]
                raise self.bad(
                    f"at is {pause.at:.15g}, before the job's own line, {line} (at {at:.15g}).",
                    f"Give seconds of at least {at:.15g}.", "at",
                )  # fmt: skip

    def _take_pause(self, data: Mapping[str, Any], at: float) -> None:
        self.ignored |= data.keys() - _PAUSE_FIELDS
        job_id = self.text(data, "id") if data["event"] in PAUSES_OF_JOBS else ""
        self.pauses[self.number] = TracePause(at=at, event=data["event"], id=job_id)

    def _take_job(self, data: Mapping[str, Any], at: float) -> None:
        job_id = self.text(data, "id")
        if job_id in self.places:
            raise self.bad(f"id {job_id!r} stands in line {self.places[job_id][0]} already.", "Give every job its own id.")
        self.ignored |= data.keys() - _JOB_FIELDS
        given = {name for name in ("deadline", "start_at", "follows", "block_s", "gpus") if data.get(name) is not None}
        most = at + MAX_AHEAD_S + _ROUNDING_S
        blocks = self.whole(data, "blocks", least=1, most=MAX_BLOCKS)
        self.jobs.append(
            TraceJob(
                at=at, id=job_id, user=self.text(data, "user"), team=self.text(data, "team"), role=self.text(data, "role"),
                priority=self.whole(data, "priority", least=0, most=100),
                blocks=blocks,
                preset=self.text(data, "preset") if data.get("preset") is not None else "standard",
                deadline=self.number_of(data, "deadline", least=at) if "deadline" in given else None,
                start_at=self.number_of(data, "start_at", least=at, most=most) if "start_at" in given else None,
                block_s=self._pace(data, blocks) if "block_s" in given else None,
                gpus=self.whole(data, "gpus", least=1, most=MAX_GPUS) if "gpus" in given else 1,
                follows=self._before(data, job_id, at, given) if "follows" in given else "",
            )
        )  # fmt: skip
        self.places[job_id] = self.number, at

    def _pace(self, data: Mapping[str, Any], blocks: int) -> float:
        """Seconds per block; every second is lived through, so a job is no longer than a trace."""
        block_s = self.number_of(data, "block_s", least=1e-4)
        if blocks * block_s > MAX_SPAN_S:
            raise self.bad(
                f"block_s is {block_s:.15g}: {counted(blocks, 'block')} of it last {blocks * block_s / DAY_S:,.0f} days.",
                f"Give seconds per block; a job may last {MAX_SPAN_S / DAY_S:.0f} days.", "block_s",
            )  # fmt: skip
        return block_s

    def _before(self, data: Mapping[str, Any], job_id: str, at: float, given: set[str]) -> str:
        """The job that the line follows: of an earlier line, followed by nobody else, and what a session allows of the rest."""
        before = self.text(data, "follows")
        if before not in self.places:
            raise self.bad(
                f"follows is {before!r}, and no earlier line has that id.",
                "Name the job of an earlier line, or leave follows out.", "follows",
            )  # fmt: skip
        line, asked_at = self.places[before]
        if at < asked_at:
            raise self.bad(
                f"at is {at:.15g}, before that of line {line}, which it follows (at {asked_at:.15g}).",
                f"Give seconds of at least {asked_at:.15g}.", "at",
            )  # fmt: skip
        if (other := self.followers.get(before)) is not None:
            last = other
            while last in self.followers:
                last = self.followers[last]
            place = self.places[other][0]
            raise self.bad(f"follows is {before!r}, which line {place} follows already.", f"Follow {last!r}.", "follows")
        if "start_at" in given:
            hint = "Reserve a time for the session's first part."
            raise self.bad("start_at stands beside follows: a part begins where the part before it ends.", hint, "start_at")
        if "gpus" in given and data["gpus"] != 1:
            hint = "Ask for 1 slot, or leave follows out."
            raise self.bad("gpus stands beside follows: a part of a session is made on one slot.", hint, "gpus")
        self.followers[before] = job_id
        return before

    def bad(self, message: str, hint: str, field: str | None = None) -> SchedulerError:
        return SchedulerError(422, "bad_trace", f"{self.name}, line {self.number}: {message}", field=field, hint=hint)

    def text(self, data: Mapping[str, Any], name: str) -> str:
        value = data.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= 200:
            raise self.bad(f"{name} is {_shown(data, name)}.", "Give a text of 1 to 200 characters.", name)
        return value

    def number_of(self, data: Mapping[str, Any], name: str, *, least: float, most: float = MAX_AT_S) -> float:
        value = data.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
            hint = f"Give seconds of at least {least:.15g} and at most {most - _ROUNDING_S:.10g}."
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


def _is_text(written: str) -> bool:
    """Whether it can be written down at all: half of a surrogate pair cannot."""
    try:
        written.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(data: Mapping[str, Any], name: str) -> str:
    """The value as the file has it: a text in quotes, so that it is told from a number."""
    if name not in data:
        return "missing"
    value = data[name]
    return repr(value[:60]) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)[:60]
