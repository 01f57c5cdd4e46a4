"""What a conversion starts from: a directory of either kind with every part mapped, `.pth` files included."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from engine.errors import WeightsError
from engine.model.checkpoint.expected import compared, differences, expected_tensors
from engine.model.checkpoint.infer import text_config_of, vae_config_of
from engine.model.checkpoint.model_files import dtype_of, name_of, open_model
from engine.model.checkpoint.pickles import load_pickled
from engine.model.checkpoint.public import PICKLES, TOKENIZER, PublicDirectory, is_public
from engine.model.manifest import FILES, SPEECH, TEXT, TRANSFORMER, VAE, Manifest
from engine.model.weights import load_tensors


@dataclass(frozen=True, kw_only=True)
class Origin:
    """`parts`: part -> files and their tensors as views of mappings. `words`: the tokenizer's files."""

    directory: Path
    manifest: Manifest
    files: Mapping[str, tuple[Path, ...]]
    tensors: Mapping[str, dict[str, Tensor]]
    words: tuple[Path, ...]
    known: Mapping[Path, str]

    @classmethod
    def open(cls, directory: Path) -> Origin:
        """Map everything and compare names and shapes. Raises WeightsError naming the file and what to do."""
        origin = _public(directory) if is_public(directory) and not (directory / "model.json").exists() else _ours(directory)
        for part in FILES:
            problems = differences(expected_tensors(part, origin.manifest), compared(part, origin.tensors[part]))
            if problems:
                hint = f"Look at the whole directory: role_scheduler weights check {directory}"
                raise WeightsError(f"{origin.name(part)} {problems[0].what}.", hint=hint)
        return origin

    def name(self, part: str) -> str:
        """A part in an error's words."""
        paths = self.files[part]
        return str(paths[0]) if len(paths) == 1 else f"{paths[0]} to {paths[-1].name}"

    def all_files(self) -> tuple[Path, ...]:
        """Every file of weights, in order."""
        return tuple(path for part in FILES for path in self.files[part])


def _public(directory: Path) -> Origin:
    public = PublicDirectory(directory)
    config, shards, speech = public.config(), public.shards(), public.speech_config()
    files = {TRANSFORMER: shards} | {part: (public.companion(part),) for part in (VAE, SPEECH, TEXT)}
    tensors = {part: _read_all(paths) for part, paths in files.items()}
    text = text_config_of(tensors[TEXT], str(files[TEXT][0]))
    manifest = Manifest(
        name=name_of(config, directory), is_trained=True, transformer=config,
        vae=vae_config_of(tensors[VAE], str(files[VAE][0])), speech=speech,
        text=dataclasses.replace(text, tokenizer=TOKENIZER), files={}, dtype=dtype_of(shards[0]), sha256="",
    )  # fmt: skip
    return Origin(
        directory=directory, manifest=manifest, files=files, tensors=tensors, words=public.tokenizer_files(), known={}
    )


def _ours(directory: Path) -> Origin:
    model = open_model(directory)
    tensors = {part: _read_all(paths) for part, paths in model.parts.items()}
    words = model.manifest.text.tokenizer
    found = tuple(sorted((directory / words).iterdir())) if words != "bytes" else ()
    return Origin(
        directory=directory, manifest=model.manifest, files=model.parts, tensors=tensors, words=found, known=model.known
    )


def _read_all(paths: tuple[Path, ...]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for path in paths:
        for name, tensor in (load_pickled(path) if path.suffix in PICKLES else load_tensors(path)).items():
            if name in tensors:
                raise WeightsError(f"{path}: {name} is in another file too.", hint="Fetch these files again.")
            tensors[name] = tensor
    return tensors
