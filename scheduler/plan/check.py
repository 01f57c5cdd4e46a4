"""One line of a check: what was looked at, ok or not, the sentence in both languages, the figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.memory import Verdict
from scheduler.plan.sentences import sentence

OK, ATTENTION, BAD, UNKNOWN = "ok", "attention", "bad", "unknown"


@dataclass(frozen=True, kw_only=True)
class Check:
    """`name` in a table, `text` and `zh` the same sentence in English and Chinese, `data` figures with units in their names."""

    name: str
    state: str
    text: str
    zh: str = ""
    data: dict[str, Any] = field(default_factory=dict)


def checked(name: str, state: str, code: str, data: dict[str, Any] | None = None, **words: object) -> Check:
    """A check whose sentence is that of a code; `words` fill it, `data` is what a program reads."""
    text = sentence(code, **words)
    return Check(name=name, state=state, text=text["en"], zh=text["zh"], data=data or {})


def verdict_of(checks: Iterable[Check]) -> Verdict:
    """Does not fit when one is bad; cannot tell when one is unknown; degraded when one needs attention; else fits."""
    states = {check.state for check in checks}
    if BAD in states:
        return Verdict.DOES_NOT_FIT
    if UNKNOWN in states:
        return Verdict.CANNOT_TELL
    return Verdict.FITS_DEGRADED if ATTENTION in states else Verdict.FITS


EXIT_CODES = {
    Verdict.FITS: 0, Verdict.FITS_DEGRADED: 10, Verdict.DOES_NOT_FIT: 11, Verdict.CANNOT_TELL: 12,
}  # fmt: skip
