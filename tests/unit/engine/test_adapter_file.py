"""What an adapter's file says of itself, read from its header."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.catalog import SHAPES
from engine.errors import WeightsError
from engine.media.adapter_probe import probe_adapter
from engine.model.checkpoint.adapters import AdapterFile
from engine.model.random_weights import random_adapter

SHAPE = dataclasses.replace(SHAPES["pocket"], num_layers=1, audio_inject_layers=(0,))


def _file(folder: Path, rank: int = 4, metadata: dict[str, str] | None = None, **more: Tensor) -> Path:
    path = folder / "adapter.safetensors"
    save_file({**random_adapter(SHAPE, "cpu", rank, 0.5), **more}, str(path), metadata=metadata)
    return path


def test_file_that_says_its_alpha_is_believed(tmp_path: Path) -> None:
    verdict = probe_adapter(_file(tmp_path, metadata={"alpha": "2.5", "base_sha256": "ab"}))
    assert (verdict["rank"], verdict["alpha"], verdict["base_sha256"]) == (4, 2.5, "ab")
    assert verdict["modules"] == len(random_adapter(SHAPE, "cpu", 4, 0.5)) // 2


def test_alpha_is_looked_for_beside_the_file_and_else_unknown(tmp_path: Path) -> None:
    path = _file(tmp_path)
    assert probe_adapter(path)["alpha"] is None
    (tmp_path / "adapter_config.json").write_text(json.dumps({"lora_alpha": 8}))
    assert probe_adapter(path)["alpha"] == 8.0
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(WeightsError, match="says no lora_alpha"):
        probe_adapter(path)


@pytest.mark.parametrize("said", ["nan", "inf", "0", "-1", "much"])
def test_alpha_that_would_spoil_or_change_nothing_is_refused_wherever_it_is_said(tmp_path: Path, said: str) -> None:
    with pytest.raises(WeightsError, match="no number above 0"):
        probe_adapter(_file(tmp_path, metadata={"alpha": said}))
    path = _file(tmp_path)
    (tmp_path / "adapter_config.json").write_text(json.dumps({"lora_alpha": said}))
    with pytest.raises(WeightsError, match="no number above 0"):
        probe_adapter(path)
    if said != "much":
        with pytest.raises(WeightsError, match="no number above 0"):
            AdapterFile.find(str(path), alpha=float(said))


def test_published_rank_has_the_published_alpha(tmp_path: Path) -> None:
    assert probe_adapter(_file(tmp_path, rank=128))["alpha"] == 64.0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"optimizer.step": torch.zeros(1)}, "not one of a low-rank adapter"),
        ({"blocks.9.ffn.0.lora_A.weight": torch.zeros(4, 8)}, "only one half for blocks.9.ffn.0"),
        (
            {"blocks.9.q.lora_A.weight": torch.zeros(4, 8), "blocks.9.q.lora_B.weight": torch.zeros(8, 3)},
            "do not fit each other",
        ),
        ({"blocks.9.q.lora_A.weight": torch.zeros(4)}, "halves are matrices"),
    ],
    ids=["foreign", "half", "ranks", "vector"],
)
def test_file_that_is_no_whole_adapter_is_refused(tmp_path: Path, more: dict[str, Tensor], words: str) -> None:
    with pytest.raises(WeightsError, match=words):
        probe_adapter(_file(tmp_path, **more))


def test_adapter_that_was_cut_off_or_is_too_large_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(WeightsError, match="7 are missing"):
        probe_adapter(path)
    with pytest.raises(WeightsError, match="rank 200; at most 128"):
        probe_adapter(_file(tmp_path, rank=200))
