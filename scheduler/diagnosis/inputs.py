"""The first branch: what the video was made of. Portrait, voice, prompt, by the checks that look at them on arrival."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from engine.catalog import PROMPT_BYTES
from engine.config import fit_size
from engine.errors import SettingsError
from scheduler.diagnosis.evidence import Evidence
from scheduler.diagnosis.files import asset_findings
from scheduler.diagnosis.finding import Branch, Finding, Verdict, found
from scheduler.diagnosis.input_words import HEALTH, WARNINGS, Words
from scheduler.errors import SchedulerError
from scheduler.prompts import Remark, remark_in_chinese, render
from scheduler.refusal_words import in_chinese, told_apart
from scheduler.submission import area

LIPS = ("lip_offset_s", "lip_correlation")
_SIZE_WARNING = "smaller than"  # what matters is the video's own size
_ENOUGH = 8  # times: a portrait enlarged so far limits no size


def portrait_findings(evidence: Evidence) -> Iterator[Finding]:
    """Sharp enough for this video's size, large enough for what was asked, well lit?"""
    asset = next(one for one in evidence.assets if one.kind == "portrait")
    yield from asset_findings(evidence, asset)
    if asset.verdict is None:
        return
    seen = asset.verdict
    figures = {"sha256": asset.sha256, **{name: value for name, value in seen.items() if name != "warnings"}}
    made = _video_size(evidence, seen["width"], seen["height"])
    troubles = list(_portrait_troubles(evidence, seen, made, figures))
    yield from troubles
    if not troubles and made is not None and "sharp_side" in seen:
        yield found(Branch.INPUT, "portrait", Verdict.SOUND, "portrait_sound", figures, words={**_words(seen), "side": min(made)})


def _portrait_troubles(
    evidence: Evidence, seen: Any, made: tuple[int, int] | None, figures: dict[str, Any]
) -> Iterator[Finding]:  # fmt: skip
    is_blurred = "sharp_side" in seen and made is not None and is_blurred_at(seen, min(made))
    if "sharp_side" not in seen:  # checked by an earlier release, and the file is gone
        gone = {"health": HEALTH["missing"]}
        yield found(Branch.INPUT, "portrait sharpness", Verdict.UNKNOWN, "portrait_unmeasured", figures, words=gone)
    elif is_blurred and made is not None:
        figures |= {"video_width": made[0], "video_height": made[1]}
        blur = {"sharp_side": seen["sharp_side"], "side": min(made)}
        yield found(Branch.INPUT, "portrait", Verdict.CAUSE, "portrait_blurred", figures, words=blur)
    if (limit := _limited_size(evidence.recipe["settings"]["size"], seen["width"], seen["height"])) is not None:
        sizes = {**_words(seen), **limit}
        yield found(Branch.INPUT, "portrait size", Verdict.SUSPECT, "portrait_small", figures, words=sizes)
    told = {"blurred"} if is_blurred else set()
    if light := [text for text in seen["warnings"] if not text.startswith(_SIZE_WARNING) and text not in told]:
        yield found(
            Branch.INPUT, "portrait light", Verdict.SUSPECT, "portrait_light", {**figures, "warnings": light},
            shows_in=("blurred_ratio", "lip_correlation", "identity_drift"), words={**_words(seen), "warnings": _listed(light)},
        )  # fmt: skip


def is_blurred_at(seen: Any, side: int) -> bool:
    """Whether a video of this shorter side shows a blur that the portrait brings with it."""
    return bool(seen["sharp_side"] < min(seen["width"], seen["height"]) and side > seen["sharp_side"])


def _video_size(evidence: Evidence, width: int, height: int) -> tuple[int, int] | None:
    """(width, height) of the video as made, or as it will be."""
    if evidence.job["width"]:
        return evidence.job["width"], evidence.job["height"]
    return _fitted(evidence.recipe["settings"]["size"], width, height)


def _limited_size(size: str, width: int, height: int) -> dict[str, str] | None:
    """What the portrait gives at this size, and what it would give with more pixels; None where they do not matter."""
    given, possible = _fitted(size, width, height), _fitted(size, _ENOUGH * width, _ENOUGH * height)
    if width * height > area(size) or given is None or possible is None or math.prod(given) >= math.prod(possible):
        return None
    return {"asked": f"{possible[0]}x{possible[1]}", "found": f"{given[0]}x{given[1]}"}


