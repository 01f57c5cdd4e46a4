"""Every stage of training, at a tiny scale: files that load, losses that fall, a shipped model that makes a video."""

from __future__ import annotations

import json
import wave
from collections.abc import Hashable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from engine import generate
from engine.errors import EngineError, WeightsError
from engine.media.adapter_probe import probe_adapter
from engine.model.lora import merge
from engine.model.manifest import Manifest
from engine.model.pocket import write_pocket, write_trained
from engine.model.weights import load_tensors
from engine.training import lora, pocket
from engine.training.adapters import Adapter
from engine.training.curves import draw_curves
from engine.training.export import gather, ship, ship_adapters
from engine.training.loop import Stage, train
from engine.training.network import encode_text, prefill
from engine.training.parts import encode_tokens, load_parts, new_transformer, prompt_tokens, save_parts
from engine.training.recording import Tensors
from engine.training.size import Scale
from engine.training.stage_transformer import Student

torch.set_num_threads(1)
TINY = Scale(
    largest=64, vae_clips=1, vae_frames=5, vae_long=1, vae_short=1, vae_short_frames=5, speech_clips=1, speech_seconds=0.6,
    clips=1, blocks=1, pool=2, fresh=1, uses=1, roll_clips=1, roll_blocks=2, role_clips=1, role_blocks=2,
)  # fmt: skip
CPU = torch.device("cpu")


