"""Exports: for log stacks, for spreadsheets, and verifiable without the database."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest

from scheduler.audit import Actor, export, verify
from scheduler.errors import SchedulerError
from scheduler.store import open_reader
from tests.unit.scheduler.store_rig import AT, accept, go, writer


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A studio with a few rows, one of them hostile."""
    data = tmp_path / "var"
    with writer(data) as store:
        accept(store)
        go(store, "SUBMITTED", "QUEUED", "LEASED")
        with store.transaction():
            store.record("report:refused", "job:j000000000001", {"code": "old_lease", "message": "刚过期"},
                         Actor("=cmd|'/c calc'!A1"), AT, outcome="refused")  # fmt: skip
    return data


def _lines(data_dir: Path, tmp_path: Path) -> tuple[Path, list[str]]:
    path = tmp_path / "audit.jsonl"
    export(data_dir, path)
    return path, path.read_text(encoding="utf-8").splitlines(keepends=True)


def test_an_export_verifies_to_the_head_of_the_database(data_dir: Path, tmp_path: Path) -> None:
    path, lines = _lines(data_dir, tmp_path)
    verdict, original = verify(data_dir, export=path), verify(data_dir)
    assert verdict.is_ok
    assert (verdict.seq, verdict.hash, verdict.rows) == (original.seq, original.hash, len(lines) - 1)
    assert verify(tmp_path / "elsewhere", export=path).is_ok
    (tmp_path / "spoilt").mkdir()
    os.mkfifo(tmp_path / "spoilt" / "greenroom.db")
    verdict = verify(tmp_path / "spoilt", export=path)
    assert verdict.is_ok and "greenroom.db is no regular file" in verdict.warnings[-1]


def test_lines_are_documents_of_the_common_schema(data_dir: Path, tmp_path: Path) -> None:
    _, lines = _lines(data_dir, tmp_path)
    docs = [json.loads(line) for line in lines]
    accepted, refused, head = docs[1], docs[-2], docs[-1]
    assert accepted["event"]["action"] == "job:submitted"
    assert accepted["event"]["sequence"] == 2
    assert accepted["user"]["name"] == "reader"
    assert accepted["source"]["ip"] == "127.0.0.1"
    assert accepted["labels"]["job_id"] == "j000000000001"
    assert accepted["trace"]["id"] == "request-1"
    assert refused["event"]["outcome"] == "failure"
    assert refused["error"] == {"code": "old_lease", "message": "刚过期"}
    assert head["event"]["kind"] == "state"
    assert head["greenroom"]["export"] == {"rows": len(docs) - 1, "complete": True}
    assert all(doc["@timestamp"].endswith("Z") and doc["ecs"]["version"] for doc in docs)


def _changed(lines: list[str], how: str) -> list[str]:
    body = lines[:-1]
    match how:
        case "cut":
            return lines[:-1]
        case "cut before the head":
            return [*body[:-1], lines[-1]]
        case "drop":
            return [*body[:1], *body[2:], lines[-1]]
        case "swap":
            return [body[0], body[2], body[1], *body[3:], lines[-1]]
        case "twice":
            return [*body[:2], body[1], *body[2:], lines[-1]]
        case "edit the row":
            return [
                *body[:1],
                body[1].replace('\\"role\\":\\"teacher\\"', '\\"role\\":\\"student\\"'),
                *body[2:],
                lines[-1],
            ]
        case "edit a searchable field":
            return [
                *body[:1],
                body[1].replace('"user":{"name":"reader"}', '"user":{"name":"omar"}'),
                *body[2:],
                lines[-1],
            ]
        case "a second key":
            return [*body[:1], body[1].replace('"user":', '"user":{"name":"omar"},"user":'), *body[2:], lines[-1]]
        case "edit the head":
            return [*body, lines[-1].replace('"hash":"', '"hash":"00')[:-5] + "\n"]
        case "after the head":
            return [*lines, body[0]]
        case "no json":
            return [body[0], "hello\n", *body[1:], lines[-1]]
        case _:
            return ["[]\n"]


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("cut", 22), ("cut before the head", 22), ("drop", 22), ("swap", 20), ("twice", 20), ("edit the row", 20),
        ("edit a searchable field", 20), ("a second key", 20), ("edit the head", 20), ("after the head", 21), ("no json", 20),
        ("something else", 20),
    ],
)  # fmt: skip
def test_a_changed_export_is_found_out(data_dir: Path, tmp_path: Path, how: str, code: int) -> None:
    path, lines = _lines(data_dir, tmp_path)
    changed = _changed(lines, how)
    assert changed != lines
    path.write_text("".join(changed), encoding="utf-8")
    assert verify(data_dir, export=path).exit_code == code


