"""What was measured, copied from docs/benchmarks.md (a test compares the two): the planner's times come from these rows.

After a new measurement replace the rows; `engine.memory.timing` works the rates out anew.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One row: steady state, full ring, decode in, frames in host memory. Times in ms, of one block or one step."""

    width: int
    height: int
    precision: str  # of the large products: "bf16" or "fp8"
    kv: str  # of the rings: "bf16" or "fp8"
    steps: int
    block_ms: float
    step_ms: float
    decode_ms: float


MODEL = "live-avatar-14b"
DEVICE = "NVIDIA H200"
DATE = "2026-11-21"
SOURCE = "docs/benchmarks.md"


def _row(width: int, height: int, precision: str, kv: str, block: float, step: float, decode: float) -> Measurement:
    return Measurement(
        width=width, height=height, precision=precision, kv=kv, steps=4, block_ms=block, step_ms=step, decode_ms=decode
    )


ROWS: tuple[Measurement, ...] = (
    _row(384, 256, "fp8", "bf16", 201.3, 42.5, 26.4),
    _row(640, 384, "fp8", "bf16", 599.0, 134.0, 62.7),
    _row(704, 384, "fp8", "bf16", 691.0, 154.1, 69.9),
    _row(640, 384, "bf16", "bf16", 826.7, 190.2, 62.9),
)
