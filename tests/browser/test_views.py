"""Every view in a real browser: no error on the console, nothing leaves the machine, both languages, dark, a telephone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.acceptance.studio import Studio, until
from tests.browser.accessibility import serious_issues
from tests.browser.house import Watch, expect_toast
from tests.browser.scenes import sign_in, submit

Open = Callable[..., Page]
PHONE = {"width": 390, "height": 844}
VIEWS = (
    "/dashboard", "/dashboard/queue/", "/dashboard/roles/", "/dashboard/roles/teacher", "/dashboard/jobs", "/me", "/submit",
    "/submit/batch",
    "/dashboard/watermark/", "/dashboard/plan/", "/dashboard/rehearsals/", "/dashboard/faults/", "/dashboard/audit/",
    "/dashboard/rights", "/dashboard/policy", "/dashboard/people", "/password", "/openapi",
)  # fmt: skip


@pytest.fixture(scope="module")
def done(studio: Studio) -> str:
    """A finished and rejected job with notes on it."""
    job_id = submit(studio, "day-team", "teacher", 1.4)
    studio.wait_for_end(job_id)
    number = studio.door.write_note(job_id, f"The mouth is late. {'Long' * 80}", 0.5)["number"]
    studio.door.write_note(job_id, "It is.", answers=number)
    studio.door.judge(job_id, "rejected", "Lips")
    return job_id


@pytest.mark.parametrize(
    "options",
    [
        {}, {"locale": "zh-CN", "color_scheme": "dark"}, {"viewport": PHONE, "color_scheme": "dark"},
        {"locale": "zh-CN", "viewport": PHONE},
    ],
    ids=["wide", "chinese-dark", "telephone-dark", "chinese-telephone"],
)  # fmt: skip
def test_every_view_is_clean_and_fits(open_page: Open, studio: Studio, done: str, options: dict[str, Any]) -> None:
    page = open_page("/dashboard", "day-team", "admin", **options)
    for path in (*VIEWS, f"/dashboard/jobs/{done}"):
        page.goto(studio.url + path)
        expect(page.locator('.mode[data-mode="live"]')).to_be_visible()
        width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width <= 0, f"{path} is {width} px too wide"
        if options.get("viewport") is None or options.get("locale"):  # colours are told by the wide ones
            assert serious_issues(page) == [], path
        if options.get("locale") == "zh-CN":
            assert page.locator("html").get_attribute("lang") == "zh-CN"
            expect(page.locator(".top nav")).to_contain_text("角色")


def test_chart_is_drawn_and_offers_to_share_with_nobody(open_page: Open) -> None:
    page = open_page()
    chart = page.locator("[data-chart]")
    expect(chart.locator(".main-svg").first).to_be_visible()
    chart.hover()
    assert page.locator("text=/share|plot with|edit chart/i").count() == 0
    assert page.locator(".modebar-btn[data-title*='hart']").count() == 0


def test_link_signs_in_with_one_press_and_out_again(
    contexts: Callable[..., tuple[BrowserContext, Watch]], studio: Studio
) -> None:
    context, watch = contexts()
    watch.allowed += ["403", "401"]
    page = context.new_page()
    link = studio.door.create_login_link("vera", "user", "")["path"]
    page.goto(studio.url + link)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".person")).to_have_text("vera")
    expect(page.get_by_role("link", name="Audit")).to_have_count(0)
    other = context.new_page()
    other.goto(studio.url + link)
    other.get_by_role("button", name="Sign in").click()
    expect(other.locator("body")).to_contain_text("unknown, used or too old")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    page.goto(studio.url + "/dashboard")
    expect(page.locator(".person")).to_have_text("local")


def test_language_is_one_press_away_and_stays(open_page: Open, studio: Studio) -> None:
    page = open_page("/dashboard/roles/")
    page.get_by_role("button", name="中文").click()
    expect(page.locator("h1")).to_contain_text("角色")
    page.goto(studio.url + "/dashboard")
    expect(page.locator("#queue-title")).to_contain_text("排队")


def test_role_is_previewed_and_switched_from_its_page(open_page: Open) -> None:
    page = open_page("/dashboard/roles/teacher", "day-team", "planner")
    page.locator('input[name="topic"]').fill("<img src=x onerror=alert(1)>")
    expect(page.locator("output.preview")).to_contain_text("<img src=x onerror=alert(1)>")
    page.get_by_role("button", name="Switch the stage").click()
    expect_toast(page, "teacher is ready on slot 0")


def test_markup_of_a_person_is_shown_as_text(open_page: Open, studio: Studio) -> None:
    page = open_page()
    expect(page.locator('.mode[data-mode="live"]')).to_be_visible()
    evil = "<img src=x onerror=window.isBroken=1>"
    wish = {"user": "day-team", "role": "teacher", "duration_sec": 1.0, "context": {"topic": evil}}
    job_id = studio.door.submit(wish)["id"]
    studio.door.as_actor(f"user:{evil}").record("audit:exported", f"file:{evil}", {"reason": evil})
    expect(page.locator("[data-events]")).to_contain_text(f"file:{evil}")
    watcher = open_page(f"/dashboard/jobs/{job_id}", "day-team", "admin")
    expect(watcher.locator("dd", has_text=evil)).to_be_visible()
    watcher.goto(studio.url + "/dashboard/audit/")
    expect(watcher.locator("table.audit")).to_contain_text(f"user:{evil}")
    for one in (page, watcher):
        assert one.evaluate("window.isBroken") is None
    studio.wait_for_end(job_id)


def test_audit_is_filtered_verified_and_followed(open_page: Open, done: str) -> None:
    page = open_page("/dashboard/audit/", "olga", "ops")
    page.locator('input[name="action"]').fill("job:succeeded")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name=f"job:{done}").first.click()
    expect(page.locator("table.audit")).to_contain_text("submitted")
    assert "object=job%3A" in page.url
    page.get_by_role("button", name="Verify the chain").click()
    expect(page.locator(".verdict")).to_contain_text("Sound: ")


@pytest.mark.parametrize(
    ("locale", "looked", "said"), [("en-GB", "workers", "no worker was lost"), ("zh-CN", "通信", "没有丢失工作进程")]
)
def test_cause_is_looked_for_by_a_press_and_told_in_the_readers_language(
    open_page: Open, done: str, locale: str, looked: str, said: str
) -> None:
    page = open_page(f"/dashboard/jobs/{done}", "day-team", "admin", locale=locale)
    place = page.locator("[data-diagnosis]")
    place.get_by_role("button").click()
    expect(place.locator("li").filter(has_text=looked).filter(has_text=said)).to_be_visible()
    expect(place.locator("[data-diagnosis-words]")).to_contain_text("weights" if locale == "en-GB" else "权重")
    assert place.locator('li:has(b[data-word="unknown"])').count() == 1, "scripted weights"
    expect(place.get_by_role("button")).to_be_enabled()
    assert serious_issues(page) == []


def test_press_before_the_scripts_are_there_is_not_lost(open_page: Open, studio: Studio, done: str) -> None:
    page = open_page("/dashboard", "olga", "ops")
    held: list[Any] = []
    page.route("**/js/main.js", lambda route: held.append(route))
    page.goto(studio.url + "/dashboard/audit/", wait_until="commit")
    page.get_by_role("button", name="Verify the chain").click()
    assert page.url.endswith("/dashboard/audit/"), "the browser sent the form by itself"
    until(lambda: bool(held) or page.wait_for_timeout(50), "the page asks for its scripts")
    with page.expect_response("**/audit/verify") as answer:
        held[0].continue_()
    assert answer.value.json()["is_ok"]
    expect(page.locator(".verdict")).to_contain_text("Sound: ")


def test_keyboard_reaches_the_content_first(open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    expect(page.locator("a.skip")).to_be_focused()


def test_signed_in_person_is_who_the_audit_names(contexts: Callable[..., tuple[BrowserContext, Watch]], studio: Studio) -> None:
    page = contexts()[0].new_page()
    sign_in(page, studio, "wanda")
    page.goto(studio.url + "/submit?role=teacher")
    page.locator('input[name="duration_sec"]').fill("0.5")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url("**/dashboard/jobs/j*")
    job_id = page.url.rsplit("/", 1)[1]
    assert studio.reader.story(job_id)[0]["actor"] == "user:wanda"
    studio.wait_for_end(job_id)


def test_keys_go_places_walk_rows_and_stay_away_from_fields(open_page: Open, done: str) -> None:
    page = open_page("/dashboard/jobs")
    expect(page.locator('.mode[data-mode="live"]')).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator("tbody tr a[href]").first).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator('input[name="text"]')).to_be_focused()
    page.keyboard.type("g w?")
    expect(page.locator('input[name="text"]')).to_have_value("g w?")
    page.keyboard.press("Tab")
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.type("gq")  # as one: the second key counts for a moment only
    page.wait_for_url("**/dashboard/queue/")


def test_chosen_theme_outlives_the_page_and_a_wall_screen_has_no_buttons(open_page: Open, studio: Studio) -> None:
    page = open_page("/dashboard", color_scheme="light")
    button = page.locator("[data-theme-switch]")
    for _ in range(2):
        button.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto(f"{studio.url}/dashboard/roles/")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto(f"{studio.url}/dashboard?kiosk=1")
    expect(page.locator("#pulse")).to_be_visible()
    expect(page.locator("main button:visible, nav:visible, .foot:visible")).to_have_count(0)
