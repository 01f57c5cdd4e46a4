"""Many videos at once: look first what each profile would become, submit the good ones or all or nothing, follow them by key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify
from pydantic import Field

from dashboard.api.body import Body, idempotency_key, read_body
from dashboard.api.models import AnyObject
from dashboard.api.openapi import documented
from dashboard.auth import caller, require
from dashboard.context import house
from dashboard.door import door
from dashboard.error_words import told_failure
from dashboard.errors import WebError
from dashboard.refusals import told_item, told_remarks
from scheduler.batch_file import MAX_ITEMS, Profile, read_profiles
from scheduler.core.job import FINAL_STATES

blueprint = Blueprint("batch", __name__)
_KEY = re.compile(r"[\w.-]{1,80}", re.ASCII)
Error = dict[str, Any]


class BatchFile(Body):
    """A file with profiles, as text."""

    name: str = Field(min_length=1, max_length=200, examples=["lessons.json"])
    text: str


class BatchItem(Body):
    """One video: the name of the output, and a request as `POST /jobs` takes it."""

    name: str = Field(min_length=1, max_length=60)
    request: dict[str, Any] = Field(examples=[{"role": "teacher", "context": {"topic": "rain"}}])


class CheckBatch(Body):
    """Profiles to look at: files as text, or items that were read before."""

    files: list[BatchFile] = Field(default_factory=list, max_length=MAX_ITEMS)
    items: list[BatchItem] = Field(default_factory=list)
    brought: dict[str, str] = Field(default_factory=dict, description="name of a file of one's own → its sha256")


class SubmitBatch(Body):
    """Items to submit."""

    items: list[BatchItem]
    is_all_or_nothing: bool = Field(default=False, description="one refusal refuses all")


@blueprint.post("/jobs/batch/check")
@documented("jobs", body=CheckBatch, gives=AnyObject)
@require("submit")
def check() -> Response:
    """What each profile of a batch would become: role, prompt, length, computing time, or why not. At most 200."""
    wish = read_body(CheckBatch)
    profiles = [profile for file in wish.files for profile in read_profiles(file.text, file.name)]
    profiles += [Profile(source="", number=i, name=one.name, request=one.request) for i, one in enumerate(wish.items, start=1)]
    if not 0 < len(profiles) <= MAX_ITEMS:
        raise _wrong_size(len(profiles))
    read = [_read(profile, wish.brought) for profile in profiles]
    good = [one for one in read if one["error"] is None]
    answer = door().check_batch([{"name": one["name"], "request": one["request"]} for one in good]) if good else {"items": []}
    found = iter(answer["items"])
    items = [{**one, **next(found)} if one["error"] is None else one for one in read]
    items = [{**item, "error": told_item(item["error"]), **_warned(item)} for item in items]
    bad = sum(1 for item in items if item["error"])
    figures = {name: answer.get(name, 0) for name in ("seconds", "compute_s")}
    return jsonify({"items": items, "good": len(items) - bad, "bad": bad, "most": MAX_ITEMS, **figures})


@blueprint.post("/jobs/batch")
@documented("jobs", body=SubmitBatch, gives=AnyObject, status=202)
@require("submit")
def submit() -> tuple[Response, int]:
    """Submit a batch. It needs an `Idempotency-Key`: the same key with the same item gives the same job, nothing is doubled.
    Each item has its `job` or its `error`; with `is_all_or_nothing` one refusal is a 409 and nothing was submitted."""
    wish, key = read_body(SubmitBatch), idempotency_key()
    if key is None or not _KEY.fullmatch(key):
        hint = "Set the header Idempotency-Key: 1 to 80 letters, digits and . _ -"
        raise WebError(422, "no_key", "A batch has a key, so that it can be sent again.", field="Idempotency-Key", hint=hint)
    if not 0 < len(wish.items) <= MAX_ITEMS:
        raise _wrong_size(len(wish.items))
    errors = [_whose(one.request)[1] for one in wish.items]
    if wish.is_all_or_nothing and any(errors):
        raise WebError(403, "no_right", "This batch has videos for others.", hint="rights.yaml: submit_for_others")
    pairs = list(zip(wish.items, errors, strict=True))
    sent = [{"name": one.name, "request": _whose(one.request)[0]} for one, error in pairs if not error]
    done = iter(door().submit_batch(sent, key, is_all_or_nothing=wish.is_all_or_nothing)["items"] if sent else [])
    found: list[dict[str, Any]] = [
        {"name": one.name, "job": None, "is_repeat": False, "error": error} if error else next(done) for one, error in pairs
    ]
    items = [{**item, "error": told_item(item["error"])} for item in found]
    refused = sum(1 for item in items if item["error"])
    return jsonify({"key": key, "items": items, "taken": len(items) - refused, "refused": refused}), 202


@blueprint.get("/jobs/batch/<key>")
@documented("jobs")
@require("submit")
def follow(key: str) -> Response:
    """The jobs of one of the caller's batches, in order, and how many are done."""
    rows = house().reads.store.batch(caller().actor, key) if _KEY.fullmatch(key) else []
    if not rows:
        raise WebError(404, "unknown_batch", f"You have no batch {key!r:.90}.", field="key", hint="POST /jobs/batch makes one.")
    return jsonify({"key": key, **batch_public(rows)})


def batch_public(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A batch for its owner: items, and counts by how they stand."""
    items = [{name: value for name, value in row.items() if name != "video_path"} for row in rows]
    for item, row in zip(items, rows, strict=True):
        item |= told_failure(row)
        item["video"] = f"/jobs/{row['id']}/video" if row["video_path"] else None
    final = [row for row in rows if row["state"] in FINAL_STATES]
    succeeded = sum(1 for row in final if row["state"] == "SUCCEEDED")
    counts = {"succeeded": succeeded, "failed": len(final) - succeeded, "open": len(rows) - len(final)}
    return {"items": items, "total": len(rows), **counts}


def _warned(item: Mapping[str, Any]) -> dict[str, list[str]]:
    """The item's warnings in the reader's language, where there are any to be had."""
    return {"warnings": told_remarks(item["warnings"], item["remarks"])} if "remarks" in item else {}


def _read(profile: Profile, brought: Mapping[str, str]) -> dict[str, Any]:
    """A profile with its own files resolved and its person filled in, or its error."""
    request, error = _whose(profile.request)
    error = profile.error or error
    for kind, name in profile.files.items():
        if (sha256 := brought.get(name.replace("\\", "/").rsplit("/", 1)[-1])) is not None:
            request[kind] = sha256
        elif error is None:
            hint = "Drop it together with the profiles, or leave it out for the role's own."
            error = {"code": "file_missing", "message": f"{name} was not brought.", "field": kind, "hint": hint}
    return {"source": profile.source, "number": profile.number, "name": profile.name, "role": request.get("role"),
            "request": request, "error": error}  # fmt: skip


def _whose(request: dict[str, Any]) -> tuple[dict[str, Any], Error | None]:
    """The request with its person, and why the caller may not ask in that name."""
    user = request.get("user") or caller().name
    if user != caller().name and not caller().may("submit_for_others"):
        return request, {
            "code": "no_right", "message": "You may not submit for others.", "field": "user", "hint": "Leave user out.",
        }  # fmt: skip
    return {**request, "user": user}, None


def _wrong_size(count: int) -> WebError:
    hint = "Divide it into several batches." if count else "Write at least one profile."
    message = f"A batch has 1 to {MAX_ITEMS} items, not {count}."
    return WebError(422, "bad_batch_size", message, field="items", hint=hint, most=MAX_ITEMS, count=count)
