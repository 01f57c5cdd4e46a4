"""The feed on a real store: who hears what, in which size, and what a browser is told that was away."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from socketio.packet import EVENT, Packet

from dashboard.feed import MAX_ORDER, MAX_PUSH_BYTES, MAX_REPLAY, Feed
from dashboard.packets import TextPacket, Written
from scheduler.client import SchedulerError
from tests.unit.dashboard.web_rig import Web, web
from tests.unit.scheduler.store_rig import READER


class Ears:
    """Remembers what was said in which room."""

    def __init__(self, house: Web, *rooms: str) -> None:
        self.heard: list[tuple[str, str, dict[str, Any]]] = []
        self.rooms = set(rooms)
        self.feed = Feed(house.house.reads, self.hear, lambda: self.rooms, lambda: {"now": 1})
        self.at = 100.0
        self.feed.tick(self.at)
        self.heard.clear()

    def hear(self, name: str, payload: dict[str, Any], room: str) -> None:
        """The emitter."""
        self.heard.append((room, name, payload))

    def tick(self) -> list[tuple[str, str, dict[str, Any]]]:
        """One look, a second later; what was said."""
        self.at += 1
        self.heard.clear()
        self.feed.tick(self.at)
        return self.heard


def told(heard: list[tuple[str, str, dict[str, Any]]], name: str) -> dict[str, dict[str, Any]]:
    """Room → payload of the messages with this name."""
    return {room: payload for room, kind, payload in heard if kind == name}


def test_news_of_a_job_reaches_its_rooms_and_no_others(house: Web) -> None:
    ears = Ears(house, "global", "role:teacher", "role:student", "user:reader", "user:tom", "job:j000000000001")
    house.job(user="reader")
    rooms = {room for room, name, _ in ears.tick() if name == "feed"}
    assert rooms == {"global", "role:teacher", "user:reader", "job:j000000000001"}


def test_card_shows_the_state_of_now(house: Web) -> None:
    ears = Ears(house, "global")
    job = house.job()
    house.move(job, "QUEUED", "LEASED", slot=0, lease_id="l1")
    cards = [card for _, name, payload in ears.tick() if name == "feed" for card in payload["jobs"]]
    assert [(card["id"], card["state"], card["slot"]) for card in cards] == [(job, "LEASED", 0)]


def test_progress_without_a_log_row_is_heard(house: Web) -> None:
    job = house.job()
    house.move(job, "QUEUED", "LEASED", slot=0, lease_id="l1")
    ears = Ears(house, "global")
    house.move(job, "LEASED", "RUNNING")
    ears.tick()
    house.move(job, "RUNNING", "RUNNING", blocks_done=3)
    cards = [card for _, name, payload in ears.tick() if name == "feed" for card in payload["jobs"]]
    assert cards[0]["blocks_done"] == 3
    assert ears.tick() and not told(ears.heard, "feed"), "nothing moved, nothing is said"


def test_every_message_stays_within_two_kilobytes(house: Web) -> None:
    ears = Ears(house, "global", "user:reader")
    for number in range(60):
        house.job(number + 1, user="reader")
    heard = ears.tick()
    assert len(heard) > 10
    assert all(len(json.dumps(payload, separators=(",", ":"))) <= MAX_PUSH_BYTES + 100 for _, _, payload in heard)
    ids = {card["id"] for room, name, payload in heard if (room, name) == ("user:reader", "feed") for card in payload["jobs"]}
    assert len(ids) == 60, "nobody is left out"


def test_places_are_told_to_those_who_wait(house: Web) -> None:
    first, second = house.job(1, priority=10), house.job(2, priority=90)
    ears = Ears(house, "global", f"job:{first}")
    house.job(3, priority=50)
    heard = ears.tick()
    assert told(heard, "order")["global"] == {"order": [second, "j000000000003", first], "length": 3}
    assert told(heard, "place")[f"job:{first}"] == {"id": first, "place": 3, "of": 3}


def test_browser_that_was_away_hears_what_it_missed(house: Web) -> None:
    ears = Ears(house, "global")
    seen = ears.feed.seq
    job = house.job(user="reader")
    ears.tick()
    missed = [message for message in ears.feed.replay(seen, {"user:reader"}) if message[0] == "feed"]
    assert [event["action"] for name, payload in missed for event in payload["events"]] == ["job:submitted", "job:queued"]
    assert [card["id"] for name, payload in missed for card in payload["jobs"]] == [job]
    assert ears.feed.replay(ears.feed.seq, {"role:teacher"}) == []


def test_browser_that_comes_is_told_the_line_as_it_stands(house: Web) -> None:
    first, second = house.job(1, priority=10), house.job(2, priority=90, user="tom")
    ears = Ears(house)
    ears.tick()
    came = ears.feed.replay(house.store.last_seq(), {"global", f"job:{first}", "user:tom"})
    assert [payload for name, payload in came if name == "order"] == [{"order": [second, first], "length": 2}]
    places = {payload["id"]: payload["place"] for name, payload in came if name == "place"}
    assert places == {first: 2, second: 1}


def test_length_of_the_line_is_told_though_the_order_stays(house: Web) -> None:
    first, second = house.job(1, priority=90), house.job(2, priority=10)
    ears = Ears(house, f"job:{first}")
    house.move(second, "QUEUED", "QUEUED", hold="paused", is_paused=True)
    assert told(ears.tick(), "place")[f"job:{first}"] == {"id": first, "place": 1, "of": 1}


def test_page_that_is_newer_than_the_last_look_is_not_told_to_load_again(house: Web) -> None:
    ears = Ears(house)
    house.job()
    assert house.store.last_seq() > ears.feed.seq
    assert ears.feed.replay(house.store.last_seq(), {"global"})[0][0] != "reset"


def test_page_without_rows_has_missed_nothing_however_much_happened(house: Web) -> None:
    ears, seen = Ears(house), house.store.last_seq()
    with house.store.transaction():
        for number in range(MAX_REPLAY + 5):
            house.store.record("audit:verified", "audit", {"verdict": str(number)}, READER, 1.0)
    ears.tick()
    assert ears.feed.replay(seen, {"pulse"}) == [], "a form that somebody fills in stays"


def test_pulse_says_up_to_where_everybody_was_told(house: Web) -> None:
    ears = Ears(house, "global", "pulse")
    heard = ears.tick()
    seen = told(heard, "pulse")["pulse"]["seq"]
    job = house.job()
    assert told(heard, "pulse")["pulse"]["seq"] == seen < house.store.last_seq()
    heard = ears.tick()
    assert [name for _, name, _ in heard][-1] == "pulse", "after all that it vouches for"
    assert told(heard, "pulse")["pulse"]["seq"] == house.store.last_seq()
    assert [card["id"] for card in told(heard, "feed")["global"]["jobs"]] == [job]


def test_burst_hides_no_event_that_a_view_lives_on(house: Web) -> None:
    ears, seen = Ears(house, "global"), house.store.last_seq()
    with house.store.transaction():
        house.store.record("role:switched", "role:student", {"slot": 0}, READER, 1.0)
        house.store.record("fault:muted", "fault:hot", {}, READER, 1.0)
        for number in range(40):
            house.store.record("audit:verified", "audit", {"verdict": str(number)}, READER, 1.0)
    for payloads in ([payload for _, name, payload in ears.tick() if name == "feed"],
                     [payload for name, payload in ears.feed.replay(seen, {"global"}) if name == "feed"]):  # fmt: skip
        actions = [event["action"] for payload in payloads for event in payload["events"]]
        assert actions == ["role:switched", "fault:muted", *["audit:verified"] * 12]


def test_tab_that_comes_hears_nothing_newer_before_what_it_missed(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    feed, job, seen = house.house.feed, house.job(), house.store.last_seq()
    feed.tick(100.0)
    house.move(job, "QUEUED", "LEASED", slot=0, lease_id="l1")
    look, replay = threading.Thread(target=feed.tick, args=(200.0,)), Feed.replay

    def meanwhile(self: Feed, since: int, rooms: Iterable[str]) -> list[tuple[str, dict[str, Any]]]:
        missed = replay(self, since, rooms)
        house.move(job, "LEASED", "CANCELLED")
        look.start()
        look.join(0.5)  # it has to wait until the tab was told
        return missed

    monkeypatch.setattr(Feed, "replay", meanwhile)
    monkeypatch.setattr(type(house.house), "start", lambda _self: None)  # its threads would look, too
    tab = house.app.extensions["socketio"].test_client(house.app, flask_test_client=house.person("ada"))
    tab.emit("subscribe", {"rooms": ["global"], "since": seen})
    look.join()
    states = [card["state"] for said in tab.get_received() if said["name"] == "feed" for card in said["args"][0]["jobs"]]
    assert states == ["LEASED", "CANCELLED"]


def test_browser_that_missed_too_much_loads_again(house: Web) -> None:
    ears = Ears(house, "global")
    seen = ears.feed.seq
    with house.store.transaction():
        for number in range(MAX_REPLAY + 5):
            house.store.record("audit:verified", "audit", {"verdict": str(number)}, READER, 1.0)
    ears.tick()
    assert ears.feed.replay(seen, {"global"}) == [("reset", {"seq": ears.feed.seq})]
    assert ears.feed.replay(ears.feed.seq + 10, {"global"})[0][0] == "reset", "a new store began again from 1"


def test_streams_wake_when_something_is_said(house: Web) -> None:
    ears = Ears(house)
    assert not ears.feed.wait_after(ears.feed.seq, 0.0)
    before = ears.feed.seq
    house.job()
    ears.tick()
    assert ears.feed.wait_after(before, 0.0)
    ears.feed.stop()
    assert ears.feed.is_stopped


def test_feed_outlives_a_store_that_is_not_there(house: Web) -> None:
    ears = Ears(house)
    house.house.reads.data_dir = house.data_dir / "gone"
    with pytest.raises(SchedulerError) as caught:
        ears.feed.tick()
    assert caught.value.code == "no_store", "the thread logs this and looks again"


def test_new_store_is_told_from_its_end_and_pages_load_again(house: Web, tmp_path: Path) -> None:
    for number in range(1, 9):
        house.job(number)
    ears = Ears(house, "global", "pulse")
    (tmp_path / "other").mkdir()
    with web(tmp_path / "other") as other:
        first = other.job(1)
        assert other.store.last_seq() < ears.feed.seq
        house.house.reads.data_dir = other.data_dir
        heard = ears.tick()
        assert told(heard, "reset") == {"pulse": {"seq": other.store.last_seq()}}
        assert told(heard, "order")["global"]["order"] == [first]
        second = other.job(2)
        heard = ears.tick()
        assert not told(heard, "reset") and [job["id"] for job in told(heard, "feed")["global"]["jobs"]] == [second]
        assert told(heard, "order")["global"]["order"] == [first, second]


def test_end_of_a_long_queue_is_not_told_to_the_global_view(house: Web) -> None:
    for number in range(1, MAX_ORDER + 1):
        house.job(number, priority=50)
    ears = Ears(house, "global", "user:tom")
    ears.tick()
    last = house.job(MAX_ORDER + 1, priority=1, user="tom")
    heard = ears.tick()
    cards = {room: [card["id"] for card in payload["jobs"]] for room, name, payload in heard if name == "feed"}
    assert last not in cards.get("global", []), "it stands behind what the view shows"
    assert cards["user:tom"] == [last], "its owner hears of it"
    house.move(last, "QUEUED", "CANCELLED")
    ids = [card["id"] for room, name, payload in ears.tick() if (room, name) == ("global", "feed") for card in payload["jobs"]]
    assert ids == [last], "what leaves the queue is told to everybody"


def test_payload_that_many_hear_is_written_out_as_the_library_would() -> None:
    payload = {"seq": 3, "jobs": [{"id": "j1", "user": "李"}], "now": 1.5, "none": None}
    for data in (["feed", Written(payload)], ["feed", payload], [], ["x", 1]):
        plain = [data[0], payload] if len(data) == 2 and data[0] == "feed" else data
        for namespace in ("/", "/other"):
            ours, theirs = TextPacket(EVENT, data, namespace), Packet(EVENT, plain, namespace)
            assert ours.encode() == theirs.encode()


def test_what_happens_before_the_first_tick_is_heard(house: Web) -> None:
    ears = Ears(house, "global")
    feed = Feed(house.house.reads, ears.hear, lambda: {"global"}, dict)
    feed.start()
    assert feed.seq >= 0, "it knows where it begins before anybody subscribes"
    feed.stop()


def test_in_view_are_the_head_of_the_queue_and_what_runs(house: Web) -> None:
    running = house.job(1, priority=1)
    house.move(running, "QUEUED", "LEASED", slot=0, lease_id="l1")
    waiting = [house.job(number, priority=50) for number in range(2, MAX_ORDER + 3)]
    assert Ears(house, "global").feed.in_view() == {running, *waiting[:MAX_ORDER]}
