"""The day plan and the rehearsal in a real browser: write, check, take a change over, file; simulate a day."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.studio import Studio
from tests.browser.house import expect_toast
from tests.browser.scenes import submit

Open = Callable[..., Page]
DAY, NEXT_DAY, LAST_DAY = "2030-05-06", "2030-05-07", "2030-05-08"


def test_plan_is_written_checked_mended_by_a_press_and_filed(open_page: Open, studio: Studio) -> None:
    for _ in range(6):  # so that the house knows its pace
        studio.wait_for_end(submit(studio, "night-team", "teacher", 3))
    page = open_page(f"/dashboard/plan/?day={DAY}", "rosa", "planner", allowed=("422",))
    expect(page.locator("#plan-result")).to_contain_text("No plan is filed for this day")
    text = page.get_by_label("Text of the plan")
    text.fill(f"date: {DAY}\nentries:\n  - {{role: nobody, user: x}}\n")
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("[data-plan] .error")).to_contain_text("window")
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
    expect(verdict).to_contain_text("It does not fit")
    expect(page.locator("a.bar-window")).to_be_attached()
    expect(page.locator("#plan-result")).not_to_contain_text("No single change was found")  # a change is offered
    page.locator("#plan-result").get_by_role("button", name="Take over").first.click()
    expect_toast(page, "Check it again")
    page.get_by_role("button", name="Check now").click()
    expect(verdict).to_contain_text("It fits")
    written = text.input_value()
    text.fill(written.replace(DAY, NEXT_DAY))  # about another day: the page is about that one then, the text stays
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("h1")).to_contain_text(NEXT_DAY)
    expect(page).to_have_url(re.compile(f"day={NEXT_DAY}"))
    text.fill(written)
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("h1")).to_contain_text(DAY)
    page.get_by_role("button", name="File it for the day").click()
    expect(page.locator("[data-plan-status]")).to_contain_text(f"Filed for {DAY}")
    filed = studio.reader.filed_plan(DAY)
    assert filed is not None and filed["text"] == text.input_value()
    result = page.locator("#plan-result")
    expect(result).not_to_contain_text("This is not the plan that is filed")
    text.fill(written.replace("11:00", "11:30"))  # filed unchecked: what was checked is no word of it
    page.get_by_role("button", name="File it for the day").click()
    expect(result).to_contain_text("This is not the plan that is filed")
    expect(page.locator("[data-plan-status]")).to_contain_text(f"Filed for {DAY}")


def test_plan_is_told_as_filed_though_the_page_cannot_be_asked_again(open_page: Open, studio: Studio) -> None:
    page = open_page("/dashboard/plan/", "paula", "planner", allowed=("ERR_FAILED",))
    page.locator("[data-plan] [name=text]").fill(
        f"date: {NEXT_DAY}\nentries:\n  - {{role: student, user: paula, window: '09:00-10:00'}}\n"
    )
    page.route("**/dashboard/plan/?day=*", lambda route: route.abort())
    page.get_by_role("button", name="File it for the day").click()
    expect(page.locator("[data-plan-status]")).to_contain_text(f"Filed for {NEXT_DAY}")
    assert studio.reader.filed_plan(NEXT_DAY) is not None
    page.get_by_role("button", name="Check now").click()  # what stands above is not what was checked
    expect(page.locator("[data-plan-status]")).to_contain_text("load the page again")


def test_text_without_a_date_is_never_taken_for_another_day_than_the_pages_own(open_page: Open, studio: Studio) -> None:
    page = open_page(f"/dashboard/plan/?day={LAST_DAY}", "petra", "planner")
    text, error = page.locator("[data-plan] [name=text]"), page.locator("[data-plan] .error")
    page.locator("[data-plan-file]").set_input_files(
        {"name": "day.csv", "mimeType": "text/csv", "buffer": b"role;user;window\nstudent;petra;09:00-10:00\n"}
    )
    for name in ("Check now", "File it for the day"):
        page.get_by_role("button", name=name).click()
        expect(error).to_contain_text(f"this page is about {LAST_DAY}")
    assert studio.reader.filed_plan(LAST_DAY) is None
    page.get_by_text("Fill in an entry").click()
    form = page.locator("[data-plan-add]")
    form.locator('[name="user"]').fill("petra")
    form.locator('[name="length"]').fill("2")
    form.get_by_role("button", name="Add to the text").click()
    expect_toast(page, "no column length")  # a line of YAML is no row
    text.fill(f"role;user;window;length;date\nstudent;petra;09:00-10:00;;{LAST_DAY}\n")
    form.locator('[name="role"]').select_option("teacher")
    form.get_by_role("button", name="Add to the text").click()
    expect(text).to_have_value(
        f"role;user;window;length;date\nstudent;petra;09:00-10:00;;{LAST_DAY}\nteacher;petra;10:00-11:00;2;{LAST_DAY}\n"
    )
    page.get_by_role("button", name="File it for the day").click()
    expect(page.locator("[data-plan-status]")).to_contain_text(f"Filed for {LAST_DAY}; videos: 2")
    expect(error).to_be_hidden()


@pytest.mark.timeout(600)  # a day of a thousand jobs is simulated
def test_day_is_rehearsed_and_its_report_stands_on_the_page(open_page: Open) -> None:
    page = open_page("/dashboard/rehearsals/", "olga", "ops")
    page.get_by_label("Seed").fill("3")
    page.get_by_role("button", name="Rehearse", exact=True).click()
    expect(page.locator("#report-title")).to_contain_text("peak day", timeout=400_000)
    expect(page.locator("#report-title")).to_contain_text("seed 3")
    expect(page.locator("table.waits")).to_contain_text("urgent")
