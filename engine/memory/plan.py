"""A plan: one load under one arrangement on one kind of GPU, with its peak, its time and whether it fits."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum

from engine.catalog import BLOCK_FRAMES
from engine.memory.load import Load, Room
from engine.memory.offload import RESIDENT
from engine.memory.placement import (
    CUDA_CONTEXT,
    NOT_ALLOCATED,
    STANDBYS,
    VAULT,
    Arrangement,
    Part,
    block_bytes,
    link_bytes,
    place,
    start_bytes,
)
from engine.memory.timing import BlockTime, step_work
from engine.memory.words import RUNG_WORDS, Words, sentence

GIB = 1 << 30


class Rung(StrEnum):
    """The ladder, in the order of what it costs (requirements E)."""

    RESIDENT = "resident"
    PARKED_CONTEXTS = "parked_contexts"
    DROPPED_CACHES = "dropped_caches"
    FP8_RINGS = "fp8_rings"
    STREAMED_RINGS = "streamed_rings"
    COLD_WEIGHTS = "cold_weights"
    STREAMED_WEIGHTS = "streamed_weights"
    FEWER_STEPS = "fewer_steps"
    SMALLER_SIZE = "smaller_size"

    @property
    def needs_consent(self) -> bool:
        """Changes the picture that was asked for."""
        return self in (Rung.FEWER_STEPS, Rung.SMALLER_SIZE)


class Verdict(StrEnum):
    """In the words of the watermark."""

    FITS = "fits"
    FITS_DEGRADED = "fits_degraded"
    DOES_NOT_FIT = "does_not_fit"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Where everything lies, predicted. Bytes on the GPU are of one GPU; replicas of it run side by side.

    `fits` is None without a limit to compare with; `time` is None where nobody has measured it. `why` and `notes` are
    sentences in both languages.
    """

    load: Load
    room: Room
    rung: Rung
    how: Arrangement
    parts: tuple[Part, ...]
    time: BlockTime | None
    fits: bool | None
    verdict: Verdict
    why: Words
    notes: tuple[Words, ...] = ()

    @property
    def peak_bytes(self) -> int:
        """Predicted peak of one GPU: what the allocator reserves, the CUDA context, the processes beside it."""
        return sum(part.gpu_bytes for part in self.parts)

    @property
    def allocated_bytes(self) -> int:
        """Of these, what tensors take."""
        return sum(part.gpu_bytes for part in self.parts if part.name not in NOT_ALLOCATED)

    @property
    def cuda_context_bytes(self) -> int:
        """Of these, what the driver takes for the process."""
        return next(part.gpu_bytes for part in self.parts if part.name == CUDA_CONTEXT)

    @property
    def neighbour_bytes(self) -> int:
        """Of these, what vault and standbys take for themselves."""
        return sum(part.gpu_bytes for part in self.parts if part.name in (VAULT, STANDBYS))

    @property
    def host_bytes(self) -> int:
        """Host memory that belongs to one GPU."""
        return sum(part.host_bytes for part in self.parts)

    @property
    def frames_per_s(self) -> float | None:
        """Of one GPU's video."""
        return None if self.time is None else BLOCK_FRAMES / self.time.block_ms * 1e3

    def weighs_less_than(self, other: Plan) -> bool:
        """Fewer bytes on the GPU, or as many there and fewer in host memory."""
        return (self.peak_bytes, self.host_bytes) < (other.peak_bytes, other.host_bytes)


def plan_of(load: Load, room: Room, rung: Rung, how: Arrangement) -> Plan:
    """The plan of one arrangement, on its own."""
    parts = place(load, how, room.device)
    peak, host = sum(part.gpu_bytes for part in parts), sum(part.host_bytes for part in parts)
    limit = room.limit_bytes
    fits: bool | None = None
    data = {"need": gib(peak), "rung": rung.value}
    if load.needs_fp8 and room.device is not None and not room.has_fp8:
        fits, why = False, sentence("no_fp8", device=room.device.name)
    elif room.host_bytes is not None and host * room.gpus > room.host_bytes:
        fits, why = False, sentence("host_full", need=gib(host * room.gpus), have=gib(room.host_bytes))
    elif limit is None:
        why = sentence("no_limit", **data)
    else:
        fits = peak <= limit
        why = sentence("fits" if fits else "too_large", **data, have=gib(limit))
    time, notes = _time(load, room, how)
    if load.is_wide:
        notes = (*notes, sentence("estimated"))
    if room.gpus > 1:
        notes = (*notes, sentence("replicas", gpus=room.gpus))
    verdict = Verdict.CANNOT_TELL if fits is None else Verdict.DOES_NOT_FIT
    if fits:
        verdict = Verdict.FITS if rung is Rung.RESIDENT else Verdict.FITS_DEGRADED
    return Plan(
        load=load, room=room, rung=rung, how=how, parts=parts, time=time, fits=fits, verdict=verdict, why=why,
        notes=notes,
    )  # fmt: skip


def explained(plan: Plan, verdict: Verdict, why: Words) -> Plan:
    """The plan with the verdict of the whole ladder."""
    return dataclasses.replace(plan, verdict=verdict, why=why)


def rung_words(plan: Plan) -> Words:
    """The rung as a person reads it, with its number of layers, steps or pixels."""
    load = plan.load
    data = {
        "layers": plan.how.offload.layers, "all": load.shape.num_layers, "steps": load.steps,
        "size": f"{load.width}x{load.height}",
    }  # fmt: skip
    return {language: text.format(**data) for language, text in RUNG_WORDS[plan.rung.value].items()}


def gib(count: int) -> str:
    """Bytes as GiB with two digits."""
    return f"{count / GIB:.2f}"


def _time(load: Load, room: Room, how: Arrangement) -> tuple[BlockTime | None, tuple[Words, ...]]:
    """Predicted time, and what must be said about it."""
    speed = None if room.device is None else room.device.speed
    if speed is None or load.is_wide or speed.model not in (None, load.shape.name):
        return None, (sentence("not_measured"),)
    work = step_work(load.shape, load.width, load.height, load.infer_frames, load.adapter_rank)
    compute, once = speed.compute_ms(work, load.precision, how.kv), block_bytes(load, how)
    if compute is None or (how.offload != RESIDENT and speed.link_gb_per_s is None):
        return None, (sentence("not_measured"),)
    per_ms = (speed.link_gb_per_s or 1.0) * 1e6
    time = BlockTime(
        steps=load.steps, compute_ms=compute, link_ms=link_bytes(load, how) / per_ms,
        start_ms=start_bytes(load, how) / per_ms, cold_ms=once / per_ms,
        decode_ms=speed.decode_ms_per_megapixel * load.width * load.height / 1e6, rest_ms=speed.rest_ms,
    )  # fmt: skip
    return time, () if speed.knows_kv(how.kv) else (sentence("kv_not_measured"),)
