"""Pages on a real store: every view answers, markup in people's text stays text, links in are one-time and lead home."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path

import pytest

from dashboard import vendor
from dashboard.limits import RateLimit
from dashboard.login import _own_path
from dashboard.morning import today
from dashboard.secret import load_secret_key
from dashboard.settings import WebSettings
from scheduler.audit import Actor
from scheduler.prompts.variables import Variable
from scheduler.store.views import ViewReader
from tests.unit.dashboard.web_rig import RECIPE, Web
from tests.unit.scheduler.store_rig import READER, role

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
VIEWS = (
    "/dashboard", "/dashboard/roles/", "/dashboard/roles/teacher", "/me", "/submit", "/dashboard/audit/", "/dashboard/faults/",
    "/openapi", "/login", "/dashboard/jobs", "/dashboard/watermark/", "/dashboard/rights",
)  # fmt: skip


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_view_answers_in_both_languages(house: Web, language: str) -> None:
    job = house.job(user="ada")
    ada = house.person("ada", "admin")
    for path in (*VIEWS, f"/dashboard/jobs/{job}"):
        answer = ada.get(f"{path}?lang={language}", follow_redirects=True, headers={"Accept": "text/html"})
        assert answer.status_code == 200, path
        assert b"<main" in answer.data, path


@pytest.mark.parametrize("path", ["/dashboard", "/users/reader", "/dashboard/jobs/{job}", "/dashboard/jobs", "/dashboard/queue/"])
def test_page_asks_for_what_happens_while_it_is_put_together(house: Web, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    ada, job = house.person("ada", "admin"), house.job(user="reader")
    before = house.store.last_seq()
    open_counts = ViewReader.open_counts

    def meanwhile(self: ViewReader, user: str) -> tuple[int, int]:  # asked by the template, after all rows were read
        if house.store.last_seq() == before:
            house.move(job, "QUEUED", "CANCELLED")
        return open_counts(self, user)

    monkeypatch.setattr(ViewReader, "open_counts", meanwhile)
    page = ada.get(path.format(job=job)).get_data(as_text=True)
    assert house.store.last_seq() > before
    assert f'data-seq="{before}"' in page


def test_markup_in_peoples_text_stays_text(house: Web) -> None:
    with house.store.transaction():
        house.store.put_role(role("student", title=EVIL, prompt_template=EVIL + " {topic}", team=EVIL), READER, 1.0)
    job = house.job(user=EVIL, team=EVIL, role="student", recipe={**RECIPE, "prompt": EVIL})
    house.move(job, "QUEUED", "FAILED", error_code="x", error_message=EVIL, error_hint=EVIL)
    house.job(2, user=EVIL, role=EVIL)
    ada = house.person("ada", "admin")
    with house.store.transaction():
        house.store.put_user(EVIL, "user", EVIL, READER, 1.0)
        house.store.record("watermark:signed", f"watermark:{today('')}", {"reason": EVIL}, Actor(EVIL), time.time())
        house.store.record("fault:muted", "fault:stutter", {"fault": EVIL, "reason": EVIL}, READER, time.time())
        house.store.set_fact("queue_paused", {"is_paused": True, "reason": EVIL, "until": None}, 1.0)
    asked = (
        f"/dashboard/audit/?text={EVIL}", f"/dashboard/jobs?text={EVIL}&user={EVIL}", f"/submit?from={job}",
        f"/login?token={EVIL}&next={EVIL}",
    )  # fmt: skip
    paths = (*VIEWS, "/dashboard/roles/student", f"/dashboard/jobs/{job}", *asked)
    for path in paths:
        page = ada.get(path, follow_redirects=True, headers={"Accept": "text/html"}).get_data(as_text=True)
        assert "<script>alert" not in page, path
        assert "<img src=x" not in page, path
    missing = ada.get(f"/dashboard/roles/{EVIL}", headers={"Accept": "text/html"})
    assert missing.status_code == 404
    assert b"<script>alert" not in missing.data


@pytest.mark.parametrize(("path", "prefix"), [("/submit?role=student", "context."), ("/dashboard/roles/student", "")])
def test_form_offers_only_what_a_variable_takes(house: Web, path: str, prefix: str) -> None:
    variables = {
        "topic": Variable(name="topic", kind="choice", choices=("rain", "snow")),
        "audience": Variable(name="audience", kind="number", minimum=1, maximum=9),
    }
    with house.store.transaction():
        house.store.put_role(role("student", variables=variables, defaults={"topic": "snow", "audience": 3}), READER, 1.0)
    text = house.local().get(path).text
    assert f'<select name="{prefix}topic">' in text
    assert '<option value="snow" selected>' in text and '<option value="rain">' in text
    assert f'type="number" step="any" name="{prefix}audience" value="3" min="1" max="9"' in text


def test_live_rows_have_the_words_of_every_field_and_cause(house: Web) -> None:
    words = json.loads(house.local().get("/dashboard").text.split('id="words">', 1)[1].split("</script>", 1)[0])
    assert {"field.blocks_done", "cause.killed"} <= set(words)


def test_global_view_shows_who_waits_and_why(house: Web) -> None:
    house.job(1, user="reader", priority=10)
    house.job(2, user="tom", priority=90)
    page = house.local().get("/dashboard").get_data(as_text=True)
    assert page.index("tom") < page.index("reader"), "the better priority comes first"
    assert "no worker is ready" in page, "nobody answers, so no slot is ready"
    assert "The scheduler daemon does not answer" in page


def test_user_view_counts_mine_and_all(house: Web) -> None:
    house.job(1, user="reader")
    house.job(2, user="tom")
    page = house.person("reader").get("/users/reader").get_data(as_text=True)
    assert "1 / 2" in page
    assert "tom" not in page


def test_failure_is_among_the_recent_errors(house: Web) -> None:
    job = house.job()
    house.move(job, "QUEUED", "FAILED", error_code="out_of_memory", error_message="The device has no memory left.")
    assert b"The device has no memory left." in house.local().get("/dashboard").data
    published = house.local().get("/dashboard.json").get_json()
    assert set(published) >= {"active_roles", "gpu_utilization", "queue_length", "recent_errors"}
    assert published["recent_errors"][0]["message"] == "The device has no memory left."


def test_missing_sensor_is_none_and_never_zero(house: Web) -> None:
    with house.store.transaction():
        house.store.insert_sample(time.time(), "gpu0", {"name": "H", "memory_used_bytes": 0, "memory_total_bytes": 10})
    device = house.local().get("/devices").get_json()["devices"][0]
    assert device["memory_used_bytes"] == 0
    assert device["utilization_percent"] is None
    text = house.local().get("/metrics").get_data(as_text=True)
    assert 'greenroom_device_memory_used_bytes{device="gpu0"} 0.0' in text
    assert "greenroom_device_utilization_percent{" not in text


def test_chart_has_gaps_where_nothing_was_measured(house: Web) -> None:
    now = time.time()
    with house.store.transaction():
        for ago in (60, 59, 58, 10, 9):
            house.store.insert_sample(now - ago, "cpu", {"memory_used_bytes": 5, "memory_total_bytes": 10})
    memory = house.local().get("/devices/chart?hours=0.5").get_json()["traces"][0]
    assert None in memory["y"]
    assert [value for value in memory["y"] if value is not None] == [50.0] * len([v for v in memory["y"] if v is not None])


def test_sign_in_begins_with_a_question_not_with_the_link(house: Web) -> None:
    page = house.local().get("/login?token=abc")
    assert b'method="post"' in page.data
    assert house.local().post("/login", data={"token": "abc"}).get_json()["error"]["code"] == "bad_form"


def test_nobody_is_sent_elsewhere_after_signing_in() -> None:
    assert _own_path("/users/reader?x=1") == "/users/reader?x=1"
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "evil", "", "/a\\b", "/a\r\nSet-Cookie: x"):
        assert _own_path(target) == "", target


def test_secret_key_is_made_once_and_private(tmp_path: Path) -> None:
    key = load_secret_key(tmp_path / "var")
    assert load_secret_key(tmp_path / "var") == key
    assert len(key) == 32
    assert stat.S_IMODE((tmp_path / "var" / "web.key").stat().st_mode) == 0o600
    (tmp_path / "var" / "web.key").write_bytes(b"short")
    with pytest.raises(ValueError, match="damaged"):
        load_secret_key(tmp_path / "var")


def test_session_cookie_is_closed_to_scripts_and_other_sites(house: Web) -> None:
    cookie = house.local().get("/login").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        WebSettings(zone="Mars/Olympus")
    with pytest.raises(ValueError, match="session_s"):
        WebSettings(session_s=0)


def test_rate_limit_forgives_with_time() -> None:
    limit = RateLimit(rate=2, burst=3, max_keys=2)
    assert [limit.take("a", now=0.0) for _ in range(4)] == [True, True, True, False]
    assert limit.take("a", now=0.5)
    assert limit.take("b", now=0.5) and limit.take("c", now=0.5), "memory is bounded, nobody is shut out"


def test_chart_library_comes_from_its_package_when_the_build_left_it_out(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor, "PLOTLY", Path("nowhere"))
    with house.local().get("/vendor/plotly.js") as answer:
        assert answer.status_code == 200
        assert answer.mimetype == "text/javascript"
        assert b"plotly.js" in answer.data[:300]
