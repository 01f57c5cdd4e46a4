"""A session on the pages of its parts and in the API: every state in both languages, its video with ranges, for whom."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.unit.dashboard.web_rig import Web
from tests.unit.scheduler.store_rig import READER

MP4 = b"\0\0\0\x18ftypisom" + bytes(range(256)) * 8
PATHS = {
    "QUEUED": (), "SUCCEEDED": ("LEASED", "RUNNING", "SUCCEEDED"), "FAILED": ("LEASED", "RUNNING", "FAILED"),
    "CANCELLED": ("CANCELLED",),
}  # fmt: skip


def relay(house: Web, *ends: str, users: tuple[str, ...] = ()) -> list[str]:
    """Parts that follow each other and ended so; their ids in order."""
    ids: list[str] = []
    for number, end in enumerate(ends, start=1):
        user = users[number - 1] if users else "reader"
        ids.append(house.job(number, user=user, role=("teacher", "student")[number % 2], follows=ids[-1] if ids else ""))
        before = "QUEUED"
        for target in PATHS[end]:
            house.move(ids[-1], before, target, **({"finished_at": time.time()} if target == end else {}))
            before = target
    return ids


def joins(house: Web, is_on: bool) -> None:
    with house.store.transaction():
        house.store.set_fact("joining_now", {"is_on": is_on, "since": 0.0}, time.time())


def joined(house: Web, ids: list[str], is_copied: bool = True, is_there: bool = True) -> None:
    """The one video of these parts, as the daemon keeps it."""
    path = house.data_dir / "jobs" / ids[-1] / "session.mp4"
    if is_there:
        path.parent.mkdir(parents=True)
        path.write_bytes(MP4)
    facts = {
        "path": f"jobs/{ids[-1]}/session.mp4", "sha256": hashlib.sha256(MP4).hexdigest(), "bytes": len(MP4), "frames": 48,
        "seconds": 1.92, "width": 192, "height": 128, "is_copied": is_copied,
        "parts": [{"job": job_id, "start_s": 61.5 * place, "frames": 24} for place, job_id in enumerate(ids)],
    }  # fmt: skip
    with house.store.transaction():
        house.store.keep_joined(ids[-1], ids[0], facts, READER, time.time(), took_s=2.5)


def unjoined(house: Web, ids: list[str], code: str) -> None:
    with house.store.transaction():
        house.store.keep_unjoined(ids[-1], ids[0], code, "The video of j1 is not there.", READER, time.time(), took_s=0.1)


def panel(house: Web, job_id: str, language: str = "en") -> str:
    """The session's part of a job's page."""
    page = house.person("reader").get(f"/dashboard/jobs/{job_id}?lang={language}").text
    return page.partition('<div data-figures="session">')[2].partition("</section>")[0]


def watch(client: FlaskClient, job_id: str, query: str = "", **headers: str) -> TestResponse:
    """The answer to who wants to watch the session, read to its end."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(f"/jobs/{job_id}/session/video{query}", headers=named, buffered=True)


