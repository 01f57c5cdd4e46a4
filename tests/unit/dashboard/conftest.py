"""An app per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.dashboard.web_rig import Web, web


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Web]:
    """The web on a real store, without a daemon."""
    with web(tmp_path) as made:
        yield made
