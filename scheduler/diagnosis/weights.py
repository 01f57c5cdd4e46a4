"""The last branch: the model's files and the adapters, whole and the right ones?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from scheduler.diagnosis.evidence import Asset, Evidence
from scheduler.diagnosis.files import asset_findings
from scheduler.diagnosis.finding import Branch, Finding, Verdict, found
from scheduler.diagnosis.lowering import PICTURE
from scheduler.doctor.weight_words import refusal_words, trouble_words
from scheduler.plan.figures import size_text

_VERDICTS = {
    "unusable": (Verdict.CAUSE, "weights_damaged"), "needs_attention": (Verdict.SUSPECT, "weights_attention"),
    "cannot_tell": (Verdict.UNKNOWN, "weights_untold"),
}  # fmt: skip
_SAME = {"en": ", the ones that it was made with", "zh": "，即制作时所用"}
_UNSAID = {"en": "; nothing here says whether it was made with these", "zh": "；无法得知制作时是否为这些"}
_NOTHING = {"en": "", "zh": ""}


def model_findings(evidence: Evidence) -> Iterator[Finding]:
    """As `role_scheduler weights check` finds them; random ones are named, since their noise looks like a fault."""
    recipe, answer = evidence.recipe, evidence.model
    name, made = recipe["model"], recipe["weights_sha256"]
    place = f"models/{name}"
    if evidence.is_scripted:
        yield found(Branch.WEIGHTS, "weights", Verdict.UNKNOWN, "weights_scripted", {"device": "fake"})
        return
    if answer is None:
        gone = {"model": name, "place": place}
        yield found(Branch.WEIGHTS, "weights", Verdict.UNKNOWN, "weights_gone", gone, words=gone)
        return
    here = answer.get("weights_sha256")
    troubles = [one for level in ("problems", "warnings") for one in answer.get(level, ())]
    figures: dict[str, Any] = {
        "bytes": answer["bytes"], "is_deep": answer["is_deep"], "verdict": answer.get("verdict"), "weights_sha256": here,
        "recipe_sha256": made, "troubles": [f"{one['file']} {one['what']}" for one in troubles],
        "files": {one["file"]: one["sha256"] for one in answer.get("files", ()) if "sha256" in one},
    }  # fmt: skip
    if answer.get("verdict", "cannot_tell") in _VERDICTS:
        verdict, code = _VERDICTS[answer.get("verdict", "cannot_tell")]
        if evidence.is_done and verdict is Verdict.CAUSE:
            verdict = Verdict.SUSPECT  # they may have been whole when it was made: a red line makes it a cause
        trouble, remedy = trouble_words(troubles[0]) if troubles else refusal_words(answer)
        words = {"trouble": trouble, "count": max(1, len(troubles)), "place": place, "remedy": remedy}
        yield found(Branch.WEIGHTS, "weights", verdict, code, figures, shows_in=PICTURE, words=words)
    elif made and here and made != here:
        words = {"place": place, "here": here[:12], "made": made[:12]}
        yield found(Branch.WEIGHTS, "weights", Verdict.UNKNOWN, "weights_other", figures, words=words)
    else:
        same = _SAME if made and here == made else _UNSAID if made else _NOTHING
        whole = {"files": len(answer["files"]), "size": size_text(answer["bytes"]), "same": same}
        verdict, code = (Verdict.SOUND, "weights_whole") if answer["is_deep"] else (Verdict.UNKNOWN, "weights_unread")
        yield found(Branch.WEIGHTS, "weights", verdict, code, figures, words=whole)
    if answer.get("trained") is False:
        yield found(Branch.WEIGHTS, "training", Verdict.CAUSE, "weights_random", {"weights_sha256": here})


def adapter_findings(evidence: Evidence) -> Iterator[Finding]:
    """The recipe's adapters: the role's, whole, and for these weights. A worker refuses a file with another hash; what it cannot
    know is that another one was meant."""
    used = [(use["name"], use["sha256"]) for use in evidence.recipe.get("adapters", ())]
    wanted, today = _named(evidence.role), _named(evidence.role_now)
    assets = [asset for asset in evidence.assets if asset.kind == "adapter"]
    for asset in assets:
        yield from asset_findings(evidence, asset)
        yield from _fit_findings(evidence, asset)
    figures: dict[str, Any] = {"used": dict(used), "role_version": evidence.job["role_version"]}
    words = {"version": evidence.job["role_version"], "used": _listed(used)}
    if wanted is not None and wanted != used:
        figures["wanted"], told = dict(wanted), {**words, "wanted": _listed(wanted)}
        yield found(Branch.WEIGHTS, "adapters", Verdict.CAUSE, "adapters_dropped", figures, words=told)
    elif today is not None and today != used:
        figures["wanted"], told = dict(today), {**words, "wanted": _listed(today)}
        yield found(Branch.WEIGHTS, "adapters", Verdict.SUSPECT, "adapters_changed", figures, words=told)
    elif not assets:
        yield found(Branch.WEIGHTS, "adapters", Verdict.SOUND, "adapters_none", figures)


def _fit_findings(evidence: Evidence, asset: Asset) -> Iterator[Finding]:
    made, seen = evidence.recipe["weights_sha256"], asset.verdict or {}
    base = seen.get("base_sha256")
    figures = {"sha256": asset.sha256, "base_sha256": base, "weights_sha256": made, "rank": seen.get("rank")}
    name = f"adapter {asset.name}"
    if base and made and base != made:
        yield found(Branch.WEIGHTS, name, Verdict.CAUSE, "adapter_foreign", figures, words={"base": base[:12], "made": made[:12]})
    elif asset.health == "healthy" and not asset.problem:
        use = next(one for one in evidence.recipe["adapters"] if one["sha256"] == asset.sha256)
        fit = _SAME_BASE if base and made else _NOTHING
        words = {"rank": seen.get("rank", "?"), "alpha": f"{use['alpha']:g}", "sha256": asset.sha256[:12], "base": fit}
        yield found(Branch.WEIGHTS, name, Verdict.SOUND, "adapter_whole", figures, words=words)


_SAME_BASE = {"en": ", trained for these weights", "zh": "，为这些权重训练"}


def _named(role: Any) -> list[tuple[str, str]] | None:
    return None if role is None else [(use.name, use.sha256) for use in role.adapters]


def _listed(adapters: Sequence[tuple[str, str]]) -> dict[str, str]:
    text = ", ".join(f"{name} ({sha256[:12]})" for name, sha256 in adapters)
    return {"en": text or "no adapter", "zh": text or "无适配器"}
