"""Every route there is, walked: who is let in, what a form must carry, and that nobody's words leave through any of them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from werkzeug.routing import Rule

from scheduler.store.audit_reads import AuditReads
from tests.unit.dashboard.web_rig import AWAY, RECIPE, Web

# Routes that need no right. Everything else must refuse a stranger; a new route is either protected or written down here.
OPEN = {
    "/", "/static/<path:filename>", "/healthz", "/readyz", "/login", "/logout", "/language", "/vendor/plotly.js",
    "/vendor/socket.io.js",
}  # fmt: skip
CHANGES = {"POST", "PUT", "PATCH", "DELETE"}
CANARY = b"SECRET-"  # as the words have it; a search for SECRET is shown in its own field


def address(rule: Rule, **values: str) -> str:
    """A path of this rule; what is not given is `x`."""
    def fill(match: re.Match[str]) -> str:
        kind = match[1] or ""
        return values.get(match[2], "csv" if kind.startswith("any") else "1" if kind == "int" else "x")

    return re.sub(r"<(?:([^:<>]+):)?(\w+)>", fill, rule.rule)


def rules(house: Web) -> list[tuple[Rule, str]]:
    """Each rule with each of its methods (HEAD goes with GET, OPTIONS tells nothing)."""
    return [(rule, method) for rule in house.app.url_map.iter_rules() for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}]


def test_stranger_is_refused_by_every_route_that_is_not_open(house: Web) -> None:
    seen = set()
    for rule, method in rules(house):
        seen.add(rule.rule)
        if rule.rule in OPEN:
            continue
        body = {"json": {}} if method in CHANGES else {}
        answer = house.local().open(address(rule), method=method, environ_base=AWAY, **body)
        assert answer.status_code == 401, f"{method} {rule.rule} answers {answer.status_code} to anybody"
    assert seen >= OPEN, "an open route that is gone should be taken from the list"


def test_change_by_a_browser_needs_its_form_token_on_every_route(house: Web) -> None:
    client = house.person("ada", "admin")
    changing = [(rule, method) for rule, method in rules(house) if method in CHANGES and rule.rule not in OPEN]
    assert len(changing) >= 12
    for rule, method in changing:
        answer = client.open(address(rule), method=method, json={})
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (403, "bad_form"), (method, rule.rule)


@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_form_without_its_token_is_refused(house: Web, path: str) -> None:
    answer = house.person("reader").post(path, data={"token": "x"})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (403, "bad_form")


def test_signing_in_forgets_what_the_browser_brought(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that somebody else began must not become the person's: everything in it is new after the sign-in."""
    client = house.person("reader")
    with client.session_transaction() as session:
        session["planted"] = "yes"
    answers = {"user": "reader", "group": "user", "team": "", "session_version": 1}
    monkeypatch.setattr("scheduler.client.Scheduler.redeem_login_link", lambda _self, _token: answers)
    answer = client.post("/login", data={"csrf": "form-token", "token": "t", "next": "//evil.example"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/dashboard")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    with client.session_transaction() as session:
        assert "planted" not in session
        assert session["csrf"] != "form-token"


def jobs_in_every_state(house: Web) -> list[str]:
    """Jobs of reader: waiting, running, failed with words in its error, done; their prompts hold the canary."""
    waits, runs, fails, done = (house.job(number, user="reader") for number in range(1, 5))
    for job in (runs, fails, done):
        house.move(job, "QUEUED", "LEASED", slot=0, lease_id=f"l-{job}")
        house.move(job, "LEASED", "RUNNING")
        if job != runs:
            house.move(job, "RUNNING", "SUCCEEDED" if job == done else "FAILED")
    return [waits, runs, fails, done]


def heard(answer: Any) -> bytes:
    """The body of an answer; of an endless one its beginning."""
    if answer.mimetype != "text/event-stream":
        found: bytes = answer.data
        return found
    return b"".join(next(answer.response) for _ in range(10))


def test_no_route_tells_a_plain_user_anothers_words(house: Web) -> None:
    jobs = jobs_in_every_state(house)
    tom = house.person("tom")
    queries = ("", "?user=reader", "?text=SECRET", "?since=0&rooms=global,user:reader," + ",".join(f"job:{job}" for job in jobs))
    read = set()
    for rule, method in rules(house):
        if method != "GET":
            continue
        for job in jobs if "<job_id>" in rule.rule else jobs[:1]:
            for query in queries:
                path = address(rule, job_id=job, name="reader" if "/users/" in rule.rule else "teacher")
                headers = {"Last-Event-ID": "0"} if rule.rule == "/events" else {}
                with tom.get(path + query, headers=headers, buffered=False) as answer:
                    read.add((rule.rule, answer.status_code))
                    body = heard(answer)
                    assert CANARY not in body, path + query
                    assert CANARY not in str(answer.headers).encode(), path + query
    assert {("/jobs/<job_id>", 200), ("/dashboard/jobs/<job_id>", 200), ("/live.json", 200), ("/events", 200)} <= read


def test_canary_is_there_to_be_found(house: Web) -> None:
    jobs_in_every_state(house)
    assert CANARY in RECIPE["prompt"].encode()
    assert CANARY in house.person("reader").get("/jobs").data
    assert hasattr(AuditReads, "export_audit"), "the audit keeps hashes of words, never words"
    ops = house.person("ada", "ops")
    for path in ("/audit?limit=500", "/audit?text=SECRET"):
        assert CANARY not in ops.get(path).data, path
