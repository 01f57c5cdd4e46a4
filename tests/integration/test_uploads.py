"""Files that people bring: checked by the real checker, kept once, bounded per person, cleared away when nobody used them."""

from __future__ import annotations

import asyncio
import math
import os
import struct
import wave
import zlib
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scheduler.clock import SteadyClock
from scheduler.core import events
from scheduler.core.healing_policy import HealingPolicy
from scheduler.core.machine import State
from scheduler.core.policy import Policy
from scheduler.core.uploads import UploadsPolicy
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.ledger import SYSTEM, Deed, Ledger
from scheduler.own_files import check_owned, with_own_files
from scheduler.store import Store
from scheduler.store.opening import open_writer
from scheduler.submission import work_out
from scheduler.uploads import INCOMING, Uploads, shown_name
from tests.unit.scheduler.store_rig import accept, go, role

DAY, NIGHT = Actor("user:day-team"), Actor("user:night-team")
DAY_S = 86_400.0


@dataclass
class House:
    """As much of a daemon as takes files in."""

    store: Store
    data_dir: Path
    policy: UploadsPolicy
    healing: HealingPolicy

    def run(self, work: Callable[[Uploads], Coroutine[Any, Any, Any]]) -> Any:
        """Do it beside a running ledger, and until everything is written."""

        async def all_of_it() -> Any:
            ledger = Ledger(
                self.store, lambda: State.restore(Policy(), 1, self.store.load_open_jobs()), SteadyClock(), lambda _: None,
                lambda: None,
            )  # fmt: skip
            assert ledger.turn([Deed(lambda turn: turn.apply(events.Booted(at=turn.at)), SYSTEM, None)])
            turns = asyncio.create_task(ledger.run())
            try:
                return await work(Uploads(ledger, self.data_dir, lambda: self.policy, lambda: self.healing))
            finally:
                await ledger.do(lambda _: None, SYSTEM)
                turns.cancel()
                with suppress(asyncio.CancelledError):
                    await turns

        return asyncio.run(all_of_it())

    def bring(self, kind: str, path: Path, actor: Actor = DAY) -> dict[str, Any]:
        """Bring one file."""
        return dict(self.run(lambda uploads: uploads.bring(kind, path, path.name, actor)))

    def refusal(self, kind: str, path: Path, actor: Actor = DAY) -> SchedulerError:
        """Why a file is refused; nothing of it is kept, and the log says so."""
        before = set(self.data_dir.glob("assets/*/*"))
        with pytest.raises(SchedulerError) as caught:
            self.bring(kind, path, actor)
        assert set(self.data_dir.glob("assets/*/*")) == before
        entry = self.store.last_entry_of("upload", "upload:refused")
        assert entry is not None and entry["body"]["code"] == caught.value.code and entry["actor"] == actor.name
        return caught.value


@pytest.fixture
def house(tmp_path: Path) -> Any:
    """An empty store beside it."""
    (tmp_path / "var").mkdir()
    store = open_writer(tmp_path / "var")
    healing = HealingPolicy.from_mapping({"disk_low": {"below_bytes": 1, "return_above_bytes": 2}})
    yield House(store, tmp_path / "var", UploadsPolicy(), healing)
    store.close()


def portrait(path: Path, side: int = 600) -> Path:
    """A picture of a soft ball."""
    Image.radial_gradient("L").resize((side, side + 80)).convert("RGB").save(path, "PNG")
    return path


