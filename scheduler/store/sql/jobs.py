"""Statements about jobs, blocks and segments."""

from __future__ import annotations

from collections.abc import Iterable

MOVABLE_COLUMNS = frozenset({
    "priority", "hold", "hold_detail", "is_cancel_requested", "is_paused", "degrade", "blocks_done", "context_bytes",
    "total_blocks", "preemptions", "crashes", "leases", "retries", "slot", "lease_id", "lease_until", "not_before",
    "started_at", "finished_at", "resume", "width", "height", "frames", "video_path", "video_sha256",
    "video_bytes", "recipe",
    "error_code", "error_message", "error_hint", "rungs", "offer", "offered_at", "leased_at", "freed_at",
    "preview", "preview_end", "approved_at",
})  # fmt: skip
# What a report adds beside a move: shown to people, decided on by nobody.
NOTE_COLUMNS = frozenset({
    "resume", "width", "height", "started_at", "finished_at", "frames", "video_path", "video_sha256",
    "video_bytes", "recipe",
    "error_code", "error_message", "error_hint", "hold_detail", "asked",
})  # fmt: skip
NEW_COLUMNS = (
    "id", "ordinal", "user", "team", "role", "role_version", "priority", "state", "degrade", "total_blocks",
    "context_bytes", "submitted_at", "width", "height", "recipe", "again_of",
    "block_ms", "deadline", "start_at", "follows", "preview",
)  # fmt: skip
BLOCK_COLUMNS = (
    "job_id", "block", "lease_id", "frames", "seconds", "latents_sha256", "frames_sha256", "fragment_sha256",
    "fragment_bytes", "stage_ms", "peak_bytes", "made_at",
)  # fmt: skip
SEGMENT_COLUMNS = ("job_id", "segment", "path", "sha256", "frames", "bytes")

INSERT_JOB = f"INSERT INTO jobs ({', '.join(NEW_COLUMNS)}) VALUES ({', '.join('?' * len(NEW_COLUMNS))})"
INSERT_BLOCK = f"INSERT INTO blocks ({', '.join(BLOCK_COLUMNS)}) VALUES ({', '.join('?' * len(BLOCK_COLUMNS))})"
INSERT_SEGMENT = f"INSERT INTO segments ({', '.join(SEGMENT_COLUMNS)}) VALUES ({', '.join('?' * len(SEGMENT_COLUMNS))})"
INSERT_IDEMPOTENCY_KEY = "INSERT INTO idempotency_keys (actor, key, request_sha256, job_id) VALUES (?, ?, ?, ?)"

_WITH_VERDICT = "SELECT jobs.*, verdicts.verdict FROM jobs LEFT JOIN verdicts ON job_id = id"
SELECT_JOB = f"{_WITH_VERDICT} WHERE id = ?"
SELECT_STATE = "SELECT state FROM jobs WHERE id = ?"
SELECT_NEXT_ORDINAL = "SELECT coalesce(max(ordinal), 0) + 1 FROM jobs"
SELECT_BY_STATES = "SELECT * FROM jobs WHERE state IN (SELECT value FROM json_each(?)) ORDER BY ordinal"
CORE_COLUMNS = (  # the fields of scheduler.core.job.Job
    "id", "ordinal", "user", "team", "role", "priority", "submitted_at", "total_blocks", "context_bytes", "degrade",
    "state", "hold", "blocks_done", "slot", "lease_id", "lease_until", "is_cancel_requested", "is_paused",
    "preemptions", "crashes", "not_before", "leases", "retries", "started_at",
    "rungs", "offer", "offered_at", "block_ms", "deadline", "start_at",
    "follows", "leased_at", "freed_at", "preview", "preview_end", "approved_at",
)  # fmt: skip
SELECT_CORE_BY_STATES = f"""
SELECT {", ".join(CORE_COLUMNS)} FROM jobs WHERE state IN (SELECT value FROM json_each(?)) ORDER BY ordinal"""
SELECT_WAITING = f"SELECT {', '.join(CORE_COLUMNS)} FROM jobs WHERE state = 'QUEUED'"
SELECT_CORE_BY_IDS = f"SELECT {', '.join(CORE_COLUMNS)} FROM jobs WHERE id IN (SELECT value FROM json_each(?))"
SELECT_WAITING_FOR_PREVIEW = """
SELECT id FROM jobs WHERE preview = ? AND preview != '' AND state = 'QUEUED' AND approved_at IS NULL ORDER BY ordinal"""
SELECT_RUNS_OF_PREVIEW = "SELECT * FROM jobs WHERE preview = ? AND preview != '' ORDER BY ordinal"
SELECT_STATE_COUNTS = "SELECT state, count(*) AS jobs FROM jobs GROUP BY state"
SELECT_ROLE_STATE_COUNTS = "SELECT state, count(*) AS jobs FROM jobs WHERE role = ? GROUP BY state"
SELECT_ACTIVE_ROLES = "SELECT DISTINCT role FROM jobs WHERE state IN (SELECT value FROM json_each(?)) ORDER BY role"
SELECT_IDEMPOTENT = "SELECT job_id, request_sha256 FROM idempotency_keys WHERE actor = ? AND key = ?"
SELECT_BLOCK = "SELECT * FROM blocks WHERE job_id = ? AND block = ?"
SELECT_BLOCKS = "SELECT * FROM blocks WHERE job_id = ? AND block >= ? ORDER BY block"
SELECT_SEGMENT = "SELECT * FROM segments WHERE job_id = ? AND segment = ?"
SELECT_SEGMENTS = "SELECT * FROM segments WHERE job_id = ? ORDER BY segment"
SELECT_ROLE_TOTALS = "SELECT blocks, block_seconds, frames FROM role_totals WHERE role = ?"
SELECT_LAST_NOT_BEFORE = "SELECT max(at_utc) FROM audit"

