"""Passwords: what may be one, what is kept, who comes in, and how long whoever guesses has to wait."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from dashboard import passwords, sign_in
from dashboard.errors import WebError
from dashboard.waits import FORGET_S, MAX_KEYS, GrowingWait, network_of
from scheduler.audit import Actor
from scheduler.client import Scheduler
from tests.unit.dashboard.web_rig import Web
from tests.unit.scheduler.store_rig import READER

GOOD = "correct horse battery"
FORM = {"X-CSRF-Token": "form-token"}
ADA = Actor("user:ada", "", "")


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost little: what they are worth is the library's business."""
    monkeypatch.setattr(passwords, "METHOD", "scrypt:1024:8:1")
    monkeypatch.setattr(passwords, "_NOBODYS", f"scrypt:1024:8:1${'0' * 16}${'0' * 128}")


@pytest.fixture
def deeds(house: Web, cheap: None, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str | None, bool]]:
    """The daemon's part of signing in, done on the store; what was told to it."""
    told: list[tuple[str | None, bool]] = []

    def record_sign_in(_: Scheduler, user: str | None, is_good: bool, **_more: Any) -> dict[str, Any]:
        told.append((user, is_good))
        found = house.store.user(user) if user and is_good else None
        return {} if found is None else {"user": user, "session_version": found["session_version"]}

    def set_password(_: Scheduler, user: str, password_hash: str, replaces: float | None = None) -> dict[str, Any]:
        with house.store.transaction():
            house.store.put_password(user, password_hash, replaces, ADA, time.time())
        found = house.store.user(user)
        assert found is not None
        return {"user": user, "session_version": found["session_version"], "is_first": replaces is None}

    monkeypatch.setattr(Scheduler, "record_sign_in", record_sign_in)
    monkeypatch.setattr(Scheduler, "set_password", set_password)
    return told


def person_with_password(house: Web, name: str = "ada", password: str = GOOD) -> None:
    with house.store.transaction():
        house.store.put_user(name, "user", "", READER, time.time())
        house.store.put_password(name, passwords.hashed(password), None, READER, time.time())


def try_it(client: FlaskClient, name: str, password: str, csrf: str = "form-token") -> Any:
    with client.session_transaction() as session:
        session["csrf"] = "form-token"
    return client.post("/login", data={"csrf": csrf, "user": name, "password": password, "next": "/me"},
                       headers={"Accept": "text/html"})  # fmt: skip


def test_person_signs_in_by_name_and_password(house: Web, deeds: list[Any]) -> None:
    person_with_password(house)
    client = house.local()
    answer = try_it(client, "ada", GOOD)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/me") and deeds == [("ada", True)]
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert client.get("/password").status_code == 200 and "ada" in client.get("/dashboard").text
    with client.session_transaction() as session:
        assert session["csrf"] != "form-token"


@pytest.mark.parametrize(
    ("name", "password", "told"),
    [("ada", "wrong horse battery", "ada"), ("nobody", GOOD, None), ("bob", GOOD, "bob"), (GOOD, "ada-ada", None),
     ("a" * 5000, GOOD, None)],
)  # fmt: skip
def test_wrong_sign_in_looks_the_same_whatever_was_wrong(
    house: Web, deeds: list[Any], name: str, password: str, told: str | None
) -> None:
    person_with_password(house)
    house.person("bob")  # known, and without a password
    answer = try_it(house.local(), name, password)
    assert answer.status_code == 403 and "Name or password is wrong." in answer.text
    assert password not in answer.text.replace(name, "")
    assert deeds == [(told, False)], "a name that nobody has is not written down: it may be a password"


