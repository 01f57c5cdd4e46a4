"""Joining: what was made in parts is one video, nothing encoded again, pictures and voice together at every joint."""

from __future__ import annotations

import hashlib
import io
from fractions import Fraction
from pathlib import Path

import av
import pytest

from engine.catalog import BLOCK_FRAMES, BLOCK_SECONDS, FPS
from engine.errors import DiskFull, MediaError
from engine.media.join import join
from tests.integration.media_rig import Decoded, Stream, boxes, click_track, talk, write_wav

PACKET_S = 1024 / 48_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("join")


@pytest.fixture(scope="module")
def stream(folder: Path) -> Stream:
    """Seven blocks, with a click in each."""
    clicks = [block * BLOCK_SECONDS + 0.2 for block in range(7)]
    return Stream(folder / "stream", write_wav(folder / "voice.wav", click_track(3.36, clicks)), range(7))


def test_joined_stream_has_every_picture_once_and_the_voice_in_sync(stream: Stream, folder: Path) -> None:
    joined = join(stream.parts, folder / "whole.mp4")
    seen = Decoded(joined.path.read_bytes())
    assert seen.numbers == list(range(7 * BLOCK_FRAMES))
    assert seen.times == [Fraction(number, FPS) for number in range(7 * BLOCK_FRAMES)]
    assert seen.click_times() == pytest.approx([block * BLOCK_SECONDS + 0.2 for block in range(7)], abs=0.002)


def test_answer_describes_the_file(stream: Stream, folder: Path) -> None:
    joined = join(stream.parts, folder / "described.mp4")
    data = joined.path.read_bytes()
    assert (joined.frames, joined.seconds, joined.bytes) == (84, 3.36, len(data))
    assert joined.sha256 == hashlib.sha256(data).hexdigest()
    assert not list(folder.glob("*.part"))


def test_joined_file_starts_fast(stream: Stream, folder: Path) -> None:
    joined = join(stream.parts, folder / "fast.mp4")
    types = boxes(joined.path.read_bytes())
    assert types.index("moov") < types.index("mdat")


def test_no_packet_is_encoded_again(stream: Stream, folder: Path) -> None:
    joined = join(stream.parts, folder / "same.mp4")
    assert _packets(joined.path.read_bytes()) == _packets(stream.data)


def test_segments_joined_are_the_same_video_as_the_blocks_joined(stream: Stream, folder: Path) -> None:
    """Also where a segment ends in the middle of a sound packet, as each odd number of blocks does."""
    whole = join(stream.parts, folder / "blocks.mp4")
    pieces = [stream.fragments[:3], stream.fragments[3:4], stream.fragments[4:]]
    segments = [join([stream.init, *piece], folder / f"{n}.mp4").path for n, piece in enumerate(pieces)]
    joined = join(segments, folder / "segments.mp4")
    assert (joined.frames, joined.seconds) == (whole.frames, whole.seconds)
    assert _packets(joined.path.read_bytes()) == _packets(whole.path.read_bytes())
    assert Decoded(joined.path.read_bytes()).sound_times == Decoded(whole.path.read_bytes()).sound_times


def test_videos_of_one_size_join_without_drift(folder: Path) -> None:
    """Fifteen videos of 0.48 s and 1.44 s, neither a whole number of sound packets long, with a click in the middle."""
    videos, clicks, start = [], [], 0.0
    for number in range(15):
        blocks = 1 + 2 * (number % 2)
        middle = blocks * BLOCK_SECONDS / 2
        voice = write_wav(folder / "click.wav", click_track(blocks * BLOCK_SECONDS, [middle]))
        part = Stream(folder / f"part{number}", voice, range(blocks))
        videos.append(join(part.parts, folder / f"part{number}.mp4").path)
        clicks.append(start + middle)
        start += blocks * BLOCK_SECONDS
    joined = join(videos, folder / "relay.mp4")
    seen = Decoded(joined.path.read_bytes())
    assert (joined.frames, joined.seconds) == (len(seen.numbers), pytest.approx(start))
    assert seen.times == [Fraction(number, FPS) for number in range(joined.frames)]
    assert seen.click_times() == pytest.approx(clicks, abs=PACKET_S / 2 + 0.002)
    steps = {later - earlier for earlier, later in zip(seen.sound_times, seen.sound_times[1:], strict=False)}
    assert steps == {Fraction(1024, 48_000)}


def test_stream_with_its_own_headers_in_between_joins_too(stream: Stream, folder: Path) -> None:
    parts = [stream.init, *stream.fragments[:2], stream.init, *stream.fragments[2:]]
    assert Decoded(join(parts, folder / "twice.mp4").path.read_bytes()).numbers == list(range(7 * BLOCK_FRAMES))


def test_odd_part_is_named(stream: Stream, folder: Path) -> None:
    other = Stream(folder / "other", write_wav(folder / "other.wav", talk(1)), range(2), width=96, height=128)
    small = join(stream.parts, folder / "first.mp4").path
    odd = join(other.parts, folder / "odd.mp4").path
    with pytest.raises(MediaError, match=r"odd\.mp4 differs from .*first\.mp4 in size: 96x128, not 128x96"):
        join([small, odd], folder / "never.mp4")
    assert not (folder / "never.mp4").exists()
    assert not list(folder.glob("never*"))


def test_part_with_another_encoder_is_named(stream: Stream, folder: Path) -> None:
    small = join(stream.parts, folder / "first.mp4").path
    odd = folder / "foreign.mp4"
    with av.open(str(odd), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "tune": "zerolatency"})
        video.width, video.height, video.pix_fmt = 128, 96, "yuv420p"
        for _ in range(3):
            container.mux(video.encode(av.VideoFrame(128, 96, "yuv420p")))
        container.mux(video.encode(None))
    with pytest.raises(MediaError, match=r"foreign\.mp4 differs from .*first\.mp4"):
        join([small, odd], folder / "never.mp4")


@pytest.mark.parametrize("keep", [0, 7, 30, 200])
def test_truncated_fragment_is_named(stream: Stream, folder: Path, keep: int) -> None:
    torn = folder / f"torn{keep}.m4s"
    torn.write_bytes(stream.fragments[1].read_bytes()[:keep])
    with pytest.raises(MediaError, match=rf"torn{keep}\.m4s"):
        join([stream.init, stream.fragments[0], torn], folder / "never.mp4")


def test_parts_without_header_or_no_parts_are_refused(stream: Stream, folder: Path) -> None:
    with pytest.raises(MediaError, match="without a header"):
        join(stream.fragments, folder / "never.mp4")
    with pytest.raises(MediaError, match="holds no picture"):
        join([stream.init], folder / "never.mp4")
    with pytest.raises(MediaError, match="nothing to join"):
        join([], folder / "never.mp4")
    with pytest.raises(MediaError, match=r"gone\.mp4 cannot be read"):
        join([folder / "gone.mp4"], folder / "never.mp4")
    assert not list(folder.glob("never*"))


def test_full_disk_is_said_and_leaves_the_old_file(stream: Stream, folder: Path) -> None:
    target = folder / "full.mp4"
    target.write_bytes(b"old")
    (folder / "full.mp4.part").symlink_to("/dev/full")
    with pytest.raises(DiskFull):
        join(stream.parts, target)
    assert target.read_bytes() == b"old"


def _packets(data: bytes) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {"video": [], "audio": []}
    with av.open(io.BytesIO(data), format="mp4") as container:
        for packet in container.demux():
            if packet.pts is not None:
                found[packet.stream.type].append(bytes(packet))
    return found
