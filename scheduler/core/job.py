"""What the core knows of a job, and the one table of legal moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any


class JobState(StrEnum):
    """States of a job; the last four are final."""

    SUBMITTED = "SUBMITTED"
    QUEUED = "QUEUED"
    LEASED = "LEASED"
    RUNNING = "RUNNING"
    PREEMPTING = "PREEMPTING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"


S = JobState
FINAL_STATES = frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED, S.REJECTED})
OWNED_STATES = frozenset({S.LEASED, S.RUNNING, S.PREEMPTING})  # a worker holds a lease

# from → the states it may move to. Everything else is illegal, changes nothing and says so.
LEGAL_MOVES: dict[JobState, frozenset[JobState]] = {
    S.SUBMITTED: frozenset({S.QUEUED, S.REJECTED}),
    S.QUEUED: frozenset({S.LEASED, S.CANCELLED, S.FAILED}),
    S.LEASED: frozenset({S.RUNNING, S.PREEMPTING, S.QUEUED, S.CANCELLED, S.FAILED}),
    S.RUNNING: frozenset({S.PREEMPTING, S.QUEUED, S.SUCCEEDED, S.FAILED, S.CANCELLED}),
    S.PREEMPTING: frozenset({S.QUEUED, S.SUCCEEDED, S.FAILED, S.CANCELLED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
    S.REJECTED: frozenset(),
}


class HoldReason(StrEnum):
    """Why a queued job is not running; a person reads the sentence made from it."""

    WAITING_FOR_SLOT = "waiting_for_slot"  # everything ready, others are ahead or slots are busy
    NO_WORKER = "no_worker"  # no worker is ready (starting, restarting, quarantined)
    PREEMPTED = "preempted"  # gave way; resumes from its last block
    RECOVERING = "recovering"  # its worker or the daemon was lost; resumes from its last block
    PAUSED = "paused"  # a person paused it
    AWAITING_CONSENT = "awaiting_consent"  # would fit at a lower rung; the requester is asked
    ROLE_UNAVAILABLE = "role_unavailable"  # its role was removed or its assets are damaged
    QUEUE_PAUSED = "queue_paused"  # a person paused the queue
    SLOT_DRAINED = "slot_drained"  # every slot is drained
    QUOTA_RUNNING = "quota_running"  # its user, team or role has as many running jobs as it may
    EXCLUDED = "excluded"  # a running role may not share with its role
    SCHEDULED = "scheduled"  # reserved for a time of day that has not come
    AWAITING_TURN = "awaiting_turn"  # the part of the session before it has not ended
    APPROVAL = "approval"  # nobody has approved its preview yet
    RETRYING = "retrying"  # failed with a cause that a retry can help; back-off runs


# Holds that are a fact about the job itself: it stands in no line until they end. The other reasons follow from the
# situation (see `explain.hold_of`) or only say how the job came back to the line.
OWN_HOLDS = frozenset(
    {HoldReason.PAUSED, HoldReason.AWAITING_CONSENT, HoldReason.ROLE_UNAVAILABLE, HoldReason.RETRYING, HoldReason.SCHEDULED,
     HoldReason.AWAITING_TURN, HoldReason.APPROVAL}
)  # fmt: skip


@dataclass(slots=True)
class Job:
    """A job as the core sees it. Fields after `state` change; all others are fixed at submission."""

    id: str
    ordinal: int  # order of acceptance, unique, ascending
    user: str
    team: str
    role: str
    priority: int
    submitted_at: float  # seconds, the daemon's clock
    total_blocks: int
    context_bytes: int  # predicted size of the job's context on its slot
    degrade: str  # "allow", "ask" or "never"
    block_ms: int = 480  # predicted milliseconds of a block on a slot
    deadline: float | None = None  # when its requester wants it finished
    follows: str = ""  # in a session: the job whose end lets it begin, on the same slot
    start_at: float | None = None  # reserved: it begins at this time, not before
    preview: str = ""  # the cheap job whose approval lets it into the line
    state: JobState = JobState.SUBMITTED
    hold: HoldReason | None = None
    blocks_done: int = 0
    slot: int | None = None
    lease_id: str | None = None
    lease_until: float = 0.0
    is_cancel_requested: bool = False
    is_paused: bool = False
    preemptions: int = 0
    crashes: int = 0  # workers lost in a row without a new block
    not_before: float = 0.0  # back-off after a retry
    leased_at: float = 0.0  # when its last lease began
    freed_at: float = 0.0  # when it went back to the line from its last lease; 0: it never did
    leases: int = 0  # leases ever granted; makes lease ids that are never issued twice
    retries: int = 0  # failures in a row, without a new block, that were tried again
    started_at: float | None = None  # seconds; when it first began
    rungs: str = ""  # the setting it has come down to, "steps=3"; empty: as asked
    offer: str = ""  # the setting that its requester is asked about
    offered_at: float = 0.0
    preview_end: str = ""  # the state in which its preview ended; empty: it is open
    approved_at: float | None = None  # when somebody approved its preview

    @property
    def is_unapproved(self) -> bool:
        """Does it wait for somebody's word on its preview?"""
        return bool(self.preview) and self.approved_at is None

    def outranks_margin(self, urgent_priority: int) -> bool:
        """May it stop others whatever the lead, and is stopped by nobody? Urgent jobs, and reserved ones when in line."""
        return self.priority >= urgent_priority or self.start_at is not None

    @property
    def seconds_left(self) -> float:
        """Predicted GPU seconds that it still needs."""
        return (self.total_blocks - self.blocks_done) * self.block_ms / 1000.0

    @property
    def milliseconds_left(self) -> int:
        """The same in whole milliseconds: sums of these are exact."""
        return (self.total_blocks - self.blocks_done) * self.block_ms

    @property
    def total_seconds(self) -> float:
        """Predicted GPU seconds of all of it."""
        return self.total_blocks * self.block_ms / 1000.0

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Job:
        """A job from a row of the `jobs` table (columns that are not fields are ignored)."""
        known = {item.name: row[item.name] for item in fields(cls)}
        known["state"] = JobState(row["state"])
        known["hold"] = None if row["hold"] is None else HoldReason(row["hold"])
        known["is_cancel_requested"] = bool(row["is_cancel_requested"])
        known["is_paused"] = bool(row["is_paused"])
        return cls(**known)
