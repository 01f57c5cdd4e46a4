"""What a verification found, with the exit codes of `role_scheduler audit verify`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

from scheduler.audit.chain import Link


class VerdictCode(IntEnum):
    """Exit codes: 0 sound, 20 a row is broken, 21 the head does not match, 22 rows are missing at the end."""

    OK = 0
    BROKEN_ROW = 20
    HEAD_MISMATCH = 21
    TRUNCATED = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Result of a verification. `seq`/`hash`: last sound row; `broken_seq`: first row that is not sound, if any."""

    code: VerdictCode
    message: str
    rows: int  # rows whose hash was computed
    seq: int
    hash: str
    broken_seq: int | None = None
    head_seq: int | None = None  # of the head the rows were compared with
    warnings: tuple[str, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Whether everything checked is sound."""
        return self.code is VerdictCode.OK

    @property
    def exit_code(self) -> int:
        """Exit status for scripts."""
        return int(self.code)

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {**asdict(self), "code": self.exit_code, "ok": self.is_ok}


@dataclass(frozen=True, slots=True)
class ChainResult:
    """How far a chain holds: `rows` sound ones up to `last`; `broken_seq` and `reason` when it stops early."""

    rows: int
    last: Link
    broken_seq: int | None = None
    reason: str = ""


def broken_row(result: ChainResult) -> Verdict:
    """The verdict for a chain that stops early."""
    return Verdict(
        code=VerdictCode.BROKEN_ROW, message=f"Row {result.broken_seq} is broken: {result.reason}.", rows=result.rows,
        seq=result.last.seq, hash=result.last.hash.hex(), broken_seq=result.broken_seq,
    )  # fmt: skip
