"""What the vault holds on its devices: networks' weights and job contexts, whoever computes with them.

Room is made by letting go of weights that no connected client maps, then of contexts of jobs that none is making, each by least
recent use. Such a context is parked first: copied into pinned host memory, from where it comes back, to any device, with the
same bits. Ahead of need, while other jobs run, contexts that rest on a device which is getting full are copied, so that letting
go of them takes no time. Where the host has no room, a context is dropped: its job goes on from its durable latents. The driver
is asked how much is free: other processes live there too.

What may take long comes as a generator: between two of its steps the vault serves others.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from engine.vault.device_memory import DeviceFull, DeviceMemoryError, rounded
from engine.vault.device_place import Place
from engine.vault.device_weights import DeviceWeights, User
from engine.vault.holdings import Holding, Refusal
from engine.vault.host_pool import BLOCK_BYTES, Block, HostFull, HostPool
from engine.vault.log import log

Opening = Generator[None, None, tuple[Holding, bool]]  # ends with the holding and whether it was there
Steps = Generator[None, None, None]
TAKEN_AT_ONCE = 1 << 30  # of host memory, while a job waits: half a second
ROOM_AHEAD = 2  # contexts like the largest one: below that a device is getting full


@dataclass(eq=False)
class Context:
    """A job's context: on a device, in host memory (`copied`), or both while nobody makes the job."""

    holding: Holding
    device: int | None
    copied: list[Block] = field(default_factory=list)  # from its beginning on
    copied_bytes: int = 0
    is_coming: bool = False  # on its way to a device

    @property
    def is_copied(self) -> bool:
        """Whether host memory has all of it."""
        return self.copied_bytes == self.holding.bytes


