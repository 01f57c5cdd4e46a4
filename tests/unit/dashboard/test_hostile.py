"""Input that nobody means well with: every answer is one of ours, none is a mistake of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.login import _own_path
from tests.unit.dashboard.test_guard import shape
from tests.unit.dashboard.test_routes import address
from tests.unit.dashboard.web_rig import AWAY, Web, web

FORM = "application/x-www-form-urlencoded"
HUGE = "9" * 30
HALF = b'"\\ud800"'  # half a surrogate pair


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "//localhost", "null", "http://localhost.evil.example", "\xe9"])
def test_strange_origin_is_foreign(house: Web, origin: str) -> None:
    assert shape(house.local().post("/jobs", json={}, headers={"Origin": origin}), 403)["code"] == "foreign_origin"


@pytest.mark.parametrize("host", ["[", "[::1", "127.0.0.1@evil.example", "0", "2130706433", "localhost.evil.example", ""])
def test_strange_host_is_not_this_machine(house: Web, host: str) -> None:
    assert house.local().get("/jobs", headers={"Host": host}).status_code in (400, 401)


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via", "True-Client-IP",
     "CF-Connecting-IP"],
)  # fmt: skip
def test_caller_behind_a_proxy_is_not_this_machine(house: Web, header: str) -> None:
    assert shape(house.local().get("/jobs", headers={header: "127.0.0.1"}), 401)["code"] == "sign_in"


def test_nobody_is_this_machine_where_a_proxy_ends_the_tls(tmp_path: Path) -> None:
    with web(tmp_path, is_https=True) as made:  # a proxy by its defaults says neither whom it serves nor under which name
        assert shape(made.local().get("/jobs"), 401)["code"] == "sign_in"
        page = made.local().get("/login")
        assert "Secure" in page.headers["Set-Cookie"]


def test_form_token_of_any_letters_is_refused(house: Web) -> None:
    assert shape(house.local().post("/login", data={"csrf": "é", "token": "x"}), 403)["code"] == "bad_form"
    answer = house.person("reader").post("/jobs", json={}, headers={"X-CSRF-Token": "\xe9"})
    assert shape(answer, 403)["code"] == "bad_form"


@pytest.mark.parametrize(
    "target",
    ["//evil", "/\\evil", "/\t/evil", "https://evil", "javascript:alert(1)", "//[", "/ok\r\nX: y", "/\x00", "\\\\evil", " /x",
     ""],
)  # fmt: skip
def test_nobody_is_sent_to_another_site(house: Web, target: str) -> None:
    answer = house.local().post("/language", data={"language": "en", "next": target})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/dashboard")


def test_own_path_is_kept_with_its_query() -> None:
    assert _own_path("/jobs?state=open&text=a%20b") == "/jobs?state=open&text=a%20b"


@pytest.mark.parametrize(
    "path",
    ["/jobs/%0d%0aSet-Cookie:a=b", "/jobs/..%2f..", "/jobs/%2e%2e", "/jobs/%00", "/roles/%00", "/roles/%ff", "/roles/%2fetc",
     "/roles/%2e%2e/portrait", "/roles/..%2f..%2fetc%2fpasswd/portrait", "/jobs/%2e%2e/video", "/jobs/%2Fetc/video",
     "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/%2fetc/passwd", "/static/%00", "/vendor/%2e%2e/x",
     "/dashboard/jobs/%00", "/dashboard/roles/%2e%2e%2f"],
)  # fmt: skip
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_strange_path_finds_nothing(house: Web, path: str, accept: str) -> None:
    answer = house.local().get(path, headers={"Accept": accept}, follow_redirects=True)
    assert answer.status_code == 404, (path, answer.data[:200])
    assert b"root:" not in answer.data
    assert "Set-Cookie" not in answer.headers


def test_redirect_to_a_page_stays_one_path_segment(house: Web) -> None:
    answer = house.local().get("/jobs/%0d%0ax%3Fy%23z", headers={"Accept": "text/html"})
    assert answer.headers["Location"] == "/dashboard/jobs/%0D%0Ax%3Fy%23z"


@pytest.mark.parametrize(
    "path",
    [f"/jobs?page={HUGE}", f"/audit?before_seq={HUGE}", "/audit?before_seq=9223372036854775808", f"/live.json?since={HUGE}",
     "/live.json?since=9223372036854775808", "/devices/chart?hours=nan", "/devices/chart?hours=inf", "/jobs?sort=%00",
     f"/jobs/x/video?from={HUGE}", f"/dashboard/audit/?before_seq={HUGE}", f"/audit.csv?before_seq={HUGE}"],
)  # fmt: skip
def test_number_beyond_the_store_is_refused(house: Web, path: str) -> None:
    answer = house.person("ada", "ops").get(path, headers={"Accept": "application/json"})
    assert answer.status_code in (404, 422), answer.data
    assert shape(answer, answer.status_code)["message"]


@pytest.mark.parametrize("path", ["/jobs", "/switch_role", "/roles/teacher/preview"])
@pytest.mark.parametrize(
    "body",
    [b'{"role": "teacher", "context": {"topic": ' + HALF + b"}}", b'{"role": "teacher", "context": {' + HALF + b": 1}}",
     b"{" + HALF + b": 1}", b'{"role": ' + HALF + b"}", "{}".encode("utf-16"), b"\xff", b"\xef\xbb\xbf{}"],
)  # fmt: skip
def test_text_that_is_no_text_is_bad_json(house: Web, path: str, body: bytes) -> None:
    answer = house.local().post(path, data=body, content_type="application/json")
    assert shape(answer, 400)["code"] == "bad_json"


def test_whole_surrogate_pair_is_text(house: Web) -> None:
    answer = house.local().post("/roles/teacher/preview", data=b'{"context": {"topic": "\\ud83c\\udfac"}}',
                                content_type="application/json")  # fmt: skip
    assert answer.status_code != 400
    assert answer.status_code < 500


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PATCH", "DELETE", "PUT", "FOO"])
def test_any_method_anywhere_is_answered(house: Web, method: str) -> None:
    for rule in house.app.url_map.iter_rules():
        path = address(rule)
        for base in ({}, AWAY):
            with house.local().open(path, method=method, environ_base=base) as answer:
                assert answer.status_code != 500, (method, path)
                if answer.status_code >= 400 and method != "HEAD":
                    assert shape(answer, answer.status_code)["code"]
