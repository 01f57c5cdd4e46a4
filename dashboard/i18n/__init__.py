"""Every word of the pages, in English and Chinese. A word that is missing in one of them fails the tests, not the page."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from flask import g, request

LANGUAGES = ("en", "zh-CN")
_SPOKEN = {"en": "en", "zh": "zh-CN", "zh-cn": "zh-CN"}  # what `?lang=` may say
HERE = Path(__file__).resolve().parent


@cache
def catalogue(language: str) -> dict[str, str]:
    """Key → words. Raises FileNotFoundError for a language that does not exist."""
    words: dict[str, str] = json.loads((HERE / f"{language}.json").read_text(encoding="utf-8"))
    return words


def language() -> str:
    """The language of this request: `?lang=`, the chosen one, what the browser asks for, English."""
    if "language" not in g:
        wished = _SPOKEN.get(request.args.get("lang", "").lower()) or request.cookies.get("language") or ""
        if wished not in LANGUAGES:
            wished = "zh-CN" if (request.accept_languages.best or "").lower().startswith("zh") else "en"
        g.language = wished
    found: str = g.language
    return found


def words(key: str, **data: Any) -> str:
    """The words of a key in this request's language, data filled in. Raises KeyError for an unknown key."""
    return catalogue(language())[key].format(**data)


def named(prefix: str, name: Any) -> str:
    """The words for a value of ours (`state`, `hold`, `action` …); a value nobody translated is shown as it is."""
    text = str(name)
    return catalogue(language()).get(f"{prefix}.{text}", text)


def both(text: dict[str, str]) -> str:
    """The right one of a sentence that comes in both languages (`en`, `zh`)."""
    return text["zh" if language() == "zh-CN" else "en"]
