"""The books of device memory: who has what, who may write, what is let go of when there is no room."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.vault.device_holdings import DeviceHoldings
from engine.vault.device_memory import PAGE, rounded
from engine.vault.device_place import CudaPlace, FilePlace
from engine.vault.holdings import Refusal

ROOM = 4 * PAGE


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def held() -> Iterator[DeviceHoldings]:
    """Room for four pages; every descriptor must be closed in the end."""
    before = _descriptors()
    held = DeviceHoldings(FilePlace(ROOM))
    yield held
    for job_id in list(held.contexts):
        held.drop_context(job_id)
    for key in list(held.weights):
        held.drop_weights(key)
    assert _descriptors() == before


def fill(held: DeviceHoldings, key: str, user: object, size: int = PAGE) -> None:
    assert not held.open_weights(key, size, str(user), user)[1]
    held.seal_weights(key, f"fingerprint of {key}", user)


def test_only_the_one_who_fills_weights_has_them_until_they_are_sealed(held: DeviceHoldings) -> None:
    assert held.open_weights("net", PAGE, "a", "a")[1] is False
    with pytest.raises(Refusal, match="is loading") as caught:
        held.open_weights("net", PAGE, "b", "b")
    assert caught.value.code == "being_filled"
    with pytest.raises(Refusal, match="to seal"):
        held.seal_weights("net", "f", "b")
    held.seal_weights("net", "f", "a")
    holding, is_filled = held.open_weights("net", PAGE, "b", "b")
    assert is_filled and holding.fingerprint == "f" and held.by_owner() == {"a": PAGE}
    with pytest.raises(Refusal, match="not 7"):
        held.open_weights("net", 7, "b", "b")


def test_weights_whose_filler_died_are_freed_and_filled_by_the_next(held: DeviceHoldings) -> None:
    held.open_weights("net", ROOM, "a", "a")
    held.forget("a")
    assert not held.weights
    fill(held, "net", "b", ROOM)
    held.forget("b")
    assert list(held.weights) == ["net"], "filled weights wait for the next worker"


def test_one_worker_at_a_time_may_attach_adapters(held: DeviceHoldings) -> None:
    fill(held, "net", "a")
    held.open_weights("net", PAGE, "b", "b")
    held.claim_weights("net", True, "a")
    with pytest.raises(Refusal, match="an adapter attached") as caught:
        held.claim_weights("net", True, "b")
    assert caught.value.code == "claimed"
    held.claim_weights("net", False, "b")
    with pytest.raises(Refusal, match="an adapter"):
        held.claim_weights("net", True, "b")
    held.forget("a")
    held.claim_weights("net", True, "b")
    with pytest.raises(Refusal, match="not mapped"):
        held.claim_weights("net", True, "a stranger")


def test_room_is_made_of_idle_weights_then_idle_contexts_by_least_use(held: DeviceHoldings) -> None:
    fill(held, "old", "a")
    held.open_context("first", PAGE, "layout", "a", 0, "a")
    held.open_context("second", PAGE, "layout", "a", 0, "a")
    held.open_context("first", PAGE, "layout", "a", 0, "a")
    held.open_context("busy", PAGE, "layout", "b", 0, "b")
    with pytest.raises(Refusal, match="can be freed") as caught:
        held.open_context("huge", ROOM, "layout", "c", 0, "c")
    assert caught.value.code == "vault_full" and set(held.contexts) == {"first", "second", "busy"} and held.weights
    held.forget("a")
    held.open_context("new", PAGE, "layout", "c", 0, "c")
    assert not held.weights and len(held.contexts) == 4, "weights can be read again"
    held.open_context("newer", PAGE, "layout", "d", PAGE, "d")
    assert set(held.contexts) == {"busy", "new", "newer"}, "idle ones went, for a page in reserve, too"
    with pytest.raises(Refusal, match="can be freed"):
        held.open_context("newest", PAGE, "layout", "e", 2 * PAGE, "e")


def test_context_of_another_layout_is_another_one(held: DeviceHoldings) -> None:
    one, was_there = held.open_context("job", 100, "layout", "a", 0, "a")
    assert not was_there and held.open_context("job", 100, "layout", "b", 0, "b") == (one, True)
    os.pwrite(one.descriptor, b"x", 0)
    other, was_there = held.open_context("job", 100, "another", "b", 0, "b")
    assert not was_there and os.pread(other.descriptor, 1, 0) == b"\0"
    with pytest.raises(Refusal, match="bytes"):
        held.open_context("job", 0, "layout", "a", 0, "a")


def test_caches_are_dropped_but_nothing_that_is_mapped(held: DeviceHoldings) -> None:
    fill(held, "idle", "a")
    held.forget("a")
    fill(held, "used", "b")
    held.open_context("job", PAGE, "layout", "b", 0, "b")
    held.drop_caches()
    assert list(held.weights) == ["used"] and list(held.contexts) == ["job"]


def test_machine_without_a_driver_says_so_when_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.vault.device_memory._NAME", "libcuda-that-is-nowhere.so")
    with pytest.raises(Refusal, match="cannot be loaded") as caught:
        DeviceHoldings(CudaPlace()).open_context("job", PAGE, "layout", "a", 0, "a")
    assert caught.value.code == "no_device"
    assert [rounded(size) for size in (1, PAGE, PAGE + 1)] == [PAGE, PAGE, 2 * PAGE]
