"""What counts as good in a finished video, as data: marks per measure, and when videos are measured at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from math import inf
from typing import Any

from scheduler.core.policy import PolicyError

GOOD, LOOK, BAD, UNKNOWN = "good", "look", "bad", "unknown"
MAX_TRIES = 2  # a measurement that failed is tried once more
SECTION = "quality"


@dataclass(frozen=True, slots=True)
class Marks:
    """Where a measure stops being good and where it is bad. None: no such limit. Times in s, shares 0..1, levels in dB."""

    look_above: float | None = None
    bad_above: float | None = None
    look_below: float | None = None
    bad_below: float | None = None

    def word(self, value: float | None) -> str:
        """good, look, bad; unknown for what could not be told."""
        if value is None:
            return UNKNOWN
        if _is_beyond(value, self.bad_below, self.bad_above):
            return BAD
        return LOOK if _is_beyond(value, self.look_below, self.look_above) else GOOD

    def to_mapping(self) -> dict[str, float]:
        """The limits that there are."""
        return {item.name: value for item in fields(self) if (value := getattr(self, item.name)) is not None}


# docs/pocket.md says what each means and how exact it is; docs/dashboard.md why the marks lie where they do.
MARKS: dict[str, Marks] = {
    "lip_offset_s": Marks(look_above=0.12, bad_above=0.3),  # of its size: early is as bad as late
    "lip_correlation": Marks(look_below=0.5, bad_below=0.3),
    "blurred_ratio": Marks(look_above=0.01, bad_above=0.02),
    "frozen_ratio": Marks(look_above=0.05, bad_above=0.2),
    "longest_freeze_s": Marks(look_above=0.24, bad_above=1.0),
    "flicker": Marks(look_above=0.004, bad_above=0.016),
    "identity_drift": Marks(look_above=0.05, bad_above=0.1),
    "loudness_db": Marks(look_above=-9.0, bad_above=-3.0, look_below=-30.0, bad_below=-45.0),
}
MEASURES = tuple(MARKS)
_SIGNED = frozenset({"lip_offset_s"})


@dataclass(frozen=True, kw_only=True)
class QualityPolicy:
    """Whether finished videos are measured, within which bounds, and what counts as good."""

    measure: bool = True  # measure finished videos
    timeout_s: float = 1800.0  # a measurement that takes longer is ended; it gives way, so a busy machine makes it slow
    catch_up: int = 50  # so many of the newest finished videos are measured; older ones are let be
    marks: Mapping[str, Marks] = field(default_factory=lambda: dict(MARKS))

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> QualityPolicy:
        """From plain data `{measure: true, blurred_ratio: {bad_above: 0.02}, …}`; what is absent is the default.

        Raises PolicyError.
        """
        if not isinstance(data, Mapping):
            hint = "Write the measures below it, indented."
            raise PolicyError(f"{SECTION} is not a map.", field=SECTION, hint=hint, problem="no_entries_map")
        policy, marks = cls(), dict(MARKS)
        for name, said in data.items():
            if name == "measure":
                policy = replace(policy, measure=_flag(said))
            elif name == "timeout_s":
                policy = replace(policy, timeout_s=_number(said, name, 1, 86_400))
            elif name == "catch_up":
                policy = replace(policy, catch_up=_whole(said, name, 0, 1000))
            elif name in MARKS:
                marks[name] = _marks(name, said)
            else:
                known = ", ".join(("measure", "timeout_s", "catch_up", *MARKS))
                raise PolicyError(
                    f"quality has no {name!r}.", field=f"{SECTION}.{name}", hint=f"Known: {known}.", problem="unknown_key",
                    key=str(name)[:40], known=known,
                )  # fmt: skip
        return replace(policy, marks=marks)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data; `from_mapping` is its inverse."""
        numbers = {"measure": self.measure, "timeout_s": self.timeout_s, "catch_up": self.catch_up}
        return {**numbers, **{name: marks.to_mapping() for name, marks in self.marks.items()}}

    def word(self, measure: str, value: float | None) -> str:
        """good, look, bad or unknown, of one measure. KeyError for one that does not exist."""
        return self.marks[measure].word(abs(value) if value is not None and measure in _SIGNED else value)

    def verdict(self, scores: Mapping[str, float | None]) -> str:
        """The worst word of all measures; good only where everything could be told and is good."""
        words = {self.word(name, scores.get(name)) for name in MEASURES}
        return next((word for word in (BAD, LOOK, UNKNOWN) if word in words), GOOD)


def _is_beyond(value: float, below: float | None, above: float | None) -> bool:
    return (below is not None and value < below) or (above is not None and value > above)


def _marks(measure: str, said: Any) -> Marks:
    """Marks with what is said in place of the defaults, in an order that makes sense. Raises PolicyError."""
    path, usual = f"{SECTION}.{measure}", MARKS[measure]
    known = usual.to_mapping()
    if not isinstance(said, Mapping):
        hint = f"Write a map: {{{next(iter(known))}: …}}."
        raise PolicyError(f"{measure} is {said!r}.", field=path, hint=hint, problem="no_entries_map")
    numbers = dict(known)
    for name, value in said.items():
        if name not in known:
            raise PolicyError(
                f"{measure} has no {name!r}.", field=f"{path}.{name}", hint=f"Known: {', '.join(known)}.", problem="unknown_key",
                key=str(name)[:40], known=list(known),
            )  # fmt: skip
        numbers[name] = _number(value, f"{measure}.{name}", -1e6, 1e6)
    order = [name for name in ("bad_below", "look_below", "look_above", "bad_above") if name in numbers]
    for lower, upper in pairwise(order):
        if numbers[lower] > numbers[upper]:
            message = f"{measure}.{lower} {numbers[lower]:g} is beyond {upper} {numbers[upper]:g}."
            in_order = " ≤ ".join(order)
            raise PolicyError(
                message, field=f"{path}.{lower}", hint=f"Keep the order: {in_order}.", problem="marks_order", order=in_order
            )
    return Marks(**numbers)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise PolicyError(f"measure is {value!r}.", field=f"{SECTION}.measure", hint="Use true or false.", problem="no_flag")
    return value


def _number(value: Any, name: str, least: float, most: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and -inf < value < inf
    if not is_number or not least <= value <= most:
        raise PolicyError(
            f"{name} is {value!r}.", field=f"{SECTION}.{name}", hint=f"Use a number from {least:g} to {most:g}.",
            problem="no_number", found=str(value)[:40], low=f"{least:g}", high=f"{most:g}",
        )  # fmt: skip
    return float(value)


def _whole(value: Any, name: str, least: int, most: int) -> int:
    number = _number(value, name, least, most)
    if number != int(number):
        raise PolicyError(
            f"{name} is {value!r}.", field=f"{SECTION}.{name}", hint="Use a whole number.", problem="whole_wanted",
            found=str(value)[:40],
        )  # fmt: skip
    return int(number)
