"""Where a worker computes, how it is set up there, and the contexts that it keeps on a device.

Contexts on a device lie in the vault's memory and outlive this process. Two kinds are its own and end with it: those whose
rings lie in host memory, and those of a process without a vault. A job whose context is gone resumes from its durable latents
(continuous, and the report says so).
"""

from __future__ import annotations

import logging
import os
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import torch

from engine.catalog import CLIP_FRAMES, SHAPES, ModelShape
from engine.errors import OutOfDeviceMemory, SettingsError
from engine.memory import GIB, USABLE_RATIO, Load, Plan, Room, find_device, make_plan
from engine.memory.offload import RESIDENT, Offload
from engine.model.adapter_file import MAX_RANK
from engine.model.context import Context, ContextLayout
from engine.vault.client import VaultFull
from engine.worker.device_memory import SharedDevice

if TYPE_CHECKING:
    from engine.worker.ready_roles import ReadyRoles

_log = logging.getLogger("greenroom.worker")

VARIABLE = "GREENROOM_DEVICE"
CHOICES = ("auto", "cpu", "cuda")
RANK_VARIABLE = "GREENROOM_ADAPTER_RANK"
DEFAULT_RANK = 32
_PLANNED_SIZE = (640, 384)  # of the standard preset for a picture of 16:9: weights are placed once, for this size


def choose_device() -> str:
    """`cuda` where there is one, unless GREENROOM_DEVICE says `cpu`. Raises SettingsError."""
    wanted = os.environ.get(VARIABLE, "auto")
    if wanted not in CHOICES:
        raise SettingsError(f"{VARIABLE} is {wanted!r}.", field=VARIABLE, hint=f"Use {', '.join(CHOICES)}.")
    if wanted == "cuda" and not torch.cuda.is_available():
        hint = "Look at nvidia-smi, or use cpu."
        raise SettingsError(f"{VARIABLE} is cuda, but torch sees no CUDA device.", field=VARIABLE, hint=hint)
    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"


def adapter_rank() -> int:
    """Room for role adapters in the fused products: the sum of ranks that can be attached at once. Raises SettingsError."""
    text = os.environ.get(RANK_VARIABLE, str(DEFAULT_RANK))
    if not text.isdecimal() or int(text) > MAX_RANK:
        raise SettingsError(f"{RANK_VARIABLE} is {text!r}.", field=RANK_VARIABLE, hint=f"Use 0 to {MAX_RANK}.")
    return int(text)


def make_deterministic(device: str, threads: int) -> None:
    """Same input, same bits: kernels that keep order, chosen without trying them out, and as many threads as told."""
    torch.set_num_threads(threads)
    if device != "cpu":
        torch.cuda.memory._set_allocator_settings("expandable_segments:True")  # little is lost between blocks
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.allow_tf32 = False
        return
    torch.use_deterministic_algorithms(True)
    # The default fills every new tensor, which costs time and is not what makes results equal.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def device_software(device: str) -> dict[str, str]:
    """What bits depend on besides recipe, weights and the CPU's own."""
    if device == "cpu":
        return {}
    major, minor = torch.cuda.get_device_capability()
    return {
        "gpu": torch.cuda.get_device_name(), "capability": f"{major}.{minor}", "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
    }  # fmt: skip


def note_memory(when: str, shared: SharedDevice | None, began: float) -> None:
    """A line in the log: what this process takes on the device, and what it maps of the vault's. `began`: of its warming up."""
    data = {
        "when": when, "since_s": round(time.perf_counter() - began, 3), "allocated_bytes": torch.cuda.memory_allocated(),
        "reserved_bytes": torch.cuda.memory_reserved(), "peak_bytes": torch.cuda.max_memory_reserved(),
        "mapped_bytes": 0 if shared is None else shared.mapped_bytes,
    }  # fmt: skip
    _log.info("device memory", extra={"data": data})


def device_room() -> Room:
    """This process's device."""
    known = find_device(torch.cuda.get_device_name())
    _, total = torch.cuda.mem_get_info()
    return Room(device=known, cap_bytes=int(total * USABLE_RATIO))


def weights_offload(shape: ModelShape, precision: str, rank: int, *, has_vault: bool) -> Offload:
    """Which weights lie in host memory: decided once, for the everyday size, one context and one adapter of `rank`. Beside
    a vault a standby is counted, too."""
    if shape.name not in SHAPES:
        return RESIDENT
    width, height = _PLANNED_SIZE
    load = Load(
        shape=shape, width=width, height=height, precision=precision, adapter_rank=rank, adapters=1 if rank else 0,
        has_vault=has_vault, standbys=int(has_vault),
    )  # fmt: skip
    plan = make_plan(load, device_room())
    return plan.how.offload


