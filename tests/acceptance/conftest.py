"""Studios for acceptance tests: each is ended, and its remains are swept, whatever the test did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.studio import Studio


@pytest.fixture
def make_studio(tmp_path: Path) -> Iterator[Callable[..., Studio]]:
    """`make_studio(engine, env, slots)` → a started studio."""
    made: list[Studio] = []

    def make(engine: str = "fake", env: dict[str, str] | None = None, slots: int = 1) -> Studio:
        studio = Studio(tmp_path, engine, env, slots)
        made.append(studio)
        studio.start()
        return studio

    yield make
    for studio in made:
        studio.end()
