"""Adapter files: found from what people type, read with their alpha."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from engine.errors import WeightsError
from engine.model.adapter_file import SETTINGS_FILE, read_facts, sound_alpha
from engine.model.lora import adapter_pairs
from engine.model.weights import load_tensors
from engine.regular_file import open_regular

PUBLISHED = "liveavatar.safetensors"


@dataclass(frozen=True)
class AdapterFile:
    """One low-rank adapter on the disk. `alpha` None: from its adapter_config.json, or the published value."""

    path: Path
    alpha: float | None = None

    @classmethod
    def find(cls, given: str, beside: Path | None = None, alpha: float | None = None) -> AdapterFile:
        """From a file, a folder, or the published repository's name when its folder lies beside the checkpoint.

        Raises WeightsError. Nothing is ever fetched.
        """
        place = Path(given)
        if not place.exists() and beside is not None and given.count("/") == 1 and not given.startswith((".", "/")):
            # "Quark-Vision/Live-Avatar": published scripts name the repository and keep its copy in LiveAvatar
            name = place.name
            near = [beside.absolute().parent / folder for folder in (name, name.replace("-", ""))]
            place = next((folder for folder in near if folder.is_dir()), place)
        if place.is_dir():
            place = _only_file(place)
        if not place.is_file():
            hint = f"Name the file, or the folder that holds {PUBLISHED}; nothing is downloaded."
            raise WeightsError(f"there is no adapter {given}.", hint=hint, problem="no_adapter")
        if place.suffix != ".safetensors":
            what = f"the adapter {place} is no safetensors file."
            raise WeightsError(what, hint="Save it as safetensors.", problem="no_adapter")
        return cls(place, None if alpha is None else sound_alpha(alpha, "the alpha given is"))

    def read(self) -> tuple[dict[str, Tensor], float, int]:
        """(tensors as views of the mapped file, alpha, rank). Raises WeightsError where the alpha cannot be known."""
        tensors = load_tensors(self.path)
        ranks = sorted({pair.down.shape[0] for pair in adapter_pairs(tensors).values()})
        alpha = self.alpha if self.alpha is not None else self._alpha(ranks)
        return tensors, alpha, ranks[-1] if ranks else 0

    def _alpha(self, ranks: list[int]) -> float:
        with open_regular(self.path) as file:
            alpha = read_facts(file, self.path.stat().st_size, self.path).alpha
        if alpha is not None:
            return alpha
        what = f"nothing says the alpha of {self.path} (rank {', '.join(map(str, ranks)) or 'unknown'})."
        hint = f"Convert with --lora-alpha, or put an {SETTINGS_FILE} with lora_alpha beside it."
        raise WeightsError(what, hint=hint, problem="no_alpha")


def _only_file(folder: Path) -> Path:
    found = sorted(folder.glob("*.safetensors"))
    if (folder / PUBLISHED) in found:
        return folder / PUBLISHED
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        what = f"{folder} holds not one adapter file: {names}."
        raise WeightsError(what, hint="Name the file.", problem="no_adapter")
    return found[0]