class DeviceContexts:
    """Contexts by job: in the vault's memory, or this process's own, the least recently used first."""

    def __init__(self, shape: ModelShape, precision: str, rank: int, shared: SharedDevice | None = None) -> None:
        self._shape, self._precision, self._rank, self._room = shape, precision, rank, device_room()
        self._shared = shared
        self._plans: dict[tuple[int, int, int, int, str], Plan] = {}
        self._planned_bytes, self.placement = 0, ""  # of the last context's job: see `engine.protocol.BlockDone`
        self._next_job_bytes = _job_bytes(self._plan_of(*_PLANNED_SIZE))
        self.ready_roles: ReadyRoles | None = None  # they give way to contexts
        self._kept: OrderedDict[str, tuple[str, Context]] = OrderedDict()

    def open(self, job_id: str, layout: ContextLayout, key: str) -> Context:
        """The job's context, or an empty one; others make room. Raises OutOfDeviceMemory."""
        plan = self._plan(layout)
        if self.ready_roles is not None and self._free_bytes() < _job_bytes(plan):
            self.ready_roles.give_way()
            torch.cuda.empty_cache()
        self._planned_bytes = plan.peak_bytes - plan.cuda_context_bytes - plan.neighbour_bytes
        self._next_job_bytes = _job_bytes(plan)
        self.placement = f"{self._precision} {plan.rung.value}"
        kept_key, context = self._kept.pop(job_id, ("", None))
        if kept_key != key:
            context = None  # another recipe's: its memory goes first
        if self._shared is not None and not plan.how.offload.rings:
            return self._open_shared(self._shared, job_id, layout, key, plan)
        if context is None:
            context = self._new(layout, plan)
        self._kept[job_id] = (key, context)
        return context

    @property
    def predicted_bytes(self) -> int:
        """What `peak_bytes` should be: the plan of the last context's job, and roles made ready."""
        return self._planned_bytes + (0 if self.ready_roles is None else self.ready_roles.peak_bytes)

    def has_room(self, size: int) -> bool:
        """Whether so many bytes can be taken for comfort: one more job like the last one fits beside them."""
        return self._free_bytes() - size >= self._next_job_bytes

    def peak_bytes(self) -> int:
        """The most that this process's allocator has taken, and what it maps of the vault's."""
        return torch.cuda.max_memory_reserved() + (0 if self._shared is None else self._shared.mapped_bytes)

    def release(self, job_id: str, *, is_kept: bool) -> None:
        """The job rests here (`is_kept`), or has ended. What lies in the vault is freed by order of the daemon."""
        if self._shared is not None:
            self._shared.close_context(job_id)
        if not is_kept:
            self._kept.pop(job_id, None)

    @staticmethod
    def _open_shared(shared: SharedDevice, job_id: str, layout: ContextLayout, key: str, plan: Plan) -> Context:
        passing = _passing_bytes(plan)
        if torch.cuda.memory_reserved() - torch.cuda.memory_allocated() > passing:
            torch.cuda.empty_cache()  # preparing the job left more than its blocks need, and the context is not taken from it
        idle = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        try:
            buffer = shared.open_context(job_id, layout.total_bytes, key, max(0, passing - idle))
        except VaultFull as error:
            raise OutOfDeviceMemory(str(error), hint=plan.why["en"]) from error
        return Context(layout, buffer)

    def _new(self, layout: ContextLayout, plan: Plan) -> Context:
        rings_on_host = plan.how.offload.rings
        here = layout.total_bytes - (layout.ring_bytes if rings_on_host else 0)
        passing = _passing_bytes(plan)
        while self._free_bytes() < here + passing:
            if not self._kept:
                free = self._free_bytes() / GIB
                raise OutOfDeviceMemory(
                    f"a context of {layout.width}x{layout.height} needs {(here + passing) / GIB:.2f} GiB, {free:.2f} are free.",
                    hint=plan.why["en"],
                )
            self._kept.popitem(last=False)
        if not rings_on_host:
            return Context(layout, torch.zeros(here, dtype=torch.uint8, device="cuda"))
        from engine.model.cuda.host import pinned  # only where there is a device

        return Context(layout, torch.zeros(here, dtype=torch.uint8, device="cuda"), pinned(layout.ring_bytes))

    def _plan(self, layout: ContextLayout) -> Plan:
        is_coded = any(spec.dtype == "float8" for spec in layout.tensors)
        return self._plan_of(
            layout.width, layout.height, steps=layout.steps, infer_frames=layout.infer_frames, kv="fp8" if is_coded else "bf16"
        )

    def _plan_of(
        self, width: int, height: int, *, steps: int = 4, infer_frames: int = CLIP_FRAMES, kv: str = "fp8"
    ) -> Plan:
        """Worked out once for each kind of job: it takes as long as everything else that is done when one is taken up."""
        asked = (width, height, steps, infer_frames, kv)
        if asked not in self._plans:
            load = Load(
                shape=self._shape, width=width, height=height, steps=steps, infer_frames=infer_frames, kv=kv,
                precision=self._precision, adapter_rank=self._rank, adapters=1 if self._rank else 0,
                has_vault=self._shared is not None, standbys=int(self._shared is not None),
            )  # fmt: skip
            self._plans[asked] = make_plan(load, self._room)
        return self._plans[asked]

    @staticmethod
    def _free_bytes() -> int:
        """What the driver has, and what the allocator holds without need."""
        free, _ = torch.cuda.mem_get_info()
        return free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()


def _job_bytes(plan: Plan) -> int:
    """What a job takes that comes to weights which are there: its context, and what a worker needs while it makes a block."""
    context = ("rings", "sink", "decoder memory", "small state")
    return _passing_bytes(plan) + sum(part.gpu_bytes for part in plan.parts if part.name in context)


def _passing_bytes(plan: Plan) -> int:
    """What a worker needs for itself while it makes a block; recorded steps keep theirs apart."""
    passing = ("working memory", "allocator slack", "recorded steps")
    return sum(part.gpu_bytes for part in plan.parts if part.name in passing)
