"""Chaos at a size for every day: everything is struck, nothing is lost, and the checker sees what it is there to see."""

from __future__ import annotations

from pathlib import Path

from scheduler import audit
from scheduler.chaos.checker import Checker
from scheduler.chaos.house import ChaosHouse
from scheduler.chaos.load import Load
from scheduler.chaos.points import Kind
from scheduler.chaos.run import ChaosOptions, run_kills
from scheduler.store import open_reader

POINTS = ("inside_step", "after_record", "after_flip", "daemon_before_commit", "daemon_after_commit", "launcher_before_record")


def _nobody(*_: object) -> None:
    """Nobody watches."""


def test_everything_struck_at_random_and_at_named_points_loses_nothing(tmp_path: Path) -> None:
    options = ChaosOptions(engine="fake", kills=24, seed=11, points=POINTS)
    report = run_kills(options, tmp_path, _nobody)
    assert report.findings == []
    facts = report.facts
    assert set(facts["kills_by_kind"]) == set(Kind) and set(facts["kills_by_point"]) == set(POINTS)
    assert facts["kills"] >= 24 and facts["deeds"]["freeze"] >= 1 and facts["deeds"]["pause"] >= 1
    assert facts["acknowledged"] > 3 and facts["blocks_checked"] > 20
    _check_that_the_checker_sees(tmp_path)


def _check_that_the_checker_sees(home: Path) -> None:
    """Spoil the files that the run left, one after another: each is found."""
    house = ChaosHouse(home, "fake")
    reader = open_reader(house.data_dir)
    job = next(row for row in reader.jobs(state="SUCCEEDED").rows)
    load = Load([lambda: house.door], lambda: house.reader, "fake", seed=1)
    one = load._new(0)
    one.job_id = job["id"]
    assert Checker(house, load)._files() == []
    block = house.data_dir / "jobs" / job["id"] / "blocks" / "000001.m4s"
    whole = block.read_bytes()
    block.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "block 1 on the disk is not the one reported" in Checker(house, load)._files()[0]
    block.unlink()
    assert "other files than wanted" in Checker(house, load)._files()[0]
    block.write_bytes(whole)
    one.job_id = "jgone"
    assert any("jgone was acknowledged and is not there" in found for found in Checker(house, load)._acknowledged())
    assert Checker(house, load)._log_and_tables() == []
    assert audit.verify(house.data_dir).code == 0


def test_real_engine_makes_the_same_bits_under_chaos(tmp_path: Path) -> None:
    kinds = (Kind.WORKER, Kind.VAULT)
    points = ("inside_decode", "after_flip", "vault_after_open")  # tests/integration/test_worker.py dies at all of a worker's
    options = ChaosOptions(engine="real", kills=5, seed=9, kinds=kinds, points=points, most_open=2)
    assert options.plan()[-1].point == "after_flip", "a worker dies after a block, and no vault after it"
    report = run_kills(options, tmp_path, _nobody)
    assert report.findings == []
    assert set(report.facts["kills_by_point"]) == set(points)
    assert report.facts["resumes"].get("exact", 0) >= 1, "a killed block was made again from the state before it"
