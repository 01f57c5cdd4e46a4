"""The books of device memory over memory files, with shorthands, for the tests of the vault."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.vault.device_holdings import DeviceHoldings, Opening
from engine.vault.device_memory import PAGE
from engine.vault.device_place import FilePlace
from engine.vault.holdings import Holding

ROOM = 4 * PAGE


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Held:
    """The books of one or two devices with room for four pages each, and for so many pages on the host. What takes several
    steps is waited for."""

    def __init__(self, devices: int = 1, host_pages: int = 0) -> None:
        self.books = DeviceHoldings([FilePlace(ROOM) for _ in range(devices)], host_pages * PAGE, PAGE)

    def open(
        self, job: str, user: str = "a", size: int = PAGE, reserve: int = 0, device: int = 0, layout: str = "layout"
    ) -> Opened:
        return done(self.books.open_context(job, size, layout, user, reserve, user, device))

    def write(self, job: str, user: str = "a", device: int = 0, size: int = PAGE) -> None:
        """A context whose every byte tells whose it is."""
        holding, was_there = self.open(job, user, size, device=device)
        assert not was_there
        os.pwrite(holding.descriptor, job[:1].encode() * size, 0)

    def has(self, job: str, user: str = "a", device: int = 0, size: int = PAGE) -> bool:
        """Opened anew, it is what was written."""
        holding, was_there = self.open(job, user, size, device=device)
        return was_there and os.pread(holding.descriptor, size, 0) == job[:1].encode() * size

    def fill(self, key: str, user: str, size: int = PAGE, device: int = 0) -> None:
        assert not self.weights(key, user, size, device)[1]
        self.books.device(device).seal(key, f"fingerprint of {key}", user)

    def weights(self, key: str, user: str, size: int = PAGE, device: int = 0) -> Opened:
        return done(self.books.open_weights(key, size, user, user, device))

    def rest(self) -> None:
        """Nobody asks for anything for a while."""
        for _ in range(1000):
            if not self.books.has_work:
                return
            self.books.work_ahead()
        raise AssertionError("it never comes to rest")

    @property
    def places(self) -> dict[str, int | None]:
        return {job: context.device for job, context in self.books.contexts.items()}


Opened = tuple[Holding, bool]


def done(opening: Opening) -> Opened:
    """What comes of it in the end."""
    while True:
        try:
            next(opening)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


@contextmanager
def books_kept() -> Iterator[Callable[..., Held]]:
    """Makes books. In the end every descriptor must be closed, and all host memory be idle."""
    before, made = _descriptors(), []

    def one(devices: int = 1, host_pages: int = 0) -> Held:
        made.append(Held(devices, host_pages))
        return made[-1]

    yield one
    for held in made:
        for job_id in list(held.books.contexts):
            held.books.drop_context(job_id)
        for device in held.books.devices:
            for key in list(device.held):
                device.drop(key)
        held.books.pool.shrink()
        assert held.books.pool.taken_bytes == 0
    assert _descriptors() == before
