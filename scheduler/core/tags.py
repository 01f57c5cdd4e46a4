"""Audit tags, `subject:verb-past`: the only spellings there are. Grammar and completeness are tested."""

from __future__ import annotations

from enum import StrEnum


class Tag(StrEnum):
    """What an audit row says happened."""

    # jobs
    JOB_SUBMITTED = "job:submitted"
    JOB_QUEUED = "job:queued"
    JOB_REJECTED = "job:rejected"
    JOB_LEASED = "job:leased"
    JOB_STARTED = "job:started"
    BLOCK_FINISHED = "block:finished"
    JOB_PREEMPTING = "job:preempting"
    JOB_PREEMPTED = "job:preempted"
    JOB_RECOVERED = "job:recovered"
    JOB_PAUSED = "job:paused"
    JOB_RESUMED = "job:resumed"
    JOB_REPRIORITISED = "job:reprioritised"
    JOB_CONSENTED = "job:consented"
    JOB_CANCEL_REQUESTED = "job:cancel-requested"
    JOB_CANCELLED = "job:cancelled"
    JOB_SUCCEEDED = "job:succeeded"
    JOB_FAILED = "job:failed"
    JOB_RETRIED = "job:retried"
    # workers, slots, queue, roles
    REPORT_REFUSED = "report:refused"
    WORKER_STARTED = "worker:started"
    WORKER_READY = "worker:ready"
    WORKER_LOST = "worker:lost"
    WORKER_KILL_ORDERED = "worker:kill-ordered"
    WORKER_QUARANTINED = "worker:quarantined"
    WORKER_RELEASED = "worker:released"
    SLOT_DRAINED = "slot:drained"
    SLOT_RETURNED = "slot:returned"
    QUEUE_PAUSED = "queue:paused"
    QUEUE_RESUMED = "queue:resumed"
    ROLE_CHANGED = "role:changed"
    ROLE_SWITCHED = "role:switched"
    ROLE_LOADED = "role:loaded"
    ROLE_REMOVED = "role:removed"
    # the house
    DAEMON_BOOTED = "daemon:booted"
    USER_CREATED = "user:created"
    LOGIN_CREATED = "login:created"
    LOGIN_REDEEMED = "login:redeemed"
    TOKEN_CREATED = "token:created"
    TOKEN_REVOKED = "token:revoked"
    AUDIT_VERIFIED = "audit:verified"
    AUDIT_EXPORTED = "audit:exported"
    VIDEO_JOINED = "video:joined"
    VAULT_LOST = "vault:lost"
    VAULT_READY = "vault:ready"
    DISK_LOW = "disk:low"
    DISK_RECOVERED = "disk:recovered"
