"""A browser that may see nothing but this machine, and remembers everything that went wrong on a page."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
WATCH_CSP = """document.addEventListener('securitypolicyviolation',
  event => console.error('CSP ' + event.violatedDirective + ' ' + event.blockedURI))"""
REMEMBER_TOASTS = """addEventListener('DOMContentLoaded', () => {
  const place = document.getElementById('toast');
  if (place) new MutationObserver(() => { document.documentElement.dataset.toasted = place.textContent ||
    document.documentElement.dataset.toasted; }).observe(place, {childList: true, characterData: true, subtree: true});
})"""


def chromium_path() -> str | None:
    """The machine's own browser; None leaves it to playwright's."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless browser that downloads nothing."""
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(
            executable_path=chromium_path(), args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        try:
            yield made
        finally:
            made.close()


@dataclass
class Watch:
    """What pages of a context did: errors on the console, exceptions, requests to other machines."""

    problems: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)  # parts of console lines that a test expects

    def console(self, message: ConsoleMessage) -> None:
        """A line on the console; errors and warnings are problems."""
        if message.type in ("error", "warning") and not any(part in message.text for part in self.allowed):
            self.problems.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def request(self, request: Request) -> None:
        """A request; one that leaves the machine is a problem."""
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1":
            self.problems.append(f"left the machine: {request.url}")

    def check(self) -> None:
        """Nothing went wrong."""
        assert not self.problems, "\n".join(self.problems)


def expect_toast(page: Page, words: str) -> None:
    """The page's last toast says so, or said: it stays for some seconds only."""
    expect(page.locator("html")).to_have_attribute("data-toasted", re.compile(re.escape(words)))


def watched(context: BrowserContext) -> Watch:
    """Watch every page of a context."""
    watch = Watch()

    def follow(page: Page) -> None:
        page.on("console", watch.console)
        page.on("pageerror", lambda error: watch.problems.append(f"exception: {error}"))
        page.on("request", watch.request)

    context.add_init_script(WATCH_CSP)
    context.add_init_script(REMEMBER_TOASTS)
    context.on("page", follow)
    return watch
