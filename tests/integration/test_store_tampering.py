"""Whoever has the file can change it. Every change shows: 400 random ones, through a raw connection without the guards."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from scheduler.audit import verify
from scheduler.audit.chain import FIELDS, chained_bytes, link_hash
from scheduler.audit.guards import TRIGGERS
from tests.unit.scheduler.store_rig import accept, go, writer

ROUNDS = 400
Row = tuple[object, ...]
Tamper = Callable[[list[Row], random.Random], list[Row] | None]
_COLUMNS = ("seq", *FIELDS, "prev", "hash")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed studio with some dozens of rows."""
    data = tmp_path_factory.mktemp("original")
    with writer(data) as store:
        for number in range(1, 11):
            accept(store, number)
            go(store, "SUBMITTED", "QUEUED", "LEASED", "RUNNING", job_id=f"j{number:012d}")
    return data


def _rechained(rows: list[Row]) -> list[Row]:
    """Numbers and hashes made right again, as a careful forger would."""
    prev, out = bytes(32), []
    for seq, row in enumerate(rows, start=1):
        fields = row[1 : 1 + len(FIELDS)]
        digest = link_hash(prev, seq, chained_bytes(fields))  # type: ignore[arg-type]
        out.append((seq, *fields, prev, digest))
        prev = digest
    return out


def _changed(row: Row, rng: random.Random) -> Row:
    index = rng.randrange(1, len(_COLUMNS))
    value = row[index]
    if isinstance(value, bytes):
        position = rng.randrange(len(value))
        new: object = value[:position] + bytes([value[position] ^ (1 << rng.randrange(8))]) + value[position + 1 :]
    elif isinstance(value, int):
        new = value + rng.choice((-1, 1, 10**9))
    else:
        text = str(value)
        position = rng.randrange(len(text) + 1)
        new = rng.choice((text[:position] + rng.choice("x0 é") + text[position:], text[1:] or "y", text + "\x00"))
    return (*row[:index], new, *row[index + 1 :])


def _update(rows: list[Row], rng: random.Random) -> list[Row]:
    at = rng.randrange(len(rows))
    return [*rows[:at], _changed(rows[at], rng), *rows[at + 1 :]]


def _delete(rows: list[Row], rng: random.Random) -> list[Row]:
    at = rng.randrange(len(rows))
    return rows[:at] + rows[at + 1 :]


def _reorder(rows: list[Row], rng: random.Random) -> list[Row]:
    """Two rows change places and take each other's number."""
    a, b = rng.sample(range(len(rows)), 2)
    out = list(rows)
    out[a], out[b] = (rows[a][0], *rows[b][1:]), (rows[b][0], *rows[a][1:])
    return out


def _insert(rows: list[Row], rng: random.Random) -> list[Row]:
    """A made-up row; those behind it move up by one, hashes untouched."""
    at = rng.randrange(len(rows) + 1)
    made_up = (at + 1, *_changed(rng.choice(rows), rng)[1:])
    return [*rows[:at], made_up, *((row[0] + 1, *row[1:]) for row in rows[at:])]  # type: ignore[operator]


def _append_rightly(rows: list[Row], rng: random.Random) -> list[Row]:
    """One more row, correctly chained, behind a log that was closed."""
    return _rechained([*rows, rng.choice(rows)])


def _cut_tail(rows: list[Row], rng: random.Random) -> list[Row]:
    return rows[: rng.randrange(len(rows))]


def _cut_head(rows: list[Row], rng: random.Random) -> list[Row]:
    return rows[rng.randrange(1, len(rows)) :]


def _renumber(rows: list[Row], rng: random.Random) -> list[Row]:
    shift = rng.choice((-1, 1, 1000))
    return [(row[0] + shift, *row[1:]) for row in rows]  # type: ignore[operator]


def _rechain_update(rows: list[Row], rng: random.Random) -> list[Row] | None:
    at = rng.randrange(len(rows))
    changed = _changed(rows[at], rng)
    same = changed[1 : 1 + len(FIELDS)] == rows[at][1 : 1 + len(FIELDS)]
    return None if same else _rechained([*rows[:at], changed, *rows[at + 1 :]])


def _rechain_delete(rows: list[Row], rng: random.Random) -> list[Row]:
    return _rechained(_delete(rows, rng))


def _rechain_reorder(rows: list[Row], rng: random.Random) -> list[Row]:
    return _rechained(_reorder(rows, rng))


