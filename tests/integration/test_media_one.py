"""The parts of a session become one video: copied where they are alike, else encoded again, every picture in its place."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import DiskFull, MediaError
from engine.media.join import join
from engine.media.one_video import make_one
from tests.integration.media_rig import Decoded, Stream, click_track, write_wav

BLOCKS = (3, 5, 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("one")


def a_part(folder: Path, name: str, blocks: int, width: int = 128, height: int = 96) -> Path:
    """A finished video of so many blocks, with a click in its middle."""
    seconds = blocks * 0.48
    voice = write_wav(folder / f"{name}.wav", click_track(seconds, [seconds / 2]))
    return join(Stream(folder / name, voice, range(blocks), width, height).parts, folder / f"{name}.mp4").path


@pytest.fixture(scope="module")
def parts(folder: Path) -> list[Path]:
    return [a_part(folder, f"part{index}", blocks) for index, blocks in enumerate(BLOCKS)]


@pytest.fixture(scope="module")
def tall(folder: Path) -> Path:
    return a_part(folder, "tall", 5, width=96, height=128)


def test_parts_that_are_alike_are_copied(parts: list[Path], folder: Path) -> None:
    made = make_one(parts, folder / "alike.mp4")
    assert made.is_copied and "alike" in made.reason
    assert made.video.path.read_bytes() == join(parts, folder / "joined.mp4").path.read_bytes()
    assert [(place.start_s, place.frames) for place in made.parts] == [(0, 36), (1.44, 60), (3.84, 48)]


def test_part_of_another_size_is_padded_and_every_picture_is_in_its_place(parts: list[Path], tall: Path, folder: Path) -> None:
    made = make_one([parts[0], tall, parts[2]], folder / "sizes.mp4")
    assert not made.is_copied and "tall.mp4 differs" in made.reason and "96x128, not 128x96" in made.reason
    seen = Decoded(made.video.path.read_bytes())
    assert (seen.width, seen.height, made.video.frames) == (128, 96, 144)
    assert seen.numbers[:36] == list(range(36)) and seen.numbers[96:] == list(range(48))
    assert [(place.start_s, place.frames) for place in made.parts] == [(0, 36), (1.44, 60), (3.84, 48)]
    assert seen.click_times() == pytest.approx([0.72, 1.44 + 1.2, 3.84 + 0.96], abs=0.002)


def test_padded_part_is_black_at_its_sides_and_not_stretched(parts: list[Path], tall: Path, folder: Path) -> None:
    made = make_one([parts[0], tall], folder / "padded.mp4")
    with av.open(str(made.video.path)) as container:
        picture = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][50]
    assert picture[:, :26].max() <= 6 and picture[:, -26:].max() <= 6  # 96x128 is 72x96 now: 28 columns on each side
    assert picture[60:, 32:96].min() > 20


def test_same_parts_give_the_same_bytes(parts: list[Path], tall: Path, folder: Path) -> None:
    first, second = (make_one([parts[0], tall], folder / name).video for name in ("a.mp4", "b.mp4"))
    assert first.sha256 == second.sha256 and first.path.read_bytes() == second.path.read_bytes()


def test_what_was_encoded_again_is_like_a_part_for_the_next_time(parts: list[Path], tall: Path, folder: Path) -> None:
    made = make_one([parts[0], tall], folder / "again.mp4")
    assert make_one([made.video.path, parts[1]], folder / "further.mp4").is_copied


def test_joint_of_loud_parts_has_no_click(folder: Path) -> None:
    """Two tones that meet at full swing: without a fade the step would be half the scale."""
    loud = []
    for index, (width, height) in enumerate(((128, 96), (96, 128))):
        tone = 0.5 * np.cos(2 * np.pi * 100 * np.arange(round(0.96 * 16000)) / 16000) * (1 - 2 * index)
        stream = Stream(folder / f"loud{index}", write_wav(folder / "loud.wav", tone), range(2), width, height)
        loud.append(join(stream.parts, folder / f"loud{index}.mp4").path)
    sound = Decoded(make_one(loud, folder / "loud.mp4").video.path.read_bytes()).sound
    middle = sound[45_000:47_500]
    assert np.abs(middle).max() > 0.4
    assert np.abs(np.diff(middle)).max() < 0.03  # the tones' own steps are 0.007


def test_sound_that_begins_before_the_pictures_is_not_lost(parts: list[Path], folder: Path) -> None:
    """Copied, the video would begin with its first picture, and what was said before would be gone."""
    late = folder / "late.mp4"
    with av.open(str(parts[1])) as source, av.open(str(late), "w", format="mp4") as target:
        streams = [target.add_stream_from_template(stream) for stream in (source.streams.video[0], source.streams.audio[0])]
        for packet in source.demux():
            if packet.pts is not None and packet.time_base is not None:
                is_picture = packet.stream.type == "video"
                shift = round(1 / packet.time_base) if is_picture else 0
                packet.pts, packet.dts = packet.pts + shift, packet.pts + shift
                packet.stream = streams[0 if is_picture else 1]
                target.mux(packet)
    made = make_one([late, parts[0]], folder / "lead.mp4")
    assert not made.is_copied and "begins before its pictures" in made.reason
    assert [(place.start_s, place.frames) for place in made.parts] == [(0, 85), (3.4, 36)]
    seen = Decoded(made.video.path.read_bytes())
    assert seen.numbers == [0] * 25 + list(range(60)) + list(range(36))
    assert seen.click_times() == pytest.approx([1.2, 3.4 + 0.72], abs=0.002)


@pytest.mark.parametrize("text", [b"nonsense", b"", b"\0\0\0\x18ftypmp42" + bytes(2000)])
def test_what_is_no_video_is_named(parts: list[Path], folder: Path, text: bytes) -> None:
    bad = folder / "bad.mp4"
    bad.write_bytes(text)
    with pytest.raises(MediaError, match=r"bad\.mp4"):
        make_one([parts[0], bad], folder / "never.mp4")
    assert not list(folder.glob("never*"))


def test_video_that_was_cut_off_is_named(parts: list[Path], folder: Path) -> None:
    data = parts[1].read_bytes()
    for keep in (0.3, 0.6, 0.9):
        torn = folder / "torn.mp4"
        torn.write_bytes(data[: int(len(data) * keep)])
        with pytest.raises(MediaError, match=r"torn\.mp4"):
            make_one([parts[0], torn], folder / "never.mp4")
    assert not list(folder.glob("never*"))


def test_target_that_is_a_part_or_a_folder_is_refused(parts: list[Path], folder: Path) -> None:
    before = parts[0].read_bytes()
    with pytest.raises(MediaError, match="one of the parts"):
        make_one(parts, parts[0])
    with pytest.raises(MediaError, match="is a folder"):
        make_one(parts, folder)
    with pytest.raises(MediaError, match="nothing to join"):
        make_one([], folder / "never.mp4")
    assert parts[0].read_bytes() == before


def test_full_disk_is_said_and_the_old_video_stays(parts: list[Path], tall: Path, folder: Path) -> None:
    target = folder / "full.mp4"
    target.write_bytes(b"old")
    (folder / "full.mp4.part").symlink_to("/dev/full")
    with pytest.raises(DiskFull):
        make_one([parts[0], tall], target)
    assert target.read_bytes() == b"old" and not (folder / "full.mp4.part").is_symlink()


def test_command_answers_with_the_video_and_its_parts(parts: list[Path], tall: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "engine.media", "one", "--output", str(folder / "cli.mp4"), str(parts[0])]
    done = subprocess.run([*command, str(tall)], capture_output=True, text=True, timeout=250, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert answer["frames"] == 96 and answer["seconds"] == 3.84 and not answer["is_copied"]
    assert answer["parts"][1] == {"path": str(tall), "start_s": 1.44, "frames": 60}
    done = subprocess.run([*command, str(folder / "gone.mp4")], capture_output=True, text=True, timeout=250, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    assert "gone.mp4" in json.loads(done.stdout)["error"]["message"]
