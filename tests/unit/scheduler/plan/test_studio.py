"""The snapshot that a plan is held against."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from scheduler.core.policy import Policy
from scheduler.core_notes import SHARES
from scheduler.plan.studio import read_studio
from scheduler.store import open_reader
from tests.unit.scheduler.plan.rig import NINE
from tests.unit.scheduler.store_rig import writer


def test_snapshot_knows_what_ended_leases_used_of_the_day(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        reader = open_reader(tmp_path)
        assert read_studio(tmp_path, NINE, UTC, reader, Policy(), None).spent.ms == {}, "nothing was ever made here"
        with store.transaction():
            store.set_fact(SHARES, {"spent": {"day": 20_780, "ms": [["team", "education", 300_000]]}}, NINE)
        spent = read_studio(tmp_path, NINE, UTC, reader, Policy(), None).spent
        assert (spent.day, spent.ms) == (20_780, {("team", "education"): 300_000})
        reader.close()
