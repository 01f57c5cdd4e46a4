"""The first page of a house of two slots, and of the same house with one."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from tests.acceptance.studio import Studio
from tests.browser.house import Watch
from tests.browser.scenes import LONG_S, script, submit


def test_both_slots_are_seen_at_work_and_one_that_is_gone_no_more(
    contexts: Callable[..., tuple[BrowserContext, Watch]], tmp_path: Path
) -> None:
    studio = Studio(tmp_path, "fake", script(tmp_path, 0.15), slots=2)
    try:
        studio.start()
        context, watch = contexts()
        watch.allowed += ["net::ERR_", "WebSocket", "Failed to fetch"]  # the house is away for a moment
        page = context.new_page()
        page.goto(f"{studio.url}/dashboard")
        expect(page.locator(".mode")).to_have_text("live")
        jobs = submit(studio, "day-team", "teacher", LONG_S), submit(studio, "night-team", "presenter", LONG_S)
        for slot, role in enumerate(("teacher", "presenter")):
            card = page.locator(f'[data-slot="{slot}"]')
            expect(card.locator("[data-slot-role]")).to_have_text(role)
            expect(card).to_have_attribute("data-state", "busy")
        page.goto(f"{studio.url}/dashboard/queue/")
        expect(page.get_by_text("Slot 1")).to_be_visible()
        page.goto(f"{studio.url}/dashboard")
        expect(page.locator(".mode")).to_have_text("live")
        for job_id in jobs:
            studio.door.cancel(job_id)
        assert studio.launcher is not None
        studio.launcher.send_signal(signal.SIGINT)
        studio.launcher.wait(90)
        studio.slots = 1
        studio.start()
        expect(page.locator("[data-slots] [data-slot]")).to_have_count(1)
        page.close()
    finally:
        studio.end()
