"""`python -m engine.media`: JSON for every file, within limits, whatever the file is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.integration.media_rig import Stream, talk, write_wav


def media(*arguments: str | Path) -> tuple[int, list[dict[str, Any]], str]:
    """Exit status, the JSON objects on stdout, stderr."""
    command = [sys.executable, "-m", "engine.media", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_probe_answers_for_every_file_in_order(tmp_path: Path) -> None:
    good, other = write_wav(tmp_path / "good.wav", talk(1.5)), write_wav(tmp_path / "other.wav", talk(2))
    bad = tmp_path / "bad.wav"
    bad.write_text("#EXTM3U\nhttp://127.0.0.1/x.wav\n")
    status, answers, errors = media("probe", "--kind", "voice", good, bad, other)
    assert (status, errors) == (3, "")
    assert [answer["path"] for answer in answers] == [str(good), str(bad), str(other)]
    assert set(answers[0]) == {"path", "sha256", "bytes", "kind", "verdict"}
    assert answers[0]["bytes"] == good.stat().st_size and answers[0]["verdict"]["seconds"] == 1.5
    assert set(answers[1]) == {"path", "error"}
    assert answers[1]["error"]["code"] == "bad_media" and answers[1]["error"]["hint"]


def test_probe_of_good_files_exits_0(tmp_path: Path) -> None:
    path = tmp_path / "portrait.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (700, 600, 3)).astype(np.uint8)).save(path)
    status, answers, _ = media("probe", "--kind", "portrait", path)
    assert status == 0 and answers[0]["verdict"]["format"] == "PNG"


def test_largest_picture_fits_the_limits_and_a_larger_one_is_refused_by_its_header(tmp_path: Path) -> None:
    for side, is_accepted in ((6300, True), (20_000, False)):
        path = tmp_path / f"{side}.png"
        Image.new("RGB" if is_accepted else "1", (side, side)).save(path, compress_level=1)
        status, answers, errors = media("probe", "--kind", "portrait", path)
        assert ("verdict" in answers[0], status, errors) == (is_accepted, 0 if is_accepted else 3, "")


def test_strange_names_and_no_files_are_answered_not_crashed_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    names = [tmp_path / "pipe.wav", tmp_path / "new\nline.wav", "-", tmp_path, "/dev/stdin", "http://127.0.0.1/a.wav"]
    status, answers, errors = media("probe", "--kind", "voice", "--", *names)
    assert (status, errors) == (3, "")
    assert [answer["path"] for answer in answers] == [str(name) for name in names]
    assert all("error" in answer for answer in answers)


def test_probe_limits_itself() -> None:
    program = (
        "from engine.media import limits; import resource as r; limits.limit_probe()\n"
        "print([r.getrlimit(x) for x in (r.RLIMIT_AS, r.RLIMIT_CPU, r.RLIMIT_CORE, r.RLIMIT_FSIZE)])\n"
        "try: bytearray(2**31)\n"
        "except MemoryError: print('no memory')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    limits = [(2**30, 2**30), (60, 60), (0, 0), (2**20, 2**20)]
    assert done.stdout.splitlines() == [str(limits), "no memory"]


def test_join_answers_with_the_video(tmp_path: Path) -> None:
    stream = Stream(tmp_path, write_wav(tmp_path / "voice.wav", talk(1)), range(2))
    status, answers, errors = media("join", "--output", tmp_path / "video.mp4", *stream.parts)
    assert (status, errors) == (0, "")
    (answer,) = answers
    assert (answer["frames"], answer["seconds"], answer["bytes"]) == (24, 0.96, (tmp_path / "video.mp4").stat().st_size)


def test_join_of_nonsense_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"nonsense")
    status, answers, errors = media("join", "--output", tmp_path / "video.mp4", tmp_path / "a.mp4")
    assert (status, errors) == (3, "")
    assert answers[0]["error"]["code"] == "bad_media" and "a.mp4" in answers[0]["error"]["message"]


@pytest.mark.parametrize("arguments", [[], ["probe"], ["probe", "--kind", "song", "x"], ["join", "x"]])
def test_wrong_usage_exits_64(arguments: list[str]) -> None:
    status, answers, errors = media(*arguments)
    assert (status, answers) == (64, []) and "usage" in errors
