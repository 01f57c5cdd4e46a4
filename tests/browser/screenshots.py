"""`python -m tests.browser.screenshots`: pictures of every view of a busy house, written to docs/screenshots.

Chinese pages need a Chinese font (Debian: fonts-noto-cjk): without one they show boxes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.studio import ROOT, Studio, until
from tests.browser.house import browser
from tests.browser.scenes import busy, forecaster_answers, has_picture, script, sign_in, submit

TARGET = ROOT / "docs" / "screenshots"
WIDE, NARROW, PAPER = {"width": 1360, "height": 900}, {"width": 390, "height": 844}, {"width": 720, "height": 1018}
FAULTS = [{"job": 11, "block": 1, "do": "fail"}, {"job": 13, "block": 5, "do": "crash"}]
DAY = "2030-05-06"
PLAN = f"""date: {DAY}
entries:
  - {{role: teacher, user: education, window: "10:00-11:00", count: 12, length: 60, fill: loop, context: {{topic: rain}}}}
  - {{role: student, user: education, window: "10:30-12:00", count: 8, length: 6, fill: loop, quality: flexible}}
  - {{role: assistant, user: service, window: "09:00-13:00", count: 20, length: 30, fill: loop}}
  - {{role: presenter, user: market, window: "11:00-11:15", count: 12, length: 60, fill: loop, priority: 100, quality: firm}}
"""


BATCH = """{"role": "teacher", "name": "rain", "context": {"topic": "rain"}, "duration_sec": 4}
{"role": "student", "name": "first-question", "duration_sec": 3}
{"role": "presenter", "name": "opening", "priority": 90}
{"role": "teacher", "name": "too-long", "duration_sec": 50}"""


def settled(page: Page, path: str, studio: Studio, *, is_paper: bool = False) -> None:
    """Open a view and wait until it is live and its charts are drawn. Paper has no header that says so."""
    page.goto(studio.url + path)
    page.locator('.mode[data-mode="live"]').wait_for(state="attached" if is_paper else "visible")
    for chart in page.locator("[data-chart]").all():
        expect(chart).to_have_attribute("data-drawn", "yes")
    for words in ("Adding up …", "Working it out …"):
        expect(page.get_by_text(words, exact=True)).to_have_count(0, timeout=20_000)


def planned(studio: Studio) -> None:
    """Some finished jobs, so that the house knows its pace; a plan that does not fit, filed and checked; a rehearsed day."""
    for user in ("day-team", "market-team", "night-team") * 3:
        studio.wait_for_end(submit(studio, user, "teacher", 3))
    studio.door.file_plan(PLAN, "yaml")
    studio.door.check_plan(PLAN, "yaml")
    until(lambda: studio.reader.plan_check(DAY), "the check is kept", 180)
    studio.door.rehearse("peak", 1)
    until(lambda: studio.reader.rehearsals(1), "the rehearsal is kept", 180)


def take_all(chrome: Browser, studio: Studio, target: Path) -> list[Path]:
    """Every view but a job's, after much has happened: the scripted engine makes it happen soon. The global one also dark, in
    Chinese and on a telephone."""
    planned(studio)
    busy(studio)
    views = {
        "global": "/dashboard", "roles": "/dashboard/roles/", "role": "/dashboard/roles/student", "me": "/me",
        "submit": "/submit?role=teacher", "audit": "/dashboard/audit/", "openapi": "/openapi", "jobs": "/dashboard/jobs",
        "watermark": "/dashboard/watermark/?range=1h", "faults": "/dashboard/faults/", "rights": "/dashboard/rights",
        "queue": "/dashboard/queue/?range=1h", "plan": f"/dashboard/plan/?day={DAY}", "rehearsals": "/dashboard/rehearsals/",
        "policy": "/dashboard/policy", "people": "/dashboard/people", "password": "/password",
    }  # fmt: skip
    with chrome.new_context(viewport=WIDE, locale="en-GB") as context:  # type: ignore[attr-defined]
        page = context.new_page()
        sign_in(page, studio, "day-team", "admin")
        made = [_taken(page, studio, target, name, path) for name, path in views.items()]
        made.append(_batch(page, studio, target))
        page.emulate_media(color_scheme="dark")
        made.append(_taken(page, studio, target, "global-dark", "/dashboard", is_whole=False))
        page.emulate_media(color_scheme="light")
        made.append(_taken(page, studio, target, "global-zh", "/dashboard?lang=zh-CN", is_whole=False))
        page.emulate_media(media="print")
        page.set_viewport_size(PAPER)
        settled(page, "/dashboard/watermark/?range=1h&lang=en", studio, is_paper=True)
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        made.append(target / "watermark-print.png")
        page.screenshot(path=made[-1])
        page.emulate_media(media="screen")
        page.set_viewport_size(NARROW)
        made.append(_taken(page, studio, target, "global-phone", "/dashboard", is_whole=False))
    return made


def take_jobs(chrome: Browser, studio: Studio, target: Path) -> list[Path]:
    """A job that runs and one that is done, by the real engine: these views show its pictures and their scores."""
    done = submit(studio, "day-team", "teacher", 4)
    studio.wait_for_end(done)
    until(lambda: studio.reader.quality(done), "the video is measured", 180)
    design, day = (studio.door.as_actor(f"user:{team}-team") for team in ("design", "day"))
    number = design.write_note(done, "The smile comes a little late here.", 1.4)["number"]
    day.write_note(done, "I shall try another seed.", answers=number)
    design.judge(done, "rejected", "Warmer light, and the smile earlier")
    running = submit(studio, "day-team", "presenter", 30, 100)
    studio.wait_for_blocks(running, 6)
    with chrome.new_context(viewport=WIDE, locale="en-GB") as context:  # type: ignore[attr-defined]
        page = context.new_page()
        sign_in(page, studio, "day-team", "admin")
        views = {"job": f"/dashboard/jobs/{running}", "job-done": f"/dashboard/jobs/{done}"}
        return [_taken(page, studio, target, name, path) for name, path in views.items()]


def _batch(page: Page, studio: Studio, target: Path) -> Path:
    """Many videos at once, after a look at what each profile would become."""
    settled(page, "/submit/batch", studio)
    page.locator("textarea").fill(BATCH)
    page.get_by_role("button", name="Look", exact=True).click()
    expect(page.locator(".batch tbody tr")).to_have_count(4)
    page.screenshot(path=target / "batch.png", full_page=True)
    return target / "batch.png"


def _taken(page: Page, studio: Studio, target: Path, name: str, path: str, *, is_whole: bool = True) -> Path:
    settled(page, path, studio)
    if page.locator("video[data-player]:visible").count():
        has_picture(page)
        page.wait_for_timeout(1000)  # the browser's own sign of loading goes a moment later
    page.screenshot(path=target / f"{name}.png", full_page=is_whole and name not in ("audit", "jobs", "openapi"))
    return target / f"{name}.png"


def shrink(path: Path) -> None:
    """256 colours are enough for a page, and a fifth of the bytes."""
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def main() -> int:
    """Make the pictures; 0 when all are there."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.mkdir(parents=True, exist_ok=True)
    with browser() as chrome:
        for engine, take in (("fake", take_all), ("real", take_jobs)):
            with tempfile.TemporaryDirectory(prefix="greenroom-pictures-") as folder:
                studio = Studio(Path(folder), engine, script(Path(folder), 0.3, FAULTS))
                try:
                    studio.start()
                    forecaster_answers(studio)
                    for path in take(chrome, studio, target):
                        shrink(path)
                        print(path)
                finally:
                    studio.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
