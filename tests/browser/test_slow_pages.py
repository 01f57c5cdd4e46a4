"""Pages that are slow: what happens before their scripts and their connection are there, and answers that come too late."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import APIResponse, BrowserContext, Page, Route, expect

from tests.acceptance.studio import Studio, until
from tests.browser.house import Watch
from tests.browser.scenes import LONG_S, sign_in, submit
from tests.integration.test_uploads import portrait

Open = Callable[..., Page]
DAY = "2030-05-06"


class OnItsWay:
    """The first answer to such a question: the house has given it, and the page has it when `arrive` is called."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, re.compile(address)
        self.found: list[tuple[Route, APIResponse]] = []
        page.route(self.address, self._take)

    def _take(self, route: Route) -> None:
        if self.found:
            route.continue_()
        else:
            self.found.append((route, route.fetch()))

    def is_given(self) -> bool:
        """Whether the house has answered; the page's events are heard meanwhile."""
        self.page.wait_for_timeout(50)
        return bool(self.found)

    def arrive(self) -> None:
        """The page has the answer, and time to do with it what it does."""
        route, answer = self.found[0]
        route.fulfill(response=answer)
        self.page.wait_for_timeout(500)


def is_live(page: Page) -> None:
    """Wait for the socket."""
    expect(page.locator(".mode")).to_have_text("live")


def places(page: Page) -> list[tuple[str, str]]:
    """(job, place) of the rows that a page shows as the line."""
    rows = page.locator("[data-queue] tbody tr, [data-open] tbody tr").all()
    return [(str(row.get_attribute("data-job")), row.locator("[data-place]").inner_text()) for row in rows]


def test_line_is_right_that_changed_before_the_page_could_listen(open_page: Open, studio: Studio) -> None:
    running = submit(studio, "night-team", "student", LONG_S, 90)
    studio.wait_for_blocks(running, 1)
    first = submit(studio, "day-team", "teacher", 3, 20)
    watcher, page = open_page("/dashboard"), open_page("/login", "olga", "ops")
    is_live(watcher)
    others: list[str] = []

    def meanwhile(route: Route) -> None:
        others.append(submit(studio, "market-team", "teacher", 3, 60 + len(others)))
        expect(watcher.locator(f'tr[data-job="{others[-1]}"] [data-place]')).to_have_text("1")  # who listens was told
        route.continue_()

    page.route("**/main.js*", meanwhile)
    page.goto(f"{studio.url}/dashboard", wait_until="commit")
    is_live(page)
    until(lambda: places(page) == [(others[0], "1"), (first, "2")], "the line in its order, with its numbers")
    page.goto(f"{studio.url}/users/day-team", wait_until="commit")
    is_live(page)
    until(lambda: places(page) == [(first, "3")], "one's own place")
    for job in (*others, first, running):
        studio.door.cancel(job)


def test_older_answer_does_not_undo_what_a_job_page_was_told_since(open_page: Open, studio: Studio) -> None:
    job = submit(studio, "day-team", "student", LONG_S)
    studio.wait_for_blocks(job, 1)
    page = open_page(f"/dashboard/jobs/{job}", "day-team")
    is_live(page)
    page.wait_for_timeout(1500)  # its first look is over
    late = OnItsWay(page, f"/jobs/{job}$")
    until(late.is_given, "the next block has the page ask for more")
    studio.door.cancel(job)
    state = page.locator("#job .status [data-state-word]")
    expect(state).to_have_text("cancelled")
    page.wait_for_timeout(2500)  # in which a later question could be asked and answered
    late.arrive()
    expect(page.get_by_role("button", name="Make again")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_hidden()
    expect(state).to_have_text("cancelled")


def test_older_poll_does_not_bring_back_what_is_gone(
    contexts: Callable[..., tuple[BrowserContext, Watch]], studio: Studio
) -> None:
    context, watch = contexts()
    watch.allowed += ["socket.io", "WebSocket"]
    context.add_init_script("window.WebSocket = class { constructor() { throw new Error('blocked'); } };")
    page = context.new_page()
    sign_in(page, studio, "day-team")
    running = submit(studio, "night-team", "student", LONG_S, 90)
    page.goto(f"{studio.url}/users/day-team")
    expect(page.locator(".mode")).to_have_text("polling")
    job = submit(studio, "day-team", "teacher", 3, 10)
    row = page.locator(f'[data-open] tr[data-job="{job}"]')
    late = OnItsWay(page, "/live.json")
    until(late.is_given, "a poll is on its way")
    studio.door.cancel(job)
    page.wait_for_timeout(5000)  # in which two others could be asked and answered
    late.arrive()
    expect(row).to_have_count(0)
    page.wait_for_timeout(2500)
    expect(row).to_have_count(0)
    studio.door.cancel(running)


def test_row_that_is_fetched_is_not_of_a_job_that_went_meanwhile(open_page: Open, studio: Studio) -> None:
    running = submit(studio, "night-team", "student", LONG_S, 90)
    studio.wait_for_blocks(running, 1)
    job = submit(studio, "day-team", "teacher", 3, 20)
    page = open_page("/dashboard", "olga", "ops")
    is_live(page)
    row = page.locator(f'[data-queue] tr[data-job="{job}"]')
    expect(row.locator("[data-place]")).to_have_text("1")
    row.evaluate("row => row.remove()")  # as if it had stood behind what the view shows
    late = OnItsWay(page, "/queue$")
    other = submit(studio, "market-team", "teacher", 3, 60)
    until(late.is_given, "the page asks for the row that it lacks")
    studio.door.cancel(job)
    expect(page.locator(f'[data-events] li:has(a[href$="{job}"])', has_text="cancelled")).to_be_visible()
    late.arrive()
    expect(page.locator("[data-queue] tbody tr")).to_have_count(1)
    expect(row).to_have_count(0)
    for one in (other, running):
        studio.door.cancel(one)


def test_preview_is_of_the_words_that_were_typed_last(open_page: Open) -> None:
    page = open_page("/dashboard/roles/teacher", "day-team", "planner")
    shown = page.locator("output.preview")
    expect(shown).to_contain_text("today's lesson")
    late = OnItsWay(page, "/preview$")
    page.locator('input[name="topic"]').fill("rain")
    until(late.is_given, "a preview is on its way")
    page.locator('input[name="topic"]').fill("snow")
    expect(shown).to_contain_text("snow")
    late.arrive()
    expect(shown).to_contain_text("snow")

    page.unroute(late.address)
    page.goto(page.url.replace("/dashboard/roles/teacher", "/submit?role=teacher"))
    shown = page.locator("[data-for-role=teacher] output")
    topic = page.locator('input[name="context.topic"]:visible')
    expect(shown).to_contain_text("today's lesson")
    late = OnItsWay(page, "/preview$")
    topic.fill("rain")
    until(late.is_given, "a preview is on its way")
    topic.fill("snow")
    expect(shown).to_contain_text("snow")
    late.arrive()
    expect(shown).to_contain_text("snow")


def test_older_look_at_a_plan_or_a_batch_does_not_stand_where_the_last_belongs(open_page: Open, studio: Studio) -> None:
    page = open_page(f"/dashboard/plan/?day={DAY}", "rosa", "planner")
    text, result = page.get_by_label("Text of the plan"), page.locator("#plan-result")
    text.fill(f"date: {DAY}\nentries:\n  - {{role: student, user: rosa, window: '09:00-10:00'}}\n")
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("[data-plan-status]")).to_have_text("Checked.")
    late = OnItsWay(page, r"/plan/\?day=")
    page.get_by_role("button", name="File it for the day").click()
    until(late.is_given, "what was filed is on its way")
    text.fill(text.input_value().replace("10:00", "11:00"))
    page.get_by_role("button", name="File it for the day").click()
    expect(result).to_contain_text("This is not the plan that is filed")
    late.arrive()
    expect(result).to_contain_text("This is not the plan that is filed")

    page.goto(f"{studio.url}/submit/batch")
    pasted, look = page.locator("[data-paste]"), page.locator("[data-batch-look]")
    late = OnItsWay(page, "/jobs/batch/check$")
    pasted.fill('[{"role": "teacher", "name": "rain"}]')
    look.click()
    until(late.is_given, "what the first list would become is on its way")
    pasted.fill('[{"role": "teacher", "name": "snow"}]')
    look.click()
    names = page.locator("[data-batch-table] tbody th")
    expect(names).to_have_text("snow")
    late.arrive()
    expect(names).to_have_text("snow")


