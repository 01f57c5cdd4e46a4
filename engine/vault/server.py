"""The vault's loop: one thread, many clients on a Unix socket.

A client that misbehaves loses its connection; nobody else loses anything.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Sequence

from engine.errors import ProtocolError
from engine.protocol import (
    PROTOCOL_VERSION,
    AdoptContext,
    AskVaultStatus,
    BringContext,
    ClaimWeights,
    DropCaches,
    DropContext,
    DropWeights,
    GetConditions,
    LetGoOfContext,
    Mapped,
    Message,
    Missing,
    OpenContext,
    OpenDeviceContext,
    OpenFile,
    OpenWeights,
    PutConditions,
    SealWeights,
    VaultDone,
    VaultHello,
    VaultRefused,
    VaultStatus,
)  # fmt: skip
from engine.vault import memory_file
from engine.vault.connection import Client
from engine.vault.crash_points import VaultPoint, pass_by
from engine.vault.device_holdings import DeviceHoldings
from engine.vault.device_place import CudaPlace, Place
from engine.vault.file_load import FileLoad
from engine.vault.holdings import Holding, Holdings, Refusal
from engine.vault.log import log


class VaultServer:
    """Serves until SIGTERM or until the lifeline's other end is closed."""

    def __init__(
        self, listener: socket.socket, limit_bytes: int, lifeline_fd: int | None = None,
        places: Sequence[Place] | None = None, park_bytes: int | None = None,
    ) -> None:  # fmt: skip
        """`places`: the devices' memory, if it is not the first GPU's. `park_bytes`: most host memory for contexts that had to
        leave their device."""
        self._listener = listener
        self._clients: set[Client] = set()
        self._holdings = Holdings(limit_bytes, self._files_in_use)
        self._device = DeviceHoldings(places or [CudaPlace()], park_bytes)
        self._selector = selectors.DefaultSelector()
        self._is_over = False
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_sender.setblocking(False)
        signal.set_wakeup_fd(self._wake_sender.fileno())
        signal.signal(signal.SIGTERM, self._stop)
        self._selector.register(wake_receiver, selectors.EVENT_READ, lambda: wake_receiver.recv(64))
        if lifeline_fd is not None:
            os.set_blocking(lifeline_fd, False)
            self._selector.register(lifeline_fd, selectors.EVENT_READ, lambda: self._feel_lifeline(lifeline_fd))

    def _files_in_use(self) -> set[str]:
        return set().union(*(client.files for client in self._clients))

    def _stop(self, *_: object) -> None:
        self._is_over = True

    def _feel_lifeline(self, descriptor: int) -> None:
        try:
            self._is_over = not os.read(descriptor, 64)
        except BlockingIOError:
            return
        except OSError:
            self._is_over = True

    def run(self) -> None:
        """Serve."""
        while not self._is_over:
            for key, events in self._selector.select(0 if self._has_work else None):
                if isinstance(key.data, Client):
                    self._serve(key.data, events)
                else:
                    key.data()
            for load in list(self._holdings.loads.values()):
                self._step(load)
            for client in [client for client in self._clients if client.opening is not None]:
                self._serve(client, 0)
            if not any(client.opening for client in self._clients):
                self._device.work_ahead()

    @property
    def _has_work(self) -> bool:
        return bool(self._holdings.loads) or self._device.has_work or any(client.opening for client in self._clients)

    # ---- connections -----------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as error:  # gone again, or no descriptor is free: the next client finds out
            log("accept failed", level="error", error=str(error))
            time.sleep(0.01)
            return
        client = Client(sock)
        self._clients.add(client)
        self._selector.register(sock, selectors.EVENT_READ, client)

    def _serve(self, client: Client, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                client.read()
            self._work(client)
        except (OSError, EOFError, ProtocolError) as error:
            if not isinstance(error, EOFError):
                log("client dropped", level="warning", owner=client.owner, error=str(error))
            self._hang_up(client)

    def _work(self, client: Client) -> None:
        """Answer what can be answered, in order, and send. Raises as the client's methods do."""
        if client.opening is not None:
            self._open_on(client)
        while client.inbox and client.load is None and client.opening is None and not client.is_ending:
            message = client.inbox.popleft()
            descriptor = client.claim(message)
            try:
                self._answer(client, message, descriptor)
            except Refusal as refusal:
                if descriptor is not None:
                    memory_file.close(descriptor)
                self._refuse(client, refusal)
        client.send()
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.has_unsent else 0)
        if self._selector.get_key(client.socket).events != wanted:
            self._selector.modify(client.socket, wanted, client)

    def _hang_up(self, client: Client) -> None:
        self._selector.unregister(client.socket)
        self._clients.discard(client)
        if client.opening is not None:
            client.opening.close()
        client.close()
        self._device.forget(client)

    # ---- requests --------------------------------------------------------------------------------------------------

    def _answer(self, client: Client, message: Message, descriptor: int | None) -> None:
        if client.owner is None:
            self._greet(client, message)
            return
        held = self._holdings
        match message:
            case OpenFile():
                found = held.find_file(message.path, message.sha256, client.owner)
                client.files.add(message.path)
                if isinstance(found, FileLoad):
                    client.load = (found, message)
                else:
                    self._hand_out(client, found, was_there=True)
            case OpenContext():
                job_id, layout = message.job_id, message.layout_sha256
                opened = held.open_context(job_id, message.bytes, layout, client.owner)
                pass_by(VaultPoint.VAULT_AFTER_OPEN)
                self._hand_out(client, *opened)
            case AdoptContext():
                assert descriptor is not None
                held.adopt_context(message.job_id, message.bytes, message.layout_sha256, client.owner, descriptor)
                pass_by(VaultPoint.VAULT_AFTER_ADOPT)
                log("context adopted", job=message.job_id, owner=client.owner)
                client.put(VaultDone())
            case PutConditions():
                assert descriptor is not None
                held.put_conditions(message.key, message.bytes, client.owner, descriptor)
                client.put(VaultDone())
            case GetConditions():
                conditions = held.get_conditions(message.key)
                if conditions is None:
                    client.put(Missing(key=message.key))
                else:
                    self._hand_out(client, conditions, was_there=True)
            case DropContext():
                held.drop_context(message.job_id)
                self._device.drop_context(message.job_id)
                pass_by(VaultPoint.VAULT_AFTER_DROP)
                client.put(VaultDone())
            case DropCaches():
                held.drop_caches()
                self._device.drop_caches()
                log("caches dropped", level="warning", owner=client.owner)
                client.put(VaultDone())
            case AskVaultStatus():
                client.put(self._status())
            case _:
                self._answer_for_device(client, message, client.owner)

    def _answer_for_device(self, client: Client, message: Message, owner: str) -> None:
        held = self._device
        match message:
            case OpenDeviceContext():
                job_id, size, layout = message.job_id, message.bytes, message.layout_sha256
                reserve = message.reserve_bytes
                client.opening = held.open_context(job_id, size, layout, owner, reserve, client, client.device)
                self._open_on(client)
            case OpenWeights():
                client.opening = held.open_weights(message.key, message.bytes, owner, client, client.device)
                self._open_on(client)
            case LetGoOfContext():
                self._holdings.drop_context(message.job_id)
                held.let_go_of_context(message.job_id)
                client.put(VaultDone())
            case BringContext():
                held.bring_context(message.job_id, message.device)
                client.put(VaultDone())
            case SealWeights():
                held.device(client.device).seal(message.key, message.fingerprint, client)
                log("weights sealed", owner=owner, fingerprint=message.fingerprint)
                client.put(VaultDone())
            case DropWeights():
                held.device(client.device).drop(message.key)
                log("weights dropped", level="error", owner=owner)
                client.put(VaultDone())
            case ClaimWeights():
                held.device(client.device).claim(message.key, message.is_claimed, client)
                client.put(VaultDone())
            case _:
                raise ProtocolError(f"{type(message).__name__} is not for the vault")

    def _open_on(self, client: Client) -> None:
        """The next step of what it waits for; in the end the answer."""
        assert client.opening is not None
        try:
            next(client.opening)
        except StopIteration as done:
            client.opening = None
            pass_by(VaultPoint.VAULT_AFTER_OPEN)
            self._hand_out(client, *done.value)
        except Refusal as refusal:
            client.opening = None
            self._refuse(client, refusal)

    def _greet(self, client: Client, message: Message) -> None:
        if not isinstance(message, VaultHello):
            raise ProtocolError(f"{type(message).__name__} before VaultHello")
        if message.version != PROTOCOL_VERSION:
            text = f"this vault speaks version {PROTOCOL_VERSION}, not {message.version}."
            self._refuse(client, Refusal("version", text))
            client.is_ending = True
            return
        client.owner, client.device = message.owner, message.device
        client.put(VaultDone())

    def _status(self) -> VaultStatus:
        held, contexts = self._holdings, self._device.contexts
        return VaultStatus(
            pid=os.getpid(),
            files={path: h.bytes for path, h in held.files.items()},
            contexts={job: h.bytes for job, h in held.contexts.items()},
            conditions={key: h.bytes for key, h in held.conditions.items()},
            limit_bytes=held.limit_bytes,
            owners=held.by_owner(),
            device_contexts={job: c.holding.bytes for job, c in contexts.items() if c.device is not None},
            device_weights=self._device.weights(),
            device_owners=self._device.by_owner(),
            parked_contexts={job: c.holding.bytes for job, c in contexts.items() if c.device is None},
            copied_bytes=sum(c.copied_bytes for c in contexts.values()),
            park_bytes=self._device.pool.taken_bytes,
        )

    def _refuse(self, client: Client, refusal: Refusal) -> None:
        if refusal.code != "being_filled":  # asked for many times a second
            log("refused", level="warning", owner=client.owner, code=refusal.code, error=str(refusal))
        client.put(VaultRefused(code=refusal.code, message=str(refusal), can_retry=refusal.can_retry))

    def _hand_out(self, client: Client, holding: Holding, was_there: bool) -> None:
        answer = Mapped(bytes=holding.bytes, sha256=holding.fingerprint, was_there=was_there)
        client.put(answer, holding.descriptor)

    # ---- reading files ---------------------------------------------------------------------------------------------

    def _step(self, load: FileLoad) -> None:
        """Read a little; when the file is complete (or cannot be read) everybody who waits for it hears so."""
        refusal: Refusal | None = None
        try:
            if not load.step():
                pass_by(VaultPoint.VAULT_INSIDE_LOAD)
                return
            held = self._holdings.keep_load(load)
        except OSError as error:
            self._holdings.drop_load(load)
            refusal = Refusal("bad_weights", f"{load.path} cannot be read: {error.strerror}.")
        is_good = False
        for client in [c for c in self._clients if c.load is not None and c.load[0] is load]:
            assert client.load is not None
            _, request = client.load
            client.load = None
            try:
                if refusal is not None:
                    raise refusal
                self._holdings.check_hash(load.path, held, request.sha256)
                self._hand_out(client, held, was_there=False)
                is_good = True
            except Refusal as error:
                client.files.discard(load.path)
                self._refuse(client, error)
            self._serve(client, 0)
        if refusal is None and not is_good:
            self._holdings.drop_file(load.path)  # damaged, or nobody waits for it any more