def _train(name: str, out: Path, steps: int, *, resume: bool = False) -> dict[str, object]:
    stage = pocket.build_stage(name, out, 1, "cpu", scale=TINY, people=1)
    card = train(stage, out, seconds=600, seed=1, device=CPU, resume=resume, max_steps=steps, say=lambda _: None)
    return {"steps": card.steps, "losses": card.losses}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all stages ran for a step or two."""
    out = tmp_path_factory.mktemp("training")
    for name in ("vae", "speech", "transformer", "distil"):
        _train(name, out, 1)
    return out


def test_every_stage_leaves_a_small_file_with_a_card_and_a_curve(trained: Path) -> None:
    for name in ("vae", "speech", "transformer", "distil"):
        weights = trained / f"{name}.safetensors"
        assert weights.stat().st_size <= 15_000_000
        _, card = load_parts(weights)
        assert card["stage"] == name and card["steps"] == 1 and card["seed"] == 1 and card["device"] == "cpu"
        assert json.loads((trained / f"{name}.json").read_text())["losses"]["loss"] > 0
        assert (trained / f"{name}.svg").read_text().startswith("<svg")


def test_a_resumed_stage_goes_on_where_it_stopped(trained: Path) -> None:
    assert _train("speech", trained, 2, resume=True)["steps"] == 2
    assert json.loads((trained / "speech.json").read_text())["curves"]["loss"][-1][0] == 2


def test_two_sittings_over_the_same_batches_have_the_bits_of_one(tmp_path: Path) -> None:
    def sit(out: Path, steps: int | None = None, *, resume: bool = False) -> None:
        stage = _OneBatch(pocket.build_stage("vae", out, 1, "cpu", scale=TINY, people=1))
        train(stage, out, seconds=1e9, seed=1, device=CPU, resume=resume, max_steps=3, say=spoken.append, sitting_steps=steps)

    spoken: list[str] = []
    once, twice = tmp_path / "once", tmp_path / "twice"
    sit(once)
    sit(twice, 1)
    files = sorted(twice.glob("*.sitting-*"))
    assert len(files) > 1 and all(file.stat().st_size <= 15_000_000 for file in files)
    sit(twice, resume=True)
    (one, card), (two, again) = load_parts(once / "vae.safetensors"), load_parts(twice / "vae.safetensors")
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert card["steps"] == again["steps"] == 3
    assert not sorted(twice.glob("*.sitting-*")) and not any("anew" in line for line in spoken)


def test_a_stage_names_the_one_that_must_run_first(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"vae\.safetensors") as error:
        pocket.build_stage("transformer", tmp_path, 1, "cpu", scale=TINY)
    assert "--stage vae" in error.value.hint


def test_latents_are_normalised_by_what_was_measured(trained: Path) -> None:
    _, vae_shape, _ = gather(trained)
    assert len(vae_shape["latents_mean"]) == len(vae_shape["latents_std"]) == 16
    assert vae_shape["latents_std"] != [1.0] * 16


def test_a_shipped_model_loads_in_the_worker_and_makes_a_video(trained: Path, tmp_path: Path) -> None:
    assert ship(trained, tmp_path / "shipped") <= 14_000_000
    assert {"model.json", "training.json"} <= {path.name for path in (tmp_path / "shipped").iterdir()}
    write_trained(tmp_path / "model", tmp_path / "shipped")
    manifest = json.loads((tmp_path / "model" / "model.json").read_text())
    assert manifest["trained"] is True and manifest["shape"]["dtype"] == "float32"
    video = tmp_path / "video.mp4"
    code = generate.main(
        ["--ckpt_dir", str(tmp_path / "model"), "--image", str(_portrait(tmp_path)), "--audio", str(_voice(tmp_path, 0.4)),
         "--prompt", "a young woman", "--size", "192*128", "--sample_steps", "3", "--base_seed", "1", "--save_file", str(video)]
    )  # fmt: skip
    torch.use_deterministic_algorithms(False)
    assert code == 0 and video.stat().st_size > 1000


def test_a_role_ships_as_an_adapter_that_names_its_base_and_its_training(trained: Path, tmp_path: Path) -> None:
    ship(trained, tmp_path / "shipped")
    write_trained(tmp_path / "model", tmp_path / "shipped")
    assert ship_adapters(trained, tmp_path / "none", tmp_path / "model") == []
    _train("role-dusk", trained, 1)
    (file,) = ship_adapters(trained, tmp_path / "adapters", tmp_path / "model")
    (trained / "role-dusk.safetensors").unlink()
    facts = probe_adapter(file)
    assert file.name == "dusk.safetensors" and file.stat().st_size <= 1_000_000
    assert (facts["rank"], facts["alpha"], facts["base_sha256"]) == (12, 6.0, Manifest.read(tmp_path / "model").sha256)
    _, card = load_parts(file)
    assert (card["stage"], card["steps"], card["device"]) == ("role-dusk", 1, "cpu")


def test_a_damaged_shipped_file_is_refused(trained: Path, tmp_path: Path) -> None:
    ship(trained, tmp_path / "shipped")
    file = tmp_path / "shipped" / "text.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x07")
    with pytest.raises(WeightsError, match="sha256 differs"):
        write_trained(tmp_path / "model", tmp_path / "shipped")


@pytest.mark.parametrize("name", ["vae", "speech"])
def test_losses_fall_on_one_batch(name: str, tmp_path: Path) -> None:
    stage = pocket.build_stage(name, tmp_path, 1, "cpu", scale=TINY, people=1)
    before = _loss(stage)
    again = _OneBatch(stage)
    train(again, tmp_path, seconds=600, seed=1, device=CPU, resume=False, max_steps=6, say=lambda _: None)
    assert _loss(stage) < 0.9 * before


def _loss(stage: Stage) -> float:
    return float(stage.loss(*stage.batch(0))[0].detach())


class _OneBatch:
    """A stage that sees the same batch again and again."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.name, self.learning_rate = stage, stage.name, stage.learning_rate
        self.uses_muon = stage.uses_muon
        self.parameters, self.facts, self.loss = stage.parameters, stage.facts, stage.loss

    def batch(self, _number: int) -> tuple[Hashable, Tensors]:
        return self.stage.batch(0)


def test_an_adapter_that_is_detached_leaves_no_trace() -> None:
    model = new_transformer()
    reference, motion = torch.randn(1, 16, 1, 8, 8), torch.randn(1, 16, 19, 8, 8)
    student = Student(CPU, 0)
    tokens = prompt_tokens(["a prompt"], student.transformer.config.text_len, CPU)
    text = encode_text(student.transformer, encode_tokens(student.text, tokens))
    with torch.no_grad():
        before = prefill(model, reference, motion, text)[-1][0]
        adapter = Adapter(model, 4, 2.0, seed=0)
        assert torch.equal(prefill(model, reference, motion, text)[-1][0], before)  # an untrained one adds nothing
        for _, up in adapter.pairs.values():
            up.normal_()
        assert not torch.allclose(prefill(model, reference, motion, text)[-1][0], before)
        adapter.detach()
        assert torch.equal(prefill(model, reference, motion, text)[-1][0], before)