def test_older_look_at_the_faults_does_not_hide_a_later_one(open_page: Open, studio: Studio) -> None:
    page, other = open_page("/dashboard/faults/", "olga", "ops"), open_page("/dashboard", "olga", "ops")
    is_live(page)
    token = str(other.locator('meta[name="csrf"]').get_attribute("content"))

    def mute(fault: str) -> None:
        wish = {"fault": fault, "reason": "known"}
        answer = other.request.post(f"{studio.url}/faults/mute", data=wish, headers={"X-CSRF-Token": token})
        assert answer.ok, answer.text()

    late = OnItsWay(page, "/dashboard/faults/$")
    mute("hung_step")
    until(late.is_given, "the page looks again")
    mute("stutter")
    page.wait_for_timeout(2500)  # in which it could look once more
    late.arrive()
    expect(page.locator('[aria-labelledby="muted-title"] li')).to_have_count(2)


def test_line_of_a_log_stands_there_once(open_page: Open, studio: Studio) -> None:
    job = submit(studio, "day-team", "teacher", 1.0)
    studio.wait_for_end(job)
    page = open_page(f"/dashboard/jobs/{job}", "day-team", "admin")
    is_live(page)
    place = page.locator("[data-log]")
    late = OnItsWay(page, r"[?&]after=0$")
    place.locator("summary").click()
    until(late.is_given, "its beginning is on its way")
    page.wait_for_timeout(2500)  # in which it could be asked for again
    late.arrive()
    expect(place.locator("li").first).to_be_visible()
    lines = place.locator("li").all_inner_texts()
    assert len(lines) == len(set(lines))


def test_what_is_pressed_and_chosen_before_the_scripts_are_there_is_not_lost(
    open_page: Open, studio: Studio, tmp_path: Path
) -> None:
    page = open_page("/login", "ana", "coordinator")
    held: list[Route] = []
    page.route("**/js/main.js", lambda route: held.append(route))

    def arrives(path: str) -> None:
        page.goto(studio.url + path, wait_until="commit")
        until(lambda: bool(held) or page.wait_for_timeout(50), "the page asks for its scripts")

    arrives("/dashboard")
    page.get_by_role("button", name="Pause the queue").click()
    page.locator("[data-keys-help]").click()
    assert page.url.endswith("/dashboard"), "the browser sent the form by itself"
    held.pop().continue_()
    expect(page.locator("#pause-dialog")).to_be_visible()
    expect(page.locator("#keys")).to_be_visible()

    arrives("/submit?role=teacher")
    page.locator('[data-own="portrait"] [data-file]').set_input_files(portrait(tmp_path / "face.png"))
    page.locator('input[name="role"][value="student"]').check()
    held.pop().continue_()
    expect(page.locator('[data-own="portrait"] .own-words')).to_have_text("face.png is here")
    expect(page.locator("[data-for-role=student]")).to_be_visible()
    expect(page.locator("[data-for-role=teacher]")).to_be_hidden()
