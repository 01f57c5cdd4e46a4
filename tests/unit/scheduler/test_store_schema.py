"""The schema: what all migrations make is what schema.sql shows, from any earlier version."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlite_utils import Database

from scheduler.core.role_problem import RoleProblem
from scheduler.store import open_reader
from scheduler.store.errors import StoreOutdated
from scheduler.store.migrations import migrations
from tests.unit.scheduler.store_rig import accept, writer

SCHEMA = Path(__file__).resolve().parents[3] / "scheduler" / "store" / "schema.sql"


def _schema(connection: sqlite3.Connection) -> str:
    rows = connection.execute(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE '%sqlite_%' ORDER BY type DESC, name"
    ).fetchall()
    return "\n\n".join(f"{row[0].strip()};" for row in rows) + "\n"


def _fresh() -> Database:
    return Database(sqlite3.connect(":memory:", isolation_level=None), execute_plugins=False)


def test_schema_file_is_what_all_migrations_make() -> None:
    db = _fresh()
    migrations.apply(db)
    assert _schema(db.conn) == SCHEMA.read_text(encoding="utf-8"), (
        "write the new schema into scheduler/store/schema.sql"
    )
    db.close()


def test_a_studio_has_the_schema_of_the_file(tmp_path: Path) -> None:
    with writer(tmp_path):
        pass
    connection = sqlite3.connect(tmp_path / "greenroom.db")
    assert _schema(connection) == SCHEMA.read_text(encoding="utf-8")
    connection.close()


@pytest.mark.parametrize("name", [migration.name for migration in migrations.pending(_fresh())])
def test_every_earlier_schema_becomes_the_present_one(name: str) -> None:
    db = _fresh()
    migrations.apply(db, stop_before=name)
    assert name in [migration.name for migration in migrations.pending(db)]
    migrations.apply(db)
    assert _schema(db.conn) == SCHEMA.read_text(encoding="utf-8")
    db.close()


def test_sentences_of_earlier_versions_about_roles_become_codes() -> None:
    db = _fresh()
    migrations.apply(db, stop_before="role_problems")
    said = {
        "gone": "The role was removed.", "faceless": "Its portrait is missing.", "mute": "Its voice is missing.",
        "plain": "Its adapter is missing.", "sound": None, "odd": "Line 3: the style is not known.",
    }  # fmt: skip
    for name, problem in said.items():
        row = (name, problem is None, problem)
        db.conn.execute("INSERT INTO current_roles (name, version, is_available, problem) VALUES (?, 1, ?, ?)", row)
    migrations.apply(db)
    found = dict(db.conn.execute("SELECT name, problem FROM current_roles").fetchall())
    assert found == {
        "gone": RoleProblem.REMOVED, "faceless": RoleProblem.PORTRAIT_MISSING, "mute": RoleProblem.VOICE_MISSING,
        "plain": RoleProblem.ADAPTER_MISSING, "sound": None, "odd": "Line 3: the style is not known.",
    }  # fmt: skip
    db.close()


def test_a_migration_that_fails_leaves_the_old_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with writer(tmp_path) as store:
        accept(store)
    monkeypatch.setattr(migrations, "_migrations", list(migrations._migrations))

    @migrations()
    def half_a_migration(db: Database) -> None:
        db.conn.execute("CREATE TABLE half (x)")
        db.conn.execute("CREATE TABLE half (x)")

    with pytest.raises(Exception, match="already exists"):
        writer(tmp_path).__enter__()
    connection = sqlite3.connect(tmp_path / "greenroom.db")
    assert _schema(connection) == SCHEMA.read_text(encoding="utf-8")
    connection.close()
    monkeypatch.undo()
    with writer(tmp_path) as store:
        assert store.job("j000000000001") is not None


def test_every_table_is_strict(tmp_path: Path) -> None:
    with writer(tmp_path):
        pass
    connection = sqlite3.connect(tmp_path / "greenroom.db")
    rows = connection.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'").fetchall()
    connection.close()
    loose = [name for name, strict in rows if not strict and "sqlite_" not in name]
    assert loose == []


def test_store_is_imported_without_numpy_which_stays_to_be_had() -> None:
    code = (
        "import sys, scheduler.daemon\n"
        "assert not {'numpy', 'pandas'} & set(sys.modules), 'they take a quarter of the start after a crash'\n"
        "import numpy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_database_that_no_daemon_has_brought_up_to_date_is_told_as_that(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        accept(store)
    path = tmp_path / "greenroom.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("ALTER TABLE jobs DROP COLUMN freed_at")
    db.execute("DELETE FROM _sqlite_migrations WHERE name = 'freed_jobs'")
    db.close()
    with pytest.raises(StoreOutdated, match=r"not of this version.*freed_at") as caught:
        open_reader(tmp_path).load_open_jobs()
    assert (caught.value.code, "serve" in caught.value.hint) == ("store_outdated", True)
    with writer(tmp_path):
        (job,) = open_reader(tmp_path).load_open_jobs()
    assert job.freed_at == 0.0
