"""One is not many, in English; Chinese takes the number alone."""

from __future__ import annotations

import pytest

from scheduler.core.counted import counted, filled, unfilled


@pytest.mark.parametrize(("count", "told"), [(0, "0 slots"), (1, "1 slot"), (2, "2 slots")])
def test_noun_follows_its_count(count: int, told: str) -> None:
    assert counted(count, "slot") == told


def test_noun_with_a_plural_of_its_own() -> None:
    assert [counted(count, "entry", "entries") for count in (1, 3)] == ["1 entry", "3 entries"]


@pytest.mark.parametrize(("count", "told"), [(0, "0 running jobs of 4"), (1, "1 running job of 4"), (2, "2 running jobs of 4")])
def test_noun_in_a_sentence_follows_its_count(count: int, told: str) -> None:
    assert filled("{used:running job} of {limit}", {"used": count, "limit": 4}) == told
    assert unfilled("{used:running job} of {limit}") == "{used} running jobs of {limit}"


def test_other_formats_of_a_sentence_stay() -> None:
    assert filled("{share:.1f} s, {yes}, {count:03d}", {"share": 0.25, "yes": True, "count": 7}) == "0.2 s, True, 007"


def test_what_is_no_whole_number_is_not_counted() -> None:
    with pytest.raises(ValueError, match="slot"):
        filled("{slots:slot}", {"slots": "2"})
