"""The walk: every check in the order of the tree, each finding held against the scores, and what follows from all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from scheduler.core.quality import BAD, MEASURES
from scheduler.core.quality_text import red_text, written
from scheduler.diagnosis.evidence import Evidence
from scheduler.diagnosis.finding import TROUBLES, Branch, Finding, Verdict
from scheduler.diagnosis.inputs import portrait_findings, prompt_findings, voice_findings
from scheduler.diagnosis.lowering import asked_findings, ladder_findings
from scheduler.diagnosis.making import ending_findings, file_findings, link_findings, worker_findings
from scheduler.diagnosis.weights import adapter_findings, model_findings
from scheduler.diagnosis.work_words import CONCLUSIONS, NAMES_ZH

CHECKS: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    portrait_findings, voice_findings, prompt_findings,
    asked_findings, ladder_findings,
    ending_findings, worker_findings, link_findings, file_findings,
    model_findings, adapter_findings,
)  # fmt: skip
_ORDER = tuple(Branch)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """`findings` in the order of the tree; `likeliest` is one of them, None where nothing was found; `red`: measures beyond
    their red line; `unseen`: findings and scores that could not be looked at; `conclusion` and `conclusion_zh` say it in a
    sentence."""

    job_id: str
    scores: dict[str, Any]
    red: tuple[str, ...]
    findings: tuple[Finding, ...]
    likeliest: Finding | None
    unseen: tuple[str, ...]
    conclusion: str
    conclusion_zh: str

    @property
    def verdict(self) -> Verdict:
        """cause or suspect as the likeliest; unknown where a red line is unexplained or something could not be looked at."""
        if self.likeliest is not None:
            return self.likeliest.verdict
        return Verdict.UNKNOWN if self.unseen or self.red else Verdict.SOUND

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "job": self.job_id, "verdict": self.verdict.value, "conclusion": self.conclusion, "conclusion_zh": self.conclusion_zh,
            "likeliest": None if self.likeliest is None else self.likeliest.name, "scores": self.scores,
            "red_lines_crossed": list(self.red), "unseen": list(self.unseen),
            "findings": [asdict(one) for one in self.findings],
        }  # fmt: skip


def diagnose(evidence: Evidence) -> Diagnosis:
    """Walk the tree."""
    red, scores = _red_lines(evidence), _scores(evidence)
    is_measured = scores["state"] == "measured"
    found = [weighed(one, red, is_measured) for check in CHECKS for one in check(evidence)]
    found.sort(key=lambda one: _ORDER.index(one.branch))  # stable: within a branch as they were looked at
    likeliest = likeliest_of(found, red)
    unseen = (*(one.name for one in found if one.verdict is Verdict.UNKNOWN), *_unscored(scores))
    sentence = _conclusion(likeliest, found, red, unseen)
    return Diagnosis(
        job_id=evidence.job["id"], scores=scores, red=red, findings=tuple(found), likeliest=likeliest, unseen=unseen,
        conclusion=sentence["en"], conclusion_zh=sentence["zh"],
    )  # fmt: skip


def weighed(finding: Finding, red: Sequence[str], is_measured: bool) -> Finding:
    """A trouble that the scores could show is a cause where they do, and only suspect where they were taken and do not."""
    if finding.verdict not in TROUBLES or not finding.shows_in or not is_measured:
        return finding
    crossed = [name for name in red if name in finding.shows_in]
    if not crossed:
        return replace(finding, verdict=Verdict.SUSPECT)
    return replace(finding, verdict=Verdict.CAUSE, evidence={**finding.evidence, "red_lines_crossed": crossed})


def likeliest_of(findings: Sequence[Finding], red: Sequence[str]) -> Finding | None:
    """What the house itself recorded; then what a crossed red line shows; then causes before suspects, in the tree's order."""

    def rank(one: Finding) -> tuple[bool, bool, bool]:
        return not one.is_recorded, not set(red) & set(one.shows_in), one.verdict is not Verdict.CAUSE

    troubles = [one for one in findings if one.verdict in TROUBLES]
    return min(troubles, key=rank, default=None)


def _red_lines(evidence: Evidence) -> tuple[str, ...]:
    row, policy = evidence.scores, evidence.policy
    if row is None or row["state"] != "measured":
        return ()
    return tuple(name for name in MEASURES if policy.word(name, row[name]) == BAD)


def _scores(evidence: Evidence) -> dict[str, Any]:
    """`state`: measured, failed, unmeasured or no_video; measured ones with value, word and red line."""
    row, policy = evidence.scores, evidence.policy
    if row is None:
        return {"state": "unmeasured" if evidence.is_done else "no_video"}
    if row["state"] != "measured":
        return {"state": "failed", "code": row["code"], "message": row["message"]}
    measures = {
        name: {
            "value": row[name], "text": written(name, row[name]), "word": policy.word(name, row[name]),
            "red_line": red_text(name, policy.marks[name]),
        }
        for name in MEASURES
    }  # fmt: skip
    return {"state": "measured", "has_portrait": row["has_portrait"], "measures": measures}


def _unscored(scores: dict[str, Any]) -> tuple[str, ...]:
    """What nobody measured of a video that is there: all of it, or the measures that came out empty."""
    if scores["state"] == "measured":
        return tuple(name for name, one in scores["measures"].items() if one["value"] is None)
    return () if scores["state"] == "no_video" else ("scores",)


def _conclusion(
    likeliest: Finding | None, findings: Sequence[Finding], red: Sequence[str], unseen: Sequence[str]
) -> dict[str, str]:
    if likeliest is None:
        code = "unexplained" if red else "untold" if unseen else "nothing"
        named = {one.name: one.name_zh for one in findings} | {"scores": NAMES_ZH["scores"]}
        in_chinese = (named.get(name, name) for name in unseen)  # measures have no other name
        said = {"en": ", ".join(unseen), "zh": "、".join(in_chinese)}
        crossed, texts = ", ".join(red), CONCLUSIONS[code]
        return {language: text.format(red=crossed, unseen=said[language] or "–") for language, text in texts.items()}
    others = sum(one.verdict in TROUBLES for one in findings) - 1
    names = {"en": likeliest.name, "zh": likeliest.name_zh}
    texts = {"en": likeliest.text, "zh": likeliest.zh}
    code = str(likeliest.verdict) if not others else f"{likeliest.verdict}_and_more"
    return {
        language: text.format(name=names[language], text=texts[language], others=others)
        for language, text in CONCLUSIONS[code].items()
    }
