"""What a measurement is compared with: the plan of exactly what it ran."""

from __future__ import annotations

from dataclasses import dataclass

from engine.catalog import ModelShape
from engine.memory import measured
from engine.memory.devices import find_device
from engine.memory.load import Load, Room
from engine.memory.offload import RESIDENT, Offload
from engine.memory.placement import Arrangement
from engine.memory.plan import Rung, plan_of


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Bytes of one GPU: peaks of the allocator, what the driver takes beside it, what vault and standbys take; milliseconds
    per block, None where nobody measured this device and model."""

    allocated_bytes: int
    reserved_bytes: int
    cuda_context_bytes: int
    neighbour_bytes: int
    block_ms: float | None

    @property
    def total_bytes(self) -> int:
        """Everything that is taken of the GPU."""
        return self.reserved_bytes + self.cuda_context_bytes + self.neighbour_bytes


def predict(
    shape: ModelShape, width: int, height: int, *, steps: int = 4, precision: str = "fp8", kv: str | None = "fp8",
    offload: Offload = RESIDENT, adapter_rank: int = 0, adapters: int = 0, roles_ready: int = 1, voice_s: float = 60.0,
    device: str = measured.DEVICE, has_vault: bool = False, standbys: int = 0,
) -> Prediction:  # fmt: skip
    """Width and height in pixels; `precision` of the large products, bf16 or fp8; `kv` None is bf16; `adapter_rank` is
    room, `adapters` the fitted sets on the device. Text and speech encoder are not part of what is measured.

    Raises SettingsError naming what cannot be.
    """
    load = Load(
        shape=shape, width=width, height=height, steps=steps, precision=precision, kv=kv or "bf16",
        adapter_rank=adapter_rank, adapters=adapters, roles_ready=roles_ready, voice_s=voice_s, text_encoder="none",
        speech_encoder="none", has_vault=has_vault, standbys=standbys,
    )  # fmt: skip
    plan = plan_of(load, Room(device=find_device(device)), Rung.RESIDENT, Arrangement(kv=load.kv, offload=offload))
    return Prediction(
        allocated_bytes=plan.allocated_bytes,
        reserved_bytes=plan.peak_bytes - plan.cuda_context_bytes - plan.neighbour_bytes,
        cuda_context_bytes=plan.cuda_context_bytes, neighbour_bytes=plan.neighbour_bytes,
        block_ms=None if plan.time is None else plan.time.block_ms,
    )  # fmt: skip
