"""The typed variables of prompts: text, number or one of several choices, each with its limits."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Value = str | int | float
MAX_VALUE_BYTES = 4096
MAX_NUMBER = 1e15
KINDS = ("string", "number", "choice")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_NUMBER = re.compile(r"[-+]?[0-9]{1,15}(\.[0-9]{1,15})?")


class ValueRefused(ValueError):
    """A value does not fit its variable. The message names neither; the caller does. `hint` says what fits.

    `why`: code and data of the same, for pages in another language.
    """

    def __init__(self, message: str, hint: str, code: str, **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.why = {"code": f"value.{code}", "data": data}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One variable. `maximum`/`minimum`: of a number; `max_length`: characters of a string; `is_slot`: may stay empty.

    An empty slot is flagged, not refused. `hint` is shown beside the input.
    """

    name: str
    kind: str = "string"
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    max_length: int = 500
    is_slot: bool = False
    hint: str = ""

    def checked(self, value: Any) -> Value:
        """The value in the variable's type; text is trimmed. Raises ValueRefused."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            message = f"must be {self.wanted}, not {type(value).__name__}."
            raise ValueRefused(message, f"Give {self.wanted}.", f"no_{self.kind}", choices=list(self.choices))
        if not isinstance(value, str) and not abs(value) <= MAX_NUMBER:  # also NaN; before a huge one is made text
            raise ValueRefused("is not a usable number.", "Give a number below 10^15.", "huge")
        if self.kind == "number":
            return self._number(value)
        text = clean_text(str(value))
        if self.kind == "choice":
            if text not in self.choices:
                message, hint = f"is {text[:40]!r}, which is not offered.", f"Choose one of {', '.join(self.choices)}."
                raise ValueRefused(message, hint, "not_offered", found=text[:40], choices=list(self.choices))
            return text
        if len(text) > self.max_length:
            message, hint = f"has {len(text)} characters.", f"Use at most {self.max_length}."
            raise ValueRefused(message, hint, "long_text", found=len(text), most=self.max_length)
        return text

    @property
    def wanted(self) -> str:
        """What fits, in words."""
        if self.kind == "choice":
            return f"one of {', '.join(self.choices)}"
        return "a number" if self.kind == "number" else "text"

    def to_json(self) -> dict[str, Any]:
        """Plain data, defaults left out."""
        data: dict[str, Any] = {"kind": self.kind, "max_length": self.max_length}
        for name in ("choices", "minimum", "maximum", "hint"):
            value = getattr(self, name)
            if value not in (None, "", ()):
                data[name] = list(value) if isinstance(value, tuple) else value
        return {**data, "is_slot": True} if self.is_slot else data

    @classmethod
    def from_json(cls, name: str, data: Mapping[str, Any]) -> Variable:
        """Inverse of `to_json`."""
        return cls(name=name, **{**data, "choices": tuple(data.get("choices", ()))})

    def _number(self, value: str | int | float) -> Value:
        if isinstance(value, str):
            text = value.strip()
            if not _NUMBER.fullmatch(text):
                message = f"is {text[:40]!r}, which is not a number."
                raise ValueRefused(message, "Give a number such as 3 or 2.5.", "not_number", found=text[:40])
            value = float(text) if "." in text else int(text)
        if self.minimum is not None and value < self.minimum:
            raise ValueRefused(f"is {value:g}.", f"Use at least {self.minimum:g}.", "below", least=f"{self.minimum:g}")
        if self.maximum is not None and value > self.maximum:
            raise ValueRefused(f"is {value:g}.", f"Use at most {self.maximum:g}.", "above", most=f"{self.maximum:g}")
        return value


def clean_text(text: str) -> str:
    """Text as a prompt may hold it: trimmed, at most 4 kB, without control characters. Raises ValueRefused."""
    if len(text) > MAX_VALUE_BYTES or len(text.encode(errors="replace")) > MAX_VALUE_BYTES:
        raise ValueRefused("is too long.", f"Use at most {MAX_VALUE_BYTES} bytes.", "many_bytes", most=MAX_VALUE_BYTES)
    for char in text:
        if char not in "\n\t" and unicodedata.category(char) in ("Cc", "Cs"):
            sign = f"U+{ord(char):04X}"
            raise ValueRefused(f"holds the control character {sign}.", "Remove it.", "control_character", sign=sign)
    return text.strip()
