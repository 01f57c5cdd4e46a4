"""A public checkpoint behind the vault, in the worker's program and before the studio starts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.generate import main as generate
from engine.model.checkpoint.model_files import default_cache_dir, open_model
from engine.model.loading import load_engine
from scheduler.launcher import ensure_model
from scheduler.preflight import CannotStart
from scheduler.serve_options import ServeOptions
from tests.integration.vault_rig import VaultProcess
from tests.unit.engine.public_rig import T5, write_adapter, write_public


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_public(tmp_path_factory.mktemp("models") / "wan")


def test_vault_finds_the_hashes_of_a_public_checkpoint_by_itself(public: Path, tmp_path: Path) -> None:
    vault = VaultProcess(tmp_path / "vault.sock").start()
    try:
        client = vault.client()
        engine = load_engine(public, client.open_hashed_file)
        assert engine.weights_sha256 == load_engine(public).weights_sha256
        held = set(vault.status().files)
        assert held == {str(path) for paths in open_model(public).parts.values() for path in paths}
        client.close()
    finally:
        vault.stop()


def test_public_checkpoint_is_prepared_before_the_studio_starts(public: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "wan").symlink_to(public)
    said: list[str] = []
    options = ServeOptions(data_dir=tmp_path, model="wan")
    ensure_model(options, said.append)
    assert any(T5 in line for line in said)
    assert default_cache_dir(options.model_dir) == tmp_path / "models" / ".converted"
    assert len(list((tmp_path / "models" / ".converted").rglob("*.safetensors"))) == 2
    said.clear()
    ensure_model(options, said.append)
    assert not said, "the second start finds it done"


def test_model_that_is_missing_or_damaged_keeps_the_studio_from_starting(public: Path, tmp_path: Path) -> None:
    (tmp_path / "models" / "half").mkdir(parents=True)
    for name in ("config.json", T5):
        (tmp_path / "models" / "half" / name).symlink_to(public / name)
    for name, words in (("nothing", "No model in"), ("half", "misses diffusion_pytorch_model")):
        with pytest.raises(CannotStart, match=words):
            ensure_model(ServeOptions(data_dir=tmp_path, model=name), print)


def test_generate_makes_a_video_of_a_public_checkpoint_with_its_adapter_merged(
    public: Path, tmp_path: Path, repo_root: Path
) -> None:
    adapter = write_adapter(tmp_path / "adapter" / "liveavatar.safetensors", rank=128)
    given = {
        "--ckpt_dir": public, "--image": repo_root / "examples/images/teacher.png", "--prompt": "A teacher.",
        "--audio": repo_root / "examples/audios/teacher.wav", "--size": "192*128", "--sample_steps": 3,
        "--infer_frames": 12, "--num_clip": 1, "--threads": 1, "--save_file": tmp_path / "a.mp4",
        "--cache_dir": tmp_path / "cache", "--lora_path_dmd": adapter.parent,
    }  # fmt: skip
    words = [str(word) for pair in given.items() for word in pair]
    command = [sys.executable, "-m", "engine.generate", *words, "--load_lora", "--json"]
    done = subprocess.run(command, cwd=repo_root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["event"] for event in events} >= {"Converting", "BlockDone", "Done"}
    recipe = json.loads((tmp_path / "a.mp4.recipe.json").read_text())
    assert recipe["made_with"]["merged_adapter"].startswith("liveavatar.safetensors sha256 ")
    assert recipe["weights_sha256"] not in ("", load_engine(public).weights_sha256)
    assert generate(words) == 64, "an adapter that nobody asked to merge is not ignored"