TAMPERS: list[Tamper] = [
    _update, _delete, _reorder, _insert, _append_rightly, _cut_tail, _cut_head, _renumber, _rechain_update,
    _rechain_delete, _rechain_reorder,
]  # fmt: skip


def _apply(data: Path, tamper: Tamper, rng: random.Random) -> bool:
    raw = sqlite3.connect(data / "greenroom.db", isolation_level=None)
    raw.execute("PRAGMA synchronous=OFF")  # a forger need not wait for the disk
    try:
        names = ", ".join(_COLUMNS)
        before = raw.execute(f"SELECT {names} FROM audit ORDER BY seq").fetchall()
        after = tamper(before, rng)
        if after is None or after == before:
            return False
        raw.execute("BEGIN")
        for name in TRIGGERS:
            raw.execute(f"DROP TRIGGER {name}")
        raw.execute("DROP INDEX audit_actor_group")  # it reads bodies, and lets none in that is no JSON
        raw.execute("DELETE FROM audit")
        raw.executemany(f"INSERT INTO audit ({names}) VALUES ({', '.join('?' * len(_COLUMNS))})", after)
        for sql in TRIGGERS.values():
            raw.execute(sql)
        raw.execute("COMMIT")
    finally:
        raw.close()
    return True


def test_every_random_tampering_is_detected(original: Path, tmp_path: Path) -> None:
    assert verify(original).is_ok
    tried = 0
    for seed in range(ROUNDS):
        rng = random.Random(seed)
        tamper = TAMPERS[seed % len(TAMPERS)]
        for name in ("greenroom.db", "audit.head"):
            shutil.copyfile(original / name, tmp_path / name)
        if not _apply(tmp_path, tamper, rng):
            continue
        tried += 1
        verdict = verify(tmp_path)
        assert verdict.exit_code in (20, 21, 22), f"{tamper.__name__} with seed {seed} was not seen: {verdict}"
        assert not verdict.warnings, "the forger put the triggers back"
    assert tried >= 300


@pytest.mark.parametrize(
    ("tamper", "codes"),
    [
        (_cut_tail, {22}),
        (_rechain_update, {21}),
        (_append_rightly, {21}),
        (_delete, {20, 22}),
        (_update, {20}),
        (_cut_head, {20}),
    ],
)
def test_the_verdict_tells_the_kinds_apart(original: Path, tmp_path: Path, tamper: Tamper, codes: set[int]) -> None:
    for name in ("greenroom.db", "audit.head"):
        shutil.copyfile(original / name, tmp_path / name)
    assert _apply(tmp_path, tamper, random.Random(7))
    assert verify(tmp_path).exit_code in codes


def test_a_broken_row_is_named(original: Path, tmp_path: Path) -> None:
    for name in ("greenroom.db", "audit.head"):
        shutil.copyfile(original / name, tmp_path / name)
    raw = sqlite3.connect(tmp_path / "greenroom.db", isolation_level=None)
    raw.execute("DROP TRIGGER audit_is_never_updated")
    raw.execute("UPDATE audit SET body = replace(body, 'teacher', 'student') WHERE seq = 10")
    raw.close()
    verdict = verify(tmp_path)
    assert (verdict.exit_code, verdict.broken_seq, verdict.seq) == (20, 10, 9)
    assert "audit_is_never_updated" in verdict.warnings[0]
    assert verify(tmp_path, from_seq=11).is_ok  # from the next row on, the chain holds
    assert verify(tmp_path, from_seq=10).broken_seq == 10


def test_a_page_that_cannot_be_read_is_a_broken_row(original: Path, tmp_path: Path) -> None:
    for name in ("greenroom.db", "audit.head"):
        shutil.copyfile(original / name, tmp_path / name)
    path = tmp_path / "greenroom.db"
    raw = sqlite3.connect(path)
    page_size, root = (
        raw.execute("PRAGMA page_size").fetchone()[0],
        raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'audit'").fetchone()[0],
    )
    raw.close()
    data = bytearray(path.read_bytes())
    data[(root - 1) * page_size : root * page_size] = b"\xff" * page_size
    path.write_bytes(bytes(data))
    assert verify(tmp_path).exit_code == 20


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"seq": -1, "hash": "00", "state": "open"}', None])
def test_a_head_that_is_gone_or_unreadable_is_a_mismatch(original: Path, tmp_path: Path, content: str | None) -> None:
    shutil.copyfile(original / "greenroom.db", tmp_path / "greenroom.db")
    if content is not None:
        (tmp_path / "audit.head").write_text(content, encoding="utf-8")
    assert verify(tmp_path).exit_code == 21