def told(house: Web, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = house.local().get(f"/jobs/{job_id}/session").get_json()
    return found


@pytest.mark.parametrize(
    ("ends", "is_on", "state", "english", "chinese"),
    [
        (("SUCCEEDED", "QUEUED"), True, "open", "When the last part has ended", "最后一段结束后"),
        (("FAILED", "CANCELLED"), True, "broken", "there will be no video of all parts", "不会有整段视频"),
        (("SUCCEEDED", "CANCELLED"), True, "broken", "there will be no video of all parts", "不会有整段视频"),
        (("SUCCEEDED", "SUCCEEDED"), True, "joining", "are becoming one video", "正在合成"),
        (("SUCCEEDED", "SUCCEEDED"), False, "off", "The scripted engine makes no real videos", "脚本引擎不生成真实视频"),
    ],
)  # fmt: skip
def test_page_says_how_far_a_session_is(
    house: Web, ends: tuple[str, ...], is_on: bool, state: str, english: str, chinese: str
) -> None:
    ids = relay(house, *ends)
    joins(house, is_on)
    assert (told(house, ids[0])["state"], told(house, ids[0])["video"], told(house, ids[0])["why"]) == (state, None, None)
    shown = panel(house, ids[0])
    assert f'data-session="{state}"' in shown and english in shown and "part 1 of 2" in shown
    assert f"/dashboard/jobs/{ids[1]}" in shown and f"/dashboard/jobs/{ids[0]}" not in shown, "one's own page needs no way to it"
    assert chinese in panel(house, ids[1], "zh") and "第 2 段，共 2 段" in panel(house, ids[1], "zh")
    missing = watch(house.person("reader"), ids[0])
    assert (missing.status_code, missing.get_json()["error"]["code"]) == (404, "no_session_video")


def test_state_is_not_guessed_before_the_daemon_has_told(house: Web) -> None:
    assert told(house, relay(house, "SUCCEEDED", "SUCCEEDED")[0])["state"] == "joining"


@pytest.mark.parametrize(
    ("is_copied", "english", "chinese"), [(True, "own pictures", "直接拼接"), (False, "Encoded again", "重新编码")]
)
def test_page_shows_the_one_video_and_where_each_part_begins(house: Web, is_copied: bool, english: str, chinese: str) -> None:
    ids = relay(house, "SUCCEEDED", "SUCCEEDED")
    joined(house, ids, is_copied)
    address = f"/jobs/{ids[0]}/session/video"
    for job_id in ids:
        found = told(house, job_id)
        assert (found["state"], found["video"]["address"], found["video"]["is_copied"]) == ("joined", address, is_copied)
        assert [part["starts_s"] for part in found["parts"]] == [0, 61.5]
        shown = panel(house, job_id)
        assert f'src="{address}"' in shown and f"{address}?download=yes" in shown and english in shown and "1:01.5" in shown
    assert chinese in panel(house, ids[0], "zh") and "下载整个会话" in panel(house, ids[0], "zh")
    assert house.local().get(f"/jobs/{ids[1]}").get_json()["session"]["state"] == "joined"


@pytest.mark.parametrize("code", ["part_missing", "refused", "timed_out", "killed", "crashed"])
def test_page_says_why_there_is_no_video_and_whether_it_is_tried_again(house: Web, code: str) -> None:
    ids = relay(house, "SUCCEEDED", "SUCCEEDED")
    unjoined(house, ids, code)
    assert told(house, ids[0])["why"] == {"code": code, "message": "The video of j1 is not there.", "is_again": True}
    shown = panel(house, ids[0])
    assert "tried once more" in shown and "The video of j1 is not there." in shown and f"session.why.{code}" not in shown
    assert "再试一次" in panel(house, ids[0], "zh")
    unjoined(house, ids, code)
    assert "not tried again" in panel(house, ids[0]) and "不再重试" in panel(house, ids[0], "zh")
    assert told(house, ids[0])["why"]["is_again"] is False


def test_video_of_a_session_is_given_whole_in_ranges_and_as_a_file(house: Web) -> None:
    ids = relay(house, "SUCCEEDED", "SUCCEEDED")
    joined(house, ids)
    reader = house.person("reader")
    for job_id in ids:
        whole = watch(reader, job_id)
        assert (whole.status_code, whole.data, whole.mimetype) == (200, MP4, "video/mp4")
    some = watch(reader, ids[0], Range="bytes=4-7")
    assert (some.status_code, some.data, some.headers["Content-Range"]) == (206, b"ftyp", f"bytes 4-7/{len(MP4)}")
    assert watch(reader, ids[0], Range=f"bytes={len(MP4)}-").status_code == 416
    for odd in ("bytes=0-1,4-7", "blocks=1-2", "nonsense"):
        assert watch(reader, ids[0], Range=odd).data == MP4, odd
    assert watch(reader, ids[0], If_None_Match=whole.headers["ETag"]).status_code == 304
    named = watch(reader, ids[0], "?download=yes").headers["Content-Disposition"]
    assert named == f"attachment; filename=session-{ids[0]}.mp4"
    assert watch(reader, ids[0], "?quality=best").status_code == 422


def test_video_that_was_taken_away_is_said_to_be_gone(house: Web) -> None:
    ids = relay(house, "SUCCEEDED", "SUCCEEDED")
    joined(house, ids, is_there=False)
    gone = watch(house.person("reader"), ids[0])
    assert gone.status_code == 404 and "not there any more" in gone.get_json()["error"]["message"]
    chinese = watch(house.person("reader"), ids[0], Accept_Language="zh")
    assert "整段视频已不存在" in chinese.get_json()["error"]["message"]


def test_only_who_may_watch_all_parts_watches_the_session(house: Web) -> None:
    ids = relay(house, "SUCCEEDED", "SUCCEEDED", users=("reader", "somebody"))
    joined(house, ids)
    refused = watch(house.person("reader"), ids[0])
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (403, "no_right")
    assert "<video" not in panel(house, ids[0]) and "own pictures" in panel(house, ids[0])
    assert watch(house.person("boss", "admin"), ids[0]).data == MP4


def test_job_alone_is_in_no_session(house: Web) -> None:
    alone = house.job(1)
    assert house.local().get(f"/jobs/{alone}").get_json()["session"] is None
    assert "data-session=" not in house.person("reader").get(f"/dashboard/jobs/{alone}").text
    missing = house.local().get(f"/jobs/{alone}/session")
    assert (missing.status_code, missing.get_json()["error"]["code"]) == (404, "no_session")
