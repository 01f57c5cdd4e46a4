"""The example roles: the committed portraits and voices are what the program makes, and they are good enough."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from safetensors.torch import load_file

from engine.adapters import Adapter
from engine.adapters.fitting import detach, fit
from engine.catalog import BLOCK_SECONDS, SPEECH_RATE
from engine.config import Settings, fit_size
from engine.media.adapter_probe import probe_adapter
from engine.media.picture import read_portrait
from engine.media.probe import probe_portrait, probe_voice
from engine.media.voice import read_voice
from engine.model.context import Context
from engine.model.loading import load_engine
from engine.model.manifest import Manifest
from engine.model.pocket import write_trained
from scheduler.demo import SCENES, Scene
from scheduler.submission import work_out
from tests.unit.scheduler.store_rig import role

NAMES = {"teacher": 4.3, "student": 3.2, "assistant": 2.6, "presenter": 2.2}
ADAPTED = ("captain", "pencil", "dusk")


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
    _same(remade / picture, repo_root / "examples" / picture)


@pytest.mark.parametrize("name", ADAPTED)
def test_roles_with_adapters_have_portraits_of_the_program_too(remade: Path, repo_root: Path, name: str) -> None:
    picture = Path("images") / f"{name}.png"
    _same(remade / picture, repo_root / "examples" / picture)
    assert probe_portrait(repo_root / "examples" / picture)["warnings"] == []


def _same(first: Path, second: Path) -> None:
    """Two shades apart at most: another machine's sines may round otherwise."""
    with Image.open(first) as new, Image.open(second) as committed:
        away = np.abs(np.asarray(new.convert("RGB")).astype(int) - np.asarray(committed.convert("RGB")))
    assert away.max() <= 8 and away.mean() < 0.1


@pytest.mark.parametrize(("name", "seconds"), NAMES.items())
def test_examples_pass_their_own_check(repo_root: Path, name: str, seconds: float) -> None:
    picture = repo_root / "examples/images" / f"{name}.png"
    verdict = probe_portrait(picture)
    assert (verdict["width"], verdict["height"], verdict["warnings"]) == (960, 640, [])
    assert verdict["sharp_side"] == 640
    assert picture.stat().st_size <= 90_000
    voice = probe_voice(repo_root / "examples/audios" / f"{name}.wav")
    assert (voice["seconds"], voice["rate"], voice["channels"], voice["warnings"]) == (seconds, 16_000, 1, [])
    assert voice["pauses"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("noise", "sides"), [(0, (128, 192, 256, 384)), (4, (128, 192, 256))])
def test_portrait_is_sharp_up_to_the_size_at_which_its_blur_is_a_pixel(
    repo_root: Path, tmp_path: Path, name: str, noise: int, sides: tuple[int, ...]
) -> None:
    """Quality counts a Gaussian of 1.2 pixels as blur (docs/pocket.md). Noise hides it where it is shown large only."""
    picture = Image.open(repo_root / "examples/images" / f"{name}.png").convert("RGB")
    for side in sides:
        for pixels, is_sharp in ((0.7, True), (1.2, False)):
            soft = np.asarray(picture.filter(ImageFilter.GaussianBlur(pixels * 640 / side)), float)
            soft += np.random.default_rng(1).normal(0, noise, soft.shape)
            Image.fromarray(np.clip(soft, 0, 255).astype(np.uint8)).save(tmp_path / "soft.png")
            assert (probe_portrait(tmp_path / "soft.png")["sharp_side"] >= side) is is_sharp, (side, pixels)


def test_adapters_of_the_examples_change_the_picture_and_leave_no_trace(repo_root: Path, tmp_path: Path) -> None:
    write_trained(tmp_path / "model")
    engine = load_engine(tmp_path / "model")
    sound = read_voice(repo_root / "examples/audios/presenter.wav")[: SPEECH_RATE // 4]  # one block
    face, settings = read_portrait(repo_root / "examples/images/captain.png"), Settings(size="192*128", steps=3, seed=5)
    width, height = fit_size(settings.size, face.shape[1], face.shape[0])
    layout = engine.layout(width, height, settings.steps, settings.infer_frames)
    conditions = engine.prepare("a person", face, width, height) | engine.hear(sound)

    def film() -> np.ndarray:
        context = Context(layout, bytearray(layout.total_bytes))
        engine.begin(context, conditions, settings)
        return engine.make_block(context, conditions, settings, 0).frames.astype(int)

    generic = film()
    for name in ADAPTED:
        path = repo_root / "examples/adapters" / f"{name}.safetensors"
        facts = probe_adapter(path)
        assert path.stat().st_size <= 1_000_000 and facts["base_sha256"] == Manifest.read(tmp_path / "model").sha256
        tensors = {key: value.float() for key, value in load_file(path).items()}
        fit(engine.transformer, [Adapter.of(tensors, facts["alpha"], name)]).attach()
        changed = film()
        detach(engine.transformer)
        assert np.abs(changed - generic).mean() > 8  # grey levels
    assert np.array_equal(film(), generic)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.role)
def test_scene_of_the_demo_lasts_two_to_four_seconds(repo_root: Path, scene: Scene) -> None:
    voice = probe_voice(repo_root / "examples/audios" / f"{scene.role}.wav")
    pauses = tuple((start, end) for start, end in voice["pauses"])
    speaker = role(scene.role, preset="pocket", voice_seconds=voice["seconds"], pauses=pauses)
    request = {"user": scene.user, "role": scene.role, "context": {"topic": "rain"}}
    if scene.seconds is not None:
        request["duration_sec"] = scene.seconds
    made = work_out(request, speaker, "pocket", "w" * 64, kv=None)
    assert 2 <= made.recipe.voice_seconds <= made.total_blocks * BLOCK_SECONDS <= 4
