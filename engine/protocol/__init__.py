"""Messages between daemon, workers and vault: one frozen dataclass each, length-prefixed JSON on a stream socket.

Commands are imperative (`RunJob`), reports are past (`BlockDone`). Rules of the wire: the version is compared once, in the
handshake; an unknown type is an error; an unknown field is ignored, so that a newer peer may say more. Every report about a
job carries its `lease_id`: the daemon refuses reports of an old lease (fencing). Times are seconds, durations in `_ms` are
milliseconds, sizes are bytes; hashes are lower-case hex SHA-256.
"""

from __future__ import annotations

from engine.protocol.commands import (
    CancelJob,
    PreemptJob,
    PrepareRole,
    RunJob,
    StopWorker,
    Welcome,
)
from engine.protocol.device import (
    ClaimWeights,
    DropWeights,
    OpenDeviceContext,
    OpenWeights,
    SealWeights,
)
from engine.protocol.message import (
    PROTOCOL_VERSION,
    Message,
)
from engine.protocol.reports import (
    BlockDone,
    BlockStarted,
    Heartbeat,
    JobCancelled,
    JobFailed,
    JobPreempted,
    JobStarted,
    JobSucceeded,
    RolePrepared,
    RoleRefused,
    SegmentDone,
    WorkerHello,
    WorkerReady,
)
from engine.protocol.vault import (
    AdoptContext,
    AskVaultStatus,
    BringContext,
    DropCaches,
    DropContext,
    GetConditions,
    LetGoOfContext,
    Mapped,
    Missing,
    OpenContext,
    OpenFile,
    PutConditions,
    VaultDone,
    VaultHello,
    VaultRefused,
    VaultStatus,
)
from engine.protocol.wire import (
    MAX_FRAME_BYTES,
    FrameReader,
    decode,
    encode,
    receive,
    send,
)

__all__ = [
    "MAX_FRAME_BYTES",
    "PROTOCOL_VERSION",
    "AdoptContext",
    "AskVaultStatus",
    "BlockDone",
    "BlockStarted",
    "BringContext",
    "CancelJob",
    "ClaimWeights",
    "DropCaches",
    "DropContext",
    "DropWeights",
    "FrameReader",
    "GetConditions",
    "Heartbeat",
    "JobCancelled",
    "JobFailed",
    "JobPreempted",
    "JobStarted",
    "JobSucceeded",
    "LetGoOfContext",
    "Mapped",
    "Message",
    "Missing",
    "OpenContext",
    "OpenDeviceContext",
    "OpenFile",
    "OpenWeights",
    "PreemptJob",
    "PrepareRole",
    "PutConditions",
    "RolePrepared",
    "RoleRefused",
    "RunJob",
    "SealWeights",
    "SegmentDone",
    "StopWorker",
    "VaultDone",
    "VaultHello",
    "VaultRefused",
    "VaultStatus",
    "Welcome",
    "WorkerHello",
    "WorkerReady",
    "decode",
    "encode",
    "receive",
    "send",
]
