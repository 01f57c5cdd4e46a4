"""What the daemon tells a worker to do: imperative names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.protocol.message import Message


@dataclass(frozen=True)
class Welcome(Message):
    """Answer to WorkerHello: who the worker is and where its world lies."""

    version: int
    worker_id: str
    slot: int
    vault_socket: str
    model_dir: str
    heartbeat_s: float = 0.25
    threads: int = 1  # CPU threads the compute may use


@dataclass(frozen=True)
class RunJob(Message):
    """Make the blocks `from_block … total_blocks - 1` of a job, then close its video."""

    lease_id: str
    job_id: str
    from_block: int
    total_blocks: int
    job_dir: str  # blocks/, segments/ and video.mp4 live here
    portrait_path: str
    voice_path: str
    recipe: dict[str, Any]  # see engine.config.Recipe
    adapter_paths: list[str] = field(default_factory=list)  # in the order of the recipe's adapters


@dataclass(frozen=True)
class PreemptJob(Message):
    """Stop at the next block boundary and keep the context for an exact resume."""

    lease_id: str


@dataclass(frozen=True)
class CancelJob(Message):
    """Stop at the next block boundary; the work is not wanted any more."""

    lease_id: str


@dataclass(frozen=True)
class PrepareRole(Message):
    """Make a role ready on this slot: prompt encoded, portrait and sink prepared. Touches no job."""

    request_id: str
    role: str
    prompt: str
    portrait_path: str
    recipe: dict[str, Any]
    adapter_paths: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class StopWorker(Message):
    """Finish nothing, free everything, exit with code 0."""
