"""Live updates over a real socket: who may listen, what arrives, and that signing out hangs up."""

from __future__ import annotations

import queue
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import socketio
from socketio.exceptions import ConnectionError as SocketRefused

from dashboard.serving import threads as THREADS
from dashboard.settings import WebSettings
from tests.acceptance.studio import Studio, until
from tests.integration.web_rig import Caller, form_token, signed_in, started

TIMEOUT_S = 60


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One studio for all tests of this file."""
    made = started(tmp_path_factory.mktemp("studio"))
    yield made
    made.end()


class Tab:
    """An open browser tab's socket; what it hears lies in `heard`."""

    def __init__(self, studio: Studio, caller: Caller | None = None, origin: str | None = None) -> None:
        self.heard: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.socket = socketio.Client(reconnection=False)
        for name in ("pulse", "feed", "order", "place", "reset"):
            self.socket.on(name, lambda payload, name=name: self.heard.put((name, payload)))
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in caller.cookies.items())} if caller else {}
        headers |= {"Origin": origin} if origin else {}
        self.socket.connect(studio.url, headers=headers, transports=["websocket"], wait_timeout=TIMEOUT_S)

    def subscribe(self, *rooms: str, since: int | None = None) -> dict[str, Any]:
        """Enter rooms; the server's answer."""
        answer: dict[str, Any] = self.socket.call("subscribe", {"rooms": list(rooms), "since": since}, timeout=TIMEOUT_S)
        return answer

    def wait_for(self, name: str, fits: Any = lambda payload: True) -> Any:
        """The next message with this name that fits."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            kind, payload = self.heard.get(timeout=max(0.1, deadline - time.monotonic()))
            if kind == name and fits(payload):
                return payload

    def __enter__(self) -> Tab:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.disconnect()


def test_tab_hears_a_job_from_beginning_to_end(studio: Studio) -> None:
    with Tab(studio) as tab:
        assert tab.subscribe("global", "pulse")["rooms"] == ["global", "pulse"]
        job_id = Caller(studio.port).post("/jobs", {"role": "student", "duration_sec": 1.4}).json["id"]
        states: list[str] = []
        while "SUCCEEDED" not in states:
            feed = tab.wait_for("feed", lambda payload: any(card["id"] == job_id for card in payload["jobs"]))
            states += [card["state"] for card in feed["jobs"] if card["id"] == job_id]
        pulse = tab.wait_for("pulse", lambda payload: payload["age_s"] < 5)
        assert pulse["slots"][0]["state"] in ("ready", "busy")


def test_tab_that_comes_back_hears_what_it_missed(studio: Studio) -> None:
    with Tab(studio) as tab:
        seen = tab.subscribe("global")["seq"]
    job_id = Caller(studio.port).post("/jobs", {"role": "student", "duration_sec": 0.5}).json["id"]
    studio.wait_for_end(job_id)
    until(lambda: Caller(studio.port).get("/live.json").json["seq"] > seen, "the log grew")
    with Tab(studio) as tab:
        tab.subscribe("global", since=seen)
        feed = tab.wait_for("feed", lambda payload: any(event["object"] == f"job:{job_id}" for event in payload["events"]))
        assert feed["seq"] > seen


def test_polling_tells_the_same_as_the_socket(studio: Studio) -> None:
    local = Caller(studio.port)
    seen = local.get("/live.json?rooms=global").json["seq"]
    job_id = local.post("/jobs", {"role": "student", "duration_sec": 0.5}).json["id"]
    studio.wait_for_end(job_id)
    messages = local.get(f"/live.json?rooms=global,user:reader&since={seen}").json["messages"]
    cards = {card["id"]: card["state"] for name, payload in messages if name == "feed" for card in payload["jobs"]}
    assert cards[job_id] == "SUCCEEDED"


def test_person_may_not_listen_at_anothers_door(studio: Studio) -> None:
    with Tab(studio, signed_in(studio, "tom")) as tab:
        assert tab.subscribe("user:reader", "user:tom", "global", "everything")["rooms"] == ["global", "user:tom"]


def test_page_of_another_site_may_not_listen(studio: Studio) -> None:
    with pytest.raises(SocketRefused):
        Tab(studio, origin="http://evil.example")


def test_socket_that_sends_anything_else_changes_nothing(studio: Studio) -> None:
    with Tab(studio) as tab:
        tab.socket.emit("cancel", {"id": "x"})
        assert tab.subscribe("global")["rooms"] == ["global"]
        tab.socket.emit("subscribe", {"rooms": "global"})
        until(lambda: not tab.socket.connected, "a wrong wish hangs up", TIMEOUT_S)


def test_signing_out_hangs_up_everywhere(studio: Studio) -> None:
    browser = signed_in(studio, "zoe")
    other = signed_in(studio, "zoe")
    with Tab(studio, browser) as first, Tab(studio, other) as second, Tab(studio, signed_in(studio, "tom")) as bystander:
        page = browser.get("/dashboard", Accept="text/html").body.decode()
        form = f"csrf={form_token(page)}"
        assert browser.post("/logout", form, Content_Type="application/x-www-form-urlencoded").status == 303
        until(lambda: not first.socket.connected and not second.socket.connected, "both sockets end", TIMEOUT_S)
        assert bystander.socket.connected


def test_change_of_rights_hangs_up(studio: Studio) -> None:
    with Tab(studio, signed_in(studio, "uma")) as tab:
        studio.door.create_login_link("uma", "ops", "")
        until(lambda: not tab.socket.connected, "the socket of the old rights ends", TIMEOUT_S)


def slow_reader(port: int, path: str) -> socket.socket:
    """Asks for a video and takes next to nothing of it: its buffer is full at once."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(TIMEOUT_S)
    made.connect(("127.0.0.1", port))
    made.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    return made


