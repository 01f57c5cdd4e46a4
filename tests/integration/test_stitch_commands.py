"""`video_stitcher` as people type it: answers, exit codes, refusals that name the thing, and memory that stays flat."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from engine.media.join import join
from engine.media.stitcher import main as stitcher_main
from tests.integration.media_rig import write_wav
from tests.integration.stitch_rig import grey_video, words


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stitcher")


@pytest.fixture(scope="module")
def inputs(folder: Path) -> list[Path]:
    return [grey_video(folder, f"in{index}", 60 + 60 * index, 4, [(0.6, 1.3)]) for index in range(3)]


def stitcher(*words: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    command = [sys.executable, "-m", "engine.media.stitcher", *map(str, words)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    return done.returncode, done.stdout, done.stderr


def refused(code: int, *words: str | Path) -> dict[str, Any]:
    """The error of a command that ends with this code and leaves nothing behind."""
    status, out, errors = stitcher(*words, "--json")
    assert (status, errors) == (code, ""), (status, out, errors)
    return json.loads(out)["error"]


def listed(files: list[Path]) -> str:
    return ",".join(map(str, files))


def test_published_example_makes_a_video_and_answers_in_json(inputs: list[Path], folder: Path) -> None:
    master = write_wav(folder / "master.wav", words(5.76, [(0.2, 1.6), (2.2, 3.5), (4.2, 5.4)]))
    flags = ["--transitions", "fade,slide_left,cut", "--audio_track", master, "--output", folder / "out.mp4"]
    status, out, errors = stitcher("--inputs", listed(inputs), *flags, "--json")
    answer = json.loads(out)
    assert status == 0 and errors.splitlines()[-1] == "100 % of 5.8 s"
    assert (answer["frames"], answer["seconds"], answer["is_copied"]) == (144, 5.76, False)
    assert [joint["kind"] for joint in answer["joints"]] == ["fade", "slide_left"]
    assert all(joint["is_in_silence"] for joint in answer["joints"])
    assert [part["start_s"] for part in answer["parts"]] == [0, 1.92, 3.84]


def test_people_get_a_table_and_sentences(inputs: list[Path], folder: Path) -> None:
    status, out, errors = stitcher("--inputs", listed(inputs), "--output", folder / "table.mp4")
    assert (status, errors) == (0, "")
    assert "Nothing was encoded again" in out and "in1.mp4" in out and "LUFS" in out
    assert (folder / "table.mp4").read_bytes() == join(inputs, folder / "joined.mp4").path.read_bytes()


def test_same_file_twice_is_two_parts(inputs: list[Path], folder: Path) -> None:
    status, out, _ = stitcher("--inputs", inputs[0], "--inputs", inputs[0], "--output", folder / "twice.mp4", "--json")
    assert status == 0 and json.loads(out)["frames"] == 96


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("zoom", "no transition 'zoom'"), ("fade,fade,fade,cut", "4 transitions were named for 3"), ("fade,,cut", "empty name")],
)
def test_transitions_that_do_not_fit_are_wrong_usage(inputs: list[Path], folder: Path, wrong: str, said: str) -> None:
    error = refused(64, "--inputs", listed(inputs), "--transitions", wrong, "--output", folder / "never.mp4")
    assert said in error["message"] and error["hint"]
    assert not list(folder.glob("never*"))


def test_unknown_transition_is_told_the_known_ones(inputs: list[Path], folder: Path) -> None:
    error = refused(64, "--inputs", listed(inputs), "--transitions", "swirl", "--output", folder / "never.mp4")
    assert error["hint"] == "Known: cut, fade, fade_black, slide_left, slide_right, wipe_left, wipe_right."


def test_inputs_that_are_no_videos_are_named(inputs: list[Path], folder: Path) -> None:
    (folder / "text.mp4").write_text("#EXTM3U\nhttp://127.0.0.1/a.mp4\n")
    (folder / "empty.mp4").touch()
    data = inputs[1].read_bytes()
    (folder / "torn.mp4").write_bytes(data[: len(data) * 3 // 4])
    os.mkfifo(folder / "pipe.mp4")
    for name in ("text.mp4", "empty.mp4", "torn.mp4", "pipe.mp4", "gone.mp4", "in0.wav", "."):
        bad = folder / name
        error = refused(3, "--inputs", f"{inputs[0]},{bad}", "--transitions", "fade", "--output", folder / "never.mp4")
        assert str(bad) in error["message"] and error["hint"], name
    assert not list(folder.glob("never*"))


def test_damage_in_the_middle_leaves_nothing_half_done(inputs: list[Path], folder: Path) -> None:
    data = bytearray(inputs[1].read_bytes())
    middle = data.index(b"mdat") + 200
    data[middle : middle + 3000] = np.random.default_rng(0).integers(0, 256, 3000, np.uint8).tobytes()
    (folder / "damaged.mp4").write_bytes(bytes(data))
    target = folder / "damage-out.mp4"
    status, out, _ = stitcher("--inputs", f"{inputs[0]},{folder / 'damaged.mp4'}", "--transitions", "fade", "--output", target)
    assert status == 3 and not out and not list(folder.glob("damage-out*"))


def test_track_that_is_none_is_named(inputs: list[Path], folder: Path) -> None:
    (folder / "rubbish.wav").write_bytes(b"RIFF\0\0\0\0WAVEjunk")
    for name in ("rubbish.wav", "gone.wav"):
        flags = ["--audio_track", folder / name, "--output", folder / "never.mp4"]
        assert name in refused(3, "--inputs", listed(inputs), *flags)["message"]
    assert not list(folder.glob("never*"))


def test_output_that_is_an_input_or_no_mp4_or_out_of_reach_is_refused(inputs: list[Path], folder: Path) -> None:
    before = inputs[0].read_bytes()
    assert "one of the parts" in refused(3, "--inputs", listed(inputs), "--output", inputs[0])["message"]
    assert "MP4" in refused(64, "--inputs", listed(inputs), "--output", folder / "out.avi")["message"]
    (folder / "file").touch()
    assert "file" in refused(77, "--inputs", listed(inputs), "--output", folder / "file" / "out.mp4")["message"]
    assert inputs[0].read_bytes() == before


def test_full_disk_has_a_code_of_its_own_and_the_old_video_stays(inputs: list[Path], folder: Path) -> None:
    target = folder / "full.mp4"
    target.write_bytes(b"old")
    (folder / "full.mp4.part").symlink_to("/dev/full")
    status, out, errors = stitcher("--inputs", listed(inputs), "--transitions", "fade", "--output", target)
    assert (status, out) == (74, "") and "The disk is full" in errors and "Free some space" in errors
    assert target.read_bytes() == b"old"


def test_command_is_installed_under_its_published_name(repo_root: Path) -> None:
    scripts = tomllib.loads((repo_root / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["video_stitcher"] == "engine.media.stitcher:main" and callable(stitcher_main)


def test_help_says_what_the_last_name_means() -> None:
    status, out, _ = stitcher("--help")
    assert status == 0 and "the last says how the video ends" in out and "wipe_left" in out
    status, out, errors = stitcher("--output", "x.mp4")
    assert (status, out) == (64, "") and "--inputs" in errors


@pytest.mark.timeout(900)  # eleven minutes of video
def test_memory_does_not_grow_with_the_length(folder: Path) -> None:
    """Ten minutes may need no more than a minute does, but for a few numbers per second."""
    peaks = []
    for minutes in (1, 10):
        path = folder / f"minutes{minutes}.mp4"
        _long_video(path, minutes * 60)
        program = (
            "import resource, sys; from pathlib import Path; from engine.media.stitch import stitch\n"
            "stitch([Path(sys.argv[1])], Path(sys.argv[2]), ['fade'])\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        )
        command = [sys.executable, "-c", program, str(path), str(folder / "long.mp4")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=800, check=True)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] < peaks[0] + 40, peaks  # MiB; the longer one's sound alone is 110 MiB


def _long_video(path: Path, seconds: int) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "bf": "0"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("aac", rate=48_000, layout="mono")
        random = np.random.default_rng(0)
        for number in range(seconds * 25):
            frame = av.VideoFrame.from_ndarray(np.full((72, 64), 40 + number % 100, np.uint8), format="yuv420p")
            frame.pts = number
            container.mux(video.encode(frame))
            sound = 0.1 * random.standard_normal((1, 1920)).astype(np.float32) * (number % 50 > 12)
            piece = av.AudioFrame.from_ndarray(sound.astype(np.float32), format="fltp", layout="mono")
            piece.sample_rate, piece.pts = 48_000, number * 1920
            container.mux(audio.encode(piece))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
