"""What axe-core says of a page. It is a development dependency of `package.json`; `make accessibility` fetches it."""

from __future__ import annotations

from functools import cache

import pytest
from playwright.sync_api import Page

from tests.acceptance.studio import ROOT

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
_NEXT_FRAME = "new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
SERIOUS = ("serious", "critical")
_LOOK = """axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.map(one => ({
  id: one.id, impact: one.impact, where: one.nodes.slice(0, 3).map(node => node.html.slice(0, 160))})))"""


@cache
def _script() -> str:
    if not AXE.is_file():
        pytest.fail(f"{AXE} is missing; fetch it with: make accessibility")
    return AXE.read_text(encoding="utf-8")


def serious_issues(page: Page) -> list[str]:
    """Serious and critical issues of the page as it is now, everything that can be unfolded open."""
    page.evaluate("document.querySelectorAll('main details').forEach(part => { part.open = true; })")
    page.evaluate(_NEXT_FRAME)  # by then the page has looked which parts scroll
    page.evaluate(f"{_script()};0")
    return [f"{one['id']}: {one['where']}" for one in page.evaluate(_LOOK) if one["impact"] in SERIOUS]
