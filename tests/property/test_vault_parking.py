"""Contexts that are opened, moved, parked, brought and dropped in any order, several at a time, keep their bytes or are gone."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.vault.device_holdings import DeviceHoldings
from engine.vault.device_memory import PAGE
from engine.vault.device_place import FilePlace
from engine.vault.holdings import Holding, Refusal

ROOM = 4 * PAGE
USERS, JOBS, DEVICES = ("a", "b"), ("j0", "j1", "j2", "j3"), 2
PAGES = dict(zip(JOBS, (2, 2, 3, 3), strict=True))
HOST = 6  # pages
WORDS = ("expect", "expect", "let go", "let go", "end")  # the last one takes what there is to lose: rarely


class Vault(RuleBasedStateMachine):
    """Two workers, two devices of four pages, a host with room for five."""

    def __init__(self) -> None:
        super().__init__()
        self.books = DeviceHoldings([FilePlace(ROOM) for _ in range(DEVICES)], HOST * PAGE, PAGE)
        self.opening: dict[str, tuple[str, int, Generator[None, None, tuple[Holding, bool]]]] = {}
        self.mapped: dict[str, tuple[str, int]] = {}  # what each worker maps: the job, and a descriptor of its own
        self.written: dict[str, bytes] = {}  # by job; a job that is not in it has nothing that it could lose
        self.count = 0

    def teardown(self) -> None:
        for _, _, opening in self.opening.values():
            opening.close()
        for _, descriptor in self.mapped.values():
            os.close(descriptor)
        for job in list(self.books.contexts):
            self.books.drop_context(job)
        self.pass_time(1000)  # what was on its way finds out
        self.books.pool.shrink()
        assert self.books.pool.taken_bytes == 0
        assert [place.place.free_bytes() for place in self.books.devices] == [ROOM] * DEVICES

    # ---- what workers and the daemon do ----------------------------------------------------------------------------

    @rule(user=st.sampled_from(USERS), job=st.sampled_from(JOBS), device=st.integers(0, DEVICES - 1))
    def ask(self, user: str, job: str, device: int) -> None:
        """A job is one worker's at a time: who had it lets it go, or is dead."""
        for other in USERS:
            if other in self.opening and (other == user or self.opening[other][0] == job):
                self._die(other)
            if other in self.mapped and (other == user or self.mapped[other][0] == job):
                os.close(self.mapped.pop(other)[1])
        opening = self.books.open_context(job, PAGES[job] * PAGE, "layout", user, 0, user, device)
        self.opening[user] = (job, device, opening)
        self._step(user)

    @precondition(lambda self: self.opening)
    @rule(data=st.data())
    def go_on(self, data: Any) -> None:
        self._step(data.draw(st.sampled_from(sorted(self.opening))))

    @rule(user=st.sampled_from(USERS), job=st.sampled_from(JOBS), device=st.integers(0, DEVICES - 1))
    def take_up(self, user: str, job: str, device: int) -> None:
        """Ask, and wait until it is there."""
        self.ask(user, job, device)
        while user in self.opening:
            self._step(user)

    @rule(steps=st.sampled_from((1, 2, 3, 30)))
    def pass_time(self, steps: int) -> None:
        for _ in range(steps):
            if self.books.has_work:
                self.books.work_ahead()

    @rule(user=st.sampled_from(USERS), steps=st.sampled_from((0, 1, 2, 30)))
    def rest(self, user: str, steps: int) -> None:
        """A worker ends, or dies in the middle; the vault goes on with what there is to do."""
        self._die(user)
        self.pass_time(steps)

    @rule(job=st.sampled_from(JOBS), what=st.sampled_from(WORDS), device=st.integers(0, DEVICES - 1))
    def say(self, job: str, what: str, device: int) -> None:
        """The daemon's word about a job."""
        if what == "expect":
            self.books.bring_context(job, device)
        elif what == "let go":
            self.books.let_go_of_context(job)
        else:
            self.books.drop_context(job)
            self.written.pop(job, None)
            for user in [user for user in USERS if self.mapped.get(user, ("", 0))[0] == job]:
                os.close(self.mapped.pop(user)[1])

    # ---- what must hold --------------------------------------------------------------------------------------------

    @invariant()
    def what_is_mapped_stays_where_it_is(self) -> None:
        for job, descriptor in self.mapped.values():
            held = self.books.contexts[job]
            assert held.device is not None and os.path.samestat(os.fstat(descriptor), os.fstat(held.holding.descriptor))

    @invariant()
    def no_host_memory_is_lost(self) -> None:
        pool, contexts = self.books.pool, self.books.contexts.values()
        assert pool.taken_bytes == pool.idle_bytes + sum(len(one.copied) * PAGE for one in contexts)
        assert pool.taken_bytes <= HOST * PAGE

    @invariant()
    def what_is_nowhere_is_not_in_the_books(self) -> None:
        assert all(one.device is not None or one.is_copied for one in self.books.contexts.values())

    def _die(self, user: str) -> None:
        if user in self.opening:
            self.opening.pop(user)[2].close()
        if user in self.mapped:
            os.close(self.mapped.pop(user)[1])
        self.books.forget(user)

    def _step(self, user: str) -> None:
        job, device, opening = self.opening[user]
        try:
            next(opening)
        except StopIteration as end:
            holding, was_there = end.value
            del self.opening[user]
            self.mapped[user] = (job, os.dup(holding.descriptor))
            assert self.books.contexts[job].device == device
            found = os.pread(holding.descriptor, PAGES[job] * PAGE, 0)
            want = self.written.get(job) if was_there else None
            assert found == (want or bytes(PAGES[job] * PAGE))
            self.count += 1  # and the worker makes a block
            self.written[job] = self.count.to_bytes(4, "big") * (PAGES[job] * PAGE // 4)
            os.pwrite(holding.descriptor, self.written[job], 0)
        except Refusal as refusal:
            del self.opening[user]
            assert refusal.code == "vault_full"


Vault.TestCase.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
TestVault = Vault.TestCase