def test_slow_readers_of_a_video_leave_threads_for_the_pages(studio: Studio) -> None:
    job_id = Caller(studio.port).post("/jobs", {"role": "student", "duration_sec": 0.5}).json["id"]
    studio.wait_for_end(job_id)
    with (studio.data_dir / "jobs" / job_id / "video.mp4").open("r+b") as file:
        file.truncate(64 << 20)  # more than the kernel keeps for a connection
    readers = [slow_reader(studio.port, f"/jobs/{job_id}/video") for _ in range(THREADS + 20)]
    try:
        answers = [reader.recv(400) for reader in readers]
        served = sum(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
        refused = [answer for answer in answers if answer.startswith(b"HTTP/1.1 503 ")]
        assert served == WebSettings().max_videos_each
        assert served + len(refused) == len(readers)
        assert all(b"Retry-After: " in answer for answer in refused)
        for reader in readers:
            reader.setblocking(False)
        page = Caller(studio.port).get("/dashboard", Accept="text/html")
        assert page.status == 200, "the pages have their threads"
        assert Caller(studio.port).post("/jobs", {"role": "student", "duration_sec": 0.5}).status == 202
    finally:
        for reader in readers:
            reader.close()
    until(lambda: Caller(studio.port).get(f"/jobs/{job_id}/video", Range="bytes=0-3").status == 206, "the seats are free again")


def test_peers_that_ask_to_close_and_stay_hold_up_nobody(studio: Studio) -> None:
    """gunicorn alone would wait two seconds for each of them, in the thread that takes new requests."""
    peers = [socket.create_connection(("127.0.0.1", studio.port), TIMEOUT_S) for _ in range(30)]
    try:
        for peer in peers:
            peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert all(peer.recv(12) == b"HTTP/1.1 200" for peer in peers[:2])
        with socket.create_connection(("127.0.0.1", studio.port), 40) as other:
            other.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert other.recv(12) == b"HTTP/1.1 200", "all thirty have said goodbye, none was waited for"
    finally:
        for peer in peers:
            peer.close()
