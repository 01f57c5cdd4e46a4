"""What people see without reloading: jobs that come, run and end, the picture while it is made, figures that grow old."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from engine.worker.crash_points import CrashPoint
from tests.acceptance.gate import Gate
from tests.acceptance.studio import Studio, until
from tests.browser.house import Watch
from tests.browser.scenes import LONG_S, has_picture, sign_in, submit

Open = Callable[..., Page]


def is_live(page: Page) -> None:
    """Wait for the socket."""
    expect(page.locator(".mode")).to_have_text("live")


def test_global_view_follows_a_job_without_reloading(open_page: Open, studio: Studio) -> None:
    page = open_page()
    is_live(page)
    page.evaluate("window.isSamePage = true")
    running = submit(studio, "day-team", "student", LONG_S, 50)
    slot = page.locator('[data-slot="0"]')
    expect(slot.locator("[data-slot-role]")).to_have_text("student")
    expect(slot.locator("[data-slot-job]")).to_have_text("for day-team")
    waiting = submit(studio, "night-team", "teacher", 3, 10)
    row = page.locator(f'tr[data-job="{waiting}"]')
    expect(row).to_contain_text("teacher")
    expect(row).to_contain_text("others are ahead")
    expect(row.locator("[data-place]")).to_have_text("1")
    expect(slot.locator('[data-field="blocks_done"]')).to_have_text(re.compile("[3-9]|[1-9][0-9]"))
    urgent = submit(studio, "market-team", "presenter", LONG_S, 100)
    expect(slot.locator("[data-slot-role]")).to_have_text("presenter")
    expect(page.locator(f'tr[data-job="{running}"]')).to_be_visible()
    for job_id in (urgent, running, waiting):
        studio.door.cancel(job_id)
    expect(page.locator("[data-queue] tbody tr")).to_have_count(0)
    assert page.evaluate("window.isSamePage") is True


def test_job_page_fills_time_memory_and_hashes_as_blocks_come(open_page: Open, studio: Studio) -> None:
    job_id = submit(studio, "day-team", "teacher", 2.4)
    page = open_page(f"/dashboard/jobs/{job_id}", "day-team")
    page.evaluate("window.isSamePage = true")
    cost, hashes = page.locator('[data-figures="cost"]'), page.locator('[data-figures="hashes"]')
    hashes.locator("summary").press("Enter")
    studio.wait_for_end(job_id)
    job = studio.job(job_id)
    expect(hashes).to_contain_text(job["video_sha256"])
    expect(hashes.locator("details")).to_have_attribute("open", "")
    expect(hashes.locator("tbody tr")).to_have_count(5)
    expect(hashes.locator("summary")).to_be_focused()  # although the part was written anew, more than once
    expect(page.locator("[data-expect-job]")).to_be_hidden()  # nothing is expected of what is done
    expect(cost.locator(".stages i").first).to_be_visible()
    expect(cost.locator("time", has_text="–")).to_have_count(0)
    expect(cost.locator("dd.num").first).to_contain_text(" s")
    assert page.evaluate("window.isSamePage") is True


def test_role_that_the_stage_is_set_for_is_seen_while_another_plays(open_page: Open, studio: Studio) -> None:
    page = open_page()
    is_live(page)
    running = submit(studio, "day-team", "student", LONG_S, 50)
    slot = page.locator('[data-slot="0"]')
    expect(slot.locator("[data-slot-role]")).to_have_text("student")
    studio.door.switch_role("assistant")
    expect(slot.locator("[data-slot-stage]")).to_have_text("Stage set for assistant")
    expect(slot.locator("[data-slot-role]")).to_have_text("student")
    expect(page.locator("[data-events] li", has_text="switched").first).to_be_visible()
    page.reload()
    expect(slot.locator("[data-slot-stage]")).to_have_text("Stage set for assistant")
    studio.door.cancel(running)


def test_job_page_plays_while_the_video_is_made_and_after(open_page: Open, studio: Studio, gate: Gate) -> None:
    gate.close(CrashPoint.AFTER_BLOCK_DONE)
    job_id = submit(studio, "day-team", "student", 9)
    gate.hold_after_blocks(3)
    page = open_page(f"/dashboard/jobs/{job_id}", "day-team")
    is_live(page)
    video = page.locator("video[data-player]")
    expect(video).to_be_visible()
    has_picture(page)
    assert str(video.get_attribute("src")).startswith("blob:"), "the growing stream plays"
    first = video.evaluate("element => element.buffered.end(0)")
    gate.open(CrashPoint.AFTER_BLOCK_DONE)
    until(lambda: video.evaluate("element => element.buffered.length && element.buffered.end(0)") > first, "more of it")
    studio.wait_for_end(job_id)
    expect(page.locator("#job .status [data-state-word]")).to_have_text("done")
    expect(video).to_have_attribute("src", f"/jobs/{job_id}/video")
    has_picture(page)
    expect(page.get_by_role("link", name="Download")).to_be_visible()
    assert video.evaluate("element => element.duration") == pytest.approx(9, abs=0.6)


def test_note_at_a_moment_is_seen_by_another_at_once_and_a_verdict_by_its_requester(open_page: Open, studio: Studio) -> None:
    wish = {"user": "day-team", "role": "teacher", "duration_sec": 2.4, "preview_first": True}
    asked = studio.door.submit(wish)
    job_id, waiting = asked["preview"]["id"], asked["id"]
    studio.wait_for_end(job_id)
    page = open_page(f"/dashboard/jobs/{job_id}", "day-team")
    judge = open_page(f"/dashboard/jobs/{job_id}", "dora", "designer", allowed=("422",))
    for one in (page, judge):
        is_live(one)
        has_picture(one)
    page.locator("video").evaluate("element => { element.pause(); element.currentTime = 1.2; }")
    expect(page.locator("[data-note-at]")).to_have_text("0:01.2")
    evil = "<img src=x onerror=window.isBroken=1>"
    page.locator("#note-words").fill(evil)
    page.get_by_role("button", name="Write the note").click()
    note = judge.locator("li[data-note]").first
    expect(note).to_contain_text(evil)
    judge.locator("button.moment").click()
    until(lambda: abs(judge.locator("video").evaluate("element => element.currentTime") - 1.2) < 0.1, "the player goes there")
    expect(note).to_be_focused()
    note.get_by_role("button", name="Answer").click()
    judge.locator("#note-words").fill(f"{evil} indeed")
    judge.get_by_role("button", name="Write the note").click()
    expect(page.locator("li[data-note]").first).to_contain_text(f"{evil} indeed")
    expect(page.locator("[data-releases]")).to_contain_text("reject it and that video is cancelled")
    judge.locator("[data-releases] a").click()
    preview = judge.locator("[data-approval=SUCCEEDED]")
    expect(preview.get_by_role("button", name="Approve")).to_be_visible()
    preview.get_by_role("button", name="Reject").click()
    expect(preview.locator(".error")).to_contain_text("A rejection says why")
    preview.locator("input[name=reason]").fill(evil)
    preview.get_by_role("button", name="Reject").click()
    expect(judge.locator("#job .status [data-state-word]")).to_have_text("cancelled")
    expect(preview).to_contain_text(evil)
    assert studio.job(waiting)["error_code"] == "preview_rejected"
    expect(page.locator(".status .verdict")).to_have_text("✕ rejected")
    expect(page.get_by_role("link", name="Make it again with changes")).to_be_visible()
    expect(page.locator("#judge")).to_have_count(0)
    for one in (page, judge):
        assert one.evaluate("window.isBroken") is None


def test_part_that_is_written_anew_keeps_the_error_and_the_words_of_its_form(open_page: Open, studio: Studio) -> None:
    asked = studio.door.submit({"user": "day-team", "role": "teacher", "duration_sec": 2.4, "preview_first": True})
    studio.wait_for_end(asked["preview"]["id"])
    judge = open_page(f"/dashboard/jobs/{asked['id']}", "dora", "designer", allowed=("422",))
    part = judge.locator("[data-approval=SUCCEEDED]")
    expect(part).to_be_visible()
    is_live(judge)
    anew = """() => { // what the page does when something moves, with a part that differs from what the server writes
        document.querySelector('[data-figures=approval]').append(document.createElement('i'));
        document.getElementById('job').dispatchEvent(new CustomEvent('sent'));
    }"""
    late: list[Route] = []
    judge.route("**/figures*", lambda route: late.append(route))
    judge.evaluate(anew)
    until(lambda: bool(late) or judge.wait_for_timeout(50), "the page asks for its figures")
    part.get_by_role("button", name="Reject").click()
    expect(part.locator(".error")).to_contain_text("A rejection says why")
    for route in late:
        route.continue_()
    judge.unroute("**/figures*")
    expect(judge.locator("[data-figures=approval] > i")).to_have_count(0)
    expect(part.locator(".error")).to_contain_text("A rejection says why")
    reason = part.locator("input[name=reason]")
    reason.fill("the light flickers")
    reason.evaluate("element => element.setSelectionRange(4, 9)")
    judge.evaluate(anew)
    expect(judge.locator("[data-figures=approval] > i")).to_have_count(0)
    expect(reason).to_be_focused()
    expect(reason).to_have_value("the light flickers")
    assert reason.evaluate("element => [element.selectionStart, element.selectionEnd]") == [4, 9]
    part.get_by_role("button", name="Reject").click()
    expect(judge.locator("#job .status [data-state-word]")).to_have_text("cancelled")


def test_two_people_see_a_preemption_each_in_their_own_page(open_page: Open, studio: Studio) -> None:
    low = submit(studio, "night-team", "student", LONG_S, 5)
    studio.wait_for_blocks(low, 3)
    tom, ana = open_page(f"/dashboard/jobs/{low}", "night-team"), open_page("/users/market-team", "market-team")
    is_live(tom)
    is_live(ana)
    high = submit(studio, "market-team", "presenter", LONG_S, 100)
    expect(tom.locator("[data-why-full]")).to_contain_text(re.compile("gave way|may not play together"))
    expect(ana.locator(f'tr[data-job="{high}"] [data-state-word]')).to_have_text("running")
    assert tom.locator(f'tr[data-job="{high}"]').count() == 0
    studio.door.cancel(high)
    studio.wait_for_end(high)
    expect(tom.locator("#job .status [data-state-word]")).to_have_text("running")
    studio.door.cancel(low)
    studio.wait_for_end(low)


def test_person_pauses_resumes_and_cancels_from_the_page(open_page: Open, studio: Studio) -> None:
    job_id = submit(studio, "day-team", "student", LONG_S)
    studio.wait_for_blocks(job_id, 1)
    page = open_page(f"/dashboard/jobs/{job_id}", "day-team")
    page.on("dialog", lambda dialog: dialog.accept())
    is_live(page)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("[data-why-full]")).to_contain_text("Paused by a person")
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    expect(page.get_by_role("button", name="Resume")).to_be_focused()  # where the other button went
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#job .status [data-state-word]")).to_have_text("running")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#job .status [data-state-word]")).to_have_text("cancelled")
    expect(page.get_by_role("button", name="Make again")).to_be_visible()


def test_job_is_submitted_by_keyboard_alone(open_page: Open, studio: Studio) -> None:
    page = open_page("/submit?role=teacher", "day-team", allowed=("422",))
    expect(page.locator("[data-for-role=teacher] output")).to_contain_text("today's lesson")
    page.locator('input[name="context.topic"]:visible').focus()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("rain")
    expect(page.locator("[data-for-role=teacher] output")).to_contain_text("rain")
    page.locator('input[name="duration_sec"]').focus()
    page.keyboard.type("900")
    page.keyboard.press("Enter")
    expect(page.locator(".submit .error")).to_contain_text("lasts")
    expect(page.locator('input[name="duration_sec"]')).to_be_focused()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("1.4")
    page.keyboard.press("Enter")
    page.wait_for_url("**/dashboard/jobs/j*")
    expect(page.locator("#job .status [data-state-word]")).to_have_text("done")
    expect(page.locator("dd", has_text="rain")).to_be_visible()


def test_figures_grow_old_within_seconds_when_the_daemon_stops_and_come_back(open_page: Open, studio: Studio) -> None:
    page = open_page()
    is_live(page)
    expect(page.locator("body")).not_to_have_class("stale")
    daemon, launcher = studio.processes("daemon")[-1].pid, studio.launcher
    assert launcher is not None
    for pid in (launcher.pid, daemon):  # the launcher first: it would put another daemon in the place of one that is stopped
        os.kill(pid, signal.SIGSTOP)
    try:
        expect(page.locator("body")).to_have_class("stale", timeout=20_000)
        expect(page.locator("[data-stale-words]")).to_contain_text("no news for")
    finally:
        for pid in (daemon, launcher.pid):
            os.kill(pid, signal.SIGCONT)
    expect(page.locator("body")).not_to_have_class("stale")


def test_page_polls_when_the_socket_is_blocked(contexts: Callable[..., tuple[BrowserContext, Watch]], studio: Studio) -> None:
    context, watch = contexts()
    watch.allowed += ["socket.io", "WebSocket"]
    context.add_init_script("window.WebSocket = class { constructor() { throw new Error('blocked'); } };")
    page = context.new_page()
    sign_in(page, studio, "day-team")
    expect(page.locator(".mode")).to_have_text("polling")
    page.goto(studio.url + "/users/day-team")
    expect(page.locator(".mode")).to_have_text("polling")
    job_id = submit(studio, "day-team", "student", LONG_S)
    expect(page.locator(f'tr[data-job="{job_id}"] [data-state-word]')).to_have_text("running")
    studio.door.cancel(job_id)
    expect(page.locator(f'tr[data-job="{job_id}"]')).to_have_count(0)


def test_page_without_the_socket_library_polls(contexts: Callable[..., tuple[BrowserContext, Watch]], studio: Studio) -> None:
    context, watch = contexts()
    watch.allowed += ["ERR_FAILED"]
    context.route("**/vendor/socket.io.js", lambda route: route.abort())
    page = context.new_page()
    page.goto(studio.url + "/dashboard")
    expect(page.locator(".mode")).to_have_text("polling")
