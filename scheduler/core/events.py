"""Everything that can happen to the core. `at` is the only clock (seconds); ids are handed in."""

from __future__ import annotations

from dataclasses import dataclass

from scheduler.core.healing_policy import HealingPolicy
from scheduler.core.ladder import Rung
from scheduler.core.learnt_memory import Measured, MemoryKey
from scheduler.core.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base: something happened at a time."""

    at: float


# ---- wishes of people -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSubmitted(Event):
    """A checked request for one video."""

    job_id: str
    ordinal: int
    user: str
    team: str
    role: str
    priority: int
    total_blocks: int
    context_bytes: int
    degrade: str = "ask"
    block_ms: int = 480  # predicted milliseconds of a block: learnt, or what the preset promises
    deadline: float | None = None  # when it is wanted
    start_at: float | None = None  # reserve a slot for this time
    follows: str = ""  # the part of a session before it
    follows_end: str = ""  # the state in which that one ended, where it has: the core keeps open jobs only
    preview: str = ""  # the job whose approval lets this one into the line; it is submitted next
    slots_needed: int = 1  # slots at once for this one job
    alternatives: tuple[tuple[str, int], ...] = ()  # (rung, context_bytes), best first: what it could be degraded to
    memory: tuple[tuple[str, MemoryKey], ...] = ()  # kinds of memory by rung, "": as asked


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested(Event):
    """Somebody wants the job to end."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRequested(Event):
    """Somebody wants the job to stop at its next block and wait."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequested(Event):
    """Somebody lets a paused job go on."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityChanged(Event):
    """Somebody gave the job another priority."""

    job_id: str
    priority: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentAnswered(Event):
    """The requester of a job held as `awaiting_consent` agreed or not."""

    job_id: str
    is_agreed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewJudged(Event):
    """Somebody approved or rejected what the job's preview shows, or lets it go on without one."""

    job_id: str  # the job that waits, not the preview
    is_approved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRenewed(Event):
    """A preview that came to nothing is made once more, as another job, which was submitted just now."""

    job_id: str  # the job that waits, not the preview
    preview: str  # the job that takes the place of the old preview


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePaused(Event):
    """Start nothing new; what runs goes on. `until`: when it ends by itself; the core only says so in the log."""

    reason: str = ""
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueResumed(Event):
    """Start jobs again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleChanged(Event):
    """A role became available or unavailable (removed, assets damaged); running jobs of it are not touched."""

    role: str
    is_available: bool
    never_with: tuple[str, ...] = ()
    share_with: tuple[str, ...] = ()
    missing: str = ""  # a file of it that is gone ("portrait", "voice", "adapter"), where that is why


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotDrained(Event):
    """The slot takes no new work (or takes work again)."""

    slot: int
    is_drained: bool


# ---- reports from below ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerWasStarted(Event):
    """A worker process was started for this slot and warms up. Optional: readiness alone is enough."""

    slot: int
    worker_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerBecameReady(Event):
    """A warm worker now serves this slot."""

    slot: int
    worker_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerWasLost(Event):
    """The slot's worker died, hung or was stopped."""

    slot: int
    worker_id: str
    cause: str  # "exited", "killed", "heartbeat_lost", "hung_step", "protocol", "stopped"
    silent_s: float = 0.0  # how long it had been silent or had stood still
    deadline_s: float = 0.0  # what it was allowed
    reason: str = ""  # what it said last


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWasStarted(Event):
    """The worker has attached the context and begins."""

    lease_id: str
    resume: str
    ladder: tuple[Rung, ...] = ()  # what this job could give up here
    prepare_ms: float = 0.0  # 0: not known
    context_ms: float = 0.0  # of that: until the context was there


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockWasDone(Event):
    """A block is durable. Renews the lease."""

    lease_id: str
    block: int
    seconds: float = 0.0  # of computing; 0: not known
    planned_s: float = 0.0  # what was expected; 0: not known
    memory: Measured | None = None  # where the worker measured it and somebody predicted it


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkWasSeen(Event):
    """The lease's worker was seen at a step where it had not been before. Renews the lease, is in no log."""

    lease_id: str
    allowed_s: float = 0.0  # how long it may stand still where it is


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWasPreempted(Event):
    """The worker stopped the job at a block boundary."""

    lease_id: str
    blocks_done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWasCancelled(Event):
    """The worker stopped the job because it was told to cancel."""

    lease_id: str
    blocks_done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHasSucceeded(Event):
    """The finished video was checked by the daemon."""

    lease_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHasFailed(Event):
    """The worker gave the job up."""

    lease_id: str
    code: str
    can_retry: bool
    ladder: tuple[Rung, ...] = ()  # where it failed for want of memory: what it could give up


@dataclass(frozen=True, slots=True, kw_only=True)
class StageWasSet(Event):
    """A slot's worker made a role ready, at the wish of a person."""

    slot: int
    role: str


# ---- sensors --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceWasRead(Event):
    """Readings of a GPU, the box ("cpu") or a vault ("vault:0"). None: there is no such sensor."""

    device: str
    slots: tuple[int, ...]  # those that it serves
    memory_ratio: float | None = None
    load_ratio: float | None = None
    is_throttled: bool | None = None  # by heat or power
    temperature_c: float | None = None
    xids: tuple[int, ...] = ()  # error codes that the driver reported since the last reading
    is_lost: bool = False  # it does not answer any more


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskWasRead(Event):
    """Free space of the data directory."""

    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStartFailed(Event):
    """A worker ended before it was ready; the next start waits."""

    slot: int
    failures: int  # in a row
    wait_s: float
    cause: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultChanged(Event):
    """The vault went away (after a silence, where it hung), or one is there."""

    is_there: bool
    cause: str = ""
    silent_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealedOutside(Event):
    """A fault that others saw and mended: the launcher's children, a disk without room."""

    fault: str  # a `Fault`
    place: str
    seconds: float  # from detection to recovery
    acted_s: float = 0.0  # from detection to action
    silent_s: float = 0.0  # before it was detected
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChanged(Event):
    """Another policy holds from now on."""

    policy: Policy
    healing: HealingPolicy
    version: int
    changes: tuple[str, ...] = ()  # "max_crashes: 3 → 5"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePassed(Event):
    """A tick, at least once per second: expires leases, back-offs and consents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booted(Event):
    """The daemon started: every job that a worker held is queued again as `recovering`."""
