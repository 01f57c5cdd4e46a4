"""A machine whose clock was set under a running house: who is told, in which words, and what goes on as if nothing was."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import pytest

from dashboard import formats
from dashboard.house_clock import clock_off
from dashboard.overview import pulse_message
from dashboard.pulse import Beat, Pulse
from scheduler import clock
from tests.unit.dashboard.web_rig import Web

HOUR_S = 3600.0
NOW = 1_790_000_000.0
BANNER = re.compile(r'<p class="banner[^"]*" id="clock-off"([^>]*)>(.*?)</p>', re.DOTALL)
SIGNED_IN = ">olga</a>"


def beat(off_s: float) -> Beat:
    """An answer of a daemon behind whose time the machine's clock is so far ahead."""
    return Beat(at=NOW, status={"daemon": {"now": NOW}}, wall_at=NOW + off_s)


def banner(page: str) -> tuple[bool, str]:
    """(is shown, its words)."""
    (found,) = BANNER.findall(page)
    return "hidden" not in found[0], " ".join(re.sub("<[^>]+>", "", found[1]).split())


@pytest.mark.parametrize("group", ["ops", "admin", "coordinator"])
def test_who_tends_the_house_is_told_on_every_page_how_far_its_time_lies_off_and_the_way_out(
    house: Web, monkeypatch: pytest.MonkeyPatch, group: str
) -> None:
    client = house.person("olga", group)
    for off_s, says in ((HOUR_S, "60 min behind it"), (-5 * HOUR_S, "5 h ahead of it")):
        monkeypatch.setattr(Pulse, "last", beat(off_s))
        for path in ("/dashboard", "/dashboard/queue/", "/dashboard/jobs", "/me", "/dashboard/audit/"):
            is_shown, words = banner(client.get(path, follow_redirects=True).text)
            assert is_shown and words.startswith("◷ Clock") and says in words
            assert "Stop role_scheduler serve and start it again" in words
    is_shown, words = banner(client.get("/dashboard?lang=zh").text)
    assert is_shown and words.startswith("◷ 时钟") and "快 5 小时" in words


def test_there_is_no_banner_where_the_clock_is_right_and_none_for_others(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    olga, ada = house.person("olga", "ops"), house.person("ada", "planner")
    for right in (beat(30.0), beat(-30.0), Beat()):
        monkeypatch.setattr(Pulse, "last", right)
        assert banner(olga.get("/dashboard").text) == (False, "◷ Clock:")
        assert pulse_message(right, house.house.reads, house.house.settings)["clock"] is None
    monkeypatch.setattr(Pulse, "last", beat(HOUR_S))
    for client in (ada, house.local()):
        assert not BANNER.findall(client.get("/dashboard").text)


@pytest.mark.parametrize(
    ("off_s", "told"),
    [(61, ("behind", "minutes", 1)), (7100, ("behind", "minutes", 118)), (7200, ("behind", "hours", 2)),
     (-90 * 24 * HOUR_S, ("ahead", "hours", 2160)), (60, None), (-60, None)],
)  # fmt: skip
def test_distance_is_told_in_minutes_and_from_two_hours_on_in_hours(off_s: float, told: tuple[str, str, int] | None) -> None:
    found = clock_off(off_s)
    assert (None if found is None else tuple(found.values())) == told


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S, 90 * 24 * HOUR_S])
def test_nobody_is_signed_out_because_the_clock_was_set(house: Web, monkeypatch: pytest.MonkeyPatch, jump_s: float) -> None:
    monkeypatch.setattr(clock, "_AHEAD_S", time.time() - time.monotonic())
    client, real = house.person("olga", "ops"), time.time
    assert SIGNED_IN in client.get("/dashboard").text
    monkeypatch.setattr(time, "time", lambda: real() + jump_s)
    assert SIGNED_IN in client.get("/dashboard").text


def test_today_is_the_day_of_the_house(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_AHEAD_S", NOW - time.monotonic())
    assert re.fullmatch(r"\d\d:\d\d:\d\d", formats.clock(NOW, UTC))
    assert formats.clock(time.time(), UTC).startswith("20")
    day = datetime.fromtimestamp(NOW, formats.zone_of(house.house.settings.zone)).date().isoformat()
    assert f'value="{day}"' in house.person("olga", "ops").get("/dashboard/plan/").text