def test_an_export_of_another_log_does_not_match_this_database(data_dir: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with writer(other) as store:
        accept(store)
    path = tmp_path / "other.jsonl"
    export(other, path)
    assert verify(data_dir, export=path).exit_code == 21


def test_a_filtered_export_says_what_it_cannot_prove(data_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    reader = open_reader(data_dir)
    path.write_text("".join(reader.export_audit("jsonl", action="job:*")), encoding="utf-8")
    reader.close()
    verdict = verify(data_dir, export=path)
    assert verdict.is_ok
    assert verdict.rows == 3
    assert "filtered" in verdict.warnings[0]


def test_csv_opens_in_a_spreadsheet_and_runs_nothing(data_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "audit.csv"
    head = export(data_dir, path, "csv")
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))
    assert rows[0][0] == "seq"
    assert rows[-1] == [f"# head seq={head.seq} hash={head.hash.hex()} rows={head.seq} complete=true"]
    hostile = rows[-2]
    assert hostile[rows[0].index("actor")] == "'=cmd|'/c calc'!A1"
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row)


def test_an_empty_log_exports_and_verifies(tmp_path: Path) -> None:
    with writer(tmp_path / "var") as store:
        lines = list(store.export_audit("jsonl", before_seq=1))
    assert len(lines) == 1
    path = tmp_path / "empty.jsonl"
    path.write_text(lines[0], encoding="utf-8")
    assert verify(tmp_path, export=path).is_ok


def test_wrong_requests_are_refused_in_words(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(SchedulerError) as caught:
        export(data_dir, tmp_path / "x", "xml")
    assert caught.value.code == "bad_format"
    assert not (tmp_path / "x").exists()
    for call, code in (
        (lambda: verify(tmp_path / "nowhere"), "no_store"),
        (lambda: verify(data_dir, export=tmp_path / "nowhere"), "no_export"),
        (lambda: verify(data_dir, from_seq=0), "bad_from_seq"),
    ):
        with pytest.raises(SchedulerError) as caught:
            call()
        assert caught.value.code == code


def test_only_the_rows_from_a_seq_on_are_checked(data_dir: Path) -> None:
    whole, part = verify(data_dir), verify(data_dir, from_seq=4)
    assert part.is_ok
    assert part.rows == whole.rows - 3
    assert verify(data_dir, from_seq=whole.seq + 1).rows == 0
    with pytest.raises(SchedulerError, match=f"ends at row {whole.seq}"):
        verify(data_dir, from_seq=whole.seq + 2)


def test_person_is_named_with_the_group_of_that_moment(data_dir: Path, tmp_path: Path) -> None:
    dora, system = Actor("user:dora", "", ""), Actor("system", "", "")
    with writer(data_dir) as store:
        for group in ("designer", "admin"):
            with store.transaction():
                store.put_user("dora", group, "", system, AT)
                store.record("queue:paused", "queue", {"reason": "stocktaking"}, dora, AT)
        rows = store.audit(actor="user:dora")
        assert [row["actor_group"] for row in rows] == ["admin", "designer"], "what was stays, the change counts from then on"
        assert [row["seq"] for row in store.audit(group="designer")] == [rows[1]["seq"]]
        assert {row["actor_group"] for row in store.audit(actor="user:reader")} == {None}, "nobody of that name was known"
    path, lines = _lines(data_dir, tmp_path)
    users = [doc["user"] for doc in map(json.loads, lines[:-1])]
    assert {"name": "dora", "group": {"name": "designer"}} in users and {"name": "reader"} in users
    assert verify(data_dir, export=path).is_ok
    export(data_dir, tmp_path / "audit.csv", "csv")
    written = csv.DictReader(io.StringIO((tmp_path / "audit.csv").read_text(encoding="utf-8-sig")))
    assert [row["actor_group"] for row in written if row["actor"] == "user:dora"] == ["designer", "admin"]
    path.write_text("".join(lines).replace('"group":{"name":"designer"}', '"group":{"name":"admin"}'), encoding="utf-8")
    assert not verify(data_dir, export=path).is_ok, "a changed group shows"
