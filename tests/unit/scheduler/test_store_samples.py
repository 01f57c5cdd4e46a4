"""Device history: readings added up by the minute, who held the memory, and what is forgotten."""

from __future__ import annotations

from pathlib import Path

from scheduler.store import open_reader
from tests.unit.scheduler.store_rig import AT, writer

START = AT // 3600 * 3600
GIB = 1 << 30


def test_minute_keeps_peak_mean_levels_and_missing_sensors_apart(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        with store.transaction():
            for second in range(60):
                used = 90 if second == 30 else 50
                store.insert_sample(START + second, "gpu0", {"memory_used_bytes": used, "memory_total_bytes": 100,
                                                             "utilization_percent": 10 if second % 2 else 30})  # fmt: skip
                store.insert_sample(START + second, "bare", {})
            store.insert_sample(START, "gpu0", {"memory_used_bytes": 99, "memory_total_bytes": 100})  # the same moment again
            store.insert_sample(START + 60, "gpu0", {"memory_total_bytes": 100, "throttle_reasons": 0x40, "xids": [79]})
        bare, first, second = open_reader(tmp_path).minutes(START, START + 120)
    assert (first["readings"], first["memory_peak_bytes"], first["memory_sum_bytes"]) == (60, 90, 59 * 50 + 90)
    assert first["levels"] == {50: 59, 90: 1}
    assert (first["load_sum"] / first["load_readings"], first["load_peak"]) == (20, 30)
    assert (bare["readings"], bare["memory_readings"], bare["memory_peak_bytes"], bare["levels"]) == (60, 0, None, {})
    assert (second["memory_peak_bytes"], second["throttle"], second["errors"]) == (None, 0x40, 1)


def test_steps_keep_the_peak_of_what_they_stand_for(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        with store.transaction():
            for minute in range(60):
                body = {"memory_used_bytes": 95 if minute == 7 else 10, "memory_total_bytes": 100, "shares": {"job:j1": minute}}
                store.insert_sample(START + 60 * minute, "cpu", body)
        reader = open_reader(tmp_path)
        steps = reader.minute_steps(START, START + 3600, 600)
        shares = reader.shares(START, START + 3600, 600)
        troubles = reader.device_troubles(START, START + 3600, 0x40)
    assert [row["memory_peak_bytes"] for row in steps] == [95, 10, 10, 10, 10, 10]
    assert [row["at"] - START for row in steps] == [0, 600, 1200, 1800, 2400, 3000]
    assert [(row["owner"], row["peak_bytes"]) for row in shares][-1] == ("job:j1", 59)
    assert troubles == []


def test_history_is_bounded_and_minutes_outlive_single_readings(tmp_path: Path) -> None:
    body = {"memory_used_bytes": 1, "memory_total_bytes": 2, "shares": {"weights": 1}}
    with writer(tmp_path) as store:
        with store.transaction():
            for day in (0, 28, 37):
                store.insert_sample(START + day * 86_400, "cpu", body)
            store.thin_samples(START + 38 * 86_400)
        assert [row["at"] for row in store.samples(0)] == [START + 37 * 86_400]
        reader = open_reader(tmp_path)
        minutes = reader.minutes(0, START + 40 * 86_400)
        assert [row["minute"] * 60 - START for row in minutes] == [28 * 86_400, 37 * 86_400]
        assert [row["at"] for row in reader.shares(0, START + 40 * 86_400, 60)] == [START + 37 * 86_400]
        assert reader.first_minute() == START + 28 * 86_400
