"""The public checkpoint directory (Wan2.2-S2V-14B and what is laid out like it): which file is which part."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import WeightsError
from engine.model.config import TransformerConfig
from engine.model.manifest import SPEECH, TEXT, VAE
from engine.regular_file import read_regular

CONFIG = "config.json"
STEM = "diffusion_pytorch_model"
INDEX = f"{STEM}.safetensors.index.json"
TOKENIZER = "google/umt5-xxl"
PICKLES = (".pth", ".bin")  # files that have to be converted before they can be mapped
FETCH = "Fetch it from the checkpoint's publisher."
_COMPANIONS = {TEXT: ("text encoder", "models_t5*"), VAE: ("autoencoder", "*VAE*")}
_SIZES = ("dim", "ffn_dim", "num_heads", "num_layers", "audio_dim", "text_dim", "text_len")
_LARGEST, _MOST_LAYERS = 1 << 20, 1000  # beyond these somebody is joking
# What of wav2vec2's config.json says how the network is built.
_SPEECH_FIELDS = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "conv_dim", "conv_kernel",
    "conv_stride", "conv_bias", "feat_extract_norm", "feat_extract_activation", "hidden_act", "do_stable_layer_norm",
    "layer_norm_eps", "num_conv_pos_embeddings", "num_conv_pos_embedding_groups", "num_feat_extract_layers", "vocab_size",
)  # fmt: skip


def is_public(directory: Path) -> bool:
    """Whether this looks like a public checkpoint, complete or not: two of configuration, shards, companions are there."""
    has_shards = any(directory.glob(f"{STEM}*"))
    has_companion = any(any(directory.glob(pattern)) for _, pattern in _COMPANIONS.values())
    return sum(((directory / CONFIG).is_file(), has_shards, has_companion)) >= 2


@dataclass(frozen=True)
class PublicDirectory:
    """Finds the parts. Every method raises WeightsError naming what is missing and what to do."""

    directory: Path

    def config(self) -> TransformerConfig:
        """The transformer's shape."""
        data = _read_json(self.directory / CONFIG)
        try:
            config = TransformerConfig.from_json(data)
            is_sane = all(0 < getattr(config, name) <= _LARGEST for name in _SIZES) and config.num_layers <= _MOST_LAYERS
        except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
            what = f"{self.directory / CONFIG} describes no network: {error}."
            raise WeightsError(what, hint=FETCH, problem="bad_config") from error
        if not is_sane:
            raise WeightsError(f"{self.directory / CONFIG} describes no network that exists.", hint=FETCH, problem="bad_config")
        return config

    def shards(self) -> tuple[Path, ...]:
        """The transformer's files, all there."""
        names = self.shard_names()
        missing = [name for name in names if not (self.directory / name).is_file()]
        if missing:
            what = f"{len(missing)} of {len(names)} shards, first {missing[0]}"
            raise WeightsError(f"{self.directory} misses {what}.", hint=FETCH, problem="part_missing", missing=missing)
        return tuple(self.directory / name for name in names)

    def shard_names(self) -> list[str]:
        """What the transformer's files are called: by the index, or one file, or numbered files without an index."""
        if (self.directory / INDEX).exists():
            return sorted(set(self.index().values()))
        names = sorted(path.name for path in self.directory.glob(f"{STEM}*.safetensors"))
        if f"{STEM}.safetensors" in names:
            return [f"{STEM}.safetensors"]
        numbered = re.compile(re.escape(STEM) + r"-\d{5}-of-(\d{5})\.safetensors")
        totals = [int(match[1]) for name in names if (match := numbered.fullmatch(name))]
        if not totals:
            raise WeightsError(f"{self.directory} misses {STEM}*.safetensors.", hint=FETCH, problem="part_missing")
        return [f"{STEM}-{number:05}-of-{totals[0]:05}.safetensors" for number in range(1, totals[0] + 1)]

    def index(self) -> dict[str, str]:
        """Tensor name -> shard, as the index says."""
        weight_map = _read_json(self.directory / INDEX).get("weight_map")
        if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
            raise WeightsError(f"{self.directory / INDEX} has no weight_map.", hint=FETCH, problem="bad_config")
        return weight_map

    def companion(self, part: str) -> Path:
        """The file of the text encoder or the autoencoder: as published, or a safetensors file beside it."""
        if part == SPEECH:
            return self.speech()
        what, pattern = _COMPANIONS[part]
        for suffix in (".safetensors", ".pth"):
            found = sorted(self.directory.glob(pattern + suffix))
            if len(found) > 1:
                said = f"{self.directory} has several files for the {what}: {', '.join(path.name for path in found)}."
                raise WeightsError(said, hint="Keep one.", problem="several_files")
            if found:
                return found[0]
        raise WeightsError(f"{self.directory} misses the {what} ({pattern}.pth).", hint=FETCH, problem="part_missing")

    def speech_dir(self) -> Path:
        """The folder of the speech encoder: the one whose config.json says wav2vec2."""
        for config in sorted(self.directory.glob(f"*/{CONFIG}")):
            if _read_json(config).get("model_type") == "wav2vec2":
                return config.parent
        named = sorted(path for path in self.directory.glob("wav2vec2*") if path.is_dir())
        where = f"{named[0].name}/{CONFIG}" if named else "the speech encoder's folder (wav2vec2-large-xlsr-53-english)"
        raise WeightsError(f"{self.directory} misses {where}.", hint=FETCH, problem="part_missing")

    def speech(self) -> Path:
        """The speech encoder's weights."""
        folder = self.speech_dir()
        for name in ("model.safetensors", "pytorch_model.bin"):
            if (folder / name).is_file():
                return folder / name
        raise WeightsError(f"{folder} misses model.safetensors.", hint=FETCH, problem="part_missing")

    def speech_config(self) -> dict[str, Any]:
        """How the speech encoder is built."""
        data = _read_json(self.speech_dir() / CONFIG)
        return {name: data[name] for name in _SPEECH_FIELDS if name in data}

    def tokenizer_files(self) -> tuple[Path, ...]:
        """The tokenizer's files."""
        folder = self.directory / TOKENIZER
        names = ("tokenizer.json", "spiece.model")
        if not any((folder / name).is_file() for name in names):
            what = f"the tokenizer: {TOKENIZER} holds neither {names[0]} nor {names[1]}"
            raise WeightsError(f"{self.directory} misses {what}.", hint=FETCH, problem="part_missing")
        return tuple(sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_regular(path))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise WeightsError(f"{path}: {why}.", hint=FETCH, path=str(path), problem="bad_config") from error
    if not isinstance(data, dict):
        raise WeightsError(f"{path} holds no JSON object.", hint=FETCH, path=str(path), problem="bad_config")
    return data
