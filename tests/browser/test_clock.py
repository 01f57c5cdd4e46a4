"""A machine's clock that is set while pages are open: who tends the house sees it come and go, without a reload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from scheduler.chaos.wall_clock import NO_LIBRARY, WallClock, find_library
from tests.acceptance.studio import Studio
from tests.browser.scenes import script

HOUR_S = 3600.0


@pytest.fixture(scope="module")
def wall(tmp_path_factory: pytest.TempPathFactory) -> WallClock:
    """The clock of a machine that only the studio is told."""
    library = find_library()
    if library is None:
        pytest.skip(NO_LIBRARY)
    return WallClock(tmp_path_factory.mktemp("clock"), library)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, wall: WallClock) -> Iterator[Studio]:
    """A studio on that machine."""
    folder: Path = tmp_path_factory.mktemp("house")
    made = Studio(folder, "fake", {**script(folder, 0.15), **wall.environment})
    try:
        made.start()
        yield made
    finally:
        made.end()


def test_set_clock_is_told_to_who_may_do_something_and_gone_when_it_is_right(
    open_page: Callable[..., Page], wall: WallClock
) -> None:
    olga, mei = open_page("/dashboard", "olga", "ops"), open_page("/dashboard/jobs?lang=zh", "mei", "coordinator")
    ada = open_page("/dashboard", "ada", "user")
    banner = olga.locator("#clock-off")
    for page in (olga, mei, ada):
        expect(page.locator(".mode")).to_have_attribute("data-mode", "live")
    expect(banner).to_be_hidden()
    wall.set(HOUR_S)
    expect(banner).to_contain_text("the house's time is 60 min behind it")
    expect(banner).to_contain_text("Stop role_scheduler serve and start it again")
    expect(banner).to_be_visible()
    expect(mei.locator("#clock-off")).to_contain_text("慢 60 分钟")
    expect(ada.locator("#clock-off")).to_have_count(0)
    olga.reload()
    expect(banner).to_be_visible()  # the server says it, too
    wall.set(-3 * HOUR_S)
    expect(banner).to_contain_text("the house's time is 3 h ahead of it")
    olga.goto(olga.url)
    expect(olga.locator(".person")).to_have_text("olga")  # nobody is signed out
    wall.set(0.0)
    expect(banner).to_be_hidden()
