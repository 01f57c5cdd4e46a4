"""What coordinators do each day, in a real browser: sign off, choose a span, hold still, pause, change the order, act on many."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from tests.acceptance.studio import Studio, until
from tests.browser.scenes import LONG_S, submit

Open = Callable[..., Page]


def is_live(page: Page) -> None:
    """Wait for the socket."""
    expect(page.locator(".mode")).to_have_text("live")


def test_morning_check_is_read_signed_once_and_fits_one_page(open_page: Open, studio: Studio) -> None:
    page = open_page("/dashboard/watermark/?range=1h", "ana", "coordinator", allowed=("409",))
    is_live(page)
    stack = page.locator('[data-chart-kind="stack"]')
    expect(page.locator('[data-chart-kind="devices"] .main-svg').first).to_be_visible()
    expect(stack.locator(".main-svg").first).to_be_visible()
    expect(stack.locator(".legend")).to_contain_text("not ours")
    late = open_page("/dashboard/watermark/", "olga", "ops", allowed=("409",))
    page.get_by_label("Note for the next person").fill("fan is loud")
    page.get_by_role("button", name="Sign off").click()
    expect(page.locator("[data-sign]")).to_contain_text("Signed off by ana")
    expect(page.locator("[data-sign]")).to_contain_text("fan is loud")
    expect(page.locator("#sign-title")).to_be_focused()  # read on where one was, although the page is another
    late.get_by_role("button", name="Sign off").click()
    expect(late.locator("[data-sign] .error")).to_contain_text("ana has signed")
    page.emulate_media(media="print")
    assert len(re.findall(rb"/Type\s*/Page[^s]", page.pdf(format="A4"))) == 1
    signed = studio.reader.audit(action="watermark:signed")
    assert [(row["actor"], row["body"]["reason"]) for row in signed] == [("user:ana", "fan is loud")]


def test_zoom_goes_through_all_charts_and_outlives_new_readings(open_page: Open) -> None:
    page = open_page("/dashboard/watermark/?range=1h")
    charts = page.locator('[data-drawn="yes"]:not([hidden])')
    expect(charts).to_have_count(2)
    box = charts.first.locator(".nsewdrag").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    latest = charts.first.evaluate("chart => chart._fullLayout.xaxis.d2p(chart.data[0].x.at(-1))")

    def is_shown_in_the_other() -> bool:  # asked for anew each time: a new reading draws the charts again
        for step in (30, 0):  # where there are readings: the other chart shows the same moment
            page.mouse.move(box["x"] + latest - step, y)
        return charts.nth(1).locator(".hoverlayer line.spikeline, .hoverlayer .legend").count() > 0

    until(is_shown_in_the_other, "the same moment in the other chart")
    page.mouse.move(box["x"] + 0.3 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], y, steps=5)
    page.mouse.up()

    def ranges() -> list[list[str]]:
        return [[str(end)[:19] for end in one.evaluate("chart => chart.layout.xaxis.range")] for one in charts.all()]

    until(lambda: ranges()[0] == ranges()[1], "both charts show the chosen span")
    chosen, points = ranges(), charts.first.evaluate("chart => chart.data[0].x.length")
    until(lambda: charts.first.evaluate("chart => chart.data[0].x.length") > points, "a new reading")
    assert ranges() == chosen


def test_page_held_still_changes_only_when_its_reader_goes_on(open_page: Open, studio: Studio) -> None:
    page = open_page()
    is_live(page)
    page.get_by_role("button", name="Hold still").click()
    job = submit(studio, "day-team", "teacher", 1.0)
    expect(page.locator("[data-held-count]")).to_contain_text("waiting")
    studio.wait_for_end(job)
    assert page.locator(f'[data-events] a[href$="{job}"]').count() == 0
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(f'[data-events] a[href$="{job}"]').first).to_be_visible()


def test_order_is_changed_after_its_preview_and_many_are_cancelled_after_their_list(open_page: Open, studio: Studio) -> None:
    blocker = submit(studio, "night-team", "student", LONG_S, 60)
    studio.wait_for_blocks(blocker, 1)
    first, second = (submit(studio, "market-team", "teacher", 2, priority) for priority in (20, 10))
    page = open_page(f"/dashboard/jobs/{second}", "ana", "coordinator")
    is_live(page)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.get_by_role("button", name="Move to the front").dblclick()  # twice pressed is meant once
    expect(page.locator("#ask")).to_contain_text("From place 2 to place 1 of 2")
    expect(page.locator("#ask")).to_contain_text(f"teacher {first} of market-team: place 1 → 2")
    page.locator("#ask input").fill("the launch is earlier")
    page.get_by_role("button", name="Do it").click()
    expect(page.locator("[data-place-words]")).to_contain_text("number 1 of 2")
    page.wait_for_timeout(1000)  # in which a second "yes" could be sent
    assert sent == [f"{studio.url}/jobs/{second}/priority"]
    (changed,) = studio.reader.audit(action="job:reprioritised", object=f"job:{second}")
    assert changed["body"]["reason"] == "the launch is earlier"

    page.goto(f"{studio.url}/dashboard/jobs?user=market-team&state=open")
    for job in (first, second):
        page.locator(f'input[value="{job}"]').check()
    page.get_by_role("button", name="Cancel the ticked").click()
    expect(page.locator("#ask-title")).to_have_text("Cancel 2 of 2 jobs?")
    page.get_by_role("button", name="Do it").click()
    expect(page.locator("#ask-title")).to_have_text("Done: 2 of 2")
    page.get_by_role("button", name="Leave it").click()
    expect(page.locator("p.empty")).to_contain_text("No job meets these filters")
    page.goto(studio.url + "/dashboard")
    expect(page.get_by_role("link", name="Jobs", exact=True)).to_have_attribute("href", re.compile("user=market-team"))
    studio.door.cancel(blocker)
    studio.wait_for_end(blocker)


def test_pause_says_why_and_until_when_to_everybody(open_page: Open) -> None:
    page, other = open_page("/dashboard", "ana", "coordinator"), open_page("/me")
    is_live(other)
    page.get_by_role("button", name="Pause the queue").click()
    dialog = page.locator("#pause-dialog")
    dialog.get_by_label("Reason").fill("new driver")
    dialog.get_by_label("Until").select_option("900")
    dialog.locator("button.main").click()
    expect(other.locator("#queue-paused")).to_contain_text(re.compile(r"new driver · until \d\d:\d\d"))
    page.get_by_role("button", name="Resume the queue").click()
    expect(other.locator("#queue-paused")).to_be_hidden()


def test_drained_slot_is_told_in_the_line_and_on_the_job_page_with_all_that_stands_before_it(
    open_page: Open, studio: Studio
) -> None:
    running = submit(studio, "day-team", "teacher", LONG_S)
    studio.wait_for_blocks(running, 1)
    first, second = (submit(studio, "day-team", "teacher", LONG_S) for _ in range(2))
    page = open_page("/dashboard", "olga", "ops")
    is_live(page)
    row = page.locator(f'[data-queue] tr[data-job="{second}"] [data-why]')
    expect(row).to_contain_text("others are ahead")
    waiting = open_page(f"/dashboard/jobs/{second}", "olga", "ops")
    others = waiting.locator("[data-why-more]")
    expect(others.get_by_role("link", name=first)).to_be_visible()
    expect(others).to_contain_text(f"{running} plays on slot 0.")
    page.get_by_role("button", name="No new work").click()
    expect(row).to_contain_text("drained")
    card = page.locator('[data-slots] [data-slot="0"] .slot-name')
    expect(card).to_contain_text("drained · by hand")
    page.reload()
    expect(card).to_contain_text("drained · by hand (by olga)")
    expect(waiting.locator("[data-why-full]")).to_contain_text("Every slot is drained")
    expect(others.get_by_role("link", name=first)).to_be_visible()
    own = open_page("/users/day-team", "olga", "ops")
    in_own = own.locator(f'[data-open] tr[data-job="{second}"] [data-why]')
    expect(in_own).to_contain_text("Every slot is drained")
    is_live(own)
    page.get_by_role("button", name="Give work again").click()
    expect(row).to_contain_text("others are ahead")
    expect(row).not_to_have_attribute("title", re.compile("drained"))
    expect(card).not_to_contain_text("by hand")
    expect(card).not_to_contain_text("olga")
    expect(waiting.locator("[data-why-full]")).not_to_contain_text("drained")
    expect(in_own.get_by_role("link", name=first)).to_be_visible()
    expect(in_own).not_to_contain_text("drained")
    for job in (second, first, running):
        studio.door.cancel(job)


def test_what_changes_while_a_page_is_on_its_way_reaches_it(open_page: Open, studio: Studio) -> None:
    running = submit(studio, "day-team", "teacher", LONG_S)
    studio.wait_for_blocks(running, 1)
    first, second = (submit(studio, "day-team", "teacher", LONG_S) for _ in range(2))
    studio.door.drain_slot(0)
    page = open_page("/login", "olga", "ops")

    def meanwhile(route: Route) -> None:
        studio.door.drain_slot(0, False)
        studio.door.cancel(first)
        studio.wait_for_end(first)
        until(lambda: not is_drained(), "the web has heard that the slot takes work")
        route.continue_()

    def is_drained() -> bool:
        return bool(page.request.get(f"{studio.url}/live.json").json()["pulse"]["slots"][0]["drained"])

    until(is_drained, "the web has heard that the slot takes none")
    page.route("**/main.js*", meanwhile)
    page.goto(studio.url + "/dashboard", wait_until="commit")
    rows = page.locator("[data-queue] tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.locator("[data-why]")).to_contain_text("others are ahead")
    expect(page.locator('[data-slots] [data-slot="0"] .slot-name')).not_to_contain_text("by hand")
    for job in (second, running):
        studio.door.cancel(job)
