"""A job's video: the finished file with ranges, or, while it runs, what there is so far as one growing stream."""

from __future__ import annotations

from flask import Blueprint, Response, request, send_file
from werkzeug.http import parse_range_header

from dashboard.api.jobs import found_job
from dashboard.api.openapi import documented
from dashboard.auth import caller, require
from dashboard.codecs import mime_type
from dashboard.context import house
from dashboard.errors import WebError
from dashboard.stream import Stream, running_stream

HEAD_BYTES = 1 << 16
blueprint = Blueprint("video", __name__)


@blueprint.get("/jobs/<job_id>/video")
@documented("jobs")
@require("see")
def video(job_id: str) -> Response:
    """The video. Finished: `video.mp4`, ranges and ETag. Running: header and finished blocks as one file that grows;
    ask again with `Range: bytes=<what you have>-` for more; 416 means nothing new yet."""
    job = found_job(job_id)
    if not caller().may_read_words(job):
        raise WebError(403, "no_right", "This video is somebody else's.", hint="rights.yaml: see_words")
    folder = house().settings.data_dir / "jobs" / job["id"]
    finished = folder / "video.mp4"
    if job["state"] == "SUCCEEDED" and finished.is_file():
        response = send_file(
            finished.resolve(), mimetype="video/mp4", conditional=True, etag=job["video_sha256"] or True,
            as_attachment="download" in request.args, download_name=f"{job['role']}-{job['id']}.mp4",
        )  # fmt: skip
        response.headers["X-Video-State"] = "finished"
        return response
    stream = running_stream(folder, house().reads.store.fragment_sizes(job["id"]))
    if stream is None:
        raise WebError(404, "no_video_yet", "No block of this video is finished yet.", hint="Try again in a moment.")
    with (folder / "init.mp4").open("rb") as head:
        response = _growing(stream, mime_type(head.read(HEAD_BYTES)))
    response.headers["X-Video-State"] = "growing"
    return response


def _growing(stream: Stream, mime: str) -> Response:
    wanted = parse_range_header(request.headers.get("Range"))
    if wanted is None:
        response = Response(stream.read(0, stream.size), 200, mimetype=None, content_type=mime)
        response.content_length = stream.size
        return _with_ranges(response)
    bounds = wanted.range_for_length(stream.size)
    if wanted.units != "bytes" or bounds is None:
        response = Response(status=416, headers={"Content-Range": f"bytes */{stream.size}"})
        return _with_ranges(response)
    start, end = bounds
    response = Response(stream.read(start, end), 206, content_type=mime)
    response.content_length = end - start
    response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{stream.size}"
    return _with_ranges(response)


def _with_ranges(response: Response) -> Response:
    response.headers["Accept-Ranges"] = "bytes"
    return response
