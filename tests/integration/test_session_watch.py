"""Sessions become one video by the real joining program; what is gone is said, and not tried for ever."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from engine.media.join import join
from scheduler import joining, session_watch, throwaway
from scheduler.clock import SteadyClock
from scheduler.core import events
from scheduler.core.machine import State
from scheduler.core.policy import Policy
from scheduler.ledger import SYSTEM, Deed, Ledger
from scheduler.session_watch import SessionWatch
from scheduler.store import Store
from scheduler.store.joined_reads import JOINING_NOW
from scheduler.store.opening import open_writer
from tests.integration.media_rig import Decoded, Stream, click_track, write_wav
from tests.integration.test_quality_watch import Later, at_the_start
from tests.unit.scheduler.store_rig import AT, accept, go

PATH = ("SUBMITTED", "QUEUED", "LEASED", "RUNNING", "SUCCEEDED")
BLOCK_S = 0.48


class House:
    """A store, a ledger that runs, and the watch."""

    def __init__(self, data_dir: Path, store: Store) -> None:
        self.data_dir, self.store, self._numbers = data_dir, store, count(1)
        self.ledger = Ledger(store, lambda: State.restore(Policy(), 1, []), SteadyClock(), lambda _: None, lambda: None)
        assert self.ledger.turn([Deed(lambda turn: turn.apply(events.Booted(at=turn.at)), SYSTEM, None)])
        self.watch = self.new_watch()

    def new_watch(self, is_possible: bool = True) -> SessionWatch:
        """As after a restart."""
        return SessionWatch(self.ledger, self.data_dir, is_possible)

    def run(self, scene: Awaitable[None]) -> None:
        """Play a scene while the ledger works."""

        async def play() -> None:
            running = asyncio.get_running_loop().create_task(self.ledger.run())
            await asyncio.wait_for(scene, 600)
            running.cancel()

        asyncio.run(play())

    def relay(self, *blocks: int, sizes: dict[int, tuple[int, int]] | None = None) -> list[str]:
        """A finished session of real videos of so many blocks, each with a click in its middle; the ids in order."""
        ids: list[str] = []
        for place, many in enumerate(blocks):
            number, before = next(self._numbers), ids[-1] if ids else ""
            ids.append(accept(self.store, number, follows=before))
            folder, seconds = self.data_dir / "jobs" / ids[-1], many * BLOCK_S
            folder.mkdir(parents=True)
            voice = write_wav(folder / "voice.wav", click_track(seconds, [seconds / 2]))
            join(Stream(folder / "blocks", voice, range(many), *(sizes or {}).get(place, (128, 96))).parts, folder / "video.mp4")
            ended = {"finished_at": AT + number, "video_path": f"jobs/{ids[-1]}/video.mp4", "frames": 12 * many}
            go(self.store, *PATH, job_id=ids[-1], **ended)
        return ids

    def joined(self, ids: list[str]) -> dict[str, Any]:
        """The session's row."""
        row = self.store.joined(ids[-1])
        assert row is not None
        return row


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A house without sessions. Joining does not really give way: beside a busy suite it would take minutes."""
    monkeypatch.setattr(throwaway, "give_way", lambda pid: None)
    with open_writer(tmp_path) as store:
        yield House(tmp_path, store)


def folder_of(house: House, job_id: str) -> list[str]:
    return sorted(path.name for path in (house.data_dir / "jobs" / job_id).iterdir())


def test_session_becomes_one_video_once_with_its_parts_in_order(house: House) -> None:
    ids = house.relay(2, 3, 1)

    async def scene() -> None:
        assert await house.watch.look()
        assert not await house.watch.look(), "once is enough"

    house.run(scene())
    row = house.joined(ids)
    assert (row["state"], row["tries"], row["first_job"], row["is_copied"]) == ("joined", 1, ids[0], True)
    assert (row["frames"], row["seconds"], row["width"], row["height"]) == (72, 2.88, 128, 96)
    assert row["parts"] == [
        {"job": ids[0], "start_s": 0, "frames": 24}, {"job": ids[1], "start_s": 0.96, "frames": 36},
        {"job": ids[2], "start_s": 2.4, "frames": 12},
    ]  # fmt: skip
    data = (house.data_dir / row["path"]).read_bytes()
    assert row["path"] == f"jobs/{ids[-1]}/session.mp4" and row["bytes"] == len(data)
    seen = Decoded(data)
    assert seen.numbers == [*range(24), *range(36), *range(12)]
    assert seen.click_times() == pytest.approx([0.48, 0.96 + 0.72, 2.4 + 0.24], abs=0.011), "half a packet of sound"
    entry = house.store.last_entry_of(f"job:{ids[-1]}", "session:joined")
    assert entry is not None and entry["body"]["sha256"] == row["sha256"] and entry["actor"] == "system"
    assert house.store.fact(JOINING_NOW)["is_on"] is True


def test_parts_of_different_sizes_are_encoded_again(house: House) -> None:
    ids = house.relay(1, 1, sizes={1: (96, 128)})

    async def scene() -> None:
        assert await house.watch.look()

    house.run(scene())
    row = house.joined(ids)
    assert (row["state"], row["is_copied"], row["frames"], row["width"], row["height"]) == ("joined", False, 24, 128, 96)
    assert [part["start_s"] for part in row["parts"]] == [0, 0.48]


def test_missing_and_broken_parts_are_said_in_a_sentence_and_tried_twice_at_most(house: House) -> None:
    gone, broken = house.relay(1, 1), house.relay(1, 1)
    (house.data_dir / "jobs" / gone[0] / "video.mp4").unlink()
    (house.data_dir / "jobs" / broken[0] / "video.mp4").write_bytes(b"no video at all")

    async def scene() -> None:
        assert await house.watch.look() and await house.watch.look()
        assert not await house.watch.look(), "a second try comes later"
        house.ledger.clock = Later()
        assert await house.watch.look() and await house.watch.look()
        assert not await house.watch.look(), "and there is no third"
        assert not await house.new_watch().look(), "not after a restart either"

    house.run(scene())
    assert (house.joined(gone)["code"], house.joined(gone)["tries"]) == ("part_missing", 2)
    assert house.joined(gone)["message"] == f"The video of {gone[0]} is not there any more."
    row = house.joined(broken)
    assert (row["code"], row["tries"]) == ("refused", 2)
    assert f"jobs/{broken[0]}/video.mp4" in row["message"] and str(house.data_dir) not in row["message"]
    assert "session.mp4" not in folder_of(house, broken[-1])


def test_part_that_is_back_after_a_minute_is_joined(house: House) -> None:
    ids = house.relay(1, 1)
    video = house.data_dir / "jobs" / ids[0] / "video.mp4"
    data = video.read_bytes()
    video.unlink()

    async def scene() -> None:
        assert await house.watch.look()
        video.write_bytes(data)
        house.ledger.clock = Later()
        assert await house.watch.look()

    house.run(scene())
    row = house.joined(ids)
    assert (row["state"], row["tries"], row["code"]) == ("joined", 2, None)


def test_killed_joining_is_recorded_and_the_second_try_counts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, killed = house.relay(1, 1), []

    def kill_first(child: subprocess.Popen[bytes]) -> None:
        if not killed:
            child.kill()
            child.wait()
            killed.append(child)

    at_the_start(monkeypatch, kill_first)

    async def scene() -> None:
        assert await house.watch.look()
        assert house.joined(ids)["code"] == "killed" and "signal 9" in house.joined(ids)["message"]
        house.ledger.clock = Later()
        assert await house.watch.look()

    house.run(scene())
    assert (house.joined(ids)["state"], house.joined(ids)["tries"]) == ("joined", 2)


def test_joining_that_takes_too_long_or_is_cancelled_leaves_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, children, begun = house.relay(1, 1), [], asyncio.Event()
    before = folder_of(house, ids[-1])

    def see(child: subprocess.Popen[bytes]) -> None:
        children.append(child)
        begun.set()

    at_the_start(monkeypatch, see)

    async def scene() -> None:
        task = asyncio.get_running_loop().create_task(house.watch.look())
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
        assert house.store.joined(ids[-1]) is None, "the next start joins it"
        monkeypatch.setattr(joining, "allowed_s", lambda parts: 0.01)
        assert await house.watch.look()

    house.run(scene())
    row = house.joined(ids)
    assert row["code"] == "timed_out" and "0.01 s" in row["message"]
    assert [child.poll() for child in children] == [-9, -9]
    assert folder_of(house, ids[-1]) == before


def test_program_that_fails_or_says_nonsense_is_recorded_and_the_watch_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = [
        "print('nonsense')", "print('{\"sha256\": 1}')",
        "import sys; print('{\"error\": {\"message\": \"boom\"}}'); sys.exit(1)",
    ]  # fmt: skip
    sessions = [house.relay(1, 1) for _ in codes]
    said = iter(codes)
    real = joining.python_module("json.tool")[:1]
    monkeypatch.setattr(joining, "python_module", lambda *words: [*real, "-c", next(said)])

    async def scene() -> None:
        for _ in codes:
            assert await house.watch.look()

    house.run(scene())
    assert [house.joined(ids)["code"] for ids in sessions] == ["crashed"] * 3
    assert house.joined(sessions[0])["message"] == "Joining ended with 0: nonsense"
    assert "ended with 1" in house.joined(sessions[2])["message"] and "boom" in house.joined(sessions[2])["message"]


def test_scripted_engine_says_that_it_joins_nothing(house: House) -> None:
    ids = house.relay(1, 1)

    async def scene() -> None:
        assert not await house.new_watch(is_possible=False).look()

    house.run(scene())
    assert house.store.joined(ids[-1]) is None and house.store.fact(JOINING_NOW)["is_on"] is False


def test_sessions_that_ended_while_nobody_watched_are_caught_up_on_oldest_first(house: House) -> None:
    older, newer = house.relay(1, 1), house.relay(1, 1)

    async def scene() -> None:
        watch = house.new_watch()
        assert await watch.look()
        assert house.joined(older)["state"] == "joined" and house.store.joined(newer[-1]) is None
        assert await house.new_watch().look(), "a daemon that ended in between"
        assert not await watch.look()

    house.run(scene())
    assert house.joined(newer)["state"] == "joined"


def test_session_that_ends_after_a_quiet_look_is_joined(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        assert not await house.watch.look()
        monkeypatch.setattr("tests.integration.test_session_watch.AT", house.ledger.clock.now())
        ids = house.relay(1, 1)
        assert await house.watch.look()
        assert house.joined(ids)["state"] == "joined"

    house.run(scene())


def test_joining_waits_while_the_disk_is_nearly_full(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = house.relay(1, 1)

    async def scene() -> None:
        monkeypatch.setattr(session_watch, "WARN_FREE_BYTES", 1 << 62)
        assert not await house.watch.look() and not await house.watch.look()
        assert house.store.joined(ids[-1]) is None
        monkeypatch.setattr(session_watch, "WARN_FREE_BYTES", 1)
        assert await house.watch.look()

    house.run(scene())
    assert house.joined(ids)["state"] == "joined"
