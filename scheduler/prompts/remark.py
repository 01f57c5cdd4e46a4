"""What a person should know of a prompt or a wish that is accepted all the same: a sentence with its code and figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

REMARKS: dict[str, dict[str, str]] = {
    "unset_slots": {
        "en": "No value for {names}: the model will invent it anew in every video.",
        "zh": "{names}没有填写：模型会在每个视频里各自想象。",
    },
    "contradiction": {
        "en": "“{one}” and “{other}” contradict each other.",
        "zh": "“{one}”与“{other}”相互矛盾。",
    },
    "caution": {
        "en": "“{word}”: {because}.",
        "zh": "“{word}”：{because_zh}。",
    },
    "long_prompt": {
        "en": "The prompt has {characters} characters; the model reads about {read}, the end may be cut.",
        "zh": "提示词有 {characters} 个字符；模型约读 {read} 个，末尾可能被截去。",
    },
    "short_prompt": {
        "en": "The prompt is very short: the picture will vary from video to video.",
        "zh": "提示词很短：每个视频的画面会各不相同。",
    },
    "prompt_cut": {
        "en": "The model reads the first {read_bytes} bytes of a prompt; of the role's {bytes} “{lost}” is left out.",
        "zh": "模型只读提示词的前 {read_bytes} 字节；角色文字共 {bytes} 字节，“{lost}”未被读到。",
    },
    "frames_rounded": {
        "en": "infer_frames {asked} was rounded up to {used}, a multiple of 12",
        "zh": "infer_frames {asked} 已向上取整为 {used}（12 的倍数）。",
    },
}


class Remark(str):
    """An English sentence; `remark_in_chinese` says the same by its `code` and `data`. Raises KeyError for an unknown code."""

    code: str
    data: dict[str, Any]

    __slots__ = ("code", "data")

    def __new__(cls, code: str, **data: Any) -> Remark:
        """The sentence of this code, filled in; a list of names is written out."""
        spoken = {name: listed(value) if isinstance(value, list) else value for name, value in data.items()}
        made = super().__new__(cls, REMARKS[code]["en"].format_map(spoken))
        made.code, made.data = code, data
        return made


def remark_in_chinese(code: str, data: Mapping[str, Any]) -> str | None:
    """A remark in Chinese; None where this release does not know the code or a figure is missing."""
    spoken = {name: "、".join(map(str, value)) if isinstance(value, list) else value for name, value in data.items()}
    try:
        return REMARKS[code]["zh"].format_map(spoken)
    except KeyError:
        return None


def listed(names: list[str]) -> str:
    """Names as a sentence has them: “a, b and c”."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def remarks_public(remarks: Iterable[Remark]) -> list[dict[str, Any]]:
    """For an answer, beside the sentences themselves: `code` and `data` of each."""
    return [{"code": one.code, "data": one.data} for one in remarks]