class DeviceHoldings:
    """The books of all devices. A worker makes one job at a time: its last context counts as in use."""

    def __init__(
        self, places: Sequence[Place], host_limit_bytes: int | None = None, block_bytes: int = BLOCK_BYTES
    ) -> None:
        """One place per device; `host_limit_bytes`: most host memory for parked contexts, None: what the host can spare."""
        self.devices = [DeviceWeights(place) for place in places]
        self.contexts: OrderedDict[str, Context] = OrderedDict()  # least recently used first
        self.pool = HostPool(places[0], host_limit_bytes, block_bytes)
        self._making: dict[User, str] = {}
        self._to_bring: deque[tuple[str, int]] = deque()
        self._ahead: Steps | None = None
        self._is_settled = True  # nothing is to be done ahead of need, as far as is known

    # ---- looking ---------------------------------------------------------------------------------------------------

    def by_owner(self) -> dict[str, int]:
        """Device memory by the owner that asked for it first."""
        owners: dict[str, int] = {}
        held = [context.holding for context in self.contexts.values() if context.device is not None]
        for holding in (*held, *(one.holding for device in self.devices for one in device.held.values())):
            owners[holding.owner] = owners.get(holding.owner, 0) + holding.bytes
        return owners

    def weights(self) -> dict[str, int]:
        """Bytes of weights by key; on other devices than the first one by key and device."""
        return {
            key if not number else f"{key}@gpu{number}": held.holding.bytes
            for number, device in enumerate(self.devices)
            for key, held in device.held.items()
        }

    def device(self, number: int) -> DeviceWeights:
        """Refuses a device that the vault does not have."""
        if not 0 <= number < len(self.devices):
            raise Refusal("no_device", f"device {number} is none of this vault's {len(self.devices)}.")
        return self.devices[number]

    # ---- contexts --------------------------------------------------------------------------------------------------

    def open_context(
        self, job_id: str, size: int, layout: str, owner: str, reserve: int, user: User, number: int = 0
    ) -> Opening:
        """A job's context on device `number`, and whether it was there, anywhere. Another layout is another context: the old
        one is dropped."""
        self.device(number)
        if size <= 0 or reserve < 0:
            raise Refusal("bad_request", f"a context of {size} bytes, {reserve} in reserve.")
        self._making = {one: job for one, job in self._making.items() if job != job_id} | {user: job_id}
        self._is_settled = False
        held = self.contexts.get(job_id)
        if held is not None and (held.holding.bytes, held.holding.fingerprint) != (size, layout):
            self.drop_context(job_id)
        elif held is not None:
            yield from self._fetch(job_id, held, number, reserve)
            if self.contexts.get(job_id) is held and held.device == number:
                self._forget_copy(held)
                self.contexts.move_to_end(job_id)
                return held.holding, True
        descriptor = yield from self._create(number, f"context-{job_id}", size, reserve, f"the context of job {job_id}")
        self.drop_context(job_id)
        self.contexts[job_id] = Context(holding := Holding(descriptor, size, owner, layout), number)
        return holding, False

    def bring_context(self, job_id: str, number: int) -> None:
        """It will be wanted on device `number` soon: bring it there as far as that takes room from nobody."""
        self.device(number)
        self._to_bring.append((job_id, number))
        self._is_settled = False

    def drop_context(self, job_id: str) -> None:
        """Free a job's context, wherever it is; nothing happens when there is none."""
        held = self.contexts.pop(job_id, None)
        if held is not None:
            self._forget_copy(held)
            self._leave(held)

    def let_go_of_context(self, job_id: str) -> None:
        """Free the device memory of a context at once: host memory keeps it if it has all of it. One in use stays."""
        held = self.contexts.get(job_id)
        if held is not None and held.device is not None and job_id not in self._making.values():
            self._let_go(held)

    # ---- weights ---------------------------------------------------------------------------------------------------

    def open_weights(self, key: str, size: int, owner: str, user: User, number: int = 0) -> Opening:
        """The weights and whether they are filled; if not, `user` is to fill them."""
        device = self.device(number)
        held = device.find(key, size, user)
        if held is None:
            descriptor = yield from self._create(number, f"weights-{key[:16]}", size, 0, "the weights")
            if key in device.held:  # somebody else was quicker
                device.place.free(descriptor)
                raise Refusal("being_filled", "another worker is loading these weights.", can_retry=True)
            device.add(key, holding := Holding(descriptor, size, owner), user)
            return holding, False
        return held.holding, True

    def forget(self, user: User) -> None:
        """A client is gone."""
        self._making.pop(user, None)
        self._is_settled = False
        for device in self.devices:
            device.forget(user)

    def drop_caches(self) -> None:
        """Let go of weights that nobody maps, and of host memory that waits for its use."""
        for device in self.devices:
            for key in device.idle:
                device.drop(key)
        self.pool.shrink()

    # ---- ahead of need ---------------------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """Whether `work_ahead` may have something to do."""
        return not self._is_settled

    def work_ahead(self) -> None:
        """One small step of what will be wanted: contexts brought, contexts copied, host memory taken."""
        try:
            if self._ahead is None:
                self._ahead = self._next_ahead()
            if self._ahead is None:
                self._is_settled = True
                return
            next(self._ahead)
        except (StopIteration, HostFull):
            self._ahead = None
        except Refusal as refusal:
            self._ahead = None
            if refusal.code != "vault_full":  # else somebody was quicker
                log("nothing was brought ahead", level="error", code=refusal.code, error=str(refusal))
        except (DeviceMemoryError, OSError) as error:
            self._ahead, self._is_settled = None, True
            log("nothing can be done ahead", level="error", error=str(error))

    def _next_ahead(self) -> Steps | None:
        while self._to_bring:
            job_id, number = self._to_bring.popleft()
            held = self.contexts.get(job_id)
            if held is not None and held.device is None and not held.is_coming and self._has_room_ahead(held, number):
                return self._bring(job_id, held, number, 0)
        for number in range(len(self.devices)):
            sizes = [one.holding.bytes for one in self.contexts.values() if one.device == number]
            if not sizes:
                continue
            room = self.devices[number].place.free_bytes() + self._clean_bytes(number)
            resting = (one for one in self._resting(number) if not one.is_copied and self._can_copy(one, is_ahead=True))
            if room < rounded(max(sizes)) and (first := next(resting, None)) is not None:
                return self._copy(first, is_ahead=True)
            size = max((one for one in sizes if self.pool.can_hold(one)), default=0)  # one too large for the host stops no other
            if room < ROOM_AHEAD * rounded(max(sizes)) and self.pool.idle_bytes < size:
                return self._take_ahead(size)
        return None

    def _has_room_ahead(self, held: Context, number: int) -> bool:
        free = self.devices[number].place.free_bytes() + self._clean_bytes(number)
        return free >= rounded(held.holding.bytes)

    def _take_ahead(self, size: int) -> Steps:
        while self.pool.idle_bytes < size and self.pool.can_hold(size):
            self.pool.take_ahead()
            yield

    # ---- moving ----------------------------------------------------------------------------------------------------

    def _fetch(self, job_id: str, held: Context, number: int, reserve: int) -> Steps:
        """To device `number`, from wherever it is. A context that cannot be copied is dropped."""
        while held.is_coming:
            self.work_ahead()  # which may be what brings it
            yield
        if held.device not in (None, number):
            yield from self._move(job_id, held, number, reserve)
        elif held.device is None and self.contexts.get(job_id) is held:
            yield from self._bring(job_id, held, number, reserve)

    def _let_go(self, held: Context) -> None:
        """Free its device memory. Where the host has not all of it, there is no such context any more."""
        if held.is_copied:
            self._leave(held)
            return
        self._lose(held, "the host has no room for it", "warning")

    def _lose(self, held: Context, why: str, level: str = "error") -> None:
        """There is no such context any more: its job goes on from its durable latents."""
        for job_id in [job for job, one in self.contexts.items() if one is held]:
            log("context dropped", level=level, job=job_id, bytes=held.holding.bytes, why=why)
            self.drop_context(job_id)

    def _copy(self, held: Context, *, is_ahead: bool) -> Steps:
        """Copy a resting context into host memory, on from where it was left. Ends early once it is used or dropped, or the
        host has no more: taking much memory there takes seconds, for which nobody waits whose job is to begin. What cannot be
        read is dropped. Raises HostFull."""
        copied = held.copied
        while held.copied is copied and held.device is not None and not held.is_copied:
            if not self._can_copy(held, is_ahead=is_ahead):
                return
            offset, block = held.copied_bytes, self.pool.take()
            size = min(self.pool.block_bytes, held.holding.bytes - offset)
            copied.append(block)
            try:
                self.devices[held.device].place.copy_out(held.holding.descriptor, offset, block, size)
            except (DeviceMemoryError, OSError) as error:
                return self._lose(held, f"it cannot be copied to the host: {error}")
            held.copied_bytes += size
            yield

    def _can_copy(self, held: Context, *, is_ahead: bool) -> bool:
        rest = held.holding.bytes - held.copied_bytes
        return self.pool.can_hold(rest) and (is_ahead or rest <= self.pool.idle_bytes + TAKEN_AT_ONCE)

    def _move(self, job_id: str, held: Context, number: int, reserve: int) -> Steps:
        """From one device straight to another; dropped where that cannot be done."""
        assert held.device is not None
        held.is_coming = True
        source, target, descriptor, size = self.devices[held.device].place, self.devices[number].place, -1, held.holding.bytes
        try:
            name = f"the context of job {job_id}"
            descriptor = yield from self._create(number, f"context-{job_id}", size, reserve, name)
            for offset in range(0, size, self.pool.block_bytes):
                if self.contexts.get(job_id) is not held:
                    return  # dropped meanwhile
                source.copy_to(target, held.holding.descriptor, descriptor, offset, min(self.pool.block_bytes, size - offset))
                yield
            if self.contexts.get(job_id) is held:
                self._leave(held)
                held.device, held.holding.descriptor, descriptor = number, descriptor, -1
        except (DeviceMemoryError, OSError) as error:
            self._lose(held, f"it cannot be copied to device {number}: {error}")
        finally:
            held.is_coming = False
            if descriptor >= 0:
                target.free(descriptor)

    def _bring(self, job_id: str, held: Context, number: int, reserve: int) -> Steps:
        """From host memory to a device; dropped where that cannot be done. The copy stays until the context is used."""
        held.is_coming = True
        place, descriptor, copied = self.devices[number].place, -1, held.copied
        try:
            name = f"the context of job {job_id}"
            descriptor = yield from self._create(number, f"context-{job_id}", held.holding.bytes, reserve, name)
            for index, block in enumerate(copied):
                if held.copied is not copied:
                    return  # dropped meanwhile
                offset = index * self.pool.block_bytes
                place.copy_in(descriptor, offset, block, min(self.pool.block_bytes, held.holding.bytes - offset))
                yield
            if held.copied is copied:
                held.device, held.holding.descriptor, descriptor = number, descriptor, -1
        except (DeviceMemoryError, OSError) as error:
            self._lose(held, f"it cannot be copied to device {number}: {error}")
        finally:
            held.is_coming = False
            if descriptor >= 0:
                place.free(descriptor)

    def _forget_copy(self, held: Context) -> None:
        """What host memory has of it is not what it is any more."""
        copied, held.copied, held.copied_bytes = held.copied, [], 0
        self.pool.give(copied)

    def _leave(self, held: Context) -> None:
        """Free its device memory."""
        if held.device is not None:
            self.devices[held.device].place.free(held.holding.descriptor)
            held.device, held.holding.descriptor = None, -1

    # ---- room ------------------------------------------------------------------------------------------------------

    def _resting(self, number: int) -> list[Context]:
        """Contexts on a device that nobody makes, least recently used first."""
        in_use = set(self._making.values())
        return [one for job, one in self.contexts.items() if one.device == number and job not in in_use]

    def _clean_bytes(self, number: int) -> int:
        """What can be let go of at once, and nothing is lost."""
        return sum(rounded(one.holding.bytes) for one in self._resting(number) if one.is_copied)

    def _create(self, number: int, name: str, size: int, reserve: int, what: str) -> Generator[None, None, int]:
        place = self.devices[number].place
        try:
            yield from self._make_room(number, rounded(size) + reserve, reserve, what)
            return place.create(name, size)
        except DeviceFull as error:
            raise Refusal("vault_full", f"no device memory for {what}: {error}", can_retry=True) from error
        except (DeviceMemoryError, OSError) as error:
            raise Refusal("no_device", f"no device memory for {what}: {error}") from error

    def _make_room(self, number: int, wanted: int, reserve: int, what: str) -> Steps:
        """Let go of what may go until it fits. Where that cannot be enough, refuse and let go of nothing."""
        device = self.devices[number]
        while True:
            free, resting = device.place.free_bytes(), self._resting(number)
            if wanted <= free:
                return
            spare = device.idle_bytes + sum(rounded(one.holding.bytes) for one in resting)
            if wanted > free + spare:
                room = f"{free} are free on the device and {spare} can be freed"
                raise Refusal(
                    "vault_full", f"{what} needs {wanted} bytes, {reserve} of them beside it; {room}.", can_retry=True
                )
            if device.idle:
                device.drop(device.idle[0])
                continue
            leaving = next((one for one in resting if one.is_copied), resting[0])
            with suppress(HostFull):
                yield from self._copy(leaving, is_ahead=False)
            if leaving in self._resting(number):  # nobody took it up meanwhile
                self._let_go(leaving)
