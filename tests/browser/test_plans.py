"""The day plan and the rehearsal in a real browser: write, check, take a change over, file; simulate a day."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.acceptance.studio import Studio
from tests.browser.scenes import submit

Open = Callable[..., Page]
DAY, NEXT_DAY = "2030-05-06", "2030-05-07"


def test_plan_is_written_checked_mended_by_a_press_and_filed(open_page: Open, studio: Studio) -> None:
    for _ in range(6):  # so that the house knows its pace
        studio.wait_for_end(submit(studio, "night-team", "teacher", 3))
    page = open_page(f"/dashboard/plan/?day={DAY}", "rosa", "planner", allowed=("422",))
    expect(page.locator("#plan-result")).to_contain_text("No plan is filed for this day")
    text = page.get_by_label("Text of the plan")
    text.fill(f"date: {DAY}\nentries:\n  - {{role: nobody, user: x}}\n")
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("[data-plan] .error")).to_contain_text("window", timeout=30_000)
    text.fill(f"date: {DAY}\nentries:\n")
    page.get_by_text("Fill in an entry").click()
    form = page.locator("[data-plan-add]")
    form.locator('[name="role"]').select_option("teacher")
    form.locator('[name="user"]').fill("education")
    form.locator('[name="from"]').fill("10:00")
    form.locator('[name="to"]').fill("11:00")
    form.locator('[name="length"]').fill("8")  # longer than the voice
    form.get_by_role("button", name="Add to the text").click()
    page.get_by_role("button", name="Check now").click()
    verdict = page.locator("#verdict-title")
    expect(verdict).to_contain_text("It does not fit", timeout=60_000)
    expect(page.locator("a.bar-window")).to_be_attached()
    page.locator("#plan-result").get_by_role("button", name="Take over").first.click()
    expect(page.locator("#toast")).to_contain_text("Check it again")
    page.get_by_role("button", name="Check now").click()
    expect(verdict).to_contain_text("It fits", timeout=60_000)
    written = text.input_value()
    text.fill(written.replace(DAY, NEXT_DAY))  # about another day: the page is about that one then, the text stays
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("h1")).to_contain_text(NEXT_DAY, timeout=60_000)
    expect(page).to_have_url(re.compile(f"day={NEXT_DAY}"))
    text.fill(written)
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("h1")).to_contain_text(DAY, timeout=60_000)
    page.get_by_role("button", name="File it for the day").click()
    expect(page.locator("[data-plan-status]")).to_contain_text(f"Filed for {DAY}", timeout=20_000)
    filed = studio.reader.filed_plan(DAY)
    assert filed is not None and filed["text"] == text.input_value()


def test_day_is_rehearsed_and_its_report_stands_on_the_page(open_page: Open) -> None:
    page = open_page("/dashboard/rehearsals/", "olga", "ops")
    page.get_by_label("Seed").fill("3")
    page.get_by_role("button", name="Rehearse", exact=True).click()
    expect(page.locator("#report-title")).to_contain_text("peak day", timeout=90_000)
    expect(page.locator("#report-title")).to_contain_text("seed 3")
    expect(page.locator("table.waits")).to_contain_text("urgent")
