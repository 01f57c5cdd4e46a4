"""The golden cases, and what the command says of folders that hold none or strange ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.parity import main


def _cases(root: Path) -> list[Path]:
    named = os.environ.get("GREENROOM_PARITY")
    folder = Path(named) if named else root.parent / "shared" / "parity"
    return sorted(path.parent for path in folder.glob("*/config.json"))


CASES = _cases(Path(__file__).resolve().parents[3])


@pytest.mark.skipif(not CASES, reason="no golden cases here; name their folder in GREENROOM_PARITY")
def test_golden_cases_are_reproduced(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(CASES[0].parent)]) == 0, capsys.readouterr().out
    assert f"{len(CASES)} of {len(CASES)} cases pass" in capsys.readouterr().out


def _write_case(folder: Path, config: dict[str, object], outputs: dict[str, torch.Tensor]) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(outputs, folder / "outputs.safetensors")


def test_an_empty_folder_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 1
    assert "no cases" in capsys.readouterr().out


def test_an_unknown_kind_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write_case(tmp_path / "odd", {"kind": "riddle", "tolerance": {"abs": 1}, "run": {}}, {"x": torch.ones(1)})
    assert main([str(tmp_path)]) == 1
    assert "riddle" in capsys.readouterr().out


def test_a_damaged_case_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write_case(tmp_path / "odd", {"kind": "sampler", "tolerance": {"abs": 1}, "run": {"steps": [3]}}, {})
    (tmp_path / "odd" / "inputs.safetensors").write_bytes(b"nothing")
    assert main([str(tmp_path)]) == 1
    assert "FAIL" in capsys.readouterr().out


def _sampler_case(folder: Path, tolerance: float, spoil: float = 0.0, forget: bool = False) -> None:
    """A case made from the formulas by hand, with one number moved by `spoil`."""
    sigmas = torch.tensor([1.0, 0.0])
    inputs = {"n1.x0": torch.ones(1, 2), "n1.model_output": torch.full((1, 1, 2), 0.5)}
    after = torch.full((1, 2), 0.5)
    outputs = {
        "n1.sigmas": sigmas + spoil, "n1.timesteps": torch.tensor([1000.0]),
        "n1.fp32.x_after_step": after, "n1.bf16.x_after_step": after.bfloat16(),
    }  # fmt: skip
    if forget:
        outputs["n1.never_compared"] = after.clone()
    _write_case(folder, {"kind": "sampler", "tolerance": {"abs": tolerance}, "run": {"steps": [1]}}, outputs)
    save_file(inputs, folder / "inputs.safetensors")


def test_tolerance_comes_from_the_case(tmp_path: Path) -> None:
    _sampler_case(tmp_path / "strict" / "case", 0.0)
    _sampler_case(tmp_path / "wrong" / "case", 0.0, spoil=1e-3)
    _sampler_case(tmp_path / "lenient" / "case", 1e-2, spoil=1e-3)
    assert [main([str(tmp_path / name)]) for name in ("strict", "wrong", "lenient")] == [0, 1, 0]


def test_an_output_that_nobody_compared_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _sampler_case(tmp_path / "case", 1.0, forget=True)
    assert main([str(tmp_path)]) == 1
    assert "never_compared" in capsys.readouterr().out


def test_not_a_number_never_passes(tmp_path: Path) -> None:
    _sampler_case(tmp_path / "case", 1e9, spoil=float("nan"))
    assert main([str(tmp_path)]) == 1


def test_wrong_usage_is_64() -> None:
    assert main([]) == 64
