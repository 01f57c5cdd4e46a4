"""The watermark's verdict and its single checks, on given readings."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from string import Formatter

import pytest

from scheduler.cli.checks import (
    ATTENTION,
    BAD,
    OK,
    UNKNOWN,
    Check,
    clock_check,
    disk_check,
    house_policy,
    memory_checks,
    policy_check,
    queue_check,
    vault_check,
    verdict_of,
    workers_check,
)
from scheduler.cli.exits import ExitCode
from scheduler.cli.place import facts
from scheduler.cli.slot_words import idle_words
from scheduler.plan.house_sentences import HOUSE
from scheduler.plan.sentences import SENTENCES
from scheduler.policy_file import read_policy_at
from tests.unit.scheduler.store_rig import AT, accept, go, writer

GIB = 1 << 30


def _checks(*states: str) -> list[Check]:
    return [Check(name=str(number), state=state, text="") for number, state in enumerate(states)]


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ((OK, OK), ExitCode.OK),
        ((OK, ATTENTION), ExitCode.FITS_DEGRADED),
        ((ATTENTION, UNKNOWN), ExitCode.CANNOT_TELL),
        ((UNKNOWN, BAD, OK), ExitCode.DOES_NOT_FIT),
        ((), ExitCode.OK),
    ],
)
def test_verdict_is_the_worst_of_what_is_known(states: tuple[str, ...], code: ExitCode) -> None:
    assert verdict_of(_checks(*states)) == code


@pytest.mark.parametrize(("used", "state"), [(10, OK), (90, ATTENTION), (97, BAD)])
def test_device_memory_is_held_against_the_marks(used: int, state: str) -> None:
    sample = {"device": "gpu0", "at": 100.0, "memory_used_bytes": used * GIB, "memory_total_bytes": 100 * GIB}
    (check,) = memory_checks([sample], now=101.0)
    assert (check.state, check.data["memory_used_bytes"]) == (state, used * GIB)


def test_vault_that_hangs_or_is_gone_is_told_with_what_happens_next() -> None:
    vault = {
        "pid": 8, "limit_bytes": 4 * GIB, "files_bytes": GIB, "contexts_bytes": 0, "conditions_bytes": 0, "silent_s": 0.0,
        "device_bytes": 0, "parked": {"jobs": 0, "bytes": 0, "taken": 0},
    }  # fmt: skip
    found = [vault_check(vault), vault_check({**vault, "silent_s": 7.4}), vault_check(None)]
    assert [check.state for check in found] == [OK, ATTENTION, ATTENTION]
    assert ["1.0 GiB of 4.0 GiB" in found[0].text, "for 7 s" in found[1].text] == [True, True]
    assert all("work goes on" in check.text for check in found[1:])
    parked = {"jobs": 2, "bytes": 45 * GIB, "taken": 60 * GIB}
    on_gpu = vault_check({**vault, "device_bytes": 37 * GIB, "parked": parked})
    assert on_gpu.state == OK and "37.0 GiB on GPUs" in on_gpu.text and "2, 45.0 GiB" in on_gpu.text


def test_clock_that_was_set_since_the_start_is_told_with_the_way_out() -> None:
    assert not list(clock_check(1000.0, 1030.0))
    (behind,), (ahead,) = (list(clock_check(1000.0, wall)) for wall in (4600.0, -2600.0))
    assert [check.state for check in (behind, ahead)] == [ATTENTION, ATTENTION]
    assert "60 min behind" in behind.text and "60 min ahead" in ahead.text and "start it again" in behind.text


def test_slot_that_takes_no_work_says_why_and_until_when() -> None:
    slot = {
        "slot": 3, "worker": "w1", "drained": True, "drained_for": ["maintenance"], "drained_until": 4200.0, "last_error": None,
    }  # fmt: skip
    said = [
        idle_words(one, 600.0, UTC)["en"]
        for one in (
            slot, {**slot, "drained_until": 90_000.0}, {**slot, "drained_for": ["maintenance", "person", "thermal"]},
            {**slot, "drained": False, "drained_for": [], "worker": None},
            {**slot, "drained": False, "drained_for": [], "worker": None, "last_error": "the weights are damaged"},
        )
    ]  # fmt: skip
    assert said == [
        "in maintenance until 01:10 (UTC)", "in maintenance until 1970-01-02 01:00 (UTC)",
        "in maintenance until 01:10 (UTC), drained by hand, drained for a fault (thermal)", "is starting",
        "did not get ready: the weights are damaged",
    ]  # fmt: skip


def test_some_slots_out_of_work_need_attention_and_none_at_work_is_bad() -> None:
    good = {"slot": 0, "worker": "w1", "drained": False, "drained_for": [], "drained_until": None, "last_error": None}
    gone = {**good, "slot": 1, "worker": None}
    some = workers_check({"slots": [good, gone], "standby": []}, 0.0, UTC)
    none = workers_check({"slots": [gone], "standby": []}, 0.0, UTC)
    assert (some.state, none.state) == (ATTENTION, BAD)
    assert some.text == "slots that take work: 1 of 2; standbys: 0; slot 1 is starting"


def test_old_reading_says_nothing_of_now() -> None:
    sample = {"device": "gpu0", "at": 100.0, "memory_used_bytes": 1, "memory_total_bytes": 2}
    (check,) = memory_checks([sample], now=200.0)
    assert (check.state, "100 s old" in check.text) == (UNKNOWN, True)


def test_missing_sensor_is_unknown_and_never_zero() -> None:
    (check,) = memory_checks([{"device": "gpu0", "at": 100.0}], now=100.0)
    assert (check.state, check.data) == (UNKNOWN, {})


def test_no_device_at_all_is_unknown() -> None:
    assert [check.state for check in memory_checks([], now=0.0)] == [UNKNOWN]


def test_disk_is_measured_where_the_data_would_lie(tmp_path: Path) -> None:
    check = disk_check(tmp_path / "not" / "there" / "yet")
    assert check.data["total_bytes"] >= check.data["free_bytes"] > 0


def test_queue_is_held_against_the_policy_of_this_house(tmp_path: Path) -> None:
    with writer(tmp_path) as store:
        go(store, "SUBMITTED", "QUEUED", job_id=accept(store))
    with facts(tmp_path) as reader:
        limit = house_policy(tmp_path, reader, None).max_queued
        assert (policy_check(tmp_path).state, queue_check(reader, None, AT, limit).state) == (OK, OK)
        (tmp_path / "policy.yaml").write_text("max_queued: 1\n")
        limit = house_policy(tmp_path, reader, None).max_queued
        assert (policy_check(tmp_path).state, queue_check(reader, None, AT, limit).state) == (OK, BAD)


def test_policy_that_cannot_be_used_is_bad_and_names_its_field(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("max_crashs: 5\n")
    line = policy_check(tmp_path)
    assert (line.state, "max_crashs" in line.text, "holds" in line.text) == (BAD, True, False), "nothing runs here"
    assert policy_check(tmp_path, {"slots": [{}]}).text.endswith("The last good policy holds.")


def test_checks_reckon_with_the_policy_that_holds_where_the_file_cannot_be_used(tmp_path: Path) -> None:
    held = read_policy_at(tmp_path / "policy.yaml", GIB).to_mapping() | {"max_queued": 1}
    (tmp_path / "policy.yaml").write_text("max_queued: none\n")
    with writer(tmp_path) as store, store.transaction():
        store.set_fact("policy_version", 3, AT)
        store.set_fact("policy:3", held, AT)
    with facts(tmp_path) as reader:
        policy = house_policy(tmp_path, reader, None)
    assert (policy.max_queued, policy.slot_memory_bytes) == (1, GIB), "and no default"


def test_policy_that_speaks_of_slots_that_this_house_has_not_is_bad(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("maintenance_windows: [sat 03:00-04:30 slots 7]\n")
    line = policy_check(tmp_path, {"slots": [{}]})
    assert (line.state, "names slot 7; this house has only slot 0" in line.text) == (BAD, True)
    assert policy_check(tmp_path, {"slots": [{}] * 8}).state == OK


def test_every_sentence_of_a_check_exists_in_both_languages_with_the_same_words() -> None:
    for code, words in {**SENTENCES, **HOUSE}.items():
        assert set(words) == {"en", "zh"}, code
        assert words["en"] and words["zh"], code
        fields = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in words.values()]
        assert fields[0] == fields[1], code
