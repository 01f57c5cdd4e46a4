"""One golden case: its configuration, its tensors, and what was compared."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.model.config import TransformerConfig
from engine.model.weights import load_tensors


@dataclass(frozen=True)
class Result:
    """Largest absolute error of all tensors that fall under one tolerance of a case."""

    case: str
    demand: str  # key in the case's `tolerance`
    error: float
    tolerance: float
    worst: str  # name of the tensor with the largest error
    tensors: int

    @property
    def is_passed(self) -> bool:
        """Within the tolerance; not-a-number never is."""
        return self.error <= self.tolerance


@dataclass
class Case:
    """A case folder. `check` compares one tensor; every tensor of `outputs.safetensors` must be checked."""

    path: Path
    config: dict[str, Any]
    device: str = "cpu"
    errors: dict[str, dict[str, float]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    @classmethod
    def open(cls, path: Path, device: str = "cpu") -> Case:
        """Read `config.json`; raises OSError or ValueError when it cannot be read."""
        return cls(path, json.loads((path / "config.json").read_text()), device)

    def __post_init__(self) -> None:
        self.inputs = self.tensors("inputs.safetensors")
        self.outputs = self.tensors("outputs.safetensors")

    @property
    def run(self) -> dict[str, Any]:
        """Everything about the run."""
        return self.config["run"]

    def transformer_config(self) -> TransformerConfig:
        """The model's configuration; absent fields (single-module cases) are filled with something harmless."""
        filler = {"dim": 48, "ffn_dim": 8, "num_heads": 2, "num_layers": 1, "audio_dim": 8, "text_dim": 8}
        model = {**filler, **self.config["model"]}
        model["num_layers"] = max([model["num_layers"], *(layer + 1 for layer in model.get("audio_inject_layers", ()))])
        return TransformerConfig.from_json(model)

    def weights(self, prefix: str = "", file: str = "weights.safetensors") -> dict[str, Tensor]:
        """Tensors whose names begin with `prefix`, without it."""
        tensors = self.tensors(file)
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    def check(self, name: str, got: Tensor, *, want: Tensor | None = None, demand: str = "abs") -> None:
        """Compare with the output called `name` (or with `want`) under one of the case's tolerances."""
        if want is None:
            want = self.outputs[name]
            self.seen.add(name)
        error = float("inf")
        if got.shape == want.shape and got.numel():
            error = (got.double().cpu() - want.double().cpu()).abs().max().item()
        errors = self.errors.setdefault(demand, {})
        errors[name] = max(error, errors.get(name, 0.0), key=_badness)

    def results(self) -> list[Result]:
        """One result per demand; an output that was never compared is an error of its own."""
        for name in self.outputs.keys() - self.seen:
            self.errors.setdefault("abs", {})[f"{name} (not compared)"] = float("inf")
        results = []
        for demand, errors in self.errors.items():
            worst = max(errors, key=lambda name: _badness(errors[name]))
            tolerance = float(self.config["tolerance"][demand])
            results.append(Result(self.path.name, demand, errors[worst], tolerance, worst, len(errors)))
        return results

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Tensors of one of the case's files, on the device; none where there is no such file."""
        if not (self.path / name).exists():
            return {}
        return {key: value.to(self.device) for key, value in load_tensors(self.path / name).items()}


def _badness(error: float) -> float:
    """Order of errors: not-a-number is worse than anything."""
    return math.inf if math.isnan(error) else error
