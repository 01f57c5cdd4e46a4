"""Links that lead somewhere, and what people are told when others can reach the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler import reach


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"), ("0.0.0.0", "http://127.0.0.1:8000"), ("::", "http://[::1]:8000"),
        ("::1", "http://[::1]:8000"), ("studio.example", "http://studio.example:8000"),
    ],
)  # fmt: skip
def test_link_leads_to_an_address_that_a_browser_can_open(host: str, url: str) -> None:
    assert reach.base_url(host, 8000) == url


def test_who_listens_everywhere_is_told_what_that_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "own_address", lambda: "10.1.2.3")
    words = reach.exposure("0.0.0.0", 8001)
    assert "every network interface" in words and "without TLS" in words and "http://10.1.2.3:8001/dashboard" in words
    monkeypatch.setattr(reach, "own_address", lambda: "")
    assert "From other machines" not in reach.exposure("::", 8001)
    assert reach.exposure("127.0.0.1", 8001) == reach.exposure("studio.example", 8001) == ""


def test_own_address_is_none_of_the_loopback() -> None:
    assert not reach.own_address().startswith("127.")


def test_link_of_a_house_is_known_as_long_as_it_runs(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with reach.announced(tmp_path, "http://127.0.0.1:8001"):
        assert reach.announced_url(tmp_path) == "http://127.0.0.1:8001"
    assert reach.announced_url(tmp_path) is None
