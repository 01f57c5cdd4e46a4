"""What a worker tells the daemon: names of things that happened."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.protocol.message import Message


@dataclass(frozen=True)
class WorkerHello(Message):
    """First message of a worker."""

    version: int
    pid: int
    engine: str  # "greenroom" or "fake"


@dataclass(frozen=True)
class WorkerReady(Message):
    """Imported, weights mapped, warm: the worker may be given a job."""

    warm_ms: float
    device: str
    weights_sha256: str
    weights_trained: bool
    software: dict[str, str] = field(default_factory=dict)
    kv: str | None = None  # form of keys and values in its contexts: "fp8", or None for the model's own type


@dataclass(frozen=True)
class Heartbeat(Message):
    """The worker's process lives; `phase` and `step` say what it is doing."""

    lease_id: str | None = None
    block: int | None = None
    phase: str = "idle"
    step: int | None = None


@dataclass(frozen=True)
class JobStarted(Message):
    """Conditions are ready and the context is attached."""

    lease_id: str
    resume: str  # "fresh", "exact" or "continuous"
    from_block: int
    prepare_ms: float
    width: int
    height: int
    context_ms: float = 0.0  # of the preparation: until the context was mapped, others parked and this one brought if need be


@dataclass(frozen=True)
class BlockStarted(Message):
    """The first denoising step of this block begins."""

    lease_id: str
    block: int


@dataclass(frozen=True)
class BlockDone(Message):
    """Latents and encoded frames of this block are durable on disk. May be said again after a resume, with equal hashes."""

    lease_id: str
    block: int
    frames: int
    seconds: float  # computing time of the block
    latents_sha256: str
    frames_sha256: str  # of the decoded uint8 RGB frames, in order
    fragment_sha256: str
    fragment_bytes: int
    stage_ms: dict[str, float] = field(default_factory=dict)
    peak_bytes: int = 0  # the most that the worker took since it started; 0: not measured
    predicted_bytes: int = 0  # what engine/memory says of that peak; 0: nobody asked it
    placement: str = ""  # for which precision and rung, "fp8 resident"


@dataclass(frozen=True)
class SegmentDone(Message):
    """A segment's file is closed (.part → fsync → rename)."""

    lease_id: str
    segment: int
    path: str
    sha256: str
    frames: int
    bytes: int


@dataclass(frozen=True)
class JobPreempted(Message):
    """Stopped at a block boundary; the context stays in the vault."""

    lease_id: str
    blocks_done: int


@dataclass(frozen=True)
class JobCancelled(Message):
    """Stopped at a block boundary on request."""

    lease_id: str
    blocks_done: int


@dataclass(frozen=True)
class JobSucceeded(Message):
    """The finished video is on disk."""

    lease_id: str
    path: str
    sha256: str
    frames: int
    bytes: int


@dataclass(frozen=True)
class JobFailed(Message):
    """The job cannot go on here; `can_retry` says whether another try can help."""

    lease_id: str
    code: str
    message: str
    can_retry: bool
    blocks_done: int
    hint: str = ""


@dataclass(frozen=True)
class RolePrepared(Message):
    """Answer to PrepareRole. Tier: gpu (on the device), host (in the vault), prepared (had to be made)."""

    request_id: str
    tier: str
    switch_ms: float
    prepare_ms: float


@dataclass(frozen=True)
class RoleRefused(Message):
    """Answer to PrepareRole that could not be served."""

    request_id: str
    code: str
    message: str
    hint: str = ""
