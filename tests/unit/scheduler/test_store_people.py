"""Users, links and tokens, roles and assets, facts and samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler.store import StoreConflict
from tests.unit.scheduler.store_rig import AT, READER, accept, role, writer


def test_a_login_link_works_once_and_in_time(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        with pytest.raises(StoreConflict) as caught, store.transaction():
            store.insert_login_link("a" * 64, "reader", AT + 60, READER, AT)
        assert caught.value.code == "unknown_user"
        with store.transaction():
            store.put_user("reader", "planner", "education", READER, AT)
            store.insert_login_link("a" * 64, "reader", AT + 60, READER, AT)
            store.insert_login_link("b" * 64, "reader", AT + 60, READER, AT)
        with store.transaction():
            assert store.redeem_login_link("b" * 64, READER, AT + 60) is None
            assert store.redeem_login_link("c" * 64, READER, AT) is None
            assert store.redeem_login_link("a" * 64, READER, AT + 59) == "reader"
            assert store.redeem_login_link("a" * 64, READER, AT + 59) is None
        link = store.login_link("a" * 64)
        assert link is not None
        assert link["used_at"] == AT + 59
        assert [row["action"] for row in store.story("user:reader")] == [
            "user:created", "login:created", "login:created", "login:redeemed",
        ]  # fmt: skip


def test_tokens_end_by_their_label(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        with store.transaction():
            store.put_user("reader", "planner", "education", READER, AT)
            store.insert_token("a" * 64, "reader", "laptop", READER, AT)
            store.insert_token("b" * 64, "reader", "laptop", READER, AT + 1)
            store.insert_token("c" * 64, "reader", "phone", READER, AT + 2)
        with store.transaction():
            assert store.revoke_tokens("laptop", READER, AT + 9) == 2
            assert store.revoke_tokens("laptop", READER, AT + 9) == 0
        assert [row["revoked_at"] for row in store.tokens_of("reader")] == [AT + 9, AT + 9, None]
        token = store.token("c" * 64)
        assert token is not None
        assert token["user"] == "reader"
        assert store.token("d" * 64) is None


def test_another_group_ends_the_sessions(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        versions = []
        for group in ("planner", "planner", "admin"):
            with store.transaction():
                store.put_user("reader", group, "education", READER, AT)
            user = store.user("reader")
            assert user is not None
            versions.append(user["session_version"])
        assert versions == [1, 1, 2]
        told = [row["action"] for row in store.story("user:reader")]
        assert told == ["user:created", "user:changed"], "what was so already is no change"
        with store.transaction():
            store.end_sessions("reader", READER, AT)
        assert store.users()[0]["session_version"] == 3


def test_an_equal_role_makes_no_new_version(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        with store.transaction():
            assert store.put_role(role(), READER, AT) == 1
        before = store.last_seq()
        with store.transaction():
            assert store.put_role(role(), READER, AT + 5) == 1
        assert store.last_seq() == before
        with store.transaction():
            assert store.put_role(role(priority=20), READER, AT + 9) == 2
            assert store.put_role(role(), READER, AT + 10) == 3  # back again: a version of its own, in order
        assert [row["version"] for row in store.role_versions("teacher")] == [3, 2, 1]
        old = store.load_role("teacher", 2)
        now = store.load_role("teacher")
        assert old is not None
        assert now is not None
        assert (old.priority, old.version, now.priority, now.version) == (20, 2, 10, 3)
        assert now.to_json() == role().to_json()
        assert [row["action"] for row in store.story("role:teacher")] == ["role:loaded", "role:changed", "role:changed"]


def test_replacing_the_roles_says_what_changed(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        with store.transaction():
            store.replace_roles([role("teacher"), role("student"), role("assistant")], READER, AT)
        with store.transaction():
            change = store.replace_roles([role("teacher"), role("student", priority=50), role("presenter")], READER, AT)
        assert (change.added, change.changed, change.unchanged, change.removed) == (
            ("presenter",), ("student",), ("teacher",), ("assistant",),
        )  # fmt: skip
        assert change.versions == {"teacher": 1, "student": 2, "presenter": 1}
        gone = store.role("assistant")
        assert gone is not None
        assert (gone["is_available"], gone["problem"]) == (False, "removed")
        with store.transaction():
            again = store.replace_roles([role("assistant")], READER, AT)
        assert again.versions == {"assistant": 1}
        back = store.role("assistant")
        assert back is not None
        assert back["is_available"]
        with store.transaction():
            assert store.replace_roles([role("assistant")], READER, AT).removed == ()


def test_a_role_can_be_unavailable_for_a_reason(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        with store.transaction():
            store.put_role(role(), READER, AT)
            store.set_role_availability("teacher", False, "The portrait is damaged.", READER, AT)
        found = store.roles()[0]
        assert (found["is_available"], found["problem"]) == (False, "The portrait is damaged.")
        with pytest.raises(StoreConflict) as caught, store.transaction():
            store.set_role_availability("nobody", True, None, READER, AT)
        assert caught.value.code == "unknown_role"


def test_an_asset_is_known_by_its_content(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        with store.transaction():
            assert store.insert_asset("a" * 64, "portrait", 1000, {"width": 512}, AT)
            assert not store.insert_asset("a" * 64, "portrait", 1000, {"width": 512}, AT + 1)
        with pytest.raises(StoreConflict), store.transaction():
            store.insert_asset("a" * 64, "voice", 1000, {}, AT)
        asset = store.asset("a" * 64)
        assert asset is not None
        assert (asset["verdict"], asset["added_at"]) == ({"width": 512}, AT)
        assert len(store.assets()) == 1
        with store.transaction():
            assert not store.insert_asset("a" * 64, "portrait", 1000, {"width": 512, "warnings": ["dark"]}, AT + 2)
        newer = store.asset("a" * 64)
        assert newer is not None and newer["verdict"]["warnings"] == ["dark"], "what a newer check says holds"


def test_facts_are_overwritten(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        with store.transaction():
            store.set_fact("queue_paused", False, AT)
            store.set_fact("queue_paused", True, AT + 1)
        assert store.fact("queue_paused") is True
        assert store.fact("nothing", default=7) == 7
        assert store.facts() == {"queue_paused": True}


def test_samples_thin_out_after_a_day(tmp_path: Path) -> None:
    start = AT // 60 * 60
    with writer(tmp_path) as store:
        with store.transaction():
            for second in range(300):
                for device in ("cpu", "gpu:0"):
                    store.insert_sample(start + second, device, {"memory_used_bytes": second})
            store.insert_sample(start, "cpu", {"memory_used_bytes": -1})  # the same moment: the first stays
        assert len(store.samples(start)) == 600
        latest = store.latest_samples()
        assert [(row["device"], row["memory_used_bytes"], row["at"]) for row in latest] == [
            ("cpu", 299, start + 299), ("gpu:0", 299, start + 299),
        ]  # fmt: skip
        with store.transaction():
            gone = store.thin_samples(start + 86_400 + 150)  # two full minutes are older than a day
        assert gone == 2 * (120 - 2)
        assert [row["at"] - start for row in store.samples(start, device="cpu")][:4] == [0, 60, 120, 121]
        with store.transaction():
            assert store.thin_samples(start + 86_400 + 150) == 0
            store.thin_samples(start + 2 * 86_400)
        assert [row["at"] - start for row in store.samples(0, device="cpu")] == [0, 60, 120, 180, 240]


def test_devices_that_fell_silent_are_not_among_the_latest(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
        with store.transaction():
            store.insert_sample(AT, "gpu:1", {})
            store.insert_sample(AT + 60, "gpu:0", {})
        assert [row["device"] for row in store.latest_samples()] == ["gpu:0"]
