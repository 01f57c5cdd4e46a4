"""`python -m engine.model.random_directory DIR --shape live-avatar-14b`: a model directory without weights.

Its model.json names a shape; whoever loads it draws the weights, the same ones from the same seed on the same kind of device.
It shows noise. With it a machine can be tried at full size (speed, memory, what a fault costs) before a checkpoint is there.
The encoders of text and voice are stand-ins that give rows of the right shapes at once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from engine.catalog import SHAPES, SPEECH_RATE, ModelShape
from engine.errors import EngineError, WeightsError
from engine.model.manifest import RANDOM
from engine.model.random_weights import draw
from engine.model.speech import FEATURE_RATE, SPEECH_LAYERS
from engine.regular_file import read_regular

PRECISIONS = ("fp8", "bf16")
_VOCABULARY = 300  # bytes and a few more


@dataclass(frozen=True, kw_only=True)
class RandomModel:
    """What model.json says. `precision` is that of the large products; a float32 shape has none."""

    shape: ModelShape
    precision: str
    seed: int

    @property
    def sha256(self) -> str:
        """Names the weights, as a manifest's hash does."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """The content of model.json."""
        return json.dumps({RANDOM: {"shape": self.shape.name, "precision": self.precision, "seed": self.seed}}, indent=1) + "\n"

    @classmethod
    def read(cls, model_dir: Path) -> RandomModel | None:
        """The directory's, or None where it is not one of these. Raises WeightsError naming what is wrong in it."""
        path = model_dir / "model.json"
        try:
            data = json.loads(read_regular(path))
        except (OSError, ValueError):
            return None  # whoever reads it as a manifest says why
        if not isinstance(data, dict) or RANDOM not in data:
            return None
        try:
            said = data[RANDOM]
            return checked(str(said["shape"]), str(said["precision"]), int(said["seed"]))
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsError(f"{path}: {error!r}.", hint="Write the model directory again.", path=str(path)) from error


def checked(shape: str, precision: str, seed: int) -> RandomModel:
    """The model of these names. Raises WeightsError naming the one that is not known."""
    for word, known in ((shape, tuple(SHAPES)), (precision, PRECISIONS)):
        if word not in known:
            raise WeightsError(f"random weights of {word!r} are not known.", hint=f"Known: {', '.join(known)}.")
    return RandomModel(shape=SHAPES[shape], precision=precision, seed=seed)


class RandomText(nn.Module):
    """Stands for the text encoder: token ids [1, n] -> rows [1, n, dim]."""

    def __init__(self, dim: int, device: str, dtype: torch.dtype) -> None:
        super().__init__()
        self.rows = nn.Parameter(draw("text.rows", (_VOCABULARY, dim), device, dtype, 0), requires_grad=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        """As the library's encoder answers."""
        return SimpleNamespace(last_hidden_state=self.rows[input_ids])


class RandomSpeech(nn.Module):
    """Stands for the speech encoder: waveform [1, N] -> 25 states [1, N / 320, dim]."""

    def __init__(self, dim: int, device: str, dtype: torch.dtype) -> None:
        super().__init__()
        self.layers = nn.Parameter(draw("speech.layers", (SPEECH_LAYERS, dim), device, dtype, 0), requires_grad=False)

    def forward(self, waveform: Tensor, output_hidden_states: bool) -> SimpleNamespace:
        """As the library's encoder answers."""
        samples = SPEECH_RATE // FEATURE_RATE
        pieces = waveform[0, : waveform.shape[1] // samples * samples].view(-1, samples)
        loudness = pieces.abs().mean(dim=1, keepdim=True)
        states = [(loudness * layer)[None] for layer in self.layers]
        return SimpleNamespace(hidden_states=states, last_hidden_state=states[-1])


def main(arguments: list[str]) -> int:
    """Command line."""
    from engine.model.pocket import publish  # a worker only reads

    parser = argparse.ArgumentParser(prog="python -m engine.model.random_directory", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--shape", default="live-avatar-14b", help=f"one of {', '.join(SHAPES)}")
    parser.add_argument("--precision", default="fp8", help="of the large products, on a device: fp8 or bf16")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        model = checked(options.shape, options.precision, options.seed)
        publish(options.directory, {"model.json": model.to_json().encode()})
    except EngineError as error:
        print(f"{error} {error.hint}".strip(), file=sys.stderr)
        return 1
    print(f"{options.directory}: the shape {model.shape.name} with random weights, seed {model.seed}; it shows noise")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