def test_train_lora_writes_an_adapter_that_fits_its_base(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, clip = tmp_path / "base", tmp_path / "footage" / "greeting"
    write_pocket(base, seed=3)
    clip.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(25):
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(clip / f"{number:03d}.png")
    _voice(clip, 1.0)
    (clip / "prompt.txt").write_text("a captain greets the crew")
    words = ["--base_model", str(base), "--dataset", str(clip.parent), "--output_dir", str(tmp_path / "role"), "--device", "cpu"]
    assert lora.main([*words, "--steps", "2", "--rank", "4", "--blocks", "2"]) == 0
    said = capsys.readouterr().out
    assert "GiB" in said and '"steps": 2' in said
    adapter = load_file(tmp_path / "role" / "adapter.safetensors")
    assert (tmp_path / "role" / "adapter.safetensors").stat().st_size < 1_000_000
    assert lora.settings_of(tmp_path / "role" / "adapter.safetensors")["alpha"] == "2.0"
    as_any_file = (tmp_path / "role" / "adapter.json").stat().st_mode
    assert (tmp_path / "role" / "adapter.safetensors").stat().st_mode == as_any_file  # the studio may be another user
    in_the_way = [*words[:4], "--output_dir", str(base / "model.json"), "--device", "cpu", "--steps", "1"]
    assert lora.main(in_the_way) == 1 and "Name another --output_dir" in capsys.readouterr().err
    changed = merge(load_tensors(base / "transformer.safetensors"), adapter, alpha=2.0)
    assert any(not torch.equal(value, load_tensors(base / "transformer.safetensors")[name]) for name, value in changed.items())


@pytest.mark.parametrize("missing", ["prompt.txt", "voice.wav", "frames"])
def test_train_lora_names_what_a_clip_lacks(tmp_path: Path, missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    base, clip = tmp_path / "base", tmp_path / "footage" / "greeting"
    write_pocket(base, seed=3)
    clip.mkdir(parents=True)
    for number in range(5 if missing == "frames" else 24):
        Image.fromarray(np.full((64, 64, 3), number, np.uint8)).save(clip / f"{number:03d}.png")
    if missing != "voice.wav":
        _voice(clip, 1.0)
    if missing != "prompt.txt":
        (clip / "prompt.txt").write_text("a prompt")
    words = ["--base_model", str(base), "--dataset", str(clip.parent), "--output_dir", str(tmp_path / "role"), "--device", "cpu"]
    assert lora.main(words) == 3 and missing in capsys.readouterr().err


def test_train_lora_refuses_what_does_not_fit_before_it_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, clip = tmp_path / "base", tmp_path / "footage" / "greeting"
    write_pocket(base, seed=3)
    clip.mkdir(parents=True)
    Image.fromarray(np.zeros((1024, 1024, 3), np.uint8)).save(clip / "0.png")
    words = ["--base_model", str(base), "--dataset", str(clip.parent), "--output_dir", str(tmp_path / "role"), "--device", "cpu"]
    assert lora.main([*words, "--blocks", "100000"]) == 3
    assert "fewer --blocks" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", ["--learning_rate nan", "--minutes -1", "--alpha 0", "--rank 129", "--steps 0", "--no_such_flag 1", "--rank x"]
)
def test_train_lora_ends_with_64_where_a_flag_is_wrong(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--base_model", "base", "--dataset", "footage", "--output_dir", "role", *wrong.split()]
    with pytest.raises(SystemExit) as ended:
        lora.main(words)
    assert ended.value.code == 64 and wrong.split()[0] in capsys.readouterr().err


@pytest.mark.parametrize(("up", "why"), [(float("nan"), "numbers that are none"), (0.0, "learnt nothing")])
def test_an_adapter_that_no_role_could_use_is_not_left_behind(tmp_path: Path, up: float, why: str) -> None:
    pair = {"a.lora_A.weight": torch.ones(1, 2), "a.lora_B.weight": torch.full((2, 1), up)}
    save_parts(tmp_path / "adapter.safetensors", pair, {})
    with pytest.raises(EngineError, match=why):
        lora._finish(tmp_path, "0" * 64, 1, 0.5)
    assert not list(tmp_path.iterdir())


def test_curves_survive_numbers_that_are_none() -> None:
    assert "nothing finite" in draw_curves("title", {"loss": [[1, float("nan")]]})
    assert "polyline" in draw_curves("title", {"loss": [[1, 2.0], [2, 1.0]], "offset": [[1, -1.0]]})


def _portrait(folder: Path) -> Path:
    path = folder / "portrait.png"
    Image.fromarray(np.full((64, 64, 3), 128, np.uint8)).save(path)
    return path


def _voice(folder: Path, seconds: float) -> Path:
    path = folder / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        samples = 9000 * np.sin(np.arange(round(seconds * 16_000)) * 0.06)
        file.writeframes(samples.astype("<i2").tobytes())
    return path
