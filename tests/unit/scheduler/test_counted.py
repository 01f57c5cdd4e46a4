"""One is not many, in English; Chinese takes the number alone."""

from __future__ import annotations

import pytest

from scheduler.counted import counted, counted_words


@pytest.mark.parametrize(("count", "told"), [(0, "0 slots"), (1, "1 slot"), (2, "2 slots")])
def test_noun_follows_its_count(count: int, told: str) -> None:
    assert counted(count, "slot") == told
    assert counted_words(count, "slot") == {"en": told, "zh": count}


def test_noun_with_a_plural_of_its_own() -> None:
    assert [counted(count, "entry", "entries") for count in (1, 3)] == ["1 entry", "3 entries"]
