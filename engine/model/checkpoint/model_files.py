"""A directory of weights of either kind, public or ours, as one description: shapes, files by part, hashes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.catalog import SHAPES
from engine.errors import WeightsError
from engine.model.checkpoint.companions import OnProgress, mapped_companions, silent
from engine.model.checkpoint.infer import text_config_of, vae_config_of
from engine.model.checkpoint.public import TOKENIZER, PublicDirectory, is_public
from engine.model.config import TransformerConfig
from engine.model.header import Entry, read_header
from engine.model.manifest import FILES, SPEECH, TEXT, TRANSFORMER, VAE, Manifest
from engine.model.weights import map_file

_DTYPES = {"BF16": "bfloat16", "F16": "bfloat16", "F32": "float32"}  # published half precision runs as bfloat16


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """`parts`: part (such as `vae.safetensors`) -> its files. `known`: the sha256 that a manifest demands."""

    directory: Path
    manifest: Manifest
    parts: Mapping[str, tuple[Path, ...]]
    known: Mapping[Path, str]
    is_public: bool

    def weights_sha256(self, found: Mapping[Path, str]) -> str:
        """One hash that names every weight, from the hashes that were found while the files were opened."""
        if not self.is_public:
            return self.manifest.sha256
        shape = {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self.manifest.transformer).items()}
        files = {part: [found[path] for path in paths] for part, paths in self.parts.items()}
        text = json.dumps({"shape": shape, "files": files}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def open_model(directory: Path, cache_dir: Path | None = None, on_progress: OnProgress = silent) -> ModelFiles:
    """What a directory holds. A public one's `.pth` files are converted into `cache_dir` once (default: the hidden
    folder `.converted` beside the directory). Raises WeightsError naming what is missing and what to do."""
    directory = Path(directory)
    if (directory / "model.json").exists() or not is_public(directory):
        return _ours(directory)
    public = PublicDirectory(directory)
    config, shards, speech = public.config(), public.shards(), public.speech_config()
    public.tokenizer_files()
    companions = mapped_companions(public, cache_dir or default_cache_dir(directory), on_progress)
    headers = {part: header_of(path) for part, path in companions.items()}
    text = dataclasses.replace(text_config_of(headers[TEXT], str(companions[TEXT])), tokenizer=TOKENIZER)
    manifest = Manifest(
        name=name_of(config, directory), is_trained=True, transformer=config,
        vae=vae_config_of(headers[VAE], str(companions[VAE])), speech=speech, text=text, files={},
        dtype=dtype_of(shards[0]), sha256="",
    )  # fmt: skip
    parts = {TRANSFORMER: shards} | {part: (companions[part],) for part in (VAE, SPEECH, TEXT)}
    return ModelFiles(directory=directory, manifest=manifest, parts=parts, known={}, is_public=True)


def default_cache_dir(directory: Path) -> Path:
    """Where converted companions of a public directory are kept when nobody says otherwise: beside it, as it is named."""
    return directory.absolute().parent / ".converted"


def header_of(path: Path) -> dict[str, Entry]:
    """The header of a safetensors file on the disk. Raises WeightsError."""
    return read_header(map_file(path), str(path))


def _ours(directory: Path) -> ModelFiles:
    manifest = Manifest.read(directory)
    names = {part: manifest.part(part) for part in FILES}
    return ModelFiles(
        directory=directory, manifest=manifest, is_public=False,
        parts={part: tuple(directory / name for name in files) for part, files in names.items()},
        known={directory / name: sha256 for name, sha256 in manifest.files.items()},
    )  # fmt: skip


def name_of(config: TransformerConfig, directory: Path) -> str:
    """The catalog's name of this shape, else the directory's."""
    for name, shape in SHAPES.items():
        if TransformerConfig.from_shape(shape) == config:
            return name
    return directory.name


def dtype_of(shard: Path) -> str:
    """What the network computes in, by the kind of a shard's numbers. Raises WeightsError for kinds it cannot use."""
    kinds = {entry.dtype for entry in header_of(shard).values()}
    known = [_DTYPES[kind] for kind in sorted(kinds) if kind in _DTYPES]
    if not known or kinds - _DTYPES.keys():
        raise WeightsError(f"{shard} holds numbers of kind {', '.join(sorted(kinds))}.", hint="Use the published bf16 files.")
    return known[0]
