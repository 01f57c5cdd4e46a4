"""Where a block's keys go in a ring and which rows it attends to, as numbers and as the device is told."""

from __future__ import annotations

import pytest
import torch

from engine.model.cuda.attend import Place, Places

CPU = torch.device("cpu")


def _place(block: int, oldest: int = 0) -> Place:
    return Places().of(block, oldest, slots=4, length=10, device=CPU)


@pytest.mark.parametrize(
    ("block", "rows"), [(0, [0, 10, 0, 0]), (2, [20, 30, 0, 0]), (3, [30, 40, 0, 0]), (4, [0, 40, 0, 0]), (6, [20, 40, 0, 0])]
)
def test_a_ring_fills_from_its_first_row_and_then_stays_whole(block: int, rows: list[int]) -> None:
    place = _place(block)
    assert place.rows.tolist() == rows and place.rows.dtype == torch.int32
    assert place.parts == ((0, rows[1]),)
    assert not place.has_gap


def test_a_ring_that_is_refilled_has_a_gap_until_it_is_whole() -> None:
    assert _place(5, oldest=4).parts == ((0, 20),)
    behind, around = _place(6, oldest=6), _place(8, oldest=7)
    assert behind.parts == ((20, 30),) and behind.rows.tolist() == [20, 0, 20, 30]
    assert around.parts == ((0, 10), (30, 40)) and around.rows.tolist() == [0, 10, 30, 40]
    assert behind.has_gap and around.has_gap


def test_a_place_is_brought_to_the_device_once() -> None:
    places = Places()
    assert places.of(4, 0, 4, 10, CPU) is places.of(8, 0, 4, 10, CPU)
    assert places.of(5, 0, 4, 10, CPU) is not places.of(4, 0, 4, 10, CPU)
