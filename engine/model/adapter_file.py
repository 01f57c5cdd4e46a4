"""What an adapter's file says of itself, from its header alone. No torch: the studio checks files before an engine sees them."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from engine.errors import WeightsError
from engine.model.header import HINT, Entry, read_beginning

MAX_RANK = 128
PUBLISHED_RANK, PUBLISHED_ALPHA = 128, 64.0  # the published file carries no alpha
SETTINGS_FILE = "adapter_config.json"
_PREFIX = re.compile(r"^(base_model\.model\.|model\.|diffusion_model\.)+")
_KEY = re.compile(r"^(?P<module>.+)\.(?P<side>lora_A|lora_B|lora_down|lora_up)(\.[^.]+)?\.weight$")


@dataclass(frozen=True)
class AdapterFacts:
    """`alpha` None: nothing says it. `base_sha256`: the weights it was trained for, where the file says so."""

    rank: int  # the largest of all modules
    modules: int
    alpha: float | None
    base_sha256: str | None


def module_of(key: str) -> tuple[str, str]:
    """(module, "down" or "up") of an adapter's key, whatever tool wrote it. Raises WeightsError for any other key."""
    match = _KEY.match(_PREFIX.sub("", key))
    if match is None:
        raise WeightsError(f"adapter key {key} is not one of a low-rank adapter.", hint=HINT, problem="bad_pairs")
    return match["module"], "down" if match["side"] in ("lora_A", "lora_down") else "up"


def read_facts(file: BufferedReader, size: int, path: Path) -> AdapterFacts:
    """From an open safetensors file of `size` bytes. Raises WeightsError for what is no adapter or not a whole one."""
    entries, metadata = read_beginning(file, size, str(path))
    ranks = _ranks(entries, path)
    largest = max(ranks.values())
    if largest > MAX_RANK:
        message = f"{path} has rank {largest}; at most {MAX_RANK} are supported."
        raise WeightsError(message, hint="Bring a smaller adapter.", problem="large_rank", found=largest, most=MAX_RANK)
    said = metadata.get("alpha")
    alpha = alpha_beside(path, set(ranks.values())) if said is None else sound_alpha(said, f"{path} says alpha")
    return AdapterFacts(largest, len(ranks), alpha, metadata.get("base_sha256"))


def sound_alpha(said: object, where: str) -> float:
    """The alpha as a number. WeightsError for what would spoil every picture, or change none: no number, not above 0."""
    try:
        alpha = float(str(said))
    except ValueError:
        alpha = math.nan
    if not 0 < alpha < math.inf:
        message = f"{where} {said!r}, which is no number above 0."
        raise WeightsError(message, hint="Give the alpha it was trained with.", problem="bad_alpha")
    return alpha


def alpha_beside(path: Path, ranks: set[int]) -> float | None:
    """Alpha by the adapter_config.json beside the file, or of the published rank. Raises WeightsError for a bad one."""
    settings = path.with_name(SETTINGS_FILE)
    if settings.is_file():
        try:
            said = json.loads(settings.read_text(encoding="utf-8"))["lora_alpha"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            message = f"{settings} says no lora_alpha."
            raise WeightsError(message, hint="Give the alpha yourself.", problem="bad_alpha") from error
        return sound_alpha(said, f"{settings} says lora_alpha")
    return PUBLISHED_ALPHA if ranks == {PUBLISHED_RANK} else None


def _ranks(entries: dict[str, Entry], path: Path) -> dict[str, int]:
    """Rank by module."""
    sides: dict[str, dict[str, int]] = {}
    for key, entry in entries.items():
        module, side = module_of(key)
        if len(entry.shape) != 2:
            what = f"{path}: {key} has shape {list(entry.shape)}; halves are matrices."
            raise WeightsError(what, hint=HINT, problem="bad_pairs")
        sides.setdefault(module, {})[side] = entry.shape[0 if side == "down" else 1]
    if not sides:
        raise WeightsError(f"{path} is an empty adapter.", hint="Fetch or train it again.", problem="bad_pairs")
    for module, ranks in sides.items():
        if len(ranks) != 2:
            raise WeightsError(f"{path} has only one half for {module}.", hint=HINT, problem="bad_pairs")
        if len(set(ranks.values())) != 1 or not all(ranks.values()):
            raise WeightsError(f"{path}: the halves of {module} do not fit each other.", hint=HINT, problem="bad_pairs")
    return {module: ranks["down"] for module, ranks in sides.items()}
