"""`role_scheduler generate`: one real video by the real engine, and refusals that leave nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.model.pocket import write_pocket
from scheduler.cli.generate import _Follower
from scheduler.show import Show


def generate(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would, on the examples' teacher unless told otherwise."""
    base = ["--image", "examples/images/teacher.png", "--audio", "examples/audios/teacher.wav", "--prompt", "a teacher"]
    command = [sys.executable, "-m", "scheduler.cli", "generate", *base, *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_generate_makes_a_video_with_its_recipe_beside_it(repo_root: Path, tmp_path: Path) -> None:
    video, random = tmp_path / "out" / "teacher.mp4", tmp_path / "model"
    write_pocket(random, seed=5)
    done = generate(
        repo_root, "--save_file", str(video), "--num_clip", "1", "--infer_frames", "12", "--sample_steps", "3",
        "--threads", "1", "--json", "--ckpt_dir", str(random), "--size", "192*128",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events if event["event"] == "BlockDone"] == ["BlockDone"]
    assert (events[-1]["event"], events[-1]["frames"], events[-1]["path"]) == ("Done", 12, str(video))
    recipe = json.loads(video.with_name("teacher.mp4.recipe.json").read_text(encoding="utf-8"))
    assert (recipe["settings"]["steps"], recipe["settings"]["size"]) == (3, "192*128")
    assert {"event": "NotTrained"} in events
    assert sorted(path.name for path in video.parent.iterdir()) == ["teacher.mp4", "teacher.mp4.recipe.json"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--image", "README.md"], "no picture"),
        (["--audio", "README.md"], "no recording"),
        (["--ckpt_dir", "examples"], "model.json"),
    ],
)
def test_generate_refuses_bad_input_and_leaves_nothing(
    repo_root: Path, tmp_path: Path, words: list[str], sentence: str
) -> None:
    video = tmp_path / "out" / "teacher.mp4"
    done = generate(repo_root, "--save_file", str(video), *words, "--json")
    assert done.returncode == 64, done.stdout + done.stderr
    assert sentence in json.loads(done.stdout.splitlines()[-1])["error"]["message"]
    assert not video.exists()


def test_generate_says_which_place_cannot_be_written(repo_root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for words, place in (
        (["--save_file", str(tmp_path / "file" / "a.mp4")], "a.mp4"),
        (["--save_file", str(tmp_path)], str(tmp_path)),
        (["--data", str(tmp_path / "file" / "var")], str(tmp_path / "file" / "var")),
    ):
        done = generate(repo_root, *words, "--json")
        assert done.returncode == 64, done.stdout + done.stderr
        assert place in json.loads(done.stdout.splitlines()[-1])["error"]["message"]


def test_progress_of_the_engine_becomes_sentences_and_a_strangers_line_is_passed_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Show() as show:
        follower = _Follower(show)
        for event in (
            {"event": "NotTrained"},
            {"event": "JobStarted", "total_blocks": 2, "width": 64, "height": 128},
            {"event": "BlockDone", "block": 0, "seconds": 1.5},
            {"event": "SomethingNew"},
        ):
            follower.take(json.dumps(event))
        follower.take("a library's own words")
    shown = capsys.readouterr().out
    assert "not a face" in shown
    assert "2 blocks of 64x128" in shown
    assert "1 of 2" in shown
    assert "a library's own words" in shown