SORTS = {  # name of a sort → columns; "-name" turns all of them round
    "ordinal": ("ordinal",), "priority": ("priority", "ordinal"), "finished": ("finished_at", "ordinal"),
    "user": ("user", "ordinal"), "role": ("role", "ordinal"), "state": ("state", "ordinal"),
    "blocks_done": ("blocks_done", "ordinal"),
}  # fmt: skip


def move_job(columns: Iterable[str]) -> str:
    """The only UPDATE of a job's state: compare-and-set, together with the named columns."""
    extra = "".join(f", {name} = ?" for name in columns)
    return f"UPDATE jobs SET state = ?{extra} WHERE id = ? AND state = ?"


def note_job(columns: Iterable[str]) -> str:
    """An UPDATE of columns that no decision reads."""
    return f"UPDATE jobs SET {', '.join(f'{name} = ?' for name in columns)} WHERE id = ?"


UNJUDGED = "unjudged"  # finished, and nobody has approved or rejected it
VERDICTS = ("approved", "rejected", UNJUDGED)


def where_jobs(user: bool, role: bool, states: bool, text: bool, verdict: str | None = None) -> str:
    """The condition for the filters given; `verdict`: one of VERDICTS.

    Parameters are :user, :role, :states (JSON list), :text (a LIKE pattern) and :verdict.
    """
    parts = []
    if user:
        parts.append("user = :user")
    if role:
        parts.append("role = :role")
    if states:
        parts.append("state IN (SELECT value FROM json_each(:states))")
    if text:
        like = " OR ".join(f"{name} LIKE :text ESCAPE '\\'" for name in ("id", "user", "team", "role"))
        parts.append(f"({like})")
    if verdict == UNJUDGED:
        parts.append("state = 'SUCCEEDED' AND id NOT IN (SELECT job_id FROM verdicts)")
    elif verdict is not None:
        parts.append("id IN (SELECT job_id FROM verdicts WHERE verdict = :verdict)")
    return f"WHERE {' AND '.join(parts)}" if parts else ""


EXPORTED_COLUMNS = (  # of a list for spreadsheets: nobody's words
    "id", "user", "team", "role", "role_version", "priority", "state", "hold", "submitted_at", "started_at", "finished_at",
    "blocks_done", "total_blocks", "frames", "width", "height", "preemptions", "crashes", "retries", "rungs", "again_of",
    "error_code", "video_bytes", "video_sha256", "verdict",
)  # fmt: skip


def all_jobs(where: str, order: str) -> str:
    """Every job that a condition of `where_jobs` meets, light columns."""
    return f"SELECT {', '.join(EXPORTED_COLUMNS)} FROM jobs LEFT JOIN verdicts ON job_id = id {where} ORDER BY {order}"


def count_jobs(where: str) -> str:
    """How many jobs a condition of `where_jobs` meets."""
    return f"SELECT count(*) FROM jobs {where}"


def page_of_jobs(where: str, order: str) -> str:
    """One page. The inner query finds the page in an index alone; only its rows are then read in full."""
    inner = f"SELECT ordinal FROM jobs {where} ORDER BY {order} LIMIT :limit OFFSET :offset"
    return f"{_WITH_VERDICT} WHERE ordinal IN ({inner}) ORDER BY {order}"
