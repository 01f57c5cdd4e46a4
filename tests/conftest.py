"""What every test gets: one compute thread, and never the data directory of the person who runs the tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """Examples that hypothesis draws have no time limit: it would measure how busy the machine is."""
    if config.pluginmanager.hasplugin("hypothesispytest"):  # a GPU box may run its tests without it
        from hypothesis import settings

        settings.register_profile("untimed", parent=settings.default, deadline=None)
        settings.load_profile("untimed")


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The repository's root directory."""
    return ROOT


@pytest.fixture(autouse=True)
def _own_data_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """`$GREENROOM_DATA` points into the test's own folder, in this process and in those it starts."""
    monkeypatch.setenv("GREENROOM_DATA", str(tmp_path / "var"))
    yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests get the marker of the folder they lie in, so that `-m "not acceptance"` means what it says."""
    for item in items:
        place = item.path.relative_to(ROOT / "tests")
        for folder in ("acceptance", "browser", "gpu"):
            if folder in place.parts:
                item.add_marker(folder)
