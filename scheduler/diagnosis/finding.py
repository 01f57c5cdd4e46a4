"""One thing that was looked at: on which branch of the tree, how it stands, by which evidence, and the way out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from scheduler.diagnosis.input_words import INPUT_REMEDIES, INPUT_WORDS
from scheduler.diagnosis.work_words import NAMES_ZH, WORK_REMEDIES, WORK_WORDS
from scheduler.plan.sentences import filled

WORDS = {**INPUT_WORDS, **WORK_WORDS}
REMEDIES = {**INPUT_REMEDIES, **WORK_REMEDIES}


class Branch(StrEnum):
    """The branches, in the order in which they are walked."""

    INPUT = "input"
    DEGRADATION = "degradation"
    COMMUNICATION = "communication"
    WEIGHTS = "weights"


class Verdict(StrEnum):
    """How a thing stands. `suspect`: it can spoil a video; `cause`: it does, or a score that it shows in crossed its red line."""

    SOUND = "sound"
    SUSPECT = "suspect"
    CAUSE = "cause"
    UNKNOWN = "unknown"


TROUBLES = (Verdict.CAUSE, Verdict.SUSPECT)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`text` and `zh` are the same sentence, so are the names, and the remedies, which are empty where nothing has to be done.

    `evidence`: figures with their units, hashes, names. `audit`: the rows of the log that say it. `shows_in`: measures that
    could tell it (`scheduler.core.quality.MEASURES`); empty where no score can. `is_recorded`: the job failed of it, in the
    house's own words.
    """

    branch: Branch
    name: str
    name_zh: str
    verdict: Verdict
    code: str
    text: str
    zh: str
    remedy: str = ""
    remedy_zh: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    audit: tuple[int, ...] = ()
    shows_in: tuple[str, ...] = ()
    is_recorded: bool = False


def found(
    branch: Branch, name: str, verdict: Verdict, code: str, evidence: Mapping[str, Any] | None = None, /, *,
    words: Mapping[str, object] | None = None, audit: Iterable[int] = (), shows_in: Iterable[str] = (), is_recorded: bool = False,
) -> Finding:  # fmt: skip
    """The finding of a code; `words` fill its sentence and its remedy."""
    assert verdict is Verdict.SOUND or code in REMEDIES, f"{code} has no remedy"
    text = filled(WORDS[code], words or {})
    remedy = filled(REMEDIES[code], words or {}) if verdict is not Verdict.SOUND else {"en": "", "zh": ""}
    return Finding(
        branch=branch, name=name, name_zh=_in_chinese(name), verdict=verdict, code=code, text=text["en"], zh=text["zh"],
        remedy=remedy["en"], remedy_zh=remedy["zh"], evidence=evidence or {}, audit=tuple(audit), shows_in=tuple(shows_in),
        is_recorded=is_recorded,
    )  # fmt: skip


def _in_chinese(name: str) -> str:
    if name.endswith(" file"):
        own = name.removesuffix(" file")
        return f"{NAMES_ZH.get(own, own)}文件"
    return f"适配器 {name.removeprefix('adapter ')}" if name.startswith("adapter ") else NAMES_ZH[name]
