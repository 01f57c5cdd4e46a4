"""What leaves the house about a job or an event: chosen fields only, so that no prompt can slip out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from dashboard.principal import Principal

_CARD = ("id", "user", "role", "priority", "state", "hold", "blocks_done", "total_blocks", "slot", "verdict")
_PUBLIC = (
    *_CARD, "team", "role_version", "is_paused", "is_cancel_requested", "degrade", "rungs", "offer",
    "preemptions", "crashes", "retries", "submitted_at", "started_at", "finished_at", "resume",
    "width", "height", "frames", "video_sha256", "video_bytes",
    "again_of", "preview", "preview_end", "approved_at", "error_code", "error_message", "error_hint",
)  # fmt: skip
_WORDS = ("prompt", "context")
_BODY = frozenset({
    "reason", "block", "from_block", "blocks_done", "resume", "slot", "cause", "code", "priority", "hold", "state",
    "recovery_ms", "worker", "worker_id", "tier", "switch_ms", "prepare_ms", "attempt", "preemptor", "victim", "role",
    "version", "seconds", "frames", "can_retry", "verdict", "video_s", "rung",
})  # fmt: skip
_MAX_TEXT = 160
T = TypeVar("T")


def job_card(job: Mapping[str, Any]) -> dict[str, Any]:
    """The few fields that lists show and the socket carries, at most about 300 bytes."""
    return {name: job[name] for name in _CARD}


def job_public(job: Mapping[str, Any], principal: Principal, place: Mapping[str, int] | None = None) -> dict[str, Any]:
    """A job for this caller: prompt and context of others' jobs are missing and `is_redacted` says so."""
    shown = {name: job[name] for name in _PUBLIC if name in job}
    for name in ("is_paused", "is_cancel_requested"):
        shown[name] = bool(shown.get(name))
    recipe = dict(job["recipe"] if isinstance(job["recipe"], dict) else json.loads(job["recipe"]))
    is_redacted = not principal.may_read_words(job)
    if is_redacted:
        recipe = {name: value for name, value in recipe.items() if name not in _WORDS}
    return {**shown, "place": place, "hold_detail": _detail(job), "recipe": recipe, "is_redacted": is_redacted}


def _detail(job: Mapping[str, Any]) -> dict[str, Any]:
    detail = job.get("hold_detail")
    if isinstance(detail, str):
        detail = json.loads(detail)
    return detail if isinstance(detail, dict) else {}


def event_card(row: Mapping[str, Any]) -> dict[str, Any]:
    """An audit row for everybody: what happened to what, with the plain figures of its body."""
    body = row["body"] if isinstance(row["body"], dict) else json.loads(row["body"])
    return {
        "seq": row["seq"], "at": row["at_utc"], "action": row["action"], "object": row["object"], "outcome": row["outcome"],
        "body": {name: _short(value) for name, value in body.items() if name in _BODY and _is_plain(value)},
    }  # fmt: skip


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _short(value: Any) -> Any:
    return value[: _MAX_TEXT - 1] + "…" if isinstance(value, str) and len(value) > _MAX_TEXT else value


def chunks(items: list[T], limit_bytes: int) -> list[list[T]]:
    """The items in order, in lists whose JSON stays within the limit (a single larger item stands alone)."""
    result: list[list[T]] = []
    size = limit_bytes + 1
    for item in items:
        length = len(json.dumps(item, separators=(",", ":"))) + 1  # as the socket writes it: ASCII
        if size + length > limit_bytes or not result:
            result.append([])
            size = 2
        result[-1].append(item)
        size += length
    return result
