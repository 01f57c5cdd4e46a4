"""What was measured: `ROWS`, copied from docs/benchmarks.md (a test compares the two), give the planner's times; the
predicted memory is held against `PEAKS` by a test.

After a new measurement replace the rows; `engine.memory.timing` works the rates out anew. Over rings in eight bits attention
has a rate of its own as soon as one row has kv="fp8".
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.memory.offload import RESIDENT, Offload


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
LINK_GB_PER_S = 55.3  # pinned memory to the device 55.5, back 55.3, each alone: a ring travels both ways


def _row(width: int, height: int, precision: str, kv: str, block: float, step: float, decode: float) -> Measurement:
    return Measurement(
        width=width, height=height, precision=precision, kv=kv, steps=4, block_ms=block, step_ms=step, decode_ms=decode
    )


ROWS: tuple[Measurement, ...] = (
    _row(384, 256, "fp8", "fp8", 198.6, 43.5, 26.6),
    _row(640, 384, "fp8", "fp8", 564.9, 121.7, 67.6),
    _row(704, 384, "fp8", "fp8", 640.4, 139.6, 72.1),
    _row(384, 256, "fp8", "bf16", 201.3, 42.5, 26.4),
    _row(640, 384, "fp8", "bf16", 599.0, 134.0, 62.7),
    _row(704, 384, "fp8", "bf16", 691.0, 154.1, 69.9),
    _row(640, 384, "bf16", "bf16", 838.2, 192.0, 65.9),
)


@dataclass(frozen=True, kw_only=True)
class Peak:
    """One run of `python -m benchmarks.engine` with weights and rings in eight bits, 4 steps, no portrait encoded. GiB: of
    tensors, of the allocator, and what the driver takes beside it."""

    width: int
    height: int
    offload: Offload
    allocated_gib: float
    reserved_gib: float
    context_gib: float
    block_ms: float
    voice_s: float = 12.0  # of a run of 8 blocks


PEAKS: tuple[Peak, ...] = (
    Peak(width=640, height=384, offload=Offload(text_weights=True), allocated_gib=37.965, reserved_gib=38.135,
         context_gib=0.684, block_ms=564.9),
    Peak(width=704, height=384, offload=Offload(text_weights=True), allocated_gib=40.328, reserved_gib=40.498,
         context_gib=0.684, block_ms=640.4),
    Peak(width=640, height=384, offload=Offload(cold_weights=True, rings=True), allocated_gib=19.654,
         reserved_gib=19.854, context_gib=0.790, block_ms=578.2),
    Peak(width=384, height=256, offload=RESIDENT, allocated_gib=26.616, reserved_gib=26.770, context_gib=0.684,
         block_ms=198.6, voice_s=19.7),
)  # fmt: skip
