"""Live pages of a benchmark: one that the server closes is counted, and the others go on."""

from __future__ import annotations

import socket

import pytest
import websocket

from benchmarks.crowd import Page, listen, report


def page(mine: socket.socket) -> Page:
    made = object.__new__(Page)  # without a server to connect to
    made.socket = websocket.WebSocket()
    made.socket.sock, made.socket.connected = mine, True
    made.rooms, made.is_live, made.is_closed, made.bytes = ["pulse"], True, False, 0
    made.pulses, made.seqs = {}, set()
    return made


def frame(text: str) -> bytes:
    return bytes([0x81, len(text)]) + text.encode()


def test_page_that_the_server_closes_is_counted_and_the_others_are_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    silent, asker = socket.socketpair()
    stdin = silent.makefile()
    monkeypatch.setattr("sys.stdin", stdin)
    (left, left_server), (right, right_server) = socket.socketpair(), socket.socketpair()
    pages = [page(left), page(right)]
    by_socket = {one.socket.sock: one for one in pages}
    left_server.close()
    right_server.sendall(frame('42["pulse",{"now":10.0}]'))
    while len(by_socket) == 2 or not pages[1].pulses:
        listen(by_socket, 0.0)
    found = report(pages, 0.0, 20.0)
    assert (found["pages"], found["pages_closed"], found["pulses_each"]) == (2, 1, 1)
    assert found["messages_lost"] == 1, "the closed page missed what the other heard"
    for one in (left, right, right_server, stdin, silent, asker):
        one.close()
