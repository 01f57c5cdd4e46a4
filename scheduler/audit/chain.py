"""The hash chain: what exactly is hashed, and the first link.

hash = SHA-256(prev || seq as 8 bytes big-endian || fields), where each field is `<bytes in decimal>:<UTF-8 bytes>`
in the order of `FIELDS`. The length in front keeps neighbours apart: ("ab", "c") and ("a", "bc") hash differently.
`chained_bytes_sql` says the same in SQL, so that a verification needs one SELECT and one hash per row.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

GENESIS = bytes(32)  # `prev` of the first row
FIELDS = (
    "at_utc", "mono_ns", "boot_id", "actor", "action", "object", "outcome", "address", "request_id", "body",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Link:
    """The end of the chain: the last row's number and hash. Seq 0 is the empty log."""

    seq: int = 0
    hash: bytes = GENESIS


def link_hash(prev: bytes, seq: int, chained: bytes) -> bytes:
    """SHA-256 (32 bytes) of a row from its predecessor's hash, its number and its chained bytes."""
    return hashlib.sha256(prev + seq.to_bytes(8, "big") + chained).digest()


def chained_bytes(values: tuple[str | int, ...]) -> bytes:
    """The fields of a row, in the order of `FIELDS`, each with its length in front."""
    assert len(values) == len(FIELDS)
    parts = []
    for value in values:
        encoded = str(value).encode()
        parts.append(b"%d:%b" % (len(encoded), encoded))
    return b"".join(parts)


def chained_bytes_sql() -> str:
    """An SQL expression over a row of `audit` that gives the same bytes as `chained_bytes`."""
    parts = (f"length(CAST({name} AS BLOB)) || ':' || {name}" for name in FIELDS)
    return " || ".join(parts)
