"""What things cost in the simulated studio: the part `simulation:` of a policy file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from math import isfinite, prod
from typing import Any

from engine.catalog import PRESETS
from scheduler.core.policy import PolicyError

SIMULATION = "simulation"
STANDARD = "standard"
_STANDARD_WORK = prod(int(side) for side in PRESETS[STANDARD].size.split("*")) * PRESETS[STANDARD].steps
_SETTING = re.compile(r"([1-9][0-9]{0,4}\*[1-9][0-9]{0,4}):([1-9][0-9]{0,2})")  # size and steps of no preset


def _number(default: float, *, least: float = 0.0, most: float = 1e6, says: str) -> Any:
    return field(default=default, metadata={"least": least, "most": most, "says": says})


def _by_area() -> dict[str, float]:
    """Blocks of the presets relative to `standard`: pixels times denoising steps. An assumption, not a measurement."""
    return {name: round(_share(preset.size, preset.steps), 3) for name, preset in PRESETS.items()}


def _share(size: str, steps: int) -> float:
    """Pixels times steps of a block, relative to those of `standard`."""
    width, height = (int(side) for side in size.split("*"))
    return width * height * steps / _STANDARD_WORK


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Seconds and spreads of the simulated workers. A trace's `block_s` replaces the drawn pace of its job."""

    block_s: float = _number(0.48, least=1e-4, says="a block of the standard preset, on average")
    job_sigma: float = _number(0.15, most=2, says="lognormal spread of the pace from job to job")
    block_sigma: float = _number(0.35, most=2, says="lognormal spread from block to block of one job")
    drift_sigma: float = _number(0.08, most=2, says="lognormal spread of the slow drift of the whole house")
    drift_s: float = _number(1800.0, least=1, says="seconds after which the drift has mostly forgotten where it was")
    switch_s: float = _number(0.15, says="taking up a job of another role than the slot played last")
    cold_start_s: float = _number(2.5, says="the first job of a worker that has just come back")
    close_s: float = _number(0.1, says="closing a video after its last block")
    respawn_s: float = _number(3.0, says="until a worker that the scheduler had killed is replaced")
    presets: Mapping[str, float] = field(default_factory=_by_area)

    def __post_init__(self) -> None:
        for item in fields(self):
            if item.name != "presets":
                _check(item.name, getattr(self, item.name), item.metadata["least"], item.metadata["most"])
        for name, value in self.presets.items():
            _check(f"presets.{name}", value, 1e-4, 1e4)

    @classmethod
    def from_mapping(cls, data: Any) -> Costs:
        """Costs from plain data; absent fields take their defaults. Raises PolicyError."""
        if not isinstance(data, Mapping):
            hint = "Write its numbers below it, indented."
            raise PolicyError(f"{SIMULATION} is not a map.", field=SIMULATION, hint=hint, problem="no_entries_map")
        known = {item.name for item in fields(cls)}
        for name in data:
            if name not in known:
                hint = f"Known: {', '.join(sorted(known))}."
                raise PolicyError(
                    f"{SIMULATION} has no {name!r}.", field=f"{SIMULATION}.{name}", hint=hint, problem="unknown_key",
                    key=str(name)[:40], known=sorted(known),
                )  # fmt: skip
        given = dict(data)
        if "presets" in given:
            if not isinstance(given["presets"], Mapping):
                hint = "Write a map: {preview: 0.3, …}, relative to standard."
                raise PolicyError("presets is not a map.", field=f"{SIMULATION}.presets", hint=hint, problem="no_entries_map")
            given["presets"] = {**_by_area(), **given["presets"]}
        return cls(**given)

    def share_of(self, preset: str) -> float | None:
        """A block of this preset relative to one of `standard`; None: nobody knows.

        Settings of no preset are written as size and steps, `384*256:5`, and count by pixels times steps.
        """
        if preset in self.presets:
            return self.presets[preset]
        setting = _SETTING.fullmatch(preset)
        return _share(setting[1], int(setting[2])) if setting else None

    def nominal_s(self, preset: str) -> float:
        """Seconds that a block of this preset is expected to take; as one of `standard` where nobody knows."""
        share = self.share_of(preset)
        return self.block_s * (1.0 if share is None else share)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data; `from_mapping` is its inverse."""
        return {**asdict(self), "presets": dict(self.presets)}


def preset_of(recipe: dict[str, Any]) -> str:
    """The preset whose size and steps the settings have; otherwise both, as "384*256:4"."""
    size, steps = recipe["settings"].get("size"), recipe["settings"].get("steps")
    for name, preset in PRESETS.items():
        if (preset.size, preset.steps) == (size, steps):
            return name
    return f"{size}:{steps}"


def _check(name: str, value: object, least: float, most: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if not is_number or not isinstance(value, int | float) or not least <= value <= most:
        hint = f"Use a number from {least:g} to {most:g}."
        raise PolicyError(
            f"{name} is {value!r}.", field=f"{SIMULATION}.{name}", hint=hint, problem="no_number",
            found=str(value)[:40], low=f"{least:g}", high=f"{most:g}",
        )  # fmt: skip
