"""A busy house for browser tests and screenshots: people, jobs that run, wait, gave way, failed and are done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from scheduler.errors import SchedulerError
from scheduler.forecasts import Forecasts
from tests.acceptance.studio import Studio, until


def script(folder: Path, block_s: float, faults: list[dict[str, Any]] | None = None) -> dict[str, str]:
    """Environment that gives the scripted engine its times and faults."""
    path = folder / "script.json"
    path.write_text(json.dumps({"block_s": block_s, "faults": faults or []}), encoding="utf-8")
    return {"GREENROOM_FAKE_SCRIPT": str(path)}


LONG_S = 300.0  # a video that is still played when its test ends it, however slow the machine


def submit(studio: Studio, user: str, role: str, seconds: float | None = None, priority: int | None = None) -> str:
    """A job; its id."""
    wish = {"user": user, "role": role, "duration_sec": seconds, "priority": priority, "fill": "loop" if seconds else None}
    answer = studio.door.submit({name: value for name, value in wish.items() if value is not None})
    return str(answer["id"])


def forecaster_answers(studio: Studio) -> None:
    """Wait until estimates can be asked for: it starts beside the others, and nobody waits for it."""

    def is_there() -> bool:
        try:
            Forecasts(studio.data_dir).score()
        except SchedulerError:
            return False
        return True

    until(is_there, "the forecaster answers")


def busy(studio: Studio) -> dict[str, str]:
    """Jobs of several people in every state; ids by what they are."""
    ids = {"done": submit(studio, "day-team", "teacher", 1.4)}
    studio.wait_for_end(ids["done"])
    studio.door.switch_role("assistant")
    ids["failed"] = submit(studio, "support-team", "student", 1.0)
    studio.wait_for_end(ids["failed"])
    ids["gave_way"] = submit(studio, "night-team", "student", 40, 5)
    studio.wait_for_blocks(ids["gave_way"], 3)
    ids["running"] = submit(studio, "day-team", "presenter", 60, 100)
    for user, role, seconds, priority in (
        ("day-team", "assistant", 6, 40), ("support-team", "teacher", 12, 20), ("market-team", "student", 4, 10),
        ("day-team", "student", 3, 10),
    ):  # fmt: skip
        ids[f"waits_{user}_{role}"] = submit(studio, user, role, seconds, priority)
    studio.wait_for_blocks(ids["running"], 8)
    until(lambda: studio.job(ids["gave_way"])["state"] == "QUEUED", "the job that gave way waits")
    return ids


def sign_in(page: Page, studio: Studio, user: str, group: str = "user") -> None:
    """Sign in with a one-time link, as a person does."""
    page.goto(studio.url + studio.door.create_login_link(user, group, "")["path"])
    page.locator("button.main").click()
    page.wait_for_url("**/dashboard")


def has_picture(page: Page) -> None:
    """Wait until the player shows a frame (polled from here: the page's policy forbids evaluating strings inside)."""
    video = page.locator("video[data-player]")
    until(lambda: video.evaluate("element => element.readyState") >= 2, "a frame in the player")
