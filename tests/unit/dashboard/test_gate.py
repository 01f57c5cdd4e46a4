"""Live pages and event streams hold a thread each: who may open one, how many there may be, and when they end."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Any

import pytest

from dashboard.api import events
from dashboard.limits import Seats
from dashboard.serving import RECEIVE_LIMIT_S, SEND_LIMIT_S, limit_silence
from scheduler.audit import SYSTEM
from tests.unit.dashboard.test_guard import shape
from tests.unit.dashboard.web_rig import AWAY, Web, web

SOCKET = "/socket.io/?EIO=4&transport=websocket"


def test_seats_are_counted_in_all_and_for_each() -> None:
    seats = Seats(3, 2)
    first, second = seats.take("a"), seats.take("a")
    assert first is not None
    assert second is not None
    assert seats.take("a") is None, "a has two"
    assert seats.take("b") is not None
    assert seats.take("c") is None, "three are taken"
    first()
    first()
    assert len(seats) == 2, "a seat is left once"
    assert seats.take("c") is not None


def test_socket_is_refused_before_it_holds_a_thread(house: Web) -> None:
    client = house.local()
    assert shape(client.get(SOCKET, environ_base=AWAY), 401)["code"] == "sign_in"
    assert shape(client.get(SOCKET, headers={"Host": "studio.example"}), 401)["code"] == "sign_in"
    assert shape(client.get(SOCKET, headers={"Origin": "http://evil.example"}), 403)["code"] == "foreign_origin"
    answer = client.get(SOCKET, headers={"Authorization": "Bearer no"})
    assert shape(answer, 401)["code"] == "bad_token"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert len(house.house.sockets) == 0


def test_sockets_beyond_the_limit_are_refused_and_pages_go_on(tmp_path: Path) -> None:
    with web(tmp_path, max_sockets=2, max_sockets_each=1) as made:
        leave = made.house.sockets.take("address:127.0.0.1")
        assert leave is not None
        assert shape(made.local().get(SOCKET), 503)["code"] == "too_many_sockets"
        assert made.local().get("/live.json").status_code == 200
        leave()
        assert made.local().get(SOCKET).status_code != 503


def test_sockets_do_not_fall_back_to_long_polls(house: Web) -> None:
    answer = house.local().get("/socket.io/?EIO=4&transport=polling")
    assert answer.status_code == 400
    assert len(house.house.sockets) == 0, "the seat is given back"


def read_until(answer: Any, wanted: bytes, most: int = 50) -> bytes:
    """What a stream says up to and with the wanted bytes; the stream is left open."""
    text = b""
    for _ in range(most):
        text += next(answer.response)
        if wanted in text:
            return text
    raise AssertionError(text)


def test_stream_ends_with_the_sign_in_that_opened_it(house: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "KEEP_ALIVE_S", 0.01)
    monkeypatch.setattr(events, "LOOK_S", 0.0)
    answer = house.person("reader").get("/events", buffered=False)
    read_until(answer, b": still here")
    with house.store.transaction():
        house.store.end_sessions("reader", SYSTEM, 1.0)
    for _ in range(50):
        if next(answer.response, None) is None:
            break
    else:
        raise AssertionError("the stream goes on")
    answer.close()


def test_reader_of_another_store_is_told_to_start_again(house: Web) -> None:
    answer = house.local().get("/events", headers={"Last-Event-ID": "900000"}, buffered=False)
    newest = house.house.reads.last_seq()
    assert f"id: {newest}\nevent: reset\n".encode() in read_until(answer, b"reset")
    answer.close()


def test_streams_are_limited_and_their_seats_given_back(tmp_path: Path) -> None:
    with web(tmp_path, max_streams=5, max_streams_each=1) as made:
        first = made.local().get("/events", buffered=False)
        assert shape(made.local().get("/events"), 503)["code"] == "too_many_streams"
        first.close()
        assert len(made.house.streams) == 0
        made.local().head("/events").close()
        assert len(made.house.streams) == 0, "a HEAD holds nothing"


def test_connections_inherit_how_long_they_may_be_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        limit_silence(listener)
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                for option, seconds in ((socket.SO_SNDTIMEO, SEND_LIMIT_S), (socket.SO_RCVTIMEO, RECEIVE_LIMIT_S)):
                    assert struct.unpack("ll", accepted.getsockopt(socket.SOL_SOCKET, option, 16)) == (seconds, 0)
