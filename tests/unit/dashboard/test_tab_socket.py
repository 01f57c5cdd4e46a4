"""What a tab is told: at once where it keeps up, in order where it lags, framed as the library would."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import engineio
import pytest
from engineio.packet import MESSAGE, Packet
from engineio.socket import Socket
from wsproto.connection import Connection, ConnectionType
from wsproto.events import Message, TextMessage

from dashboard.app import create_app
from dashboard.tab_socket import MOST_UNSENT, TabSocket, frame_of


class Wire:
    """The library's WebSocket without its handshake: frames by wsproto, a real socket."""

    connected = True

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self._frames = sock, Connection(ConnectionType.SERVER)

    def send(self, text: str) -> None:
        self.sock.sendall(self._frames.send(TextMessage(data=text)))


class Tab:
    """A tab's two ends."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        self.theirs.settimeout(60)
        self.peer = Socket(engineio.Server(async_mode="threading"), "tab")
        self.socket = TabSocket(self.peer._websocket_handler, None)
        self.socket.ws = Wire(ours)
        self._heard = Connection(ConnectionType.CLIENT)

    def hear(self, count: int) -> list[str]:
        """The next `count` messages."""
        heard: list[str] = []
        while len(heard) < count:
            self._heard.receive_data(self.theirs.recv(65_536))
            heard += [event.data for event in self._heard.events() if isinstance(event, Message)]
        return heard

    def write_queued(self) -> None:
        """What the tab's own thread does, once."""
        for packet in self.peer.poll():
            self.socket.send(packet.encode())


@pytest.fixture
def tab() -> Iterator[Tab]:
    tab = Tab()
    yield tab
    tab.theirs.close()
    tab.socket.ws.sock.close()


@pytest.mark.parametrize("size", [0, 125, 126, 2_000, 70_000])
def test_a_frame_is_the_one_that_the_library_makes(size: int) -> None:
    text = "é" * (size // 2)
    expected = Connection(ConnectionType.SERVER).send(TextMessage(data="4" + text))
    assert frame_of(Packet(MESSAGE, text)) == expected


def test_a_tab_that_keeps_up_hears_at_once_and_wakes_no_thread(tab: Tab) -> None:
    tab.peer.send(Packet(MESSAGE, "news"))
    assert tab.hear(1) == ["4news"] and tab.peer.queue.empty()


def test_a_packet_for_many_tabs_is_framed_once(tab: Tab) -> None:
    other, packet = Tab(), Packet(MESSAGE, "for all")
    tab.peer.send(packet)
    first = frame_of(packet)
    other.peer.send(packet)
    assert frame_of(packet) is first and other.hear(1) == tab.hear(1)
    other.theirs.close()
    other.socket.ws.sock.close()


def test_a_tab_that_lags_keeps_the_order_and_loses_nothing(tab: Tab) -> None:
    sent = [f"{number:04d}" + "x" * 1_900 for number in range(40)]
    for text in sent:
        tab.peer.send(Packet(MESSAGE, text))
    waiting = tab.peer.queue.qsize()
    assert 0 < waiting < len(sent) and (len(sent) - waiting) * 1_900 <= MOST_UNSENT  # nobody waited for it
    heard = tab.hear(len(sent) - waiting)
    tab.peer.send(Packet(MESSAGE, "later"))  # there is room again, but others come first
    assert tab.peer.queue.qsize() == waiting + 1
    tab.write_queued()
    heard += tab.hear(waiting + 1)
    assert heard == ["4" + text for text in [*sent, "later"]]
    tab.peer.send(Packet(MESSAGE, "at once"))
    assert tab.peer.queue.empty() and tab.hear(1) == ["4at once"]


def test_what_was_queued_before_the_tab_was_open_comes_first() -> None:
    peer = Socket(engineio.Server(async_mode="threading"), "early")
    peer.queue.put(Packet(MESSAGE, "welcome"))
    ours, theirs = socket.socketpair()
    wire: Any = TabSocket(peer._websocket_handler, None)
    wire.ws = Wire(ours)
    peer.send(Packet(MESSAGE, "news"))
    assert [packet.data for packet in peer.poll()] == ["welcome", "news"]
    ours.close()
    theirs.close()


@pytest.mark.parametrize("end", ["theirs", "ours"])
def test_a_tab_that_is_gone_raises_nothing_at_the_speaker(tab: Tab, end: str) -> None:
    (tab.theirs if end == "theirs" else tab.socket.ws.sock).close()
    tab.peer.send(Packet(MESSAGE, "to nobody"))  # others in the room are still to be told
    assert tab.peer.queue.empty()


def test_web_gives_every_tab_such_a_socket(tmp_path: Any) -> None:
    app = create_app(tmp_path)
    assert app.extensions["socketio"].server.eio._async["websocket"] is TabSocket
