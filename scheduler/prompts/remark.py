"""What a person should know of a prompt or a wish that is accepted all the same: a sentence with its code and figures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

REMARKS = {
    "unset_slots": "No value for {names}: the model will invent it anew in every video.",
    "contradiction": "“{one}” and “{other}” contradict each other.",
    "caution": "“{word}”: {because}.",
    "long_prompt": "The prompt has {characters} characters; the model reads about {read}, the end may be cut.",
    "short_prompt": "The prompt is very short: the picture will vary from video to video.",
    "prompt_cut": "The model reads the first {read_bytes} bytes of a prompt; of the role's {bytes} “{lost}” is left out.",
    "frames_rounded": "infer_frames {asked} was rounded up to {used}, a multiple of 12",
}


class Remark(str):
    """An English sentence. Pages say the same in another language by `code` and `data`. Raises KeyError for an unknown code."""

    code: str
    data: dict[str, Any]

    __slots__ = ("code", "data")

    def __new__(cls, code: str, **data: Any) -> Remark:
        """The sentence of this code, filled in; a list of names is written out."""
        spoken = {name: listed(value) if isinstance(value, list) else value for name, value in data.items()}
        made = super().__new__(cls, REMARKS[code].format_map(spoken))
        made.code, made.data = code, data
        return made


def listed(names: list[str]) -> str:
    """Names as a sentence has them: “a, b and c”."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def remarks_public(remarks: Iterable[Remark]) -> list[dict[str, Any]]:
    """For an answer, beside the sentences themselves: `code` and `data` of each."""
    return [{"code": one.code, "data": one.data} for one in remarks]
