"""One browser and one busy house per module; every test's pages are watched for errors and foreign requests.

Not per session: playwright keeps an event loop in the main thread while it is open, and other tests run loops of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.acceptance.gate import Gate, be_patient
from tests.acceptance.studio import Studio
from tests.browser.house import Watch, browser, watched
from tests.browser.scenes import forecaster_answers, script, sign_in

LOOK_MS = 60_000  # what is true is seen at once; this is for a machine that has other things to do
expect.set_options(timeout=LOOK_MS)


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """A headless browser."""
    with browser() as made:
        yield made


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the studio of the module lives."""
    return tmp_path_factory.mktemp("house")


@pytest.fixture(scope="module")
def gate(home: Path) -> Gate:
    """Where a test holds the studio's worker while it looks."""
    return Gate(home / "orders")


@pytest.fixture(scope="module")
def studio(home: Path, gate: Gate) -> Iterator[Studio]:
    """A studio whose blocks take 0.15 s."""
    be_patient(home)
    made = Studio(home, "fake", {**script(home, 0.15), **gate.env})
    try:
        made.start()
        forecaster_answers(made)
        yield made
    finally:
        made.end()


@pytest.fixture
def contexts(chrome: Browser) -> Iterator[Callable[..., tuple[BrowserContext, Watch]]]:
    """Make browser contexts; at the end all are closed and nothing may have gone wrong in them."""
    made: list[tuple[BrowserContext, Watch]] = []

    def make(**options: object) -> tuple[BrowserContext, Watch]:
        context = chrome.new_context(**{"locale": "en-GB", "viewport": {"width": 1360, "height": 900}, **options})  # type: ignore[arg-type]
        made.append((context, watched(context)))
        return made[-1]

    yield make
    for context, watch in made:
        context.close()
        watch.check()


@pytest.fixture
def open_page(contexts: Callable[..., tuple[BrowserContext, Watch]], studio: Studio) -> Callable[..., Page]:
    """`open_page(path, user, group, **options)` → a page of a signed-in person (or of `local` without one).

    `allowed`: parts of console lines that the test expects.
    """

    def make(
        path: str = "/dashboard", user: str = "", group: str = "user", allowed: tuple[str, ...] = (), **options: object
    ) -> Page:
        context, watch = contexts(**options)
        watch.allowed += allowed
        page = context.new_page()
        page.set_default_timeout(LOOK_MS)
        if user:
            sign_in(page, studio, user, group)
        page.goto(studio.url + path)
        return page

    return make
