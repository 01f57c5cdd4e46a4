"""Personal text does not enter the chain: a row can never be erased, a person's words must be.

Values under the keys in `PERSONAL_KEYS`, at any depth of a body, are replaced by a keyed hash. The words themselves
stay where they can be erased (a job's recipe, a note's row); the key is a fact of the store, so an export alone
cannot be used to guess them.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from scheduler.canonical import canonical_json

PERSONAL_KEYS = frozenset({
    "prompt", "prompts", "context", "note", "notes", "comment", "feedback", "email", "spoken_text",
})  # fmt: skip


def without_personal_text(body: dict[str, Any], key: bytes) -> dict[str, Any]:
    """A copy of `body` in which personal values are `{"hmac_sha256": …}`; empty values stay as they are."""
    return {name: _cleaned(name, value, key) for name, value in body.items()}


def fingerprint(value: Any, key: bytes) -> str:
    """Keyed hash (hex) of a personal value: equal values of one store have equal fingerprints."""
    return hmac.new(key, canonical_json(value).encode(), hashlib.sha256).hexdigest()


def _cleaned(name: str, value: Any, key: bytes) -> Any:
    if name in PERSONAL_KEYS and value not in (None, "", {}, []):
        return {"hmac_sha256": fingerprint(value, key)}
    if isinstance(value, dict):
        return without_personal_text(value, key)
    if isinstance(value, list | tuple):
        return [_cleaned("", item, key) for item in value]
    return value
