"""Seconds per block of a setting: learnt where there are measurements, else predicted, and always which of the two."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine import memory
from engine.catalog import SHAPES
from engine.errors import SettingsError
from scheduler.core.block_times import BlockKey
from scheduler.plan.studio import Studio

PREDICTED_SPREAD = 0.1  # of a predicted block time: as little as is known of it
SCALED_SPREAD = 0.5


class Basis(StrEnum):
    """Where a block time comes from, the surest first."""

    LEARNT = "learnt"
    PROPORTION = "proportion"  # learnt with other steps
    PREDICTED = "predicted"  # by the memory planner, for a measured kind of GPU
    SCALED = "scaled"  # from another size, by pixels and steps


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a block's time depends on: real width and height in pixels, steps."""

    width: int
    height: int
    steps: int

    @property
    def size(self) -> str:
        """`384x256`."""
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds per block and how far blocks stray (mean absolute). `count`: blocks it was learnt of; `other`: scaled from."""

    block_s: float
    spread_s: float
    basis: Basis
    count: int = 0
    other: str = ""


def pace_of(studio: Studio, setting: Setting) -> Pace | None:
    """The best that is known of this setting here; None when nothing is."""
    if not studio.device or studio.model not in SHAPES:
        return _predicted(studio, setting)
    key = BlockKey(studio.model, setting.size, setting.steps, studio.device)
    learnt = studio.times.predict(key)
    if learnt is not None:
        basis = Basis.LEARNT if learnt.count else Basis.PROPORTION
        return Pace(block_s=learnt.typical_s, spread_s=learnt.spread_s, basis=basis, count=learnt.count)
    return _predicted(studio, setting) or _scaled(studio, setting)


def _predicted(studio: Studio, setting: Setting) -> Pace | None:
    kind = memory.find_device(studio.device_name)
    if kind is None or studio.model not in SHAPES:
        return None
    try:
        found = memory.predict(
            SHAPES[studio.model], setting.width, setting.height, steps=setting.steps, device=studio.device_name,
            precision="fp8" if kind.has_fp8 else "bf16", kv="fp8" if kind.has_fp8 else None,
        )  # fmt: skip
    except SettingsError:
        return None
    if found.block_ms is None:
        return None
    seconds = found.block_ms / 1e3
    return Pace(block_s=seconds, spread_s=seconds * PREDICTED_SPREAD, basis=Basis.PREDICTED)


def _scaled(studio: Studio, setting: Setting) -> Pace | None:
    """From the learnt size nearest in pixels. Attention grows faster than pixels, so upwards it promises too much."""
    known = [
        (abs(_area(key.size) - _area(setting.size)), key, time)
        for key, time in studio.times.known()
        if key.model == studio.model and key.device == studio.device and time.count
    ]
    if not known:
        return None
    _, key, time = min(known, key=lambda entry: (entry[0], abs(entry[1].steps - setting.steps), entry[1].size))
    seconds = time.typical_s * _area(setting.size) / _area(key.size) * setting.steps / key.steps
    return Pace(block_s=seconds, spread_s=seconds * SCALED_SPREAD, basis=Basis.SCALED, other=key.size)


def _area(size: str) -> int:
    width, height = size.split("x")
    return int(width) * int(height)
