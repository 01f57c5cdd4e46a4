"""What the vault holds on the device: networks' weights and job contexts, whoever computes with them.

Room is made by letting go of weights that no connected client maps, then of contexts of jobs that none is making (they go on
from their durable latents), each by least recent use. The driver is asked how much is free: other processes live there too.
Memory that a dead worker had not finished filling is freed with its connection.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from engine.vault.device_memory import DeviceFull, DeviceMemoryError, rounded
from engine.vault.device_place import Place
from engine.vault.holdings import Holding, Refusal

User = object  # a client of the vault; compared by identity


@dataclass(eq=False)
class Weights:
    """`holding.fingerprint` is empty until they are filled. `claimed_by` may write into their side columns."""

    holding: Holding
    filler: User | None
    users: set[User] = field(default_factory=set)
    claimed_by: User | None = None


class DeviceHoldings:
    """The books of one device. A worker makes one job at a time: its last context counts as in use."""

    def __init__(self, place: Place) -> None:
        self.contexts: OrderedDict[str, Holding] = OrderedDict()  # least recently used first
        self.weights: OrderedDict[str, Weights] = OrderedDict()
        self._place = place
        self._making: dict[User, str] = {}

    def by_owner(self) -> dict[str, int]:
        """Bytes by the owner that asked for them first."""
        owners: dict[str, int] = {}
        for holding in (*self.contexts.values(), *(held.holding for held in self.weights.values())):
            owners[holding.owner] = owners.get(holding.owner, 0) + holding.bytes
        return owners

    # ---- contexts --------------------------------------------------------------------------------------------------

    def open_context(self, job_id: str, size: int, layout: str, owner: str, reserve: int, user: User) -> tuple[Holding, bool]:
        """A job's context and whether it was there. Another layout is another context: the old one is dropped."""
        if size <= 0 or reserve < 0:
            raise Refusal("bad_request", f"a context of {size} bytes, {reserve} in reserve.")
        held = self.contexts.get(job_id)
        self._making[user] = job_id
        if held is not None and (held.bytes, held.fingerprint) == (size, layout):
            self.contexts.move_to_end(job_id)
            return held, True
        self.drop_context(job_id)
        descriptor = self._create(f"context-{job_id}", size, reserve, f"the context of job {job_id}")
        held = self.contexts[job_id] = Holding(descriptor, size, owner, layout)
        return held, False

    def drop_context(self, job_id: str) -> None:
        """Free a job's context; nothing happens when there is none."""
        held = self.contexts.pop(job_id, None)
        if held is not None:
            self._place.free(held.descriptor)

    # ---- weights ---------------------------------------------------------------------------------------------------

    def open_weights(self, key: str, size: int, owner: str, user: User) -> tuple[Holding, bool]:
        """The weights and whether they are filled; if not, `user` is to fill them."""
        if size <= 0:
            raise Refusal("bad_request", f"weights of {size} bytes.")
        held = self.weights.get(key)
        if held is not None and held.filler is not None:
            raise Refusal("being_filled", "another worker is loading these weights.", can_retry=True)
        if held is None:
            descriptor = self._create(f"weights-{key[:16]}", size, 0, "the weights")
            held = self.weights[key] = Weights(Holding(descriptor, size, owner), user)
        elif held.holding.bytes != size:
            raise Refusal("bad_request", f"these weights have {held.holding.bytes} bytes, not {size}.")
        held.users.add(user)
        self.weights.move_to_end(key)
        return held.holding, held.filler is None

    def seal_weights(self, key: str, fingerprint: str, user: User) -> None:
        """`user` has filled them."""
        held = self.weights.get(key)
        if held is None or held.filler is not user or not fingerprint:
            raise Refusal("bad_request", "these weights are not this client's to seal.")
        held.filler, held.holding.fingerprint = None, fingerprint

    def drop_weights(self, key: str) -> None:
        """Nobody gets these any more; who maps them keeps them."""
        held = self.weights.pop(key, None)
        if held is not None:
            self._place.free(held.holding.descriptor)

    def claim_weights(self, key: str, is_claimed: bool, user: User) -> None:
        """The right to write side columns, taken or given back."""
        held = self.weights.get(key)
        if held is None or user not in held.users:
            raise Refusal("bad_request", "these weights are not mapped by this client.")
        if not is_claimed:
            held.claimed_by = None if held.claimed_by is user else held.claimed_by
        elif held.claimed_by not in (None, user):
            raise Refusal("claimed", "another worker has an adapter attached to these weights.", can_retry=True)
        else:
            held.claimed_by = user

    # ---- room ------------------------------------------------------------------------------------------------------

    def forget(self, user: User) -> None:
        """A client is gone: what it was filling is worth nothing, the rest may be let go of."""
        self._making.pop(user, None)
        for key, held in list(self.weights.items()):
            held.users.discard(user)
            held.claimed_by = None if held.claimed_by is user else held.claimed_by
            if held.filler is user:
                self.drop_weights(key)

    def drop_caches(self) -> None:
        """Let go of weights that nobody maps."""
        for key in self._idle_weights():
            self.drop_weights(key)

    def _idle_weights(self) -> list[str]:
        return [key for key, held in self.weights.items() if not held.users]

    def _create(self, name: str, size: int, reserve: int, what: str) -> int:
        try:
            self._make_room(size, reserve, what)
            return self._place.create(name, size)
        except DeviceFull as error:
            raise Refusal("vault_full", f"no device memory for {what}: {error}", can_retry=True) from error
        except (DeviceMemoryError, OSError) as error:
            raise Refusal("no_device", f"no device memory for {what}: {error}") from error

    def _make_room(self, size: int, reserve: int, what: str) -> None:
        """Let go of what may go until it fits. Where that cannot be enough, refuse and let go of nothing."""
        wanted = rounded(size) + reserve
        idle_weights = self._idle_weights()
        idle_contexts = [job for job in self.contexts if job not in self._making.values()]
        spare = sum(rounded(self.weights[key].holding.bytes) for key in idle_weights)
        spare += sum(rounded(self.contexts[job].bytes) for job in idle_contexts)
        free = self._place.free_bytes()
        if wanted > free + spare:
            room = f"{free} are free on the device and {spare} can be freed"
            raise Refusal("vault_full", f"{what} needs {wanted} bytes, {reserve} of them beside it; {room}.", can_retry=True)
        while wanted > self._place.free_bytes() and (idle_weights or idle_contexts):
            if idle_weights:
                self.drop_weights(idle_weights.pop(0))
            else:
                self.drop_context(idle_contexts.pop(0))
