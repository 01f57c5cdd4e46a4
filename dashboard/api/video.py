"""A job's video: the finished file with ranges, or, while it runs, what there is so far as one growing stream."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request, send_file
from werkzeug.datastructures import Range
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.http import parse_range_header

from dashboard.api.body import read_query
from dashboard.api.jobs import found_job
from dashboard.api.models import VideoQuery
from dashboard.api.openapi import documented
from dashboard.auth import caller, require
from dashboard.codecs import mime_type
from dashboard.context import house
from dashboard.errors import WebError
from dashboard.stream import Stream, running_stream

HEAD_BYTES = 1 << 16
blueprint = Blueprint("video", __name__)


@blueprint.get("/jobs/<job_id>/video")
@documented("jobs", query=VideoQuery)
@require("see")
def video(job_id: str) -> Response:
    """The video. Finished: `video.mp4`, ranges and ETag. Running: header and finished blocks as one file that grows, ranges
    too; `from` gives what comes after so many bytes, 204 while that is nothing. `X-Video-State` is `finished` or `growing`."""
    query, job = read_query(VideoQuery), found_job(job_id)
    if not caller().may_read_words(job):
        raise WebError(403, "no_right", "This video is somebody else's.", hint="rights.yaml: see_words")
    return in_a_seat(lambda: _answer(job, query))


def in_a_seat(make: Callable[[], Response]) -> Response:
    """An answer that counts among the videos that are being read, until its last byte is gone. Raises WebError 503."""
    leave = house().videos.take(caller().seat_key(request.remote_addr or ""))
    if leave is None:
        raise WebError.no_seat("too_many_videos", "Too many videos are being read.", "Close one, or try again in a moment.")
    try:
        response = make()
        response.direct_passthrough = False  # else the library forgets to say when the last byte is gone
        response.call_on_close(leave)
    except BaseException:
        leave()
        raise
    return response


def _answer(job: dict[str, Any], query: VideoQuery) -> Response:
    """The finished file, or the stream so far."""
    folder = house().settings.data_dir / "jobs" / job["id"]
    if job["state"] == "SUCCEEDED" and (folder / "video.mp4").is_file():
        return _finished(folder / "video.mp4", job, query)
    stream = running_stream(folder, house().reads.store.fragment_sizes(job["id"]))
    if query.start is not None and (stream is None or query.start >= stream.size):
        return Response(status=204, headers={"X-Video-State": "growing"})
    if stream is None:
        raise WebError(404, "no_video_yet", "No block of this video is finished yet.", hint="Try again in a moment.")
    with (folder / "init.mp4").open("rb") as head:
        mime = mime_type(head.read(HEAD_BYTES))
    response = _growing(stream, mime) if query.start is None else _rest(stream, query.start, mime)
    response.headers["X-Video-State"] = "growing"
    return response


def _finished(path: Path, job: dict[str, Any], query: VideoQuery) -> Response:
    if query.start is not None:  # another file than the growing one: the player opens it as a whole
        return Response(status=204, headers={"X-Video-State": "finished"})
    name = f"{job['role']}-{job['id']}.mp4"
    response = whole_video(path, name, job["video_sha256"], is_download=query.download is not None)
    response.headers["X-Video-State"] = "finished"
    return response


def whole_video(path: Path, name: str, sha256: str | None, *, is_download: bool) -> Response:
    """A finished file, with ranges and ETag."""
    if _wanted_range() is None:
        request.environ.pop("HTTP_RANGE", None)  # else the library refuses what it does not understand
    return send_file(
        path.resolve(), mimetype="video/mp4", conditional=True, etag=sha256 or True, as_attachment=is_download, download_name=name
    )


def _rest(stream: Stream, start: int, mime: str) -> Response:
    response = Response(stream.read(start, stream.size), 200, content_type=mime)
    response.content_length = stream.size - start
    return response


def _wanted_range() -> Range | None:
    """The one range of bytes that is asked for. None for several, for other units and for nonsense: all get the whole."""
    wanted = parse_range_header(request.headers.get("Range"))
    return wanted if wanted is not None and wanted.units == "bytes" and len(wanted.ranges) == 1 else None


def _growing(stream: Stream, mime: str) -> Response:
    wanted = _wanted_range()
    if wanted is None or "If-Range" in request.headers:  # what grows has no version that could match
        response = Response(stream.read(0, stream.size), 200, mimetype=None, content_type=mime)
        response.content_length = stream.size
        return _with_ranges(response)
    bounds = wanted.range_for_length(stream.size)
    if bounds is None:
        raise RequestedRangeNotSatisfiable(stream.size)
    start, end = bounds
    response = Response(stream.read(start, end), 206, content_type=mime)
    response.content_length = end - start
    response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{stream.size}"
    return _with_ranges(response)


def _with_ranges(response: Response) -> Response:
    response.headers["Accept-Ranges"] = "bytes"
    return response
