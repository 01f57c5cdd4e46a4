"""What people bring, in a real browser: a portrait and a voice into the form, a batch of profiles with the files they name."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.acceptance.studio import Studio, until
from tests.browser.accessibility import serious_issues
from tests.integration.test_uploads import portrait, voice

Open = Callable[..., Page]


def test_own_face_and_voice_are_shown_as_they_will_be_used(open_page: Open, studio: Studio, tmp_path: Path) -> None:
    text = tmp_path / "<b>notes<b>.png"
    text.write_text("no picture", encoding="utf-8")
    page = open_page("/submit?role=teacher", "day-team", allowed=("422",))
    face, sound = page.locator('[data-own="portrait"]'), page.locator('[data-own="voice"]')
    face.locator("[data-file]").set_input_files(text)
    expect(face.locator(".own-words")).to_contain_text("<b>notes<b>.png is no picture")
    face.locator("[data-file]").set_input_files(portrait(tmp_path / "face.png"))
    sound.locator("[data-file]").set_input_files(voice(tmp_path / "voice.wav"))
    expect(face.locator(".own-words")).to_have_text("face.png is here")
    expect(sound.locator(".own-facts")).to_contain_text("gives 2.88 s of video in 6 blocks")
    expect(face.locator("[data-cut]")).to_contain_text("the video is")
    until(lambda: face.locator("img").evaluate("image => image.naturalWidth") == 600, "the portrait is shown")
    until(lambda: sound.locator("audio").evaluate("sound => sound.duration") == 2.5, "the voice can be played")
    assert serious_issues(page) == []
    sound.locator("[data-own-back]").click()
    expect(sound.locator("audio")).to_be_hidden()
    sound.locator("[data-earlier]").select_option(index=1)
    page.locator("form.submit button.main").click()
    page.wait_for_url(re.compile("/dashboard/jobs/j"))
    job = studio.job(page.url.rsplit("/", 1)[1])
    recipe, files = json.loads(job["recipe"]), {row["kind"]: row["sha256"] for row in studio.reader.uploads_of("user:day-team")}
    assert (recipe["portrait_sha256"], recipe["voice_sha256"]) == (files["portrait"], files["voice"])
    studio.wait_for_end(job["id"])


def test_batch_is_seen_line_by_line_before_and_after(open_page: Open, studio: Studio, tmp_path: Path) -> None:
    profiles = [
        {"role": "teacher", "name": "rain", "context": {"topic": "rain <i>"}, "duration_sec": 1},
        {"role": "student", "image": "face.png", "duration_sec": 1}, {"role": "nobody", "name": "3 nobody"},
    ]  # fmt: skip
    (tmp_path / "list.json").write_text(json.dumps(profiles), encoding="utf-8")
    page = open_page("/submit/batch", "day-team")
    page.locator("[data-batch] [data-file]").set_input_files([tmp_path / "list.json", portrait(tmp_path / "face.png")])
    rows = page.locator("[data-batch-table] tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("explains rain <i> to everyone")
    expect(rows.nth(2)).to_contain_text("refused: There is no role 'nobody'")
    expect(page.locator("[data-batch-all]")).to_be_disabled()
    assert serious_issues(page) == []
    page.locator("[data-batch-good]").click()
    expect(page.locator("[data-batch-words]")).to_contain_text("2 done")
    with page.expect_download() as caught:
        page.locator("[data-batch-csv]").click()
    lines = list(csv.DictReader(Path(caught.value.path()).read_text(encoding="utf-8-sig").splitlines()))
    assert [(line["name"], line["state"]) for line in lines] == [("rain", "SUCCEEDED"), ("list-2", "SUCCEEDED"), ("3 nobody", "")]
    page.reload()
    expect(rows).to_have_count(2)
    expect(rows.nth(0).get_by_role("link").first).to_have_attribute("href", re.compile("/dashboard/jobs/j"))
