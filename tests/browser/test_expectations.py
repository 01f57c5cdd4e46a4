"""What people are told before and while they wait, in a real browser: what would happen, when it comes, and that it moves."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.acceptance.studio import Studio, until
from tests.browser.scenes import LONG_S, submit

Open = Callable[..., Page]
WINDOW = re.compile(r"\d\d:\d\d.*–.*\d\d:\d\d|^\d\d:\d\d$")


def test_form_says_what_would_happen_and_pages_when_it_comes(open_page: Open, studio: Studio) -> None:
    for _ in range(6):
        studio.wait_for_end(submit(studio, "night-team", "teacher", 3))
    running = submit(studio, "night-team", "teacher", LONG_S, 90)
    studio.wait_for_blocks(running, 1)
    waits = submit(studio, "market-team", "teacher", 3, 5)
    page = open_page("/submit?role=teacher", "day-team", allowed=("422",))
    would = page.locator("[data-what-if]")
    expect(would.locator('[data-would="words"]')).to_contain_text(re.compile(r"It starts \d\d:\d\d"))
    page.locator('input[name="priority"]').fill("80")
    page.locator('input[name="duration_sec"]').fill("3")
    expect(would.locator('[data-would="delays"]')).to_contain_text("Others delayed")
    expect(would.locator(f'a[href$="{waits}"]')).to_be_visible()
    page.locator('input[name="duration_sec"]').fill("900")
    expect(would).to_have_class(re.compile("bad"))
    page.locator('input[name="duration_sec"]').fill("3")
    would.get_by_role("button", name="Compare priorities").click()
    expect(would.locator("tbody tr")).to_have_count(6)

    page.goto(f"{studio.url}/dashboard/queue/")
    lane = page.locator(f'.lane[data-job="{waits}"]')
    expect(lane.locator(".bar-range")).to_be_attached()
    page.goto(f"{studio.url}/dashboard")
    row = page.locator(f'tr[data-job="{waits}"] [data-expect="ends"]')
    expect(row).to_have_text(WINDOW)
    late = submit(studio, "market-team", "teacher", 3, 1)  # a row that the page makes by itself gets its window over the socket
    expect(page.locator(f'tr[data-job="{late}"] [data-expect="ends"]')).to_have_text(WINDOW)
    page.goto(f"{studio.url}/dashboard/watermark/?range=1h")
    until(lambda: {"memory", "memory promised", "slots promised"} <= drawn(page), "what is promised is drawn apart")
    expect(page.locator("[data-chart-ahead]")).to_be_visible()
    studio.door.cancel(running)
    for job in (running, waits, late):
        studio.wait_for_end(job)


def drawn(page: Page) -> set[str]:
    """Names of the lines in the chart of the devices, fetched anew."""
    page.reload()
    chart = page.locator('[data-chart-kind="devices"]')
    expect(chart).to_have_attribute("data-drawn", "yes")
    return set(chart.evaluate("chart => (chart.data || []).map(trace => trace.name)"))