def voice(path: Path, seconds: float = 2.5) -> Path:
    """A tone that comes and goes."""
    samples = (int(9000 * math.sin(i * 0.09) * (i // 8000 % 2)) for i in range(int(16_000 * seconds)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return path


def test_same_file_twice_is_kept_once_and_both_people_have_it(house: House, tmp_path: Path) -> None:
    first, copy = portrait(tmp_path / "face.png"), portrait(tmp_path / "copy.png")

    async def both(uploads: Uploads) -> list[Any]:  # at the same moment
        return await asyncio.gather(
            uploads.bring("portrait", first, "face.png", DAY), uploads.bring("portrait", copy, "copy.png", NIGHT)
        )

    one, other = house.run(both)
    assert one["sha256"] == other["sha256"] and (one["name"], other["name"]) == ("face.png", "copy.png")
    assert [path.name for path in house.data_dir.glob("assets/*/*")] == [one["sha256"]]
    assert house.bring("portrait", copy)["is_known"]
    rows = house.store.uploads_of(DAY.name)
    assert len(rows) == 1 and rows[0]["verdict"]["width"] == 600
    entry = house.store.last_entry_of(f"asset:{one['sha256']}", "upload:added")
    assert entry is not None and entry["body"]["bytes"] == first.stat().st_size and "name" not in entry["body"]


def test_what_is_no_picture_or_no_sound_is_refused_by_content_not_by_name(house: House, tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_text("<script>alert(1)</script>", encoding="utf-8")
    assert "text.png is no picture" in house.refusal("portrait", text).message
    lying = voice(tmp_path / "lying.wav")
    data = bytearray(lying.read_bytes())
    data[40:44] = struct.pack("<I", 10**9)  # claims more sound than there is
    lying.write_bytes(data)
    assert house.refusal("voice", lying).code == "bad_media"
    cut = tmp_path / "cut.png"
    cut.write_bytes(portrait(tmp_path / "whole.png").read_bytes()[:900])
    assert "cut off" in house.refusal("portrait", cut).message
    assert house.refusal("portrait", voice(tmp_path / "voice.wav")).hint == "Bring a PNG, JPEG or WEBP."
    assert house.refusal("portrait", tmp_path / "nowhere.png").code == "no_file"
    assert house.refusal("film", text).field == "kind"


def test_bomb_of_pixels_is_refused_from_its_header(house: House, tmp_path: Path) -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    bomb = tmp_path / "bomb.png"
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b""))
    assert "pixels" in str(house.refusal("portrait", bomb))


def test_bounds_of_bytes_seconds_and_quota_name_the_way_out(house: House, tmp_path: Path) -> None:
    first, second = portrait(tmp_path / "first.png"), portrait(tmp_path / "second.png", 610)
    house.policy = UploadsPolicy(portrait_bytes=1024)
    assert house.refusal("portrait", first).code == "too_large"
    house.policy = UploadsPolicy(voice_s=2)
    refused = house.refusal("voice", voice(tmp_path / "long.wav"))
    assert refused.code == "voice_too_long" and "uploads.voice_s" in refused.hint
    house.policy = UploadsPolicy(quota_bytes=second.stat().st_size + 100)
    house.bring("portrait", first)
    refused = house.refusal("portrait", second)
    assert refused.code == "quota_full" and "Remove files" in refused.hint
    assert house.bring("portrait", first)["is_known"], "what is here already takes nothing"
    house.bring("portrait", second, NIGHT)


def test_disk_that_is_nearly_full_takes_no_files(house: House, tmp_path: Path) -> None:
    house.healing = HealingPolicy.from_mapping({"disk_low": {"below_bytes": 2**50, "return_above_bytes": 2**51}})
    refused = house.refusal("portrait", portrait(tmp_path / "face.png"))
    assert refused.status == 507 and "Free some space" in refused.hint


def test_job_of_ones_own_files_names_their_content_and_keeps_them(house: House, tmp_path: Path) -> None:
    face, sound = house.bring("portrait", portrait(tmp_path / "face.png")), house.bring("voice", voice(tmp_path / "face.wav"))
    own = {"portrait": face["sha256"], "voice": sound["sha256"]}
    request = {"user": "day-team", "role": "teacher", "context": {"topic": "rain"}, **own}
    check_owned(house.store, DAY.name, request)
    with pytest.raises(SchedulerError, match="not here") as caught:
        check_owned(house.store, NIGHT.name, request)
    assert caught.value.field == "portrait"
    with pytest.raises(SchedulerError, match="not here"):
        with_own_files(house.store, {"voice": face["sha256"]}, role())  # a portrait is no voice
    made = work_out(request, with_own_files(house.store, request, role()), "pocket", "", kv=None)
    assert (made.recipe.portrait_sha256, made.recipe.voice_sha256) == (face["sha256"], sound["sha256"])
    assert made.total_blocks == 6 and made.recipe.voice_seconds == 2.5  # of this voice, not of the role's 3.2 s

    job = accept(house.store)
    with house.store.transaction():
        house.store.note_use(face["sha256"], job)
    go(house.store, "SUBMITTED", "QUEUED", job_id=job, hold="waiting_for_slot")
    with pytest.raises(SchedulerError) as caught:
        house.run(lambda uploads: uploads.remove(face["sha256"], DAY))
    assert caught.value.code == "in_use" and job in caught.value.message
    with pytest.raises(SchedulerError) as caught:
        house.run(lambda uploads: uploads.remove(sound["sha256"], NIGHT))
    assert caught.value.code == "unknown_upload"
    house.run(lambda uploads: uploads.remove(sound["sha256"], DAY))
    assert [path.name for path in house.data_dir.glob("assets/*/*")] == [face["sha256"]]


def test_sweep_removes_what_nobody_used_in_time_and_what_never_arrived(house: House, tmp_path: Path) -> None:
    used = house.bring("portrait", portrait(tmp_path / "used.png"))
    unused = house.bring("portrait", portrait(tmp_path / "un.png", 620))
    job = accept(house.store)
    with house.store.transaction():
        house.store.note_use(used["sha256"], job)
    go(house.store, "SUBMITTED", "QUEUED", job_id=job, hold="waiting_for_slot")
    (house.data_dir / INCOMING).mkdir()
    stray, fresh = house.data_dir / INCOMING / "a.part", house.data_dir / INCOMING / "b.part"
    orphan = house.data_dir / "assets" / "ab" / ("ab" * 32)
    orphan.parent.mkdir()
    for path in (stray, fresh, orphan):
        path.write_bytes(b"1")
    old = stray.stat().st_mtime - 2 * DAY_S
    for path in (stray, orphan, *house.data_dir.glob("assets/*/*")):
        os.utime(path, (old, old))
    house.run(lambda uploads: uploads.sweep())
    assert len(house.store.uploads_of(DAY.name)) == 2, "a day has not passed"
    assert (stray.exists(), fresh.exists(), orphan.exists()) == (False, True, False)
    house.policy = UploadsPolicy(keep_unused_s=60)
    house.store._connection.execute("UPDATE uploads SET at = at - 120")
    house.run(lambda uploads: uploads.sweep())
    assert [row["sha256"] for row in house.store.uploads_of(DAY.name)] == [used["sha256"]]
    assert [path.name for path in house.data_dir.glob("assets/*/*")] == [used["sha256"]]
    entry = house.store.last_entry_of(f"asset:{unused['sha256']}", "upload:removed")
    assert entry is not None and entry["actor"] == "system" and entry["body"] == {"owner": DAY.name, "reason": "unused"}


def test_content_that_a_role_needs_survives_the_removal_of_an_upload(house: House, tmp_path: Path) -> None:
    face = house.bring("portrait", portrait(tmp_path / "face.png"))
    with house.store.transaction():
        house.store.put_role(role(portrait_sha256=face["sha256"]), SYSTEM, 1.0)
    house.run(lambda uploads: uploads.remove(face["sha256"], DAY))
    assert house.store.uploads_of(DAY.name) == [] and house.store.asset(face["sha256"]) is not None
    assert (house.data_dir / "assets" / face["sha256"][:2] / face["sha256"]).is_file()


def test_name_of_a_file_is_never_a_path() -> None:
    names = ["../../etc/passwd", "C:\\pictures\\face.png", "a\nb\x00.png", "", "x" * 500]
    assert [shown_name(name) for name in names] == ["passwd", "face.png", "ab.png", "file", "x" * 120]
