"""Writing jobs: accepted with a log row, moved with a log row, never deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scheduler.audit.entry import ActorLike
from scheduler.canonical import canonical_json, canonical_sha256, text_sha256
from scheduler.core.actions import Action, MoveJob, Record
from scheduler.core.job import LEGAL_MOVES, JobState
from scheduler.store.sql import jobs as sql
from scheduler.store.transaction import Transactional

_SAME_BLOCK = ("frames", "latents_sha256", "frames_sha256", "fragment_sha256", "fragment_bytes")
_OUTCOMES = {JobState.FAILED: "failure", JobState.REJECTED: "refused"}
_SAME_SEGMENT = ("path", "sha256", "frames", "bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What is fixed when a job is accepted.

    `recipe`: plain data of engine.config.Recipe; times in seconds since 1970.
    """

    id: str
    ordinal: int
    user: str
    team: str
    role: str
    role_version: int
    priority: int
    degrade: str
    total_blocks: int
    context_bytes: int
    submitted_at: float
    recipe: Mapping[str, Any]
    width: int | None = None
    height: int | None = None
    again_of: str | None = None
    block_ms: int = 480  # predicted milliseconds of a block
    deadline: float | None = None
    start_at: float | None = None
    follows: str = ""
    preview: str = ""


class JobWrites(Transactional):
    """Jobs, their blocks and segments."""

    def insert_job(
        self,
        job: NewJob,
        actor: ActorLike,
        at: float,
        *,
        tag: str = "job:submitted",
        body: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        request_sha256: str = "",
    ) -> int:
        """Accept a job in state SUBMITTED together with its log row; returns the row's seq.

        StoreConflict `duplicate_key` when the actor has used the idempotency key before: look it up first.
        """
        about = {
            "user": job.user, "team": job.team, "role": job.role, "role_version": job.role_version,
            "priority": job.priority, "degrade": job.degrade, "total_blocks": job.total_blocks,
            "recipe_sha256": canonical_sha256(dict(job.recipe)),
            **({"again_of": job.again_of} if job.again_of else {}),
            **({"preview": job.preview} if job.preview else {}),
            **({"follows": job.follows} if job.follows else {}),
            **({"start_at": job.start_at} if job.start_at is not None else {}),
            **({"deadline": job.deadline} if job.deadline is not None else {}),
        }  # fmt: skip
        if idempotency_key is not None:
            row = self._connection.execute(sql.SELECT_IDEMPOTENT, (actor.name, idempotency_key)).fetchone()
            if row is not None:
                message = f"The idempotency key was used for {row['job_id']}."
                raise self.conflict("duplicate_key", message, f"job:{row['job_id']}")
        seq = self.record(tag, f"job:{job.id}", {**(body or {}), **about}, actor, at)
        values = [getattr(job, name, None) for name in sql.NEW_COLUMNS]
        values[sql.NEW_COLUMNS.index("state")] = str(JobState.SUBMITTED)
        values[sql.NEW_COLUMNS.index("recipe")] = canonical_json(dict(job.recipe))
        self._write(sql.INSERT_JOB, values)
        if idempotency_key is not None:
            self._write(sql.INSERT_IDEMPOTENCY_KEY, (actor.name, idempotency_key, request_sha256, job.id))
        return seq

    def move_job(self, move: MoveJob, actor: ActorLike, at: float) -> int:
        """Change a job's state or columns, with its log row, and return the row's seq. The only UPDATE of job state.

        StoreConflict `stale_state` when the job is not in `move.source`, `illegal_move` when the table of moves has
        no such move, `unknown_job`; each with the job's story, and nothing changed. ValueError for a column that
        cannot be moved.
        """
        if foreign := set(move.fields) - sql.MOVABLE_COLUMNS:
            raise ValueError(f"these columns of a job do not move: {', '.join(sorted(foreign))}")
        subject = f"job:{move.job_id}"
        self._need_transaction()
        row = self._connection.execute(sql.SELECT_STATE, (move.job_id,)).fetchone()
        if row is None:
            raise self.conflict("unknown_job", f"There is no job {move.job_id}.", subject)
        if row["state"] != move.source:
            raise self.conflict("stale_state", f"{move.job_id} is {row['state']}, not {move.source}.", subject)
        if move.target != move.source and move.target not in LEGAL_MOVES[move.source]:
            raise self.conflict("illegal_move", f"{move.source} never becomes {move.target}.", subject)
        columns = {name: _stored(value) for name, value in move.fields.items()}
        body = {**move.body, "from": str(move.source), "to": str(move.target), "set": _logged(columns)}
        seq = self.record(move.tag, subject, body, actor, at, outcome=_OUTCOMES.get(move.target, "success"))
        values = (str(move.target), *columns.values(), move.job_id, str(move.source))
        changed = self._write(sql.move_job(tuple(columns)), values).rowcount
        assert changed == 1, "the state was read in this transaction"
        return seq

    def apply(self, actions: Iterable[Action], actor: ActorLike, at: float) -> list[int]:
        """Write the facts among the actions, in order; returns the seqs of their rows.

        Effects are left to the caller.
        """
        seqs = []
        for action in actions:
            if isinstance(action, MoveJob):
                seqs.append(self.move_job(action, actor, at))
            elif isinstance(action, Record):
                seqs.append(self.record(action.tag, action.subject, action.body, actor, at, outcome=action.outcome))
        return seqs

    def note_job(self, job_id: str, **columns: Any) -> None:
        """Overwrite columns that people read and no decision does (progress, results, error texts).

        No log row of its own.

        ValueError for any other column, StoreConflict `unknown_job`.
        """
        if foreign := set(columns) - sql.NOTE_COLUMNS:
            raise ValueError(f"these columns of a job need a move: {', '.join(sorted(foreign))}")
        values = [_stored(value) for value in columns.values()]
        if columns and self._write(sql.note_job(columns), (*values, job_id)).rowcount == 0:
            raise self.conflict("unknown_job", f"There is no job {job_id}.", f"job:{job_id}")

    def insert_block(self, block: Mapping[str, Any]) -> bool:
        """Keep a durable block (keys: columns of `blocks`); False when it was there with equal hashes.

        StoreConflict `block_differs` when it was there with others. Text or data for `stage_ms`.
        """
        key = (block["job_id"], block["block"])
        values = [_stored(block[name]) for name in sql.BLOCK_COLUMNS]
        stored = self._connection.execute(sql.SELECT_BLOCK, key).fetchone()
        if stored is None:
            self._write(sql.INSERT_BLOCK, values)
            return True
        self._need_transaction()
        self._must_equal("block_differs", f"Block {key[1]} of {key[0]}", stored, block, _SAME_BLOCK)
        return False

    def insert_segment(self, segment: Mapping[str, Any]) -> bool:
        """Keep a closed segment (keys: columns of `segments`).

        False when it was there, StoreConflict `segment_differs`.
        """
        key = (segment["job_id"], segment["segment"])
        stored = self._connection.execute(sql.SELECT_SEGMENT, key).fetchone()
        if stored is None:
            self._write(sql.INSERT_SEGMENT, [segment[name] for name in sql.SEGMENT_COLUMNS])
            return True
        self._need_transaction()
        self._must_equal("segment_differs", f"Segment {key[1]} of {key[0]}", stored, segment, _SAME_SEGMENT)
        return False

    def _must_equal(
        self, code: str, what: str, stored: Mapping[str, Any], given: Mapping[str, Any], columns: Iterable[str]
    ) -> None:
        """An idempotent insert may repeat a row, not change it."""
        differing = [name for name in columns if stored[name] != given[name]]
        if differing:
            message = f"{what} is already kept with another {', '.join(differing)}."
            raise self.conflict(code, message, f"job:{given['job_id']}")


def _stored(value: Any) -> Any:
    """A value as SQLite keeps it: enums as text, flags as 0 and 1, data as canonical JSON."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return str(value)
    return canonical_json(value) if isinstance(value, dict | list | tuple) else value


def _logged(columns: Mapping[str, Any]) -> dict[str, Any]:
    """The changed columns for the log: a recipe holds a person's words, so only its hash is kept there."""
    logged = dict(columns)
    if "recipe" in logged:
        logged["recipe_sha256"] = text_sha256(logged.pop("recipe"))
    return logged
