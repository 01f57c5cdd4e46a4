"""Reading jobs.

A job row has the columns of `jobs`: flags as bool, `recipe` and `hold_detail` as JSON text, times in seconds since
1970. Rows of `running` are complete job rows too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from scheduler.core.job import FINAL_STATES, OWNED_STATES, HoldReason, Job, JobState
from scheduler.store.errors import BadQuery
from scheduler.store.reads import Page, Reads, Row, checked_page, like_pattern
from scheduler.store.sql import jobs as sql

OPEN_STATES = frozenset(JobState) - FINAL_STATES
_FLAGS = ("is_cancel_requested", "is_paused")


class JobReads(Reads):
    """Jobs, blocks and segments."""

    def job(self, job_id: str) -> Row | None:
        """The job's row, or None."""
        row = self._row(sql.SELECT_JOB, (job_id,))
        return None if row is None else _flagged(row)

    def jobs(
        self,
        *,
        user: str | None = None,
        role: str | None = None,
        state: str | Iterable[str] | None = None,
        text: str | None = None,
        verdict: str | None = None,
        sort: str = "-ordinal",
        page: int = 1,
        per_page: int = 50,
    ) -> Page:
        """A page of jobs that meet all the filters.

        `state`: one, several, "open" or "final"; `text`: in id, user, team or role; `verdict`: approved, rejected or
        unjudged (finished, and nobody has said).

        `sort`: a key of `SORTS`, with "-" in front for descending. BadQuery names the argument at fault.
        """
        limit, offset = checked_page(page, per_page)
        states = _states(state)
        where = sql.where_jobs(user is not None, role is not None, states is not None, bool(text), _verdict(verdict))
        params: dict[str, str | int | None] = {
            "user": user, "role": role, "states": json.dumps(states), "text": like_pattern(text or ""), "verdict": verdict,
        }  # fmt: skip
        total = int(self._value(sql.count_jobs(where), params))
        rows = self._rows(sql.page_of_jobs(where, _order(sort)), {**params, "limit": limit, "offset": offset})
        return Page([_flagged(row) for row in rows], total, page, per_page)

    def each_job(
        self,
        *,
        user: str | None = None,
        role: str | None = None,
        state: str | Iterable[str] | None = None,
        text: str | None = None,
        verdict: str | None = None,
        sort: str = "-ordinal",
    ) -> Iterator[Row]:
        """Every job that meets the filters of `jobs`, one by one and of one moment: columns of `sql.EXPORTED_COLUMNS`."""
        states = _states(state)
        where = sql.where_jobs(user is not None, role is not None, states is not None, bool(text), _verdict(verdict))
        params = {
            "user": user, "role": role, "states": json.dumps(states), "text": like_pattern(text or ""), "verdict": verdict,
        }  # fmt: skip
        return self._each(sql.all_jobs(where, _order(sort)), params)

    def running(self) -> list[Row]:
        """Jobs that a worker holds (LEASED, RUNNING, PREEMPTING), by slot."""
        rows = self._rows(sql.SELECT_BY_STATES, (_json_list(OWNED_STATES),))
        return sorted(
            (_flagged(row) for row in rows), key=lambda row: (row["slot"] is None, row["slot"], row["ordinal"])
        )

    def load_open_jobs(self) -> list[Job]:
        """All jobs that have not ended, as the core knows them, in order of acceptance."""
        return self._core_jobs(OPEN_STATES)

    def state_counts(self) -> dict[str, int]:
        """How many jobs are in each state; every state is a key."""
        found = {row["state"]: row["jobs"] for row in self._rows(sql.SELECT_STATE_COUNTS)}
        return {str(state): found.get(state, 0) for state in JobState}

    def active_roles(self) -> list[str]:
        """Roles of the jobs that a worker holds, sorted."""
        return [row["role"] for row in self._rows(sql.SELECT_ACTIVE_ROLES, (_json_list(OWNED_STATES),))]

    def blocks(self, job_id: str, from_block: int = 0) -> list[Row]:
        """The job's durable blocks in order, from a block on: columns of `blocks`, `stage_ms` as data."""
        rows = self._rows(sql.SELECT_BLOCKS, (job_id, from_block))
        return [{**row, "stage_ms": json.loads(row["stage_ms"])} for row in rows]

    def segments(self, job_id: str) -> list[Row]:
        """The job's closed segments in order: columns of `segments`."""
        return self._rows(sql.SELECT_SEGMENTS, (job_id,))

    def job_of_key(self, actor: str, key: str) -> Row | None:
        """`job_id` and `request_sha256` of an idempotency key that the actor has used, or None."""
        return self._row(sql.SELECT_IDEMPOTENT, (actor, key))

    def waiting_for_preview(self, job_id: str) -> list[str]:
        """Ids of the jobs that wait for the approval of this preview."""
        return [row["id"] for row in self._rows(sql.SELECT_WAITING_FOR_PREVIEW, (job_id,))]

    def runs_of_preview(self, job_id: str) -> list[Row]:
        """The jobs whose preview this job is, in order of acceptance, whatever became of them."""
        return [_flagged(row) for row in self._rows(sql.SELECT_RUNS_OF_PREVIEW, (job_id,))]

    def next_ordinal(self) -> int:
        """The next place in the order of acceptance; sure only inside the writer's transaction."""
        return int(self._value(sql.SELECT_NEXT_ORDINAL))

    def _core_jobs(self, states: Iterable[str]) -> list[Job]:
        return [core_job(row) for row in self._each(sql.SELECT_CORE_BY_STATES, (_json_list(states),))]


def core_job(row: Row) -> Job:
    """A row of `jobs` as the core's Job."""
    values = {name: row[name] for name in sql.CORE_COLUMNS}
    values["state"] = JobState(row["state"])
    values["hold"] = HoldReason(row["hold"]) if row["hold"] else None
    values.update({name: bool(row[name]) for name in _FLAGS})
    return Job(**values)


def _flagged(row: Row) -> Row:
    return {**row, **{name: bool(row[name]) for name in _FLAGS}}


def _json_list(states: Iterable[str]) -> str:
    return json.dumps(sorted(str(state) for state in states))


def _states(state: str | Iterable[str] | None) -> list[str] | None:
    if state is None:
        return None
    groups = {"open": OPEN_STATES, "final": FINAL_STATES}
    wanted: set[str] = set()
    for name in [state] if isinstance(state, str) else list(state):
        if name in groups:
            wanted |= {str(one) for one in groups[name]}
        elif name.upper() in JobState.__members__:
            wanted.add(name.upper())
        else:
            raise BadQuery("state", f"There is no state {name!r}.", f"Use open, final, {', '.join(JobState)}.")
    return sorted(wanted)


def _verdict(verdict: str | None) -> str | None:
    if verdict is not None and verdict not in sql.VERDICTS:
        raise BadQuery("verdict", f"There is no verdict {verdict!r}.", f"Use {', '.join(sql.VERDICTS)}.")
    return verdict


def _order(sort: str) -> str:
    columns = sql.SORTS.get(sort.removeprefix("-"))
    if columns is None:
        raise BadQuery("sort", f"There is no sort {sort!r}.", f"Use {', '.join(sql.SORTS)}, or one with - in front.")
    direction = "DESC" if sort.startswith("-") else "ASC"
    return ", ".join(f"{column} {direction}" for column in columns)
