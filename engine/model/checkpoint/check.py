"""Is this directory complete and sound? Which file is not, and what to do?"""

from __future__ import annotations

from pathlib import Path

from engine.errors import WeightsError
from engine.model.checkpoint.check_ours import check_adapter, check_model
from engine.model.checkpoint.check_public import PublicCheck
from engine.model.checkpoint.companions import OnProgress, silent
from engine.model.checkpoint.findings import Findings
from engine.model.checkpoint.public import is_public
from engine.model.manifest import FILES


class NoWeights(WeightsError):
    """There are no weights here."""

    code = "no_weights"


def check(place: Path, *, is_deep: bool = False, on_progress: OnProgress = silent) -> Findings:
    """Check a public checkpoint, a model directory, or an adapter; `is_deep` reads every byte. Raises NoWeights."""
    if not place.exists():
        raise NoWeights(f"{place} does not exist.", hint="Name a directory of weights or an adapter file.")
    if (place / "model.json").exists():
        return check_model(place, is_deep=is_deep, on_progress=on_progress)
    if place.is_dir() and is_public(place):
        return PublicCheck(place, is_deep=is_deep, on_progress=on_progress).run()
    if place.is_dir() and any((place / file).exists() for file in FILES):
        findings = Findings(place, "model directory")
        hint = "Convert again: a conversion that was killed leaves a hidden directory, never one like this."
        findings.problem("model.json", "is missing.", hint, "unfinished_conversion")
        return findings
    if place.is_file() or any(place.glob("*.safetensors")):
        return check_adapter(place, is_deep=is_deep, on_progress=on_progress)
    hint = (
        "A public checkpoint has config.json and diffusion_pytorch_model-*.safetensors, a model directory model.json, an "
        "adapter one *.safetensors file."
    )
    raise NoWeights(f"{place} holds none that are known.", hint=hint)
