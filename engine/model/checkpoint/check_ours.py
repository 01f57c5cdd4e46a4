"""Checking a model directory and an adapter."""

from __future__ import annotations

from pathlib import Path

from engine.errors import WeightsError
from engine.model.checkpoint.adapters import AdapterFile
from engine.model.checkpoint.companions import OnProgress
from engine.model.checkpoint.deep import read_everything
from engine.model.checkpoint.expected import compared, differences, expected_tensors
from engine.model.checkpoint.findings import REFUSED, Findings
from engine.model.checkpoint.model_files import header_of
from engine.model.checkpoint.source import PartSource
from engine.model.checkpoint.sums import demanded_hashes
from engine.model.header import Entry
from engine.model.loading import DTYPES
from engine.model.lora import TARGETS, adapter_pairs
from engine.model.manifest import CARD, FILES, TRANSFORMER, Manifest
from engine.model.weights import load_tensors

_AGAIN = "Convert or fetch this file again."


def check_model(directory: Path, *, is_deep: bool, on_progress: OnProgress) -> Findings:
    """A directory with a model.json: everything it lists, against its own words."""
    findings = Findings(directory, "model directory")
    with findings.about(directory / "model.json"):
        findings.file(directory / "model.json")
        manifest = Manifest.read(directory)
        findings.weights_sha256, findings.is_trained = manifest.sha256, manifest.is_trained
        for name in manifest.files:
            if not findings.file(directory / name):
                findings.problem(name, "is missing; model.json lists it.", _AGAIN, "missing")
        for part in FILES:
            _check_part(findings, directory, manifest, part)
        _look_for_others(findings, directory, manifest)
        if is_deep:
            demanded = {directory / name: sha256 for name, sha256 in manifest.files.items()}
            read_everything(findings, list(demanded), demanded, on_progress)
        findings.notes.insert(0, _summary(manifest))
    return findings


def check_adapter(place: Path, *, is_deep: bool, on_progress: OnProgress) -> Findings:
    """A low-rank adapter: a file, or the folder it lies in."""
    findings = Findings(place, "adapter")
    with findings.about(place):
        adapter = AdapterFile.find(str(place))
        findings.file(adapter.path)
        with findings.about(adapter.path):
            pairs = adapter_pairs(load_tensors(adapter.path))
            findings.tensors["adapter"] = {"found": 2 * len(pairs), "expected": 2 * len(pairs)}
            strangers = [module for module in pairs if not module.endswith(tuple(f".{target}" for target in TARGETS))]
            if strangers:
                what = f"has pairs for {len(strangers)} modules that are no targets, first {strangers[0]}."
                remedy = f"Targets are {', '.join(TARGETS)} of blocks and injectors."
                findings.problem(adapter.path, what, remedy, "no_target", count=len(strangers), first=strangers[0])
            for module, pair in pairs.items():
                if pair.down.dim() != 2 or pair.up.dim() != 2 or pair.up.shape[1] != pair.down.shape[0]:
                    shapes = f"{list(pair.up.shape)} x {list(pair.down.shape)}"
                    what = f"has {shapes} for {module}, which is no product."
                    findings.problem(adapter.path, what, _AGAIN, "no_product", shapes=shapes, module=module)
            ranks = sorted({pair.down.shape[0] for pair in pairs.values()})
            findings.notes.append(f"{len(pairs)} pairs of rank {', '.join(map(str, ranks))}")
        if not findings.problems:
            try:
                findings.notes.append(f"alpha {adapter.read()[1]:g}")
            except WeightsError as error:
                findings.warning(adapter.path, error.detail, error.hint, error.data.get("problem", REFUSED))
        if is_deep:
            read_everything(findings, [adapter.path], demanded_hashes(adapter.path.parent), on_progress)
    return findings


def _check_part(findings: Findings, directory: Path, manifest: Manifest, part: str) -> None:
    entries: dict[str, Entry] = {}
    paths = [directory / name for name in manifest.part(part)]
    for path in paths:
        if not path.is_file():
            return
        with findings.about(path):
            entries |= header_of(path)
            findings.files[findings.name(path)]["tensors"] = len(header_of(path))
    if any(findings.files[findings.name(path)]["state"] != "ok" for path in paths):
        return
    expected, compare = expected_tensors(part, manifest), compared(part, entries)
    findings.tensors[part.removesuffix(".safetensors")] = {"found": len(compare), "expected": len(expected)}
    for difference in differences(expected, compare):
        findings.problem(paths[0], f"{difference.what}.", _AGAIN, difference.code, **difference.data)
    if part == TRANSFORMER and not findings.problems:
        with findings.about(paths[0]):
            tensors = {name: tensor for path in paths for name, tensor in load_tensors(path).items()}
            PartSource(tensors, str(paths[0]), "cpu", DTYPES.get(manifest.dtype, DTYPES["bfloat16"]))


def _look_for_others(findings: Findings, directory: Path, manifest: Manifest) -> None:
    words = directory / manifest.text.tokenizer
    for path in sorted(directory.rglob("*")):
        name = findings.name(path)
        if path.is_relative_to(words) or name in manifest.files or name in ("model.json", CARD):
            continue
        if path.is_file():
            remedy = "Remove it if nobody needs it."
            findings.warning(path, "is not listed in model.json; nothing uses it.", remedy, "unlisted")


def _summary(manifest: Manifest) -> str:
    merged = ", ".join(f"{adapter.name} (alpha {adapter.alpha:g})" for adapter in manifest.adapters) or "no adapter"
    return f"{manifest.name}, {manifest.precision} in {manifest.dtype}, merged: {merged}"
