"""What every request must pass, and the one shape of every error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.dashboard.web_rig import AWAY, Web, web


def shape(answer: Any, status: int) -> dict[str, Any]:
    """The error of an answer in the one shape."""
    assert answer.status_code == status, answer.get_data(as_text=True)
    body = answer.get_json()
    assert set(body) == {"error"}
    assert set(body["error"]) >= {"code", "message", "field", "hint"}
    found: dict[str, Any] = body["error"]
    return found


def test_page_of_another_site_may_not_act(house: Web) -> None:
    answer = house.local().post("/jobs", json={"role": "teacher"}, headers={"Origin": "http://evil.example"})
    assert shape(answer, 403)["code"] == "foreign_origin"
    sandboxed = house.local().post("/jobs", json={"role": "teacher"}, headers={"Origin": "null"})
    assert shape(sandboxed, 403)["code"] == "foreign_origin"


def test_change_that_is_no_json_is_refused(house: Web) -> None:
    answer = house.local().post("/jobs", data="role=teacher", content_type="application/x-www-form-urlencoded")
    assert shape(answer, 415)["code"] == "not_json"


def test_body_of_ten_megabytes_is_refused(house: Web) -> None:
    answer = house.local().post("/jobs", data=b"x" * (10 << 20), content_type="application/json")
    assert shape(answer, 413)["code"] == "too_large"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, None), (b"[]", 422, None), (b'{"role": 3}', 422, "role"), (b"{}", 422, "role"),
        (b'{"rolle": "teacher"}', 422, "rolle"),
        (b'{"role": "a", "role": "b"}', 400, None), (b'{"role": "a", "duration_sec": NaN}', 400, None),
        (b'{"role": "a", "seed": "4"}', 422, "seed"),
        (b"[" * 100_000, 400, None), (b'{"role": "a", "context": {"x": {"y": 1}}}', 422, "context.x"),
    ],
)  # fmt: skip
def test_bad_body_names_the_field(house: Web, body: bytes, status: int, field: str | None) -> None:
    error = shape(house.local().post("/jobs", data=body, content_type="application/json"), status)
    assert error["field"] == field


def test_job_for_nobody_is_refused_and_not_taken_for_the_caller(house: Web) -> None:
    error = shape(house.local().post("/jobs", json={"role": "teacher", "user": ""}), 422)
    assert (error["field"], error["message"]) == ("user", "user is empty.")
    assert "without it the caller" in error["hint"]


def test_unknown_address_and_method_speak_the_same_shape(house: Web) -> None:
    assert shape(house.local().get("/nothing"), 404)["code"] == "not_found"
    wrong = house.local().delete("/jobs")
    assert shape(wrong, 405)["code"] == "method_not_allowed"
    assert "GET" in wrong.headers["Allow"]


def test_mistake_of_ours_speaks_the_same_shape(house: Web) -> None:
    house.app.add_url_rule("/breaks", "breaks", lambda: 1 // 0)
    assert shape(house.local().get("/breaks"), 500)["code"] == "internal_error"


def test_person_gets_an_error_as_a_page(house: Web) -> None:
    answer = house.local().get("/dashboard/jobs/jnothing", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert b"<h1>Not found</h1>" in answer.data


def test_query_with_an_unknown_name_is_refused(house: Web) -> None:
    assert shape(house.local().get("/jobs?stat=open"), 422)["field"] == "stat"
    assert shape(house.local().get("/jobs?page=1&page=2"), 422)["field"] == "page"
    assert shape(house.local().get("/jobs?sort=nothing"), 422)["field"] == "sort"


def test_wish_without_daemon_is_503_with_the_way_out(house: Web) -> None:
    error = shape(house.local().post("/jobs", json={"role": "teacher"}), 503)
    assert error["code"] == "daemon_unreachable"
    assert "role_scheduler serve" in error["hint"]


def test_too_many_changes_at_once_are_held_back(tmp_path: Path) -> None:
    with web(tmp_path, writes_per_s=0.2) as house:  # one at once; the next after five seconds, whatever the machine's pace
        client = house.local()
        answers = [client.post("/jobs/j1/cancel", json={}).status_code for _ in range(4)]
    assert answers[0] == 404
    assert 429 in answers


def test_every_answer_carries_the_security_headers(house: Web) -> None:
    for path in ("/healthz", "/dashboard", "/nothing"):
        headers = house.local().get(path).headers
        assert "script-src 'self';" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_caller_from_elsewhere_must_sign_in(house: Web) -> None:
    client = house.local()
    assert shape(client.get("/jobs", environ_base=AWAY), 401)["code"] == "sign_in"
    for headers in ({"X-Forwarded-For": "10.1.2.3"}, {"Host": "studio.example"}):
        assert client.get("/jobs", headers=headers).status_code == 401, headers
    page = client.get("/dashboard", environ_base=AWAY, headers={"Accept": "text/html"})
    assert page.status_code == 303
    assert page.headers["Location"].startswith("/login?next=")


def test_store_that_is_not_there_yet_is_503(house: Web) -> None:
    house.house.reads.data_dir = house.data_dir / "nowhere"
    assert shape(house.local().get("/jobs"), 503)["code"] == "no_store"
    assert house.local().get("/healthz").status_code == 200


def test_who_is_signed_in_and_lacks_a_right_is_not_sent_to_sign_in(house: Web) -> None:
    ask = {"Accept": "text/html"}
    assert 'href="/login"' not in house.person("anna", "user").get("/dashboard/audit/", headers=ask).text
    assert 'href="/login"' in house.local().get("/dashboard/people", headers=ask).text
