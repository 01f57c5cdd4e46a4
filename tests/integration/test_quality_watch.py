"""Finished videos get their scores from the real measuring program; what is gone is said, and not retried for ever."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scheduler import throwaway
from scheduler.assets import AssetLibrary
from scheduler.clock import SteadyClock
from scheduler.core import events
from scheduler.core.machine import State
from scheduler.core.policy import Policy
from scheduler.core.quality import QualityPolicy
from scheduler.ledger import SYSTEM, Deed, Ledger
from scheduler.quality_watch import FACT, QualityWatch
from scheduler.store import Store
from scheduler.store.opening import open_writer
from tests.integration.media_rig import Stream, talk, write_wav
from tests.unit.scheduler.test_store_quality import finished

BLOCKS = range(3)
Spawned = Callable[[subprocess.Popen[bytes]], None]


class House:
    """A store, a ledger that runs, and the watch."""

    def __init__(self, data_dir: Path, store: Store) -> None:
        self.data_dir, self.store, self.policy = data_dir, store, QualityPolicy()
        self.ledger = Ledger(store, lambda: State.restore(Policy(), 1, []), SteadyClock(), lambda _: None, lambda: None)
        assert self.ledger.turn([Deed(lambda turn: turn.apply(events.Booted(at=turn.at)), SYSTEM, None)])
        self.watch = QualityWatch(self.ledger, data_dir, lambda: self.policy, True)

    def run(self, scene: Awaitable[None]) -> None:
        """Play a scene while the ledger works."""

        async def play() -> None:
            running = asyncio.get_running_loop().create_task(self.ledger.run())
            await asyncio.wait_for(scene, 600)
            running.cancel()

        asyncio.run(play())

    def video(self, number: int) -> str:
        """A finished job with a real video; its id."""
        job_id = finished(self.store, number)
        folder = self.data_dir / "jobs" / job_id
        folder.mkdir(parents=True)
        voice = write_wav(folder / "voice.wav", talk(len(BLOCKS) * 0.48))
        (folder / "video.mp4").write_bytes(Stream(folder / "parts", voice, BLOCKS).data)
        return job_id

    def quality(self, job_id: str) -> dict[str, Any]:
        """The job's row."""
        row = self.store.quality(job_id)
        assert row is not None
        return row


@pytest.fixture
def gave_way() -> list[int]:
    """Processes that were told to give way."""
    return []


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gave_way: list[int]) -> Iterator[House]:
    """A house without videos. Measuring does not really give way: beside a busy suite it would take minutes."""
    monkeypatch.setattr(throwaway, "give_way", gave_way.append)
    with open_writer(tmp_path) as store:
        yield House(tmp_path, store)


def at_the_start(monkeypatch: pytest.MonkeyPatch, act: Spawned) -> None:
    """Do something to each measuring process as soon as it is there."""
    real = throwaway.spawn

    def spawned(*args: Any, **words: Any) -> subprocess.Popen[bytes]:
        child = real(*args, **words)
        act(child)
        return child

    monkeypatch.setattr(throwaway, "spawn", spawned)


def test_finished_video_is_measured_once_and_the_log_tells_it(house: House, gave_way: list[int]) -> None:
    job, portrait = house.video(1), AssetLibrary(house.data_dir).path_of("1" * 64)
    portrait.parent.mkdir(parents=True)
    Image.effect_noise((128, 96), 90).convert("RGB").save(portrait, format="PNG")

    async def scene() -> None:
        assert await house.watch.look()
        assert not await house.watch.look(), "once is enough"

    house.run(scene())
    row = house.quality(job)
    assert (row["state"], row["tries"], row["seconds"], row["code"]) == ("measured", 1, len(BLOCKS) * 0.48, None)
    assert row["has_portrait"] is True and row["loudness_db"] < 0
    assert row["blurred_ratio"] == 1.0, "no frame is as sharp as a portrait of noise"
    entry = house.store.last_entry_of(f"job:{job}", "quality:measured")
    assert entry is not None and entry["body"]["loudness_db"] == row["loudness_db"]
    assert house.store.fact(FACT)["job"] is None and len(gave_way) == 1


def test_deleted_and_broken_videos_are_said_in_a_sentence_and_tried_twice_at_most(house: House) -> None:
    gone, broken = house.video(1), house.video(2)
    (house.data_dir / "jobs" / gone / "video.mp4").unlink()
    (house.data_dir / "jobs" / broken / "video.mp4").write_bytes(b"no video at all")

    async def scene() -> None:
        assert await house.watch.look() and await house.watch.look()
        assert not await house.watch.look(), "a second try comes later"
        house.ledger.clock = Later()
        again = QualityWatch(house.ledger, house.data_dir, lambda: house.policy, True)
        assert await again.look() and await again.look()
        assert not await again.look(), "and there is no third"

    house.run(scene())
    assert (house.quality(gone)["code"], house.quality(gone)["tries"]) == ("video_missing", 2)
    row = house.quality(broken)
    assert (row["code"], row["tries"]) == ("unreadable", 2)
    assert "video.mp4 cannot be read" in row["message"] and str(house.data_dir) not in row["message"]


class Later(SteadyClock):
    """Two minutes on."""

    def now(self) -> float:
        """Seconds since 1970."""
        return super().now() + 120


def test_killed_measuring_is_recorded_and_the_second_try_counts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    job, killed = house.video(1), []

    def kill_first(child: subprocess.Popen[bytes]) -> None:
        if not killed:
            child.kill()
            child.wait()
            killed.append(child)

    at_the_start(monkeypatch, kill_first)

    async def scene() -> None:
        assert await house.watch.look()
        assert house.quality(job)["code"] == "killed" and "signal 9" in house.quality(job)["message"]
        house.ledger.clock = Later()
        assert await house.watch.look()

    house.run(scene())
    assert (house.quality(job)["state"], house.quality(job)["tries"], house.quality(job)["code"]) == ("measured", 2, None)


def test_measuring_that_takes_too_long_or_is_cancelled_leaves_no_process(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, children, begun = house.video(1), [], asyncio.Event()

    def see(child: subprocess.Popen[bytes]) -> None:
        children.append(child)
        begun.set()

    at_the_start(monkeypatch, see)

    async def scene() -> None:
        task = asyncio.get_running_loop().create_task(house.watch.look())
        await begun.wait()
        assert house.store.fact(FACT)["job"] == slow
        task.cancel()
        await asyncio.wait([task])
        assert house.store.quality(slow) is None, "the next start measures it"
        house.policy = QualityPolicy(timeout_s=0.01)
        assert await house.watch.look()

    house.run(scene())
    assert house.quality(slow)["code"] == "timed_out"
    assert [child.poll() for child in children] == [-9, -9]


def test_nothing_is_measured_where_it_is_turned_off(house: House) -> None:
    job = house.video(1)
    house.policy = QualityPolicy(measure=False)
    scripted = QualityWatch(house.ledger, house.data_dir, QualityPolicy, False)

    async def scene() -> None:
        assert not await house.watch.look() and not await scripted.look()

    house.run(scene())
    assert house.store.quality(job) is None and house.store.fact(FACT)["is_on"] is False


def test_measuring_gives_way_to_everybody() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True) as child:
        throwaway.give_way(child.pid)
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == 19
        session = Path(f"/proc/{child.pid}/autogroup")
        assert not session.exists() or "nice 19" in session.read_text()
        child.kill()
