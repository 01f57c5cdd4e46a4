"""The books of device memory: who has what, who may write, what is let go of when there is no room."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from engine.vault.device_holdings import DeviceHoldings
from engine.vault.device_memory import PAGE, rounded
from engine.vault.device_place import CudaPlace
from engine.vault.holdings import Refusal
from tests.unit.engine.vault_rig import ROOM, Held, books_kept, done


@pytest.fixture
def held() -> Iterator[Held]:
    with books_kept() as make:
        yield make()


def test_only_the_one_who_fills_weights_has_them_until_they_are_sealed(held: Held) -> None:
    assert held.weights("net", "a", PAGE)[1] is False
    with pytest.raises(Refusal, match="is loading") as caught:
        held.weights("net", "b", PAGE)
    assert caught.value.code == "being_filled"
    with pytest.raises(Refusal, match="to seal"):
        held.books.device(0).seal("net", "f", "b")
    held.books.device(0).seal("net", "f", "a")
    holding, is_filled = held.weights("net", "b", PAGE)
    assert is_filled and holding.fingerprint == "f" and held.books.by_owner() == {"a": PAGE}
    with pytest.raises(Refusal, match="not 7"):
        held.weights("net", "b", 7)


def test_weights_whose_filler_died_are_freed_and_filled_by_the_next(held: Held) -> None:
    held.weights("net", "a", ROOM)
    held.books.forget("a")
    assert not held.books.weights()
    held.fill("net", "b", ROOM)
    held.books.forget("b")
    assert list(held.books.weights()) == ["net"], "filled weights wait for the next worker"


def test_one_worker_at_a_time_may_attach_adapters(held: Held) -> None:
    held.fill("net", "a")
    held.weights("net", "b", PAGE)
    held.books.device(0).claim("net", True, "a")
    with pytest.raises(Refusal, match="an adapter attached") as caught:
        held.books.device(0).claim("net", True, "b")
    assert caught.value.code == "claimed"
    held.books.device(0).claim("net", False, "b")
    with pytest.raises(Refusal, match="an adapter"):
        held.books.device(0).claim("net", True, "b")
    held.books.forget("a")
    held.books.device(0).claim("net", True, "b")
    with pytest.raises(Refusal, match="not mapped"):
        held.books.device(0).claim("net", True, "a stranger")


def test_room_is_made_of_idle_weights_then_idle_contexts_by_least_use(held: Held) -> None:
    held.fill("old", "a")
    held.open("first", "a")
    held.open("second", "a")
    held.open("first", "a")
    held.open("busy", "b")
    with pytest.raises(Refusal, match="can be freed") as caught:
        held.open("huge", "c", ROOM)
    assert caught.value.code == "vault_full" and set(held.books.contexts) == {"first", "second", "busy"} and held.books.weights()
    held.books.forget("a")
    held.open("new", "c")
    assert not held.books.weights() and len(held.books.contexts) == 4, "weights can be read again"
    held.open("newer", "d", reserve=PAGE)
    assert set(held.books.contexts) == {"busy", "new", "newer"}, "idle ones went, for a page in reserve, too"
    with pytest.raises(Refusal, match="can be freed"):
        held.open("newest", "e", reserve=2 * PAGE)


def test_context_of_another_layout_is_another_one(held: Held) -> None:
    one, was_there = held.open("job", "a", 100)
    assert not was_there and held.open("job", "b", 100) == (one, True)
    os.pwrite(one.descriptor, b"x", 0)
    other, was_there = held.open("job", "b", 100, layout="another")
    assert not was_there and os.pread(other.descriptor, 1, 0) == b"\0"
    with pytest.raises(Refusal, match="bytes"):
        held.open("job", "a", 0)


def test_caches_are_dropped_but_nothing_that_is_mapped(held: Held) -> None:
    held.fill("idle", "a")
    held.books.forget("a")
    held.fill("used", "b")
    held.open("job", "b")
    held.books.drop_caches()
    assert list(held.books.weights()) == ["used"] and list(held.books.contexts) == ["job"]


def test_machine_without_a_driver_says_so_when_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.vault.device_memory._NAME", "libcuda-that-is-nowhere.so")
    with pytest.raises(Refusal, match="cannot be loaded") as caught:
        done(DeviceHoldings([CudaPlace()]).open_context("job", PAGE, "layout", "a", 0, "a"))
    assert caught.value.code == "no_device"
    assert [rounded(size) for size in (1, PAGE, PAGE + 1)] == [PAGE, PAGE, 2 * PAGE]
