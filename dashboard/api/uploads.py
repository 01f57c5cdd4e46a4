"""Portraits and voices of one's own: bring, list, look at, remove. The only route that takes more than a small JSON body."""

from __future__ import annotations

from typing import Literal

from flask import Blueprint, Response, jsonify, request, send_file
from pydantic import Field

from dashboard import uploads
from dashboard.api.body import Query, read_body, read_query
from dashboard.api.models import AnyObject, NoBody
from dashboard.api.openapi import documented
from dashboard.auth import caller, require
from dashboard.context import house
from dashboard.door import door
from dashboard.errors import WebError
from dashboard.guard import UPLOAD_TYPE

blueprint = Blueprint("uploads", __name__)
_CACHE_S = 3600
_NOTHING_RUNS = "sandbox; default-src 'none'"


class BringFile(Query):
    """What the body is. It is sent as it is, `application/octet-stream`, with its length."""

    kind: Literal["portrait", "voice"]
    name: str = Field(default="file", max_length=500, description="what the file is called")


@blueprint.post("/uploads")
@documented("uploads", query=BringFile, gives=AnyObject, status=201)
@require("submit", "bring_files")
def bring() -> tuple[Response, int]:
    """Bring a portrait (PNG, JPEG, WEBP) or a voice (WAV, FLAC, MP3, Ogg, M4A). It is decoded before it is kept; the answer has
    its `sha256`, which a request names as `portrait` or `voice`, and what was measured."""
    query = read_query(BringFile)
    if request.mimetype != UPLOAD_TYPE:
        raise WebError(415, "not_a_file", "A file is sent as it is.", hint=f"Set Content-Type: {UPLOAD_TYPE}.")
    length = uploads.check_announced(query.kind, request.content_length)
    leave = house().uploads.take(caller().seat_key(request.remote_addr or ""))
    if leave is None:
        raise WebError.no_seat("too_many_uploads", "Too many files are on their way.", "Wait until one has arrived.")
    try:
        request.max_content_length = length  # of this request alone: every other body stays small
        with uploads.received(request.stream, length) as path:
            row = door().bring_file(query.kind, path, query.name)
    finally:
        leave()
    return jsonify({**uploads.public(row), "is_known": row["is_known"]}), 201


@blueprint.get("/uploads")
@documented("uploads")
@require("submit")
def mine() -> Response:
    """The caller's files, newest first, what they take and may take, and the bounds."""
    actor, store, bounds = caller().actor, house().reads.store, uploads.policy()
    files = [uploads.public(row) for row in store.uploads_of(actor)]
    return jsonify({"files": files, "used_bytes": store.uploaded_bytes(actor), **bounds.to_mapping()})


@blueprint.get("/uploads/<sha256>")
@documented("uploads")
@require("submit")
def one(sha256: str) -> Response:
    """One of the caller's files: what was measured, and when it goes unless a video is made with it."""
    return jsonify(uploads.public(uploads.own(sha256)))


@blueprint.get("/uploads/<sha256>/content")
@documented("uploads")
@require("submit")
def content(sha256: str) -> Response:
    """The file itself, of the type that the checker found; nothing in it is ever run."""
    row = uploads.own(sha256)
    kind, ending = uploads.TYPES.get(row["verdict"]["format"], ("application/octet-stream", "bin"))
    path = house().settings.data_dir / "assets" / sha256[:2] / sha256
    if not path.is_file():
        raise WebError(404, "asset_missing", f"{row['name']} is not here any more.", hint="Bring it again.")
    response = send_file(
        path.resolve(), mimetype=kind, conditional=True, etag=sha256, max_age=_CACHE_S, as_attachment=True,
        download_name=f"{row['kind']}-{sha256[:12]}.{ending}",
    )  # fmt: skip
    response.headers["Content-Security-Policy"] = _NOTHING_RUNS
    response.headers["Cache-Control"] = f"private, max-age={_CACHE_S}"
    return response


@blueprint.delete("/uploads/<sha256>")
@documented("uploads", body=NoBody)
@require("submit", "bring_files")
def remove(sha256: str) -> Response:
    """Remove one of the caller's files. A video that was made with it cannot be made again then; an open one keeps it."""
    read_body(NoBody)
    uploads.own(sha256)
    return jsonify(door().remove_file(sha256))
