"""The example roles: the committed portraits and voices are what the program makes, and they are good enough."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.catalog import BLOCK_SECONDS
from engine.media.probe import probe_portrait, probe_voice
from scheduler.demo import SCENES, Scene
from scheduler.submission import work_out
from tests.unit.scheduler.store_rig import role

NAMES = {"teacher": 4.3, "student": 3.2, "assistant": 2.6, "presenter": 2.2}


@pytest.fixture(scope="module")
def remade(tmp_path_factory: pytest.TempPathFactory, repo_root: Path) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    command = [sys.executable, str(repo_root / "examples/draw_assets.py"), "--output", str(folder)]
    subprocess.run(command, check=True)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_program_makes_the_committed_files(remade: Path, repo_root: Path, name: str) -> None:
    voice, picture = Path("audios") / f"{name}.wav", Path("images") / f"{name}.png"
    assert (remade / voice).read_bytes() == (repo_root / "examples" / voice).read_bytes()
    with Image.open(remade / picture) as new, Image.open(repo_root / "examples" / picture) as committed:
        assert np.array_equal(np.asarray(new.convert("RGB")), np.asarray(committed.convert("RGB")))


@pytest.mark.parametrize(("name", "seconds"), NAMES.items())
def test_examples_pass_their_own_check(repo_root: Path, name: str, seconds: float) -> None:
    picture = repo_root / "examples/images" / f"{name}.png"
    verdict = probe_portrait(picture)
    assert (verdict["width"], verdict["height"], verdict["warnings"]) == (640, 960, [])
    assert picture.stat().st_size <= 60_000
    voice = probe_voice(repo_root / "examples/audios" / f"{name}.wav")
    assert (voice["seconds"], voice["rate"], voice["channels"], voice["warnings"]) == (seconds, 16_000, 1, [])
    assert voice["pauses"]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.role)
def test_scene_of_the_demo_lasts_two_to_four_seconds(repo_root: Path, scene: Scene) -> None:
    voice = probe_voice(repo_root / "examples/audios" / f"{scene.role}.wav")
    pauses = tuple((start, end) for start, end in voice["pauses"])
    speaker = role(scene.role, preset="pocket", voice_seconds=voice["seconds"], pauses=pauses)
    request = {"user": scene.user, "role": scene.role, "context": {"topic": "rain"}}
    if scene.seconds is not None:
        request["duration_sec"] = scene.seconds
    made = work_out(request, speaker, "pocket", "w" * 64)
    assert 2 <= made.recipe.voice_seconds <= made.total_blocks * BLOCK_SECONDS <= 4
