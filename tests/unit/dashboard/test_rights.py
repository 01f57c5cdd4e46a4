"""The matrix of rights, and that no route forgets to ask it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboard.app import create_app
from dashboard.auth import is_loopback
from dashboard.rights import PACKAGED, RIGHTS, RightsError, load_rights
from scheduler.audit import SYSTEM
from tests.unit.dashboard.web_rig import Web, web

OPEN = {"static", "home", "health.healthz", "health.readyz", "login.page", "login.sign_in", "login.sign_out",
        "login.choose_language", "vendor.plotly", "vendor.socketio"}  # fmt: skip
FORM = {"X-CSRF-Token": "form-token"}


def test_packaged_matrix_is_whole() -> None:
    rights = load_rights()
    assert set(rights.holders) == RIGHTS
    assert rights.of("admin") == RIGHTS, "the administrator may do everything"
    assert not rights.has("local", "see_words")
    assert not rights.has("user", "change_any")


@pytest.mark.parametrize(
    "change", [{"see": None}, {"see": ["nobody"]}, {"sea": ["user"]}, "no table"], ids=["hole", "group", "right", "shape"]
)
def test_matrix_with_a_hole_is_never_used(tmp_path: Path, change: Any) -> None:
    data = yaml.safe_load(PACKAGED.read_text(encoding="utf-8"))
    if isinstance(change, str):
        data = {"groups": data["groups"], "rights": change}
    else:
        data["rights"].update(change)
        data["rights"] = {right: groups for right, groups in data["rights"].items() if groups is not None}
    path = tmp_path / "rights.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(RightsError):
        load_rights(path)


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_own_matrix_that_is_no_file_is_refused_and_not_passed_over(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(tmp_path / "rights.yaml")
    with pytest.raises(RightsError, match=r"rights\.yaml cannot be read: it is no regular file\. Mend it, or take it away"):
        create_app(tmp_path)


def test_own_matrix_that_is_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rights.yaml").symlink_to("gone.yaml")
    with pytest.raises(RightsError, match="No such file"):
        create_app(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("  see_words: [planner,", "  see_words: [stranger,", 12, "rights.see_words: there is no group 'stranger'. Groups: user"),
        ("  see_words:", "  seewords:", 12, "the key 'seewords' is unknown. Did you mean 'see_words'?"),
        ("  see_people: [planner, coordinator, designer, ops, admin]", "  see_people: yes", 13, "see_people must be a list"),
        ("local]\n\nrights:", "local\n\nrights:", 9, "this is not YAML"),
        ("  verify: [coordinator, ops, admin]", "", 11, "verify is missing. Write verify: [] if nobody has it."),
    ],
    ids=["group", "right", "list", "syntax", "hole"],
)
def test_mistake_in_the_matrix_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    path = tmp_path / "rights.yaml"
    text = PACKAGED.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(RightsError) as caught:
        load_rights(path)
    told = [text for text in str(caught.value).splitlines() if f"{path}, line {line}, column " in text]
    assert any(words in text for text in told), str(caught.value)


def test_every_route_asks_for_a_right(house: Web) -> None:
    without = {
        rule.endpoint
        for rule in house.app.url_map.iter_rules()
        if not getattr(house.app.view_functions[rule.endpoint], "required_rights", ()) and rule.endpoint not in OPEN
    }
    assert not without, without


def test_own_matrix_replaces_the_packaged_one(tmp_path: Path) -> None:
    data = yaml.safe_load(PACKAGED.read_text(encoding="utf-8"))
    data["rights"] = {right: [group for group in groups if group != "local"] for right, groups in data["rights"].items()}
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "rights.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    with web(tmp_path) as made:
        assert made.local().get("/jobs").status_code == 401, "local has no rights here"


def test_change_from_a_page_needs_its_form_token(house: Web) -> None:
    job = house.job(user="reader")
    client = house.person("reader")
    assert client.post(f"/jobs/{job}/cancel", json={}).get_json()["error"]["code"] == "bad_form"
    assert client.post(f"/jobs/{job}/cancel", json={}, headers=FORM).status_code == 503, "it reaches for the daemon"


def test_job_of_somebody_else_is_not_mine_to_change(house: Web) -> None:
    job = house.job(user="reader")
    tom = house.person("tom")
    for deed in ("cancel", "pause", "resume", "again"):
        assert tom.post(f"/jobs/{job}/{deed}", json={}, headers=FORM).status_code == 403, deed
    assert tom.post(f"/jobs/{job}/consent", json={"is_agreed": True}, headers=FORM).status_code == 403
    boss = house.person("ada", "coordinator")
    assert boss.post(f"/jobs/{job}/cancel", json={}, headers=FORM).status_code == 503, "a coordinator may"


def test_own_priority_goes_down_only(house: Web) -> None:
    job = house.job(user="reader", priority=10)
    reader = house.person("reader")
    assert reader.post(f"/jobs/{job}/priority", json={"priority": 11}, headers=FORM).status_code == 403
    assert reader.post(f"/jobs/{job}/priority", json={"priority": 9}, headers=FORM).status_code == 503


def test_submitting_for_another_needs_a_right(house: Web) -> None:
    reader = house.person("reader")
    body = {"role": "teacher", "user": "tom"}
    assert reader.post("/jobs", json=body, headers=FORM).get_json()["error"]["code"] == "no_right"
    assert house.person("ada", "planner").post("/jobs", json=body, headers=FORM).status_code == 503


def test_audit_is_for_those_with_the_right(house: Web) -> None:
    assert house.person("reader").get("/audit").status_code == 403
    assert house.local().get("/audit").status_code == 403
    assert house.person("ada", "ops").get("/audit").status_code == 200


def test_session_of_an_old_version_is_worthless(house: Web) -> None:
    reader = house.person("reader", "ops")
    assert reader.get("/audit").status_code == 200
    with house.store.transaction():
        house.store.end_sessions("reader", SYSTEM, 1.0)
    assert reader.get("/audit").status_code == 403, "it is only this machine now"


def test_token_acts_for_its_person_until_it_is_revoked(house: Web) -> None:
    house.person("ada", "ops")
    digest = hashlib.sha256(b"gr_token").hexdigest()
    with house.store.transaction():
        house.store.insert_token(digest, "ada", "ci", SYSTEM, 1.0)
    client, headers = house.local(), {"Authorization": "Bearer gr_token"}
    assert client.get("/audit", headers=headers).status_code == 200
    assert client.get("/audit", headers={"Authorization": "Bearer other"}).status_code == 401
    with house.store.transaction():
        assert house.store.revoke_tokens("ci", SYSTEM, 2.0) == 1
    assert client.get("/audit", headers=headers).status_code == 401


def test_loopback_is_an_address_not_a_prefix() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9"))
    assert not any(is_loopback(host) for host in ("127.0.0.1.evil.example", "10.0.0.1", "", "localhost.example"))
