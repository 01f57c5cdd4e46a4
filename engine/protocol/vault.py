"""What workers and the daemon ask of the vault, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from engine.protocol.message import Message


@dataclass(frozen=True)
class VaultHello(Message):
    """First message on a vault connection."""

    version: int
    owner: str  # "worker:<id>" or "daemon"
    device: int = 0  # whose memory this client asks for, as the vault numbers its GPUs


@dataclass(frozen=True)
class OpenFile(Message):
    """Map a model file (weights, adapter) by its path; loaded and hashed once, sealed read-only."""

    path: str
    sha256: str | None = None  # demanded hash; None: any


@dataclass(frozen=True)
class OpenContext(Message):
    """Map a job's context, made zero-filled when it is not there."""

    job_id: str
    bytes: int
    layout_sha256: str  # of the layout description: another layout is another context


@dataclass(frozen=True)
class AdoptContext(Message):
    """A worker hands a context that outlived its vault to the new vault."""

    has_file_descriptor: ClassVar[bool] = True
    job_id: str
    bytes: int
    layout_sha256: str


@dataclass(frozen=True)
class PutConditions(Message):
    """Keep prepared conditions (a safetensors image) under a key made of everything they depend on."""

    has_file_descriptor: ClassVar[bool] = True
    key: str
    bytes: int


@dataclass(frozen=True)
class GetConditions(Message):
    """Ask for prepared conditions."""

    key: str


@dataclass(frozen=True)
class DropContext(Message):
    """Free a job's context."""

    job_id: str


@dataclass(frozen=True)
class BringContext(Message):
    """The daemon expects this job on a device soon: a parked context comes back as far as it takes room from nobody."""

    job_id: str
    device: int = 0


@dataclass(frozen=True)
class LetGoOfContext(Message):
    """Device memory is short: free a resting job's context there at once. What host memory has a copy of stays parked."""

    job_id: str


@dataclass(frozen=True)
class DropCaches(Message):
    """Memory is short: let go of all prepared conditions and of files that no client has open."""


@dataclass(frozen=True)
class AskVaultStatus(Message):
    """Ask what the vault holds, per owner."""


@dataclass(frozen=True)
class Mapped(Message):
    """A shared-memory file to map; `was_there` is False when it was made (or is missing its content) just now."""

    has_file_descriptor: ClassVar[bool] = True
    bytes: int
    sha256: str = ""
    was_there: bool = True


@dataclass(frozen=True)
class Missing(Message):
    """The vault does not hold this."""

    key: str


@dataclass(frozen=True)
class VaultDone(Message):
    """Done; nothing to hand out."""


@dataclass(frozen=True)
class VaultRefused(Message):
    """The vault refuses, with the reason."""

    code: str
    message: str
    can_retry: bool = False


@dataclass(frozen=True)
class VaultStatus(Message):
    """Bytes held: files by path, contexts by job, conditions by key; and the limit. `device_…`: on the GPU, without limit."""

    pid: int
    files: dict[str, int]
    contexts: dict[str, int]
    conditions: dict[str, int]
    limit_bytes: int
    owners: dict[str, int] = field(default_factory=dict)  # all of it, by the owner that asked for it first
    device_contexts: dict[str, int] = field(default_factory=dict)
    device_weights: dict[str, int] = field(default_factory=dict)
    device_owners: dict[str, int] = field(default_factory=dict)
    parked_contexts: dict[str, int] = field(default_factory=dict)  # in host memory alone
    copied_bytes: int = 0  # what host memory has of contexts, parked or still resting on their device
    park_bytes: int = 0  # host memory taken for that, in use or not
