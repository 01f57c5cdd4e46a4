"""`model.json`: what a model directory holds."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.catalog import ModelShape
from engine.errors import WeightsError
from engine.model.config import TransformerConfig
from engine.model.text import TextConfig
from engine.model.vae import VaeConfig
from engine.regular_file import read_regular

TRANSFORMER, VAE, SPEECH, TEXT = (f"{part}.safetensors" for part in ("transformer", "vae", "speech", "text"))
FILES = (TRANSFORMER, VAE, SPEECH, TEXT)
CARD = "training.json"  # how a model was trained: lies beside the weights, nothing reads it
RANDOM = "random"  # in model.json instead of files: see `engine.model.random_directory`
ReadFile = Callable[[Path], memoryview]


@dataclass(frozen=True, kw_only=True)
class MergedAdapter:
    """A low-rank adapter whose product is part of the weights."""

    name: str
    sha256: str
    alpha: float
    rank: int
    pairs: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A model directory's description, checked. `files` maps names to sha256.

    A part (such as `transformer.safetensors`) may be several files, `transformer-00001-of-00004.safetensors` and so on.
    """

    name: str
    is_trained: bool
    transformer: TransformerConfig
    vae: VaeConfig
    speech: dict[str, Any]
    text: TextConfig
    files: dict[str, str]
    dtype: str
    sha256: str  # of the whole manifest: it names every weight by its hash
    precision: str = "bf16"  # "fp8": large layers as eight-bit codes with one scale per row, everything else bfloat16
    adapters: tuple[MergedAdapter, ...] = ()
    sources: dict[str, str] = field(default_factory=dict)  # the files this directory was made from: name -> sha256

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Manifest:
        """From plain data; raises WeightsError naming what is missing."""
        if not isinstance(data, dict):
            raise WeightsError("model.json holds no object.", hint="Write the model directory again.", problem="bad_manifest")
        if RANDOM in data:
            what = "model.json asks for random weights; there are no files to read."
            hint = "Name a directory with files, or serve it: `role_scheduler serve` draws its weights."
            raise WeightsError(what, hint=hint, problem="random_model")
        try:
            for part in FILES:
                files_of_part(part, data["files"])
            return cls(
                name=str(data["name"]), is_trained=bool(data["trained"]), files=dict(data["files"]),
                transformer=TransformerConfig.from_json(data["shape"]), vae=VaeConfig.from_json(data["vae"]),
                speech=dict(data["speech"]), text=TextConfig.from_json(data["text"]),
                dtype=str(data["shape"].get("dtype", "bfloat16")),
                sha256=hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest(),
                precision=str(data.get("precision", "bf16")), sources=dict(data.get("sources", {})),
                adapters=tuple(MergedAdapter(**entry) for entry in data.get("adapters", ())),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            hint = "Write the model directory again."
            raise WeightsError(f"model.json: {error!r}.", hint=hint, problem="bad_manifest") from error

    @classmethod
    def read(cls, model_dir: Path) -> Manifest:
        """Read `model.json` of a directory."""
        path = model_dir / "model.json"
        try:
            data = json.loads(read_regular(path))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            hint = (
                "Name a model directory (model.json) or a public checkpoint (config.json, diffusion_pytorch_model-*); "
                "`python -m engine.model.pocket DIR` makes a small one."
            )
            raise WeightsError(f"{path}: {why}.", hint=hint, path=str(path), problem="bad_manifest") from error
        return cls.from_json(data)

    def part(self, part: str) -> tuple[str, ...]:
        """The names of a part's files, in order."""
        return files_of_part(part, self.files)

    def shape(self) -> ModelShape:
        """The shape as the planner knows it."""
        config = vars(self.transformer)
        known = {name: config[name] for name in ModelShape.__dataclass_fields__ if name in config}
        return ModelShape(
            name=self.name, dtype=self.dtype, vae_dim=self.vae.dim, vae_dim_mult=self.vae.dim_mult, **known
        )


def files_of_part(part: str, names: Iterable[str]) -> tuple[str, ...]:
    """Of `names`, the file or the numbered files of a part. Raises WeightsError where one is not listed."""
    if part in names:
        return (part,)
    shard = re.compile(re.escape(part.removesuffix(".safetensors")) + r"-(\d{5})-of-(\d{5})\.safetensors")
    found = {int(match[1]): (name, int(match[2])) for name in names if (match := shard.fullmatch(name))}
    count = max((total for _, total in found.values()), default=0)
    if not found or found.keys() != set(range(1, count + 1)):
        what = f"{len(found)} of {count} files of {part}" if found else f"no {part}"
        raise WeightsError(f"model.json lists {what}.", hint="Write the model directory again.", problem="bad_manifest")
    return tuple(found[number][0] for number in sorted(found))
