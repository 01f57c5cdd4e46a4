"""Files that people bring: taken from the wire to the disk in small pieces, told about, and handed back with a fixed type."""

from __future__ import annotations

import math
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from flask import request
from werkzeug.exceptions import ClientDisconnected

from dashboard import i18n
from dashboard.auth import caller
from dashboard.context import house
from dashboard.errors import WebError
from dashboard.marks import disk_mark_bytes
from dashboard.upload_pace import FREE_BYTES, LEAST_BYTES_PER_S, MANY_BYTES_PER_S, Pace, kept_pace
from engine.catalog import BLOCK_SECONDS
from scheduler.core.uploads import UploadsPolicy
from scheduler.intake_rules import INCOMING, check_disk, check_size

CHUNK_BYTES = 1 << 16
# What the checker called it → type and ending. Nothing else is ever handed out.
TYPES = {
    "PNG": ("image/png", "png"), "JPEG": ("image/jpeg", "jpg"), "WEBP": ("image/webp", "webp"), "wav": ("audio/wav", "wav"),
    "flac": ("audio/flac", "flac"), "mp3": ("audio/mpeg", "mp3"), "ogg": ("audio/ogg", "ogg"), "mp4": ("audio/mp4", "m4a"),
}  # fmt: skip


def policy() -> UploadsPolicy:
    """What may be brought, as the daemon wrote it down; the defaults while it has written nothing."""
    known = house().reads.store.fact("uploads_policy")
    return UploadsPolicy.from_mapping(known) if known else UploadsPolicy()


def warning_code(text: str) -> str:
    """The code of what looks wrong with a file: `uneven light` → `uneven_light`."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def told_warning(text: str) -> str:
    """A warning about a role's file, `teacher.image: dark`, in the reader's language."""
    place, _, said = text.rpartition(": ")
    if i18n.language() == "en":
        return text
    return f"{place}：{i18n.catalogue('zh-CN').get(f'js.file_warning.{warning_code(said)}', said)}"


def public(row: Mapping[str, Any]) -> dict[str, Any]:
    """A file for its owner. `expires_at`: when it goes, unless a video is made with it before."""
    found = row["verdict"]
    shown: dict[str, Any] = {
        "sha256": row["sha256"], "kind": row["kind"], "name": row["name"], "bytes": row["bytes"], "at": row["at"],
        "jobs": row["jobs"], "expires_at": None if row["jobs"] else row["at"] + policy().keep_unused_s,
        "content": f"/uploads/{row['sha256']}/content", "format": found["format"], "warnings": found["warnings"],
        "warning_codes": [warning_code(text) for text in found["warnings"]],
    }  # fmt: skip
    if row["kind"] == "portrait":
        return {**shown, "width": found["width"], "height": found["height"]}
    blocks = max(1, math.ceil((found["seconds"] - 1e-3) / BLOCK_SECONDS))
    figures = ("seconds", "rate", "channels", "loudness_db", "noise_db", "signal_to_noise_db", "clipped_ratio")
    return {**shown, **{name: found[name] for name in figures}, "blocks": blocks, "video_s": round(blocks * BLOCK_SECONDS, 2)}


def own(sha256: str) -> dict[str, Any]:
    """The caller's file with this content. Raises WebError 404."""
    row = house().reads.store.upload(caller().actor, sha256) if re.fullmatch("[0-9a-f]{64}", sha256) else None
    if row is None:
        raise WebError(404, "unknown_upload", "You have no such file.", field="sha256", hint="GET /uploads lists yours.")
    return row


def check_own(request: Mapping[str, Any]) -> None:
    """Portrait and voice that a request names are the caller's. Raises WebError 422."""
    for kind in ("portrait", "voice"):
        if (sha256 := request.get(kind)) is None:
            continue
        row = house().reads.store.upload(caller().actor, str(sha256))
        if row is None or row["kind"] != kind:
            hint = f"Bring it again, or leave {kind} out for the role's own."
            raise WebError(422, "unknown_upload", f"This {kind} of your own is not here (any more).", field=kind, hint=hint)


def check_announced(kind: str, length: int | None) -> int:
    """The length that the sender announces, if that much may come. Raises WebError 411, 413, 507 before a byte is read."""
    if length is None:
        hint = "Set Content-Length; chunked sending is not taken."
        raise WebError(411, "no_length", "A file is sent with its length.", hint=hint)
    check_size(policy(), kind, "The file", length)
    check_disk(house().settings.data_dir, length, disk_mark_bytes(house().reads))
    return length


@contextmanager
def received(stream: IO[bytes], length: int) -> Iterator[Path]:
    """The body as a file while the block lasts; never more than one small piece of it is in memory. Raises WebError 400, 408."""
    folder = house().settings.data_dir / INCOMING
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.part"
    try:
        kept = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(kept, "wb") as file, kept_pace(request.environ.get("gunicorn.socket"), length) as pace:
            _copy(stream, file, pace)
        yield path
    except OSError as error:
        raise WebError(507, "disk_full", f"The file could not be written ({error.strerror}).", hint="Free some space.") from error
    finally:
        path.unlink(missing_ok=True)


def _copy(stream: IO[bytes], file: IO[bytes], pace: Pace) -> None:
    length = pace.length
    while (left := length - pace.came) > 0:
        try:
            piece = stream.read(min(CHUNK_BYTES, left))
        except (OSError, ClientDisconnected) as error:
            raise _ended(pace) from error
        if not piece:
            raise _ended(pace)
        file.write(piece)
        pace.came += len(piece)


def _ended(pace: Pace) -> WebError:
    """What to say of a body that stopped: it was stopped for its pace, or its sender is gone."""
    if pace.is_missed:
        least = (LEAST_BYTES_PER_S if pace.came < FREE_BYTES else MANY_BYTES_PER_S) >> 10
        message, hint = f"The file came slower than {least} KiB per second.", "Use a faster line, or bring it as FLAC or MP3."
        return WebError(408, "too_slow", message, hint=hint, least_kib_per_s=least)
    message = f"The upload was cut off: {pace.came} of {pace.length} bytes came."
    return WebError(400, "cut_off", message, hint="Bring the file again.", length=pace.length, came=pace.came)
