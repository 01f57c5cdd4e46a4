"""`model.json`: what a model directory holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.catalog import ModelShape
from engine.errors import WeightsError
from engine.model.config import TransformerConfig
from engine.model.text import TextConfig
from engine.model.vae import VaeConfig

TRANSFORMER, VAE, SPEECH, TEXT = (f"{part}.safetensors" for part in ("transformer", "vae", "speech", "text"))
FILES = (TRANSFORMER, VAE, SPEECH, TEXT)
ReadFile = Callable[[Path], memoryview]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A model directory's description, checked. `files` maps names to sha256."""

    name: str
    is_trained: bool
    transformer: TransformerConfig
    vae: VaeConfig
    speech: dict[str, Any]
    text: TextConfig
    files: dict[str, str]
    dtype: str
    sha256: str  # of the whole manifest: it names every weight by its hash

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Manifest:
        """From plain data; raises WeightsError naming what is missing."""
        try:
            missing = [file for file in FILES if file not in data["files"]]
            if missing:
                raise WeightsError(f"model.json lists no {missing[0]}.", hint="Write the model directory again.")
            return cls(
                name=str(data["name"]), is_trained=bool(data["trained"]), files=dict(data["files"]),
                transformer=TransformerConfig.from_json(data["shape"]), vae=VaeConfig.from_json(data["vae"]),
                speech=dict(data["speech"]), text=TextConfig.from_json(data["text"]),
                dtype=str(data["shape"].get("dtype", "bfloat16")),
                sha256=hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest(),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise WeightsError(f"model.json: {error!r}.", hint="Write the model directory again.") from error

    @classmethod
    def read(cls, model_dir: Path) -> Manifest:
        """Read `model.json` of a directory."""
        path = model_dir / "model.json"
        try:
            data = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            hint = "Make one with `python -m engine.model.pocket DIR`, or name another model directory."
            raise WeightsError(f"{path}: {error}.", hint=hint, path=str(path)) from error
        return cls.from_json(data)

    def shape(self) -> ModelShape:
        """The shape as the planner knows it."""
        config = vars(self.transformer)
        known = {name: config[name] for name in ModelShape.__dataclass_fields__ if name in config}
        return ModelShape(
            name=self.name, dtype=self.dtype, vae_dim=self.vae.dim, vae_dim_mult=self.vae.dim_mult, **known
        )
