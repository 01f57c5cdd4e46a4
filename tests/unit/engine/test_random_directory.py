"""Model directories that ask for random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.errors import WeightsError
from engine.model.checkpoint.model_files import open_model
from engine.model.random_directory import RandomModel, main
from engine.worker.random_model import load_random


def written(folder: Path, *arguments: str) -> Path:
    assert main([str(folder / "model"), *arguments]) == 0
    return folder / "model"


def test_directory_of_random_weights_gives_the_same_weights_each_time(tmp_path: Path) -> None:
    model = RandomModel.read(written(tmp_path, "--shape", "pocket", "--seed", "3"))
    assert model is not None and (model.shape.name, model.seed) == ("pocket", 3)
    first, second = (load_random(model, "cpu", None).engine for _ in range(2))
    pairs = zip(first.transformer.state_dict().values(), second.transformer.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert first.weights_sha256 == second.weights_sha256 == model.sha256 and not first.is_trained
    another = RandomModel.read(written(tmp_path, "--shape", "pocket", "--seed", "4"))
    assert another is not None and another.sha256 != model.sha256


def test_network_for_a_gpu_is_refused_on_a_cpu(tmp_path: Path) -> None:
    model = RandomModel.read(written(tmp_path))
    assert model is not None and model.shape.name == "live-avatar-14b"
    with pytest.raises(WeightsError, match="needs a GPU"):
        load_random(model, "cpu", None)


def test_unknown_shape_is_named_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "model"), "--shape", "giant"]) == 1
    assert "'giant'" in capsys.readouterr().err and not (tmp_path / "model").exists()
    (tmp_path / "model.json").write_text('{"random": {"shape": "pocket"}}')
    with pytest.raises(WeightsError, match="precision"):
        RandomModel.read(tmp_path)


def test_who_wants_files_is_told_that_there_are_none(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="asks for random weights"):
        open_model(written(tmp_path))
    assert RandomModel.read(tmp_path / "nowhere") is None
