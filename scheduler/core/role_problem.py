"""Why a role takes no work, as a code that is stored, compared and put into words; other texts are sentences already."""

from __future__ import annotations

from enum import StrEnum


class RoleProblem(StrEnum):
    """What can be wrong with a role that was loaded."""

    REMOVED = "removed"
    PORTRAIT_MISSING = "portrait_missing"
    VOICE_MISSING = "voice_missing"
    ADAPTER_MISSING = "adapter_missing"


MISSING = {
    "portrait": RoleProblem.PORTRAIT_MISSING, "voice": RoleProblem.VOICE_MISSING, "adapter": RoleProblem.ADAPTER_MISSING,
}  # fmt: skip
_SAID = {RoleProblem.REMOVED: "The role was removed."} | {
    code: f"Its {thing} is missing or cut short." for thing, code in MISSING.items()
}

_SAID_ZH = {
    RoleProblem.REMOVED: "角色已被移除。", RoleProblem.PORTRAIT_MISSING: "肖像缺失或不完整。",
    RoleProblem.VOICE_MISSING: "声音缺失或不完整。", RoleProblem.ADAPTER_MISSING: "适配器缺失或不完整。",
}  # fmt: skip


def sentences(problem: str | None) -> dict[str, str]:
    """The same in both languages; what is a sentence already is so in both."""
    said = sentence(problem)
    return {"en": said, "zh": _SAID_ZH[RoleProblem(problem)] if problem in _SAID_ZH else said}


def sentence(problem: str | None) -> str:
    """English words for a stored problem."""
    return _SAID[RoleProblem(problem)] if problem in _SAID else problem or "The role is not available."
