"""One spelling of JSON for everything that is hashed: sorted keys, no spaces, UTF-8, no NaN."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical_json(data: Any) -> str:
    """`data` in its one spelling. ValueError for NaN and infinity, TypeError for what JSON cannot say."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)


def canonical_sha256(data: Any) -> str:
    """Lower-case hex SHA-256 of the canonical JSON of `data`."""
    return text_sha256(canonical_json(data))


def text_sha256(text: str) -> str:
    """Lower-case hex SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()
