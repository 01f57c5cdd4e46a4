"""Contexts that leave device memory: parked on the host, brought back ahead of need, moved to another device, or dropped."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from engine.vault.device_memory import PAGE, DeviceMemoryError
from engine.vault.device_place import FilePlace
from engine.vault.holdings import Refusal
from tests.unit.engine.vault_rig import ROOM, Held, books_kept, done


@pytest.fixture
def make() -> Iterator[Callable[..., Held]]:
    with books_kept() as make:
        yield make


def test_context_that_has_to_leave_comes_back_from_host_memory_as_it_was(make: Callable[..., Held]) -> None:
    held = make(host_pages=8)
    held.write("first", size=3 * PAGE)
    held.write("second", size=2 * PAGE)
    assert held.places == {"first": None, "second": 0}, "parked, since the host has room"
    assert held.has("first", size=3 * PAGE) and held.places == {"second": None, "first": 0}
    assert held.has("second", size=2 * PAGE)


def test_resting_context_is_copied_while_others_run_and_let_go_of_at_once(make: Callable[..., Held]) -> None:
    held = make(host_pages=8)
    held.write("first", size=2 * PAGE)
    held.write("second", size=2 * PAGE)
    held.rest()
    assert held.places == {"first": 0, "second": 0} and held.books.contexts["first"].is_copied
    opening = held.books.open_context("third", 2 * PAGE, "layout", "b", 0, "b")
    with pytest.raises(StopIteration):
        next(opening)  # in one step: nothing is left to copy
    assert held.places == {"first": None, "second": 0, "third": 0}
    held.books.drop_context("second")
    assert held.has("first", "c", size=2 * PAGE)


def test_copy_of_a_context_that_is_taken_up_again_is_worth_nothing(make: Callable[..., Held]) -> None:
    held = make(host_pages=8)
    held.write("first", size=2 * PAGE)
    held.write("second", size=2 * PAGE)
    held.rest()
    holding, _ = held.open("first", size=2 * PAGE)
    os.pwrite(holding.descriptor, b"F" * (2 * PAGE), 0)
    assert not held.books.contexts["first"].is_copied
    held.books.forget("a")
    held.open("third", "b", size=ROOM)
    holding, was_there = held.open("first", "b", size=2 * PAGE)
    assert was_there and os.pread(holding.descriptor, 2 * PAGE, 0) == b"F" * (2 * PAGE)


def test_context_taken_up_while_it_is_copied_is_left_alone(make: Callable[..., Held]) -> None:
    held = make(host_pages=8)
    held.write("first", size=2 * PAGE)
    held.write("second", size=2 * PAGE)
    held.books.work_ahead()  # a page of two
    assert held.books.contexts["first"].copied_bytes == PAGE
    assert held.has("first", size=2 * PAGE)
    assert not held.books.contexts["first"].copied
    held.rest()


def test_without_room_on_the_host_the_context_is_dropped_and_the_next_one_fits(make: Callable[..., Held]) -> None:
    held = make(host_pages=1)
    held.write("first", size=2 * PAGE)
    held.write("second", size=3 * PAGE)
    assert held.places == {"second": 0}
    held.rest()
    holding, was_there = held.open("first", "b", size=PAGE)
    assert not was_there and os.pread(holding.descriptor, 1, 0) == b"\0"


def test_host_that_refuses_memory_costs_the_context_and_no_more(
    make: Callable[..., Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = make(host_pages=8)
    held.write("first", size=3 * PAGE)

    def refuse(_self: object, _size: int) -> None:
        raise OSError("no memory")

    monkeypatch.setattr(FilePlace, "host_block", refuse)
    held.write("second", size=3 * PAGE)
    assert held.places == {"second": 0}
    assert not held.books.pool.can_hold(PAGE), "it is not asked again"


def test_context_goes_to_another_device_with_all_its_bytes(make: Callable[..., Held]) -> None:
    held = make(devices=2)  # and none on the host: it goes straight
    held.write("first", size=3 * PAGE)
    assert held.has("first", "b", device=1, size=3 * PAGE) and held.places == {"first": 1}
    held.write("second", "a", device=0, size=3 * PAGE)
    assert held.has("first", "b", device=1, size=3 * PAGE), "one device's need is not the other's"
    with pytest.raises(Refusal, match="device 2 is none"):
        held.open("third", device=2)


def test_weights_of_two_devices_are_two_things(make: Callable[..., Held]) -> None:
    held = make(devices=2)
    held.fill("net", "a", device=0)
    held.fill("net", "b", device=1)
    assert held.books.weights() == {"net": PAGE, "net@gpu1": PAGE}
    held.books.device(1).claim("net", True, "b")
    held.books.device(0).claim("net", True, "a")


def test_parked_context_is_brought_ahead_where_that_takes_room_from_nobody(make: Callable[..., Held]) -> None:
    held = make(host_pages=8)
    held.write("first", size=2 * PAGE)
    held.write("second", size=2 * PAGE)
    held.open("third", "b", size=2 * PAGE)
    assert held.places["first"] is None
    held.books.bring_context("first", 0)
    held.rest()
    assert held.places["first"] is None, "both of the others are being made"
    held.books.drop_context("third")
    held.books.bring_context("first", 0)
    held.rest()
    assert held.places["first"] == 0 and held.books.contexts["first"].is_copied, "it may leave again for nothing"
    opening = held.books.open_context("first", 2 * PAGE, "layout", "c", 0, "c")
    with pytest.raises(StopIteration):
        next(opening)
    held.books.bring_context("nobody's", 0)
    held.rest()


def test_context_asked_for_while_it_is_brought_is_waited_for(make: Callable[..., Held]) -> None:
    held = make(host_pages=8)
    held.write("first", size=2 * PAGE)
    held.write("second", size=3 * PAGE)
    held.books.forget("a")
    held.books.drop_context("second")
    held.books.bring_context("first", 0)
    held.books.work_ahead()
    assert held.books.contexts["first"].is_coming
    assert held.has("first", "b", size=2 * PAGE)


def test_client_that_dies_while_its_context_is_brought_leaves_it_parked(make: Callable[..., Held]) -> None:
    held = make(host_pages=8)
    held.write("first", size=2 * PAGE)
    held.write("second", size=3 * PAGE)
    held.books.drop_context("second")
    opening = held.books.open_context("first", 2 * PAGE, "layout", "b", 0, "b")
    next(opening)
    opening.close()
    held.books.forget("b")
    assert held.places == {"first": None} and held.has("first", "c", size=2 * PAGE)


def test_context_dropped_while_it_is_brought_is_gone(make: Callable[..., Held]) -> None:
    held = make(host_pages=8)
    held.write("first", size=3 * PAGE)
    held.write("second", size=2 * PAGE)
    held.books.drop_context("second")
    opening = held.books.open_context("first", 3 * PAGE, "layout", "b", 0, "b")
    next(opening)
    held.books.drop_context("first")
    holding, was_there = done(opening)
    assert not was_there and os.pread(holding.descriptor, 1, 0) == b"\0"


def test_host_memory_is_taken_ahead_of_need_and_given_back_on_demand(make: Callable[..., Held]) -> None:
    held = make(host_pages=8)
    held.write("small")
    held.rest()
    assert held.books.pool.taken_bytes == 0, "there is room for many like it"
    held.write("large", size=2 * PAGE)
    held.rest()
    assert held.books.pool.taken_bytes >= 2 * PAGE
    held.books.drop_caches()
    assert held.books.pool.taken_bytes == sum(c.copied_bytes for c in held.books.contexts.values())


def test_context_too_large_for_the_host_stops_no_other(make: Callable[..., Held]) -> None:
    held = make(host_pages=2)
    held.write("giant", "a", size=3 * PAGE)
    held.write("small", "b")
    held.rest()
    assert held.books.pool.idle_bytes == PAGE, "taken for the small one"
    held.books.forget("a")
    held.books.forget("b")
    held.rest()
    assert {job: one.is_copied for job, one in held.books.contexts.items()} == {"giant": False, "small": True}


def test_nobody_waits_for_much_host_memory_to_be_taken(make: Callable[..., Held], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.vault.device_holdings.TAKEN_AT_ONCE", PAGE)
    held = make(host_pages=8)
    held.write("first", size=3 * PAGE)
    held.write("second", size=3 * PAGE)
    assert held.places == {"second": 0}, "two pages more would have had to be taken"
    held.rest()
    assert held.books.pool.idle_bytes == 3 * PAGE
    held.write("third", size=3 * PAGE)
    assert held.places == {"second": None, "third": 0}, "by now they were taken"


def test_context_dropped_on_its_way_to_another_device_is_gone(make: Callable[..., Held]) -> None:
    held = make(devices=2)
    held.write("first", size=3 * PAGE)
    opening = held.books.open_context("first", 3 * PAGE, "layout", "b", 0, "b", 1)
    next(opening)
    held.books.drop_context("first")
    holding, was_there = done(opening)
    assert not was_there and os.pread(holding.descriptor, 1, 0) == b"\0" and held.places == {"first": 1}


def test_client_that_dies_while_its_context_moves_leaves_it_where_it_was(make: Callable[..., Held]) -> None:
    held = make(devices=2)
    held.write("first", size=3 * PAGE)
    opening = held.books.open_context("first", 3 * PAGE, "layout", "b", 0, "b", 1)
    next(opening)
    opening.close()
    held.books.forget("b")
    assert held.places == {"first": 0} and held.has("first", "c", size=3 * PAGE)


@pytest.mark.parametrize(("way", "devices"), [("copy_in", 1), ("copy_to", 2)])
def test_context_that_cannot_be_copied_is_made_anew_and_the_vault_lives(
    make: Callable[..., Held], monkeypatch: pytest.MonkeyPatch, way: str, devices: int
) -> None:
    held = make(devices=devices, host_pages=8)
    held.write("first", size=3 * PAGE)
    if devices == 1:
        held.write("second", size=3 * PAGE)
        held.books.drop_context("second")

    def fail(*_: object) -> None:
        raise DeviceMemoryError("cuMemcpy: an illegal address was encountered (700).")

    monkeypatch.setattr(FilePlace, way, fail)
    holding, was_there = held.open("first", "b", size=3 * PAGE, device=devices - 1)
    assert not was_there and os.pread(holding.descriptor, 1, 0) == b"\0"
    assert held.places == {"first": devices - 1}


def test_resting_context_that_cannot_be_read_is_dropped_once_and_the_vault_comes_to_rest(
    make: Callable[..., Held], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    held = make(host_pages=8)

    def fail(*_: object) -> None:
        raise DeviceMemoryError("cuMemcpyDtoH_v2: an illegal address was encountered (700).")

    held.write("first", size=2 * PAGE)
    monkeypatch.setattr(FilePlace, "copy_out", fail)
    held.write("second", size=2 * PAGE)
    held.rest()
    assert held.places == {"second": 0} and held.books.pool.can_hold(PAGE), "that is no fault of the host's memory"
    assert capfd.readouterr().err.count("cannot be copied to the host") == 1


def test_context_that_cannot_be_brought_ahead_is_dropped_and_told(
    make: Callable[..., Held], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    held = make(host_pages=8)
    held.write("first", size=2 * PAGE)
    held.write("second", size=3 * PAGE)
    held.books.drop_context("second")

    def fail(*_: object) -> None:
        raise OSError("the link is down")

    monkeypatch.setattr(FilePlace, "copy_in", fail)
    held.books.bring_context("first", 0)
    held.rest()
    assert held.places == {} and "the link is down" in capfd.readouterr().err
