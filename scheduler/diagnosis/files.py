"""The files that a recipe names: gone, spoilt, or of no use."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.diagnosis.evidence import Asset, Evidence
from scheduler.diagnosis.finding import Branch, Finding, Verdict, found
from scheduler.diagnosis.input_words import HEALTH, KINDS

_OTHER = {"en": "Bring another file.", "zh": "换一个文件。"}


def asset_findings(evidence: Evidence, asset: Asset) -> Iterator[Finding]:
    """A file that is not whole ends a job that is to be made; of one that is over it only hides what that was made of, since
    workers compare every file's hash before they use it."""
    branch = Branch.WEIGHTS if asset.kind == "adapter" else Branch.INPUT
    kind = KINDS[asset.kind]
    named = asset.name != asset.kind
    thing = {language: f"{word} {asset.name}" if named else word for language, word in kind.items()}
    figures = {"sha256": asset.sha256, "health": asset.health}
    if asset.health != "healthy":
        gone = "asset_gone" if asset.verdict is not None else "asset_forgotten"
        code, verdict = (gone, Verdict.UNKNOWN) if evidence.is_over else ("asset_spoilt", Verdict.CAUSE)
        words = {"thing": thing, "health": HEALTH[asset.health], "sha256": asset.sha256}
        yield found(branch, f"{asset.name} file", verdict, code, figures, words=words)
    elif asset.problem:
        remedy = {language: text or _OTHER[language] for language, text in (asset.remedy or _OTHER).items()}
        words = {"thing": thing, "problem": asset.problem, "remedy": remedy}
        yield found(branch, f"{asset.name} file", Verdict.CAUSE, "asset_refused", figures, words=words)