def test_unknown_name_costs_as_much_as_a_known_one(house: Web, deeds: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    person_with_password(house)
    costs: list[str] = []
    monkeypatch.setattr(passwords, "check_password_hash", lambda kept, _given: bool(costs.append(kept.rpartition(":")[0])))
    for name in ("ada", "nobody"):
        try_it(house.local(), name, GOOD)
    assert len(costs) == 2 and costs[0] == costs[1], costs
    assert not passwords.is_right("", None)


def test_fifty_wrong_passwords_meet_growing_waits_and_a_link_ends_them(
    house: Web, deeds: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    person_with_password(house)
    answers = [try_it(house.local(), "ada", f"wrong number {number}") for number in range(50)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[: sign_in.ACCOUNT_FREE + 1] == [403] * (sign_in.ACCOUNT_FREE + 1)
    assert statuses.count(429) >= 40 and len(deeds) == statuses.count(403)
    held = next(answer for answer in answers if answer.status_code == 429)
    assert int(held.headers["Retry-After"]) >= 1 and "Too many wrong passwords" in held.text
    assert try_it(house.local(), "ada", GOOD).status_code == 429, "the right one has to wait, too"
    found = house.store.user("ada")
    assert found is not None
    monkeypatch.setattr(Scheduler, "redeem_login_link", lambda *_: {"user": "ada", "session_version": found["session_version"]})
    client = house.local()
    with client.session_transaction() as session:
        session["csrf"] = "form-token"
    assert client.post("/login", data={"csrf": "form-token", "token": "t"}).status_code == 303, "a link works at once"
    assert try_it(house.local(), "ada", GOOD).status_code == 303


def test_forged_form_signs_nobody_in(house: Web, deeds: list[Any]) -> None:
    person_with_password(house)
    assert try_it(house.local(), "ada", GOOD, csrf="forged").status_code == 403
    assert deeds == []


def test_password_is_set_then_changed_with_the_old_one_and_only_its_hash_is_kept(house: Web, deeds: list[Any]) -> None:
    ada, other = house.person("ada"), house.person("ada")
    assert ada.post("/password", json={"new": GOOD}).status_code == 403, "without the form's token"
    assert ada.post("/password", json={"new": GOOD}, headers=FORM).get_json() == {"user": "ada", "is_first": True}
    kept = house.store.password("ada")
    assert kept is not None and kept["hash"].startswith("scrypt:") and GOOD not in kept["hash"]
    wrong = ada.post("/password", json={"new": "another good phrase", "old": "no"}, headers=FORM)
    assert (wrong.status_code, wrong.get_json()["error"]["code"]) == (403, "wrong_old") and deeds == [("ada", False)]
    assert other.get("/password").status_code == 200
    assert ada.post("/password", json={"new": "another good phrase", "old": GOOD}, headers=FORM).status_code == 200
    assert 'name="old"' in ada.get("/password").text, "this browser stays signed in"
    assert 'name="old"' not in other.get("/password").text, "the others are out"
    assert try_it(house.local(), "ada", GOOD).status_code == 403
    assert try_it(house.local(), "ada", "another good phrase").status_code == 303
    written = b"".join(path.read_bytes() for path in house.data_dir.glob("greenroom.db*"))
    assert GOOD.encode() not in written and b"another good phrase" not in written


def test_password_is_nobodys_to_set_without_a_session(house: Web) -> None:
    assert house.local().post("/password", json={"new": GOOD}).get_json()["error"]["code"] == "not_signed_in"
    assert "Sign in with a link first" in house.local().get("/password?lang=en").text


@pytest.mark.parametrize(
    ("password", "code"),
    [("short", "password_length"), ("x" * 201, "password_length"), ("Ada-Lovelace", "password_is_name"),
     ("ada-lovelace12", "password_is_name"), ("ecalevol-ada", "password_is_name"), ("abababababab", "password_simple")],
)  # fmt: skip
def test_weak_password_is_refused_by_its_reason(password: str, code: str) -> None:
    with pytest.raises(WebError) as caught:
        passwords.checked(password, "ada-lovelace")
    assert (caught.value.code, caught.value.field) == (code, "new")


def test_same_letters_typed_differently_are_the_same_password(cheap: None) -> None:
    kept = passwords.hashed(passwords.checked("cafe\u0301 au lait", "ada"))
    assert passwords.is_right("caf\u00e9 au lait", kept) and not passwords.is_right("cafe au lait", kept)


def test_waits_grow_are_bounded_forgotten_and_count_what_runs() -> None:
    waits, at, seen = GrowingWait(2, 8.0), 100.0, []
    for _ in range(9):
        seen.append(wait := waits.take("a", at))
        at += wait
    assert seen == [0, 0, 0, 1, 0, 2, 0, 4, 0], "three at once, then the time between two tries doubles"
    for _ in range(9):
        at += (wait := waits.take("a", at))
        assert wait <= 8.0
    assert waits.take("b", at) == 0, "others do not wait"
    waits.forgive("a")
    assert waits.failures("a") == 0
    for _ in range(4):
        waits.take("c", at)
    assert waits.take("c", at + FORGET_S + 1) == 0 and waits.failures("c") == 1, "quiet for an hour"
    for number in range(MAX_KEYS + 50):
        waits.take(f"key {number}", at + FORGET_S + 1)
    assert len(waits._tries) <= MAX_KEYS


def test_one_household_is_one_caller() -> None:
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::1") != network_of("2001:db8:1:3::1")
    assert network_of("::ffff:10.0.0.1") == network_of("10.0.0.1") != network_of("10.0.0.2")
    assert network_of("") == "" and network_of("unix") == "unix"


def test_reset_is_for_admins_and_people_are_listed_with_their_passwords(house: Web, cheap: None) -> None:
    person_with_password(house, "tom")
    wish = {"user": "tom"}
    assert house.person("olga", "ops").post("/people/passwords/reset", json=wish, headers=FORM).status_code == 403
    admin = house.person("root", "admin")
    assert admin.post("/people/passwords/reset", json=wish, headers=FORM).status_code == 503, "it reaches for the daemon"
    listed = {row["name"]: row for row in admin.get("/people").get_json()["people"]}
    assert listed["tom"]["password_at"] and listed["root"]["password_at"] is None
    for path in ("/people", "/dashboard/people"):
        assert "scrypt" not in admin.get(path).text
