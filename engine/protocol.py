"""Messages between daemon, workers and vault: one frozen dataclass each, length-prefixed JSON on a stream socket.

Commands are imperative (`RunJob`), reports are past (`BlockDone`). Rules of the wire: the version is compared once, in the
handshake; an unknown type is an error; an unknown field is ignored, so that a newer peer may say more. Every report about a
job carries its `lease_id`: the daemon refuses reports of an old lease (fencing). Times are seconds, durations in `_ms` are
milliseconds, sizes are bytes; hashes are lower-case hex SHA-256.
"""

from __future__ import annotations

import dataclasses
import json
import socket
import struct
import types
import typing
from dataclasses import dataclass, field
from typing import Any, ClassVar

from engine.errors import ProtocolError

PROTOCOL_VERSION = 1
MAX_FRAME_BYTES = 4 << 20
_LENGTH = struct.Struct(">I")
_TYPES: dict[str, type[Message]] = {}


@dataclass(frozen=True)
class Message:
    """Base of all messages; subclasses register themselves by name."""

    has_file_descriptor: ClassVar[bool] = False  # True: one descriptor travels with the message (SCM_RIGHTS)

    def __init_subclass__(cls) -> None:
        _TYPES[cls.__name__] = cls


# ---- daemon → worker ------------------------------------------------------------------------------------------------


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


@dataclass(frozen=True)
class StopWorker(Message):
    """Finish nothing, free everything, exit with code 0."""


# ---- worker → daemon ------------------------------------------------------------------------------------------------


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
    peak_bytes: int = 0


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


# ---- worker or daemon → vault, and its answers ----------------------------------------------------------------------


@dataclass(frozen=True)
class VaultHello(Message):
    """First message on a vault connection."""

    version: int
    owner: str  # "worker:<id>" or "daemon"


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
    """Bytes held: files by path, contexts by job, conditions by key; and the limit."""

    pid: int
    files: dict[str, int]
    contexts: dict[str, int]
    conditions: dict[str, int]
    limit_bytes: int
    owners: dict[str, int] = field(default_factory=dict)  # all of it, by the owner that asked for it first


# ---- the wire -------------------------------------------------------------------------------------------------------


def encode(message: Message) -> bytes:
    """One frame: 4 bytes big-endian length, then UTF-8 JSON `{"type": …, fields …}`."""
    body = json.dumps({"type": type(message).__name__, **dataclasses.asdict(message)}, separators=(",", ":")).encode()
    if len(body) > MAX_FRAME_BYTES:
        raise ProtocolError(f"{type(message).__name__} has {len(body)} bytes; at most {MAX_FRAME_BYTES} are allowed")
    return _LENGTH.pack(len(body)) + body


def decode(body: bytes) -> Message:
    """Inverse of `encode` without the length. Raises ProtocolError naming the type or field at fault."""
    try:
        data = json.loads(body)
        kind = _TYPES[data.pop("type")]
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise ProtocolError(f"not a message: {error}") from error
    except KeyError as error:
        raise ProtocolError(f"unknown message type {error}") from error
    fields = {f.name: f for f in dataclasses.fields(kind)}
    known = {name: value for name, value in data.items() if name in fields}
    hints = _hints(kind)
    for name, value in known.items():
        if not _fits(value, hints[name]):
            raise ProtocolError(f"{kind.__name__}.{name} should be {hints[name]}, not {value!r:.80}")
    try:
        return kind(**known)
    except TypeError as error:
        raise ProtocolError(f"{kind.__name__}: {error}") from error


_HINTS: dict[type, dict[str, Any]] = {}


def _hints(kind: type) -> dict[str, Any]:
    if kind not in _HINTS:
        _HINTS[kind] = typing.get_type_hints(kind)
    return _HINTS[kind]


def _fits(value: Any, hint: Any) -> bool:
    if isinstance(hint, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(hint))
    origin = typing.get_origin(hint) or hint
    if origin is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if origin is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return origin is Any or isinstance(value, origin)


class FrameReader:
    """Cuts a byte stream into messages; feed it whatever arrived."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Messages completed by `data`. Raises ProtocolError; the stream is then unusable."""
        self._buffer += data
        messages = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > MAX_FRAME_BYTES:
                raise ProtocolError(f"a frame of {length} bytes; at most {MAX_FRAME_BYTES} are allowed")
            if len(self._buffer) < _LENGTH.size + length:
                break
            messages.append(decode(bytes(self._buffer[_LENGTH.size : _LENGTH.size + length])))
            del self._buffer[: _LENGTH.size + length]
        return messages


def send(sock: socket.socket, message: Message, file_descriptor: int | None = None) -> None:
    """Send one message, blocking; with its descriptor where the type has one."""
    assert (file_descriptor is not None) == message.has_file_descriptor, type(message).__name__
    frame = encode(message)
    if file_descriptor is None:
        sock.sendall(frame)
        return
    sent = socket.send_fds(sock, [frame], [file_descriptor])
    sock.sendall(frame[sent:])


def receive(sock: socket.socket) -> tuple[Message, int | None]:
    """Receive one message, blocking, and the descriptor that came with it. Raises EOFError when the peer is gone."""
    head, descriptors = _read_exactly(sock, _LENGTH.size)
    (length,) = _LENGTH.unpack(head)
    if length > MAX_FRAME_BYTES:
        raise ProtocolError(f"a frame of {length} bytes; at most {MAX_FRAME_BYTES} are allowed")
    body, more = _read_exactly(sock, length)
    descriptors += more
    message = decode(body)
    if len(descriptors) != int(message.has_file_descriptor):
        raise ProtocolError(f"{type(message).__name__} came with {len(descriptors)} file descriptors")
    return message, descriptors[0] if descriptors else None


def _read_exactly(sock: socket.socket, count: int) -> tuple[bytes, list[int]]:
    data, descriptors = bytearray(), list[int]()
    while len(data) < count:
        chunk, fds, _, _ = socket.recv_fds(sock, count - len(data), 4)
        descriptors += fds
        if not chunk:
            raise EOFError("the peer closed the connection")
        data += chunk
    return bytes(data), descriptors
