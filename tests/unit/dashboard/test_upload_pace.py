"""Whoever sends a file too slowly loses the seat: also one who trickles, whom no look between two pieces would catch."""

from __future__ import annotations

import socket

import pytest

from dashboard import upload_pace
from dashboard.upload_pace import FREE_BYTES, LEAST_BYTES_PER_S, MANY_BYTES_PER_S, START_S, Pace, allowed_s, kept_pace


def test_pace_is_missed_by_silence_and_by_a_trickle_and_kept_by_a_slow_line() -> None:
    silent, slow = Pace(10 * LEAST_BYTES_PER_S, 100.0), Pace(10 * LEAST_BYTES_PER_S, 100.0)
    assert not silent.look(100.0 + START_S)
    assert silent.look(100.1 + START_S)
    silent.came = 9 * LEAST_BYTES_PER_S
    assert silent.look(101.0), "what was missed stays missed"
    slow.came = 5 * LEAST_BYTES_PER_S
    assert not slow.look(105.0 + START_S) and slow.look(105.1 + START_S)
    done = Pace(10, 100.0)
    done.came = 10
    assert not done.look(10_000.0), "what is whole is not late"


def test_long_recording_comes_faster_than_a_portrait_must() -> None:
    most, portrait = 512 << 20, 32 << 20
    assert allowed_s(portrait) < 9 * 60 and allowed_s(most) < 42 * 60
    assert allowed_s(FREE_BYTES) == START_S + FREE_BYTES / LEAST_BYTES_PER_S, "anybody's line brings so much"
    assert allowed_s(most) - allowed_s(most - MANY_BYTES_PER_S) == 1.0


def test_trickling_sender_is_cut_off_and_still_gets_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_pace, "START_S", -1.0)
    monkeypatch.setattr(upload_pace, "LOOK_S", 0.01)
    ours, theirs = socket.socketpair()
    with ours, theirs, kept_pace(ours, 1000) as pace:
        assert ours.recv(1) == b"", "reading ended although the sender is still there"
        assert pace.is_missed
        ours.sendall(b"408")
        assert theirs.recv(3) == b"408"
