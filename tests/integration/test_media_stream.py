"""Fragments: a job's blocks as one playable stream."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from engine.catalog import BLOCK_FRAMES, BLOCK_SECONDS, FPS
from engine.errors import MediaError
from engine.media.fragment import FragmentEncoder
from engine.media.voice_track import AAC_OPTIONS, PACKET_SAMPLES, TRACK_RATE, VoiceTrack, packets_of_block
from tests.integration.media_rig import (
    HEIGHT,
    WIDTH,
    Decoded,
    Stream,
    boxes,
    click_track,
    numbered_frames,
    talk,
    write_wav,
)  # fmt: skip

CLICKS = (0.5, 1.0, 1.7, 2.6)


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    """Six blocks with a voice that ends within the last one."""
    folder = tmp_path_factory.mktemp("stream")
    return Stream(folder, write_wav(folder / "voice.wav", click_track(2.75, CLICKS)), range(6))


def test_stream_shows_every_picture_at_its_time(stream: Stream) -> None:
    seen = Decoded(stream.data)
    assert (seen.width, seen.height) == (WIDTH, HEIGHT)
    assert seen.numbers == list(range(6 * BLOCK_FRAMES))
    assert seen.times == [Fraction(number, FPS) for number in range(6 * BLOCK_FRAMES)]


def test_every_block_begins_with_its_only_key_frame(stream: Stream) -> None:
    assert Decoded(stream.data).is_key == [number % BLOCK_FRAMES == 0 for number in range(6 * BLOCK_FRAMES)]


def test_header_and_fragments_have_the_boxes_of_a_fragmented_mp4(stream: Stream) -> None:
    assert boxes(stream.init.read_bytes()) == ["ftyp", "moov"]
    assert [boxes(fragment.read_bytes()) for fragment in stream.fragments] == [["moof", "mdat"]] * 6


def test_colours_are_declared_and_kept_as_bt709(tmp_path: Path) -> None:
    encoder = FragmentEncoder(64, 64, write_wav(tmp_path / "voice.wav", np.zeros(8000, np.float32)))
    wanted = (200, 60, 30)
    frames = np.broadcast_to(np.uint8(wanted), (BLOCK_FRAMES, 64, 64, 3))
    with av.open(io.BytesIO(encoder.init_bytes + encoder.encode(0, frames)), format="mp4") as container:
        context = container.streams.video[0].codec_context
        frame = next(container.decode(video=0))
        tags = (context.pix_fmt, context.color_primaries, context.color_trc, context.colorspace, context.color_range)
        assert tags == ("yuv420p", 1, 1, 1, 1)
        assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - wanted).max() <= 4


def test_voice_is_in_sync_with_the_pictures(stream: Stream) -> None:
    heard = Decoded(stream.data).click_times()
    assert heard == pytest.approx(CLICKS, abs=0.002)


def test_sound_is_gapless_across_blocks(stream: Stream) -> None:
    times = Decoded(stream.data).sound_times
    assert times == [Fraction(number * PACKET_SAMPLES, TRACK_RATE) for number in range(len(times))]
    assert len(times) == packets_of_block(5).stop


def test_stream_cut_off_after_any_fragment_plays_up_to_there(stream: Stream) -> None:
    for count in (1, 2, 5):
        data = b"".join(part.read_bytes() for part in stream.parts[: count + 1])
        assert Decoded(data).numbers == list(range(count * BLOCK_FRAMES))


def test_fragment_alone_knows_its_place_in_time(stream: Stream) -> None:
    seen = Decoded(stream.init.read_bytes() + stream.fragments[4].read_bytes())
    assert seen.times[0] == Fraction(4 * BLOCK_FRAMES, FPS)
    assert seen.numbers[0] == 4 * BLOCK_FRAMES
    assert seen.sound_times[0] == Fraction(packets_of_block(4).start * PACKET_SAMPLES, TRACK_RATE)


def test_block_made_again_in_another_process_and_order_has_the_same_bytes(tmp_path: Path) -> None:
    voice = write_wav(tmp_path / "voice.wav", talk(3))
    ours = Stream(tmp_path / "ours", voice, [0, 1, 2, 3, 4]).parts
    program = (
        "import sys; from pathlib import Path; from tests.integration.media_rig import Stream\n"
        "Stream(Path(sys.argv[1]), Path(sys.argv[2]), [4, 2, 0])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "theirs"), str(voice)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())})
    for name in ("init.mp4", "000000.m4s", "000002.m4s", "000004.m4s"):
        mine = next(part for part in ours if part.name == name)
        assert _sha256(mine) == _sha256(tmp_path / "theirs" / name), name


def test_voice_packets_of_a_block_are_those_of_an_encoder_that_ran_from_the_beginning(tmp_path: Path) -> None:
    track = VoiceTrack(write_wav(tmp_path / "voice.wav", talk(12)))
    last = packets_of_block(24).stop
    whole = _encode(track, range(last))
    for block in (1, 2, 11, 24):
        wanted = packets_of_block(block)
        assert _encode(track, wanted) == whole[wanted.start : wanted.stop], block


def test_voice_ends_in_silence_and_a_block_far_behind_it_is_silent(tmp_path: Path) -> None:
    seen = Decoded(Stream(tmp_path, write_wav(tmp_path / "voice.wav", talk(0.3)), range(4)).data)
    assert np.abs(seen.sound[round(0.4 * seen.rate) :]).max() < 0.01
    assert len(seen.sound) >= 4 * BLOCK_SECONDS * seen.rate


def test_headers_are_equal_for_equal_sizes_and_differ_otherwise(tmp_path: Path) -> None:
    one, other = (write_wav(tmp_path / f"{n}.wav", talk(0.5 + n, seed=n)) for n in range(2))
    assert FragmentEncoder(64, 96, one).init_bytes == FragmentEncoder(64, 96, other).init_bytes
    assert FragmentEncoder(64, 96, one).init_bytes != FragmentEncoder(96, 64, one).init_bytes


def test_impossible_sizes_frames_and_voices_are_refused(tmp_path: Path) -> None:
    voice = write_wav(tmp_path / "voice.wav", np.zeros(1600, np.float32))
    for width, height in ((63, 64), (64, 0), (-2, 64)):
        with pytest.raises(ValueError, match="even sides"):
            FragmentEncoder(width, height, voice)
    encoder = FragmentEncoder(64, 64, voice)
    for frames in (numbered_frames(0)[:11, :64, :64], np.zeros((12, 64, 64, 3)), np.zeros((12, 64, 62, 3), np.uint8)):
        with pytest.raises(ValueError, match="not uint8"):
            encoder.encode(0, frames)
    for bad in (write_wav(tmp_path / "fast.wav", np.zeros(100, np.float32), rate=48_000), tmp_path / "none.wav"):
        with pytest.raises(MediaError):
            FragmentEncoder(64, 64, bad)


def _encode(track: VoiceTrack, packets: range) -> list[bytes]:
    with av.open(io.BytesIO(), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=TRACK_RATE, layout="mono", options=AAC_OPTIONS)
        container.start_encoding()
        return [bytes(packet) for packet in track.encode(stream, packets)]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
