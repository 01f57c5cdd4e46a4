"""A job's ladder: the rungs of the house with the bytes of its context at each, and a recipe at one of them.

Rungs that the engine cannot do yet stand in their place with the reason, so that people see what was passed over.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine import config, memory
from engine.catalog import SIZES
from engine.errors import SettingsError
from scheduler.context_size import context_bytes
from scheduler.core.degrade import CACHES, IDLE_CONTEXTS
from scheduler.core.ladder import AS_ASKED, DEVICE, Rung
from scheduler.memory_kinds import KindAt

NOT_BUILT = "this engine cannot do it while a job runs"
HAS_BEGUN = "the size of a video that has begun stays"
LEAST_STEPS = 3
LEAST_SIZE = "384*256"
_STREAMED = (
    memory.Rung.FP8_RINGS, memory.Rung.STREAMED_RINGS, memory.Rung.COLD_WEIGHTS, memory.Rung.STREAMED_WEIGHTS,
)  # fmt: skip
_HOUSE = (
    Rung(name=IDLE_CONTEXTS, kind=DEVICE),
    Rung(name=CACHES, kind=DEVICE),
    *(Rung(name=rung.value, kind=DEVICE, why_not=NOT_BUILT) for rung in _STREAMED),
)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """The portrait's width and height in pixels: sizes follow from it."""

    width: int
    height: int


def job_ladder(
    model: str, asked: Mapping[str, Any], picture: Picture, *, begun_at: str | None = None, kv: str | None,
    kind_at: KindAt | None = None,
) -> tuple[Rung, ...]:  # fmt: skip
    """The whole ladder of a job with these settings, from the cheapest rung down. `begun_at`: the size of a video that has begun,
    which stays, down and up; `kv`: the form of rings in this house; `kind_at`: whose measured memory counts."""
    found = _ladder(model, config.Settings(**asked), picture, begun_at, kv)
    if kind_at is None:
        return tuple(rung for rung, _ in found)
    return tuple(rung if at is None else dataclasses.replace(rung, memory=kind_at(*at)) for rung, at in found)


@functools.lru_cache(maxsize=512)  # asked for each job that is submitted, of few sizes and portraits
def _ladder(
    model: str, settings: config.Settings, picture: Picture, begun_at: str | None, kv: str | None
) -> tuple[tuple[Rung, tuple[int, int, int] | None], ...]:  # fmt: skip
    """Rungs, and of those that change the settings (width, height, steps)."""

    def rung(name: str, at: config.Settings, *, needs_consent: bool = True) -> tuple[Rung, tuple[int, int, int]]:
        width, height = config.fit_size(at.size, picture.width, picture.height)
        size = context_bytes(model, width, height, at, kv)
        why_not = HAS_BEGUN if begun_at not in (None, at.size) else ""
        made = Rung(name=name, predicted_bytes=size, needs_consent=needs_consent, why_not=why_not)
        return made, (width, height, at.steps)

    rungs = [*((one, None) for one in _HOUSE), rung(AS_ASKED, settings, needs_consent=False)]
    for steps in range(settings.steps - 1, LEAST_STEPS - 1, -1):
        rungs.append(rung(f"steps={steps}", dataclasses.replace(settings, steps=steps)))
    least = min(settings.steps, LEAST_STEPS)
    for size in _smaller(settings.size):
        smaller = dataclasses.replace(settings, steps=least, size=size)
        name = f"size={size}" if least == settings.steps else f"steps={least} size={size}"
        with contextlib.suppress(SettingsError):  # the portrait does not fit this size
            rungs.append(rung(name, smaller))
    return tuple(rungs)


def settings_below(ladder: tuple[Rung, ...]) -> dict[str, Any]:
    """For the event of a submission: lower settings that would do with less memory, best first, and kinds of memory."""
    return {
        "alternatives": tuple((rung.name, rung.predicted_bytes) for rung in ladder if rung.needs_consent and rung.is_available),
        "memory": tuple((rung.name, rung.memory) for rung in ladder if rung.memory is not None),
    }


def at_rung(recipe: Mapping[str, Any], rungs: str, asked: Mapping[str, Any] | None, from_block: int) -> dict[str, Any]:
    """The recipe at a setting; a change against what it was made with so far is written into its degradations."""
    settings = dict(asked or recipe["settings"])
    for word in rungs.split():
        name, _, value = word.partition("=")
        settings[name] = int(value) if name == "steps" else value
    if settings == recipe["settings"]:
        return dict(recipe)
    change = f"from block {from_block}: {rungs or 'as asked'}"
    return {**recipe, "settings": settings, "degradations": [*recipe.get("degradations", ()), change]}


def ladder_of_row(
    row: Mapping[str, Any], picture: Picture, *, is_started: bool, kv: str | None, kind_at: KindAt | None = None
) -> tuple[Rung, ...]:
    """The ladder of a row of `jobs`. `is_started`: it is for later, when its video has begun at the row's present setting."""
    recipe = json.loads(row["recipe"])
    asked = json.loads(row["asked"]) if row["asked"] else recipe["settings"]
    size = at_rung(recipe, row["rungs"], asked, 0)["settings"]["size"] if is_started or row["blocks_done"] else None
    return job_ladder(recipe["model"], asked, picture, begun_at=size, kv=kv, kind_at=kind_at)


def _area(size: str) -> int:
    width, height = size.split("*")
    return int(width) * int(height)


@functools.cache  # of few sizes, for each job that is submitted
def _smaller(size: str) -> tuple[str, ...]:
    """Offered sizes below this one, the largest first; of two turned sizes the one that is turned alike."""
    width, height = (int(part) for part in size.split("*"))
    alike = [other for other in SIZES if (int(other.split("*")[0]) >= int(other.split("*")[1])) == (width >= height)]
    below = (other for other in alike if _area(LEAST_SIZE) <= _area(other) < _area(size))
    return tuple(sorted(below, key=_area, reverse=True))