def _fitted(size: str, width: int, height: int) -> tuple[int, int] | None:
    try:
        return fit_size(size, width, height)
    except SettingsError:
        return None


def voice_findings(evidence: Evidence) -> Iterator[Finding]:
    """Something for the lips to follow, and nothing beside it?"""
    asset = next(one for one in evidence.assets if one.kind == "voice")
    yield from asset_findings(evidence, asset)
    if asset.verdict is None:
        return
    seen = asset.verdict
    figures = {"sha256": asset.sha256, **{name: value for name, value in seen.items() if name not in ("warnings", "pauses")}}
    words = {
        "seconds": seen["seconds"], "rate": seen["rate"], "loudness": seen["loudness_db"], "noise": seen["noise_db"],
        "ratio": seen["signal_to_noise_db"], "clipped": f"{100 * seen['clipped_ratio']:.2g}",
    }  # fmt: skip
    warnings = list(seen["warnings"])
    if not warnings:
        yield found(Branch.INPUT, "voice", Verdict.SOUND, "voice_sound", figures, words=words)
    if "silent" in warnings:
        yield found(Branch.INPUT, "voice", Verdict.CAUSE, "voice_silent", figures, shows_in=("loudness_db",), words=words)
    if "noisy" in warnings:
        yield found(Branch.INPUT, "voice noise", Verdict.SUSPECT, "voice_noisy", figures, shows_in=LIPS, words=words)
    if "clipped" in warnings:
        yield found(
            Branch.INPUT, "voice level", Verdict.SUSPECT, "voice_clipped", figures, shows_in=(*LIPS, "loudness_db"), words=words
        )
    if others := [text for text in warnings if text not in ("silent", "noisy", "clipped")]:
        yield found(
            Branch.INPUT, "voice recording", Verdict.SUSPECT, "voice_otherwise", {**figures, "warnings": others},
            shows_in=(*LIPS, "loudness_db"), words={**words, "warnings": _listed(others)},
        )  # fmt: skip


def prompt_findings(evidence: Evidence) -> Iterator[Finding]:
    """The remarks that its submission was answered with, made again from the role's version and the job's context."""
    recipe = evidence.recipe
    figures = {"characters": len(recipe["prompt"]), "role_version": evidence.job["role_version"]}
    if evidence.role is None:
        yield _unread(evidence, {"en": "it is not known", "zh": "版本未知"})
        return
    try:
        read_bytes = PROMPT_BYTES.get(recipe["model"])
        rendered = render(evidence.role, recipe["context"], style=recipe["style"], read_bytes=read_bytes)
    except SchedulerError as error:
        what, _ = told_apart(in_chinese(error.code, error.field, error.data) or "")
        yield _unread(evidence, {"en": error.message.rstrip("."), "zh": what or error.message})
        return
    if rendered.prompt != recipe["prompt"]:
        yield _unread(evidence, {"en": "it makes another prompt", "zh": "生成的提示词不同"})
        return
    for remark in rendered.warnings:
        told = {**figures, "code": remark.code, **remark.data}
        yield found(Branch.INPUT, "prompt", Verdict.SUSPECT, "prompt_remark", told, words={"remark": remark_words(remark)})
    if not rendered.warnings:
        yield found(Branch.INPUT, "prompt", Verdict.SOUND, "prompt_sound", figures, words=figures)


def _unread(evidence: Evidence, why: Words) -> Finding:
    version = evidence.job["role_version"]
    figures, words = {"version": version, "why": why["en"]}, {"version": version, "why": why}
    return found(Branch.INPUT, "prompt", Verdict.UNKNOWN, "prompt_unknown", figures, words=words)


def remark_words(remark: Remark) -> Words:
    """A remark in both languages, to stand inside of a sentence."""
    return {"en": remark.rstrip("."), "zh": (remark_in_chinese(remark.code, remark.data) or remark).rstrip(".。")}


def _listed(warnings: list[str]) -> Words:
    return {"en": ", ".join(warnings), "zh": "、".join(WARNINGS.get(text, text) for text in warnings)}


def _words(seen: Any) -> dict[str, object]:
    names = ("width", "height", "sharp_side", "brightness", "contrast", "light_difference")
    return {name: seen.get(name, "?") for name in names}
