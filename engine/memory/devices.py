"""What the planner knows of cards: memory, and speed where it was measured with this engine.

A card that was not measured has no speed: its milliseconds are "not measured here", never somebody else's.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass

from engine.errors import SettingsError
from engine.memory import measured
from engine.memory.timing import Speed, measured_speed

GIB = 1 << 30
USABLE_RATIO = 0.95  # above it the memory ladder begins (requirements E)

# What the driver takes for a process with its kernels and libraries, beyond what the allocator reserves; and what the
# streams take on which rings or weights travel. One H200, 21 November 2026: 0.684, and 0.790 to 0.825 with streams.
CUDA_CONTEXT_BYTES = int(0.684 * GIB)
CUDA_STREAMS_BYTES = int(0.138 * GIB)

# Of the processes beside a worker, one H200, 22 November 2026: what the driver takes for a vault, which runs no kernels; and
# what a standby's allocator keeps (0.492 GiB) beyond the rearranged convolutions that the planner lists (0.231).
VAULT_BYTES = 527 << 20
STANDBY_BYTES = int(0.261 * GIB)


@dataclass(frozen=True, kw_only=True)
class Device:
    """A kind of card. `pattern` finds it in the driver's name for it; `usable_bytes` is what a plan may fill."""

    name: str
    pattern: str
    total_gib: float
    usable_gib: float
    has_fp8: bool  # products in eight bits (compute capability 8.9 and newer)
    memory_source: str
    cuda_context_bytes: int = CUDA_CONTEXT_BYTES
    speed: Speed | None = None

    @property
    def usable_bytes(self) -> int:
        """What a plan may fill, in bytes."""
        return int(self.usable_gib * GIB)

    @property
    def link_gb_per_s(self) -> float | None:
        """GB/s of pinned host memory, where it was measured."""
        return None if self.speed is None else self.speed.link_gb_per_s

    def with_speed(self, speed: Speed) -> Device:
        """The same card with somebody's own figures."""
        return dataclasses.replace(self, speed=speed)


_NOMINAL = "the maker's figure; 95 % of it counted as usable"


def _card(name: str, pattern: str, total_gib: float, *, has_fp8: bool = True) -> Device:
    usable = round(total_gib * USABLE_RATIO, 2)
    return Device(
        name=name, pattern=pattern, total_gib=total_gib, usable_gib=usable, has_fp8=has_fp8, memory_source=_NOMINAL
    )


def devices() -> tuple[Device, ...]:
    """Every known kind, the measured one first."""
    h200 = _card(measured.DEVICE, r"h200", 139.0)
    seen = dataclasses.replace(h200, memory_source="as a process on one saw it; 95 % of it counted as usable")
    rtx_4090 = dataclasses.replace(
        _card("NVIDIA GeForce RTX 4090", r"4090", 24.0), usable_gib=22.15,
        memory_source="22.15 GiB usable: published by users of the model on 24 GB cards",
    )  # fmt: skip
    return (
        seen.with_speed(measured_speed()),
        _card("NVIDIA H100 80GB", r"h100|h800", 80.0),
        _card("NVIDIA A100 40GB", r"a100.*40|a800.*40", 40.0, has_fp8=False),
        _card("NVIDIA A100 80GB", r"a100|a800", 80.0, has_fp8=False),
        _card("NVIDIA L40S", r"l40s", 48.0),
        rtx_4090,
        _card("NVIDIA GeForce RTX 5090", r"5090", 32.0),
    )


def find_device(name: str) -> Device | None:
    """The known kind that a driver's or a person's name means (`h200`, `NVIDIA A100-SXM4-80GB`), else None."""
    return next((device for device in devices() if re.search(device.pattern, name, re.IGNORECASE)), None)


def device_named(name: str) -> Device:
    """As `find_device`; raises SettingsError naming the known ones."""
    found = find_device(name)
    if found is None:
        known = ", ".join(device.name for device in devices())
        raise SettingsError(
            f"device {name!r} is not known.",
            field="device",
            hint=f"Known: {known}. Or leave it out and give memory-gib.",
        )
    return found


FIGURES = ("products_tflops", "attention_tflops", "decode_ms_per_megapixel", "link_gb_per_s")


def speed_of(figures: Mapping[str, float], precision: str) -> Speed:
    """A speed from somebody's own figures (`FIGURES`, all of them). Raises SettingsError naming what is wrong."""
    for name in FIGURES:
        if not figures.get(name, 0.0) > 0:
            hint = f"Give all of {', '.join(FIGURES)}, each above 0."
            raise SettingsError(f"{name} is {figures.get(name, 'missing')}.", field="figure", hint=hint)
    unknown = sorted(set(figures) - set(FIGURES))
    if unknown:
        raise SettingsError(f"{unknown[0]!r} is no figure.", field="figure", hint=f"Use {', '.join(FIGURES)}.")
    return Speed(
        products={precision: figures["products_tflops"]},
        attention={"bf16": figures["attention_tflops"], "fp8": figures["attention_tflops"]},
        decode_ms_per_megapixel=figures["decode_ms_per_megapixel"], rest_ms=0.0,
        link_gb_per_s=figures["link_gb_per_s"], source="figures handed in", date="",
    )  # fmt: skip
