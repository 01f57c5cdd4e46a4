"""The scores of a finished video as people read them: value with its unit, and the spans of the policy's marks."""

from __future__ import annotations

from scheduler.core.quality import Marks

_SHARE, _SECONDS, _LEVEL, _PLAIN = "%", "s", "dB", ""
UNITS = {
    "lip_offset_s": _SECONDS, "lip_correlation": _PLAIN, "blurred_ratio": _SHARE, "frozen_ratio": _SHARE,
    "longest_freeze_s": _SECONDS, "flicker": _SHARE, "identity_drift": _PLAIN, "loudness_db": _LEVEL,
}  # fmt: skip
_FINE = {"identity_drift": 3, "flicker": 2}
_DIGITS = {_SECONDS: 2, _SHARE: 1, _LEVEL: 0, _PLAIN: 2}


def written(measure: str, value: float | None) -> str:
    """`+0.08 s`, `1.2 %`, `0.024`, `-19 dB`; a dash for what cannot be told."""
    if value is None:
        return "–"
    unit = UNITS[measure]
    shown = 100 * value if unit == _SHARE else value
    digits = _FINE.get(measure, _DIGITS[unit])
    sign = "+" if measure == "lip_offset_s" else ""
    return f"{shown:{sign}.{digits}f} {unit}".strip()


def good_text(measure: str, marks: Marks) -> str:
    """The span in which a measure is good: `≤ 1 %`, `≥ 0.5`, `-30 … -9 dB`."""
    return _span(measure, marks.look_below, marks.look_above)


def red_text(measure: str, marks: Marks) -> str:
    """Beyond this it is bad."""
    return _span(measure, marks.bad_below, marks.bad_above)


def _span(measure: str, least: float | None, most: float | None) -> str:
    unit = UNITS[measure]
    factor = 100 if unit == _SHARE else 1
    low, high = (None if value is None else f"{factor * value:g}" for value in (least, most))
    text = f"{low} … {high}" if low and high else f"≤ {high}" if high else f"≥ {low}"
    return f"{text} {unit}".strip()
