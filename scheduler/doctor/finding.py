"""One thing that was found: how it stands, the sentence, the figures, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scheduler.doctor.gpu_words import GPU_REMEDIES, GPU_WORDS
from scheduler.doctor.host_words import HOST_REMEDIES, HOST_WORDS
from scheduler.plan.check import OK, Check
from scheduler.plan.sentences import filled

WORDS = {**HOST_WORDS, **GPU_WORDS}
REMEDIES = {**HOST_REMEDIES, **GPU_REMEDIES}


@dataclass(frozen=True, kw_only=True)
class Finding(Check):
    """A check with its way out: `remedy` and `remedy_zh` are the same sentence; empty where nothing has to be done."""

    remedy: str = ""
    remedy_zh: str = ""


def found(name: str, state: str, code: str, data: dict[str, Any] | None = None, /, **words: object) -> Finding:
    """The finding of a code; `words` fill its sentence and its remedy, `data` is what a program reads."""
    assert state == OK or code in REMEDIES, f"{code} has no remedy"
    text = filled(WORDS[code], words)
    remedy = filled(REMEDIES[code], words) if state != OK else {"en": "", "zh": ""}
    return Finding(
        name=name, state=state, text=text["en"], zh=text["zh"], data=data or {}, remedy=remedy["en"], remedy_zh=remedy["zh"]
    )
