"""A growing video read as one file, and what a browser is told about its codecs."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from dashboard.codecs import mime_type
from dashboard.stream import Part, Stream, running_stream
from tests.unit.dashboard.test_guard import shape
from tests.unit.dashboard.web_rig import Web, web
from tests.unit.scheduler.store_rig import block as row


def parts(folder: Path) -> tuple[Stream, bytes]:
    """Three files in a row and what they are together."""
    contents = [bytes(range(10)), b"", bytes(range(100, 117)), b"end"]
    made = []
    for index, content in enumerate(contents):
        path = folder / f"{index}.bin"
        path.write_bytes(content)
        made.append(Part(path, len(content)))
    return Stream(made), b"".join(contents)


def test_any_range_is_read_across_files(tmp_path: Path) -> None:
    stream, whole = parts(tmp_path)
    assert stream.size == len(whole) == 30
    for start in range(31):
        for end in range(start, 31):
            assert b"".join(stream.read(start, end)) == whole[start:end], (start, end)


def growing(house: Web, blocks: int = 3) -> tuple[str, bytes]:
    """A running job with its header and finished blocks; its id and the stream so far."""
    job = house.job(user="reader")
    house.move(job, "QUEUED", "LEASED", slot=0, lease_id="l1")
    house.move(job, "LEASED", "RUNNING")
    folder = house.data_dir / "jobs" / job
    (folder / "blocks").mkdir(parents=True)
    (folder / "init.mp4").write_bytes(b"HEAD")
    whole = b"HEAD"
    for block in range(blocks):
        whole += add_block(house, job, block)
    return job, whole


def add_block(house: Web, job: str, block: int) -> bytes:
    """One more durable block; its bytes."""
    fragment = bytes([65 + block]) * (100 + block)
    (house.data_dir / "jobs" / job / "blocks" / f"{block:06d}.m4s").write_bytes(fragment)
    with house.store.transaction():
        house.store.insert_block(row(block, job, fragment_bytes=len(fragment)))
    return fragment


def test_running_job_is_one_growing_file(house: Web) -> None:
    job, whole = growing(house)
    reader = house.person("reader")
    first = reader.get(f"/jobs/{job}/video")
    assert (first.status_code, first.data) == (200, whole)
    assert first.headers["X-Video-State"] == "growing"
    assert reader.get(f"/jobs/{job}/video", headers={"Range": f"bytes={len(whole)}-"}).status_code == 416, "nothing new yet"
    more = add_block(house, job, 3)
    rest = reader.get(f"/jobs/{job}/video", headers={"Range": f"bytes={len(whole)}-"})
    assert (rest.status_code, rest.data) == (206, more)
    assert rest.headers["Content-Range"] == f"bytes {len(whole)}-{len(whole) + len(more) - 1}/{len(whole) + len(more)}"
    after = reader.get(f"/jobs/{job}/video?from={len(whole)}")
    assert (after.status_code, after.data, after.headers["X-Video-State"]) == (200, more, "growing")
    assert reader.get(f"/jobs/{job}/video?from={len(whole) + len(more)}").status_code == 204
    assert reader.get(f"/jobs/{job}/video", headers={"Range": "bytes=-5"}).data == more[-5:]
    assert reader.get(f"/jobs/{job}/video", headers={"Range": "bytes=2-5"}).data == (whole + more)[2:6]


@pytest.mark.parametrize("wish", ["bytes=0-1,4-5", "blocks=0-1", "bytes=x", "bytes=5-2", "bytes"])
@pytest.mark.parametrize("is_finished", [False, True])
def test_range_that_we_do_not_serve_gets_the_whole(house: Web, wish: str, is_finished: bool) -> None:
    job, whole = growing(house)
    if is_finished:
        whole = finish(house, job)
    with house.person("reader").get(f"/jobs/{job}/video", headers={"Range": wish}) as answer:
        assert (answer.status_code, answer.data) == (200, whole)


@pytest.mark.parametrize("is_finished", [False, True])
def test_range_outside_the_file_says_how_long_it_is(house: Web, is_finished: bool) -> None:
    job, whole = growing(house)
    if is_finished:
        whole = finish(house, job)
    answer = house.person("reader").get(f"/jobs/{job}/video", headers={"Range": "bytes=9000-"})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (416, "bad_range")
    assert answer.headers["Content-Range"] == f"bytes */{len(whole)}"


def test_range_of_another_version_gets_the_whole(house: Web) -> None:
    job, whole = growing(house)
    reader = house.person("reader")
    wish = {"Range": "bytes=3-5", "If-Range": '"other"'}
    assert reader.get(f"/jobs/{job}/video", headers=wish).data == whole, "what grows has no version"
    whole = finish(house, job)
    with reader.get(f"/jobs/{job}/video", headers=wish) as other:
        assert (other.status_code, other.data) == (200, whole)
    with reader.get(f"/jobs/{job}/video", headers={**wish, "If-Range": f'"{"a" * 64}"'}) as same:
        assert (same.status_code, same.data) == (206, whole[3:6])
    with reader.get(f"/jobs/{job}/video", headers={"Range": "bytes=-4"}) as end:
        assert (end.status_code, end.data) == (206, whole[-4:])


def finish(house: Web, job: str) -> bytes:
    """The running job has succeeded; its file."""
    (house.data_dir / "jobs" / job / "video.mp4").write_bytes(b"0123456789")
    house.move(job, "RUNNING", "SUCCEEDED", video_sha256="a" * 64)
    return b"0123456789"


def test_finished_video_is_the_file_with_ranges(house: Web) -> None:
    job, _ = growing(house)
    finish(house, job)
    reader = house.person("reader")
    with reader.get(f"/jobs/{job}/video", headers={"Range": "bytes=3-5"}) as answer:
        assert (answer.status_code, answer.data) == (206, b"345")
        assert answer.headers["X-Video-State"] == "finished"
    switch = reader.get(f"/jobs/{job}/video?from=104")
    assert (switch.status_code, switch.headers["X-Video-State"]) == (204, "finished")
    with reader.get(f"/jobs/{job}/video?download=yes") as whole:
        assert whole.data == b"0123456789"
        assert whole.headers["Content-Disposition"].startswith("attachment")
    with reader.get(f"/jobs/{job}/video", headers={"If-None-Match": f'"{"a" * 64}"'}) as unchanged:
        assert unchanged.status_code == 304


def test_stream_ends_before_a_block_that_is_not_as_recorded(tmp_path: Path) -> None:
    (tmp_path / "blocks").mkdir()
    (tmp_path / "init.mp4").write_bytes(b"HEAD")
    for block in (0, 1, 2):
        (tmp_path / "blocks" / f"{block:06d}.m4s").write_bytes(b"x" * 10)
    stream = running_stream(tmp_path, [10, 11, 10])
    assert stream is not None
    assert stream.size == 14, "header and block 0 only"
    assert running_stream(tmp_path, []) is None
    assert running_stream(tmp_path / "nowhere", [10]) is None


def box(kind: bytes, *bodies: bytes) -> bytes:
    """An MP4 box."""
    body = b"".join(bodies)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def entry(kind: bytes, *boxes: bytes) -> bytes:
    """A file head whose only track has this sample entry."""
    description = box(b"stsd", bytes(8), box(kind, *boxes))
    return box(b"ftyp", b"isom") + box(b"moov", box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", description)))))


ESDS = bytes(4) + b"\x03\x80\x80\x80\x22" + bytes(3) + b"\x04\x14\x40" + bytes(12) + b"\x05\x02\x12\x10\x06\x01\x02"


@pytest.mark.parametrize(
    ("head", "mime"),
    [
        (entry(b"avc1", bytes(78), box(b"avcC", b"\x01\x64\x00\x15rest")), 'video/mp4; codecs="avc1.640015"'),
        (entry(b"mp4a", bytes(28), box(b"esds", ESDS)), 'video/mp4; codecs="mp4a.40.2"'),
        (entry(b"Opus", bytes(28)), 'video/mp4; codecs="opus"'),
        (entry(b"hvc1", bytes(78)), "video/mp4"),
        (entry(b"mp4a", bytes(28), box(b"esds", ESDS[:9])), "video/mp4"),
        (b"", "video/mp4"), (b"\x00\x00\x00\x01moov", "video/mp4"), (bytes(40), "video/mp4"),
    ],
)  # fmt: skip
def test_codecs_are_read_from_the_head(head: bytes, mime: str) -> None:
    assert mime_type(head) == mime


def test_readers_of_videos_are_limited_and_their_seats_given_back(tmp_path: Path) -> None:
    with web(tmp_path, max_videos=3, max_videos_each=2) as made:
        job, _ = growing(made)
        finish(made, job)
        reader, path = made.person("reader"), f"/jobs/{job}/video"
        ranged = reader.get(path, headers={"Range": "bytes=0-3"}, buffered=False)
        whole = reader.get(path, buffered=False)
        refused = reader.get(path)
        assert shape(refused, 503)["code"] == "too_many_videos"
        assert int(refused.headers["Retry-After"]) > 0
        other = made.person("olga", "admin").get(path, buffered=False)
        assert shape(made.person("peter", "admin").get(path), 503)["code"] == "too_many_videos"
        for answer in (ranged, whole, other):
            answer.close()
        assert len(made.house.videos) == 0
        reader.head(path).close()
        reader.get(path, headers={"Range": "bytes=99-"}).close()
        reader.get(f"{path}?from=4").close()
        made.local().get("/jobs/nothere/video").close()
        assert len(made.house.videos) == 0, "what sends nothing holds nothing"
