"""The way to the vault for one process. Survives a restart of the vault and gives the new one the contexts it maps."""

from __future__ import annotations

import mmap
import socket
import threading
import time
from dataclasses import dataclass

from engine import protocol
from engine.errors import EngineError, ProtocolError, WeightsError
from engine.vault import memory_file

_RETRY_S = 0.05
BUSY = ("being_filled", "claimed")  # codes of refusals that end by themselves
_ANSWER_S = 10.0  # a vault that does not answer for this long is as good as gone


class VaultLost(EngineError):
    """The vault does not answer."""

    code = "vault_lost"
    can_retry = True


class VaultGone(EngineError):
    """The vault whose device memory this process maps has ended."""

    code = "vault_lost"
    can_retry = True


class VaultFull(EngineError):
    """The vault has no room left."""

    code = "vault_full"
    can_retry = True


class VaultBusy(EngineError):
    """Another worker is at it; ask again."""

    code = "vault_busy"
    can_retry = True


class VaultRefusal(EngineError):
    """The vault refused."""

    code = "vault_refused"


@dataclass(frozen=True)
class _Context:
    descriptor: int
    bytes: int
    layout_sha256: str


class VaultClient:
    """Every request waits up to `patience_s` for a vault that is being restarted, then raises VaultLost.

    Thread-safe. Refusals become WeightsError (damaged file), VaultFull or VaultRefusal.
    """

    def __init__(self, socket_path: str, owner: str, *, device: int = 0, patience_s: float = 10.0) -> None:
        """`device`: which of the vault's GPUs `ask_device` is about."""
        self._path, self._patience_s = socket_path, patience_s
        self._hello = protocol.VaultHello(version=protocol.PROTOCOL_VERSION, owner=owner, device=device)
        self._socket: socket.socket | None = None
        self._contexts: dict[str, _Context] = {}
        self._is_bound = False  # to this very vault, whose device memory is mapped here
        self.is_orphaned = False  # that vault has ended: this process has to end, too
        self._lock = threading.RLock()

    # ---- files -----------------------------------------------------------------------------------------------------

    def open_file(self, path: str, sha256: str | None = None) -> memoryview:
        """A model file's bytes, shared and read-only. The vault has compared its content with `sha256`."""
        return self.open_hashed_file(path, sha256)[0]

    def open_hashed_file(self, path: str, sha256: str | None = None) -> tuple[memoryview, str]:
        """The same, with the sha256 of the content."""
        request = protocol.OpenFile(path=path, sha256=sha256)
        answer, descriptor = self._ask(request, answer_s=None)  # a large file takes the disk's time
        return self._map(answer, descriptor), answer.sha256 if isinstance(answer, protocol.Mapped) else ""

    # ---- contexts --------------------------------------------------------------------------------------------------

    def open_context(self, job_id: str, size: int, layout_sha256: str) -> tuple[mmap.mmap, bool]:
        """A job's context, writable and shared, and whether it was there (else it is zero-filled)."""
        with self._lock:
            answer, descriptor = self._ask(protocol.OpenContext(job_id=job_id, bytes=size, layout_sha256=layout_sha256))
            if not isinstance(answer, protocol.Mapped) or descriptor is None:
                raise ProtocolError(f"the vault answered {type(answer).__name__} to OpenContext")
            self.release_context(job_id)
            self._contexts[job_id] = _Context(descriptor, size, layout_sha256)
            return memory_file.map_writable(descriptor), answer.was_there

    def release_context(self, job_id: str) -> None:
        """Hold this context no longer; the vault does. Mappings stay valid."""
        with self._lock:
            context = self._contexts.pop(job_id, None)
            if context is not None:
                memory_file.close(context.descriptor)

    def release_dropped_contexts(self) -> None:
        """Hold no longer what the vault has let go of: those jobs have ended."""
        with self._lock:
            if self._contexts:
                kept = self.status().contexts
                for job_id in [job_id for job_id in self._contexts if job_id not in kept]:
                    self.release_context(job_id)

    def drop_context(self, job_id: str) -> None:
        """Free a job's context, here and in the vault."""
        with self._lock:
            self.release_context(job_id)
            self._ask(protocol.DropContext(job_id=job_id))

    # ---- conditions ------------------------------------------------------------------------------------------------

    def put_image(self, key: str, image: bytes) -> None:
        """Keep prepared conditions (a safetensors image, see `engine.vault.tensors`)."""
        descriptor = memory_file.create_filled(f"conditions-{key}", image)
        try:
            self._ask(protocol.PutConditions(key=key, bytes=len(image)), descriptor)
        finally:
            memory_file.close(descriptor)

    def get_image(self, key: str) -> memoryview | None:
        """Prepared conditions, shared and read-only, or None."""
        answer, descriptor = self._ask(protocol.GetConditions(key=key))
        return None if isinstance(answer, protocol.Missing) else self._map(answer, descriptor)

    # ---- device memory ---------------------------------------------------------------------------------------------

    def ask_device(self, request: protocol.Message) -> tuple[protocol.Mapped, int]:
        """A request that is answered with device memory: the answer, and the descriptor (now the caller's) of its handle.

        From now on this process lives and dies with this vault: another one could not take the memory over.
        """
        answer, descriptor = self._ask(request)
        if not isinstance(answer, protocol.Mapped) or descriptor is None:
            raise ProtocolError(f"the vault answered {type(answer).__name__} to {type(request).__name__}")
        self._is_bound = True
        return answer, descriptor

    def tell(self, request: protocol.Message) -> None:
        """A request that is only done."""
        answer, _ = self._ask(request)
        if not isinstance(answer, protocol.VaultDone):
            raise ProtocolError(f"the vault answered {type(answer).__name__} to {type(request).__name__}")

    # ---- the vault itself ------------------------------------------------------------------------------------------

    def status(self) -> protocol.VaultStatus:
        """What the vault holds."""
        answer, _ = self._ask(protocol.AskVaultStatus())
        if not isinstance(answer, protocol.VaultStatus):
            raise ProtocolError(f"the vault answered {type(answer).__name__} to AskVaultStatus")
        return answer

    def mend(self) -> bool:
        """Notice a dead vault and give a new one our contexts. True: all is well. Hardly waits; call it often."""
        if not self._lock.acquire(blocking=False):
            return True  # a request is under way and mends by itself
        try:
            if self._socket is not None and _is_alive(self._socket):
                return True
            self.close()
            self._connect()
        except (OSError, EOFError, ProtocolError, VaultRefusal, VaultGone):
            self.close()
            return False
        finally:
            self._lock.release()
        return True

    def close(self) -> None:
        """Hang up. The next request connects again."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    # ---- asking ----------------------------------------------------------------------------------------------------

    def _ask(
        self, request: protocol.Message, descriptor: int | None = None, *, answer_s: float | None = _ANSWER_S
    ) -> tuple[protocol.Message, int | None]:
        """Ask until a vault answers: all requests may be repeated."""
        deadline = time.monotonic() + self._patience_s
        with self._lock:
            while True:
                try:
                    answer, received = self._ask_once(request, descriptor, answer_s)
                    break
                except (OSError, EOFError, ProtocolError) as error:
                    self.close()
                    if time.monotonic() >= deadline:
                        raise VaultLost(f"{self._path}: {error}.", hint="The launcher restarts it.") from error
                time.sleep(_RETRY_S)
        if isinstance(answer, protocol.VaultRefused):
            raise _error_of(answer)
        return answer, received

    def _ask_once(
        self, request: protocol.Message, descriptor: int | None, answer_s: float | None
    ) -> tuple[protocol.Message, int | None]:
        sock = self._socket or self._connect()
        sock.settimeout(_ANSWER_S)
        protocol.send(sock, request, descriptor)
        sock.settimeout(answer_s)
        return protocol.receive(sock)

    def _connect(self) -> socket.socket:
        """Connect, say hello, hand over the contexts that this process holds."""
        if self._is_bound:
            self.is_orphaned = True
            raise VaultGone(f"{self._path}: the vault ended, and its device memory with it.", hint="A new worker begins anew.")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket = sock
        sock.settimeout(_ANSWER_S)
        sock.connect(self._path)
        protocol.send(sock, self._hello)
        answer, _ = protocol.receive(sock)
        if isinstance(answer, protocol.VaultRefused):
            self.close()
            raise _error_of(answer)
        for job_id, context in list(self._contexts.items()):
            offer = protocol.AdoptContext(job_id=job_id, bytes=context.bytes, layout_sha256=context.layout_sha256)
            protocol.send(sock, offer, context.descriptor)
            answer, _ = protocol.receive(sock)
            if isinstance(answer, protocol.VaultRefused):
                self.release_context(job_id)  # a newer one took its place
        return sock

    def _map(self, answer: protocol.Message, descriptor: int | None) -> memoryview:
        if not isinstance(answer, protocol.Mapped) or descriptor is None:
            raise ProtocolError(f"the vault answered {type(answer).__name__} instead of a memory file")
        try:
            return memory_file.map_readonly(descriptor)
        finally:
            memory_file.close(descriptor)


def _is_alive(sock: socket.socket) -> bool:
    """Whether the peer is there and silent; unasked bytes mean that the stream is out of step."""
    sock.settimeout(0)  # MSG_DONTWAIT alone would not do: Python waits for the socket's timeout before it calls recv
    try:
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _error_of(refused: protocol.VaultRefused) -> EngineError:
    if refused.code == "bad_weights":
        return WeightsError(refused.message, hint="Fetch the file again or correct its hash in the manifest.")
    if refused.code in BUSY:
        return VaultBusy(f"{refused.message} ({refused.code})")
    if refused.code == "vault_full":
        return VaultFull(refused.message, hint="Give the vault a higher limit or run fewer jobs at once.")
    return VaultRefusal(f"{refused.message} ({refused.code})")
