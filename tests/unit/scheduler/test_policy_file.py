"""policy.yaml: defaults without it, and a mistake in it is named with its line or field."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dashboard.refusals import in_chinese
from scheduler.core.healing_policy import Fault, HealingPolicy
from scheduler.core.policy import Policy
from scheduler.core.quality import QualityPolicy
from scheduler.core.uploads import UploadsPolicy
from scheduler.errors import SchedulerError
from scheduler.policy_file import changes, for_slots, load_policy, read_policy


def test_without_a_file_the_defaults_hold_and_memory_is_the_vaults(tmp_path: Path) -> None:
    policy = load_policy(tmp_path, 1000)
    assert policy.slot_memory_bytes == 1000
    assert policy.ageing_per_s == Policy().ageing_per_s


def test_a_number_in_the_file_overrides_its_default(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("max_crashes: 5\nslot_memory_bytes: 7\n")
    policy = load_policy(tmp_path, 1000)
    assert (policy.max_crashes, policy.slot_memory_bytes) == (5, 7)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("max_crashs: 5", "max_crashs"),
        ("max_crashes: -1", "max_crashes"),
        ("max_crashes: 5\n  : :", "line 2"),
        ("- 5", "not a map"),
    ],
)
def test_mistake_is_named(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "policy.yaml").write_text(text)
    with pytest.raises(SchedulerError, match=named) as caught:
        load_policy(tmp_path, 1000)
    assert caught.value.code == "bad_policy"
    assert caught.value.hint and caught.value.hint not in caught.value.message, "who shows both shows it once"


def test_number_that_may_be_left_open_says_how(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("max_queued_per_team: none")
    with pytest.raises(SchedulerError) as caught:
        load_policy(tmp_path, 1000)
    assert caught.value.hint == "Use a whole number, or null: no limit."
    (tmp_path / "policy.yaml").write_text("max_queued_per_team: null")
    assert load_policy(tmp_path, 1000).max_queued_per_team is None


def test_policy_that_is_a_pipe_is_refused_and_nobody_waits_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "policy.yaml")
    with pytest.raises(SchedulerError, match=r"policy\.yaml cannot be read: .*no regular file") as caught:
        load_policy(tmp_path, 1000)
    assert caught.value.code == "bad_policy"


def test_number_that_is_no_more_is_told_as_gone_with_what_takes_its_place(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("max_crashes: 5\nfair_share_credit_s: 30\n")
    with pytest.raises(SchedulerError, match="line 2: policy field 'fair_share_credit_s' is no more") as caught:
        load_policy(tmp_path, 1000)
    assert caught.value.hint.startswith("Take it out.") and "fair_share_half_life_s" in caught.value.hint
    assert "Did you mean" not in caught.value.hint and "fair_share_half_life_s" in Policy().to_mapping()
    (problem,) = caught.value.data["problems"]
    assert "已取消" in str(in_chinese("line", problem["code"], {**problem["data"], "problem": problem["code"]}))


def test_rules_of_healing_override_theirs_and_keep_the_others(tmp_path: Path) -> None:
    text = "max_crashes: 4\nfaults:\n  stutter: {action: alert, blocks: 5}\n  gpu_error:\n    retire_codes: [79]\n"
    (tmp_path / "policy.yaml").write_text(text)
    read = read_policy(tmp_path, 1000)
    assert read.policy.max_crashes == 4
    assert (read.healing[Fault.STUTTER].action, read.healing[Fault.STUTTER]["blocks"]) == ("alert", 5)
    assert read.healing[Fault.GPU_ERROR].codes["retire_codes"] == (79,)
    assert read.healing[Fault.HUNG_STEP] == HealingPolicy()[Fault.HUNG_STEP]
    assert HealingPolicy.from_mapping(read.healing.to_mapping()) == read.healing


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("max_crashes: 3\nfaults:\n  sttutter: {}\n", "line 3.*sttutter"),
        ("faults:\n  stutter:\n    block: 3\n", "line 3.*has no 'block'"),
        ("faults:\n  stutter:\n    blocks: 0\n", "line 3.*blocks is 0"),
        ("faults:\n  memory_high: {return_below_ratio: 0.99}\n", "line 2.*not below"),
        ("faults:\n  hung_step: {action: ladder}\n", "line 2.*not one of hung_step"),
        ("faults: [1]\n", "line 1.*not a map"),
        ("max_crashes: 3\nquality:\n  blurred_ratio: {bad_over: 1}\n", "line 3.*no 'bad_over'"),
        ("quality: [1]\n", "line 1.*not a map"),
        ("max_crashes: 3\nuploads:\n  quota_bytes: much\n", "line 3.*quota_bytes is 'much'"),
    ],
)
def test_mistake_in_a_rule_is_named_with_its_line(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "policy.yaml").write_text(text)
    with pytest.raises(SchedulerError, match=named) as caught:
        load_policy(tmp_path, 1000)
    assert caught.value.code == "bad_policy" and caught.value.hint


def test_changes_are_told_by_their_path() -> None:
    before, after = HealingPolicy(), HealingPolicy.from_mapping({"stutter": {"blocks": 3}})
    assert changes({"faults": before.to_mapping()}, {"faults": after.to_mapping()}) == ["faults.stutter.blocks: 2 → 3.0"]


def test_example_file_is_the_defaults_written_out(tmp_path: Path) -> None:
    example = Path(__file__).resolve().parents[3] / "examples" / "policy.yaml"
    (tmp_path / "policy.yaml").write_text(example.read_text(encoding="utf-8"), encoding="utf-8")
    read = read_policy(tmp_path, 1000)
    usual = read_policy(tmp_path / "nowhere", 1000)
    assert (read.policy, read.healing, read.quality) == (usual.policy, HealingPolicy(), QualityPolicy())
    assert read.uploads == UploadsPolicy()
    assert all(f"\n{name}:" in example.read_text(encoding="utf-8") for name in Policy().to_mapping())
    names = (*QualityPolicy().to_mapping(), *UploadsPolicy().to_mapping())
    assert all(f"  {name}:" in example.read_text(encoding="utf-8") for name in names)


def test_words_of_the_order_are_read_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(
        "ordering: fifo\nteam_weights: {education: 2}\nmaintenance_windows: [sat 03:00-04:30 slots 0+1, sun 22:00-01:00]\n"
        "gpu_s_per_day_per_team: 3600\n"
    )
    policy = load_policy(tmp_path, 1000)
    assert policy.ordering == "fifo" and policy.weight_of("education") == 2 and policy.weight_of("market") == 1
    assert [window.slots for window in policy.windows] == [(0, 1), ()]
    assert Policy.from_mapping(policy.to_mapping()) == policy


def test_window_for_a_slot_that_the_house_has_not_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("maintenance_windows: [sun 22:00-01:00, sat 03:00-04:30 slots 0+1]\n")
    read = read_policy(tmp_path, 1000)
    assert for_slots(read, 2) is read
    with pytest.raises(SchedulerError, match=r"slots 0\+1` names slot 1; this house has only slot 0") as caught:
        for_slots(read, 1)
    assert caught.value.code == "bad_policy" and caught.value.hint


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("lease_s: 5\nordering: lottery", "line 2.*lottery"),
        ("team_weights: {education: 0}", "team_weights.education is 0"),
        ("team_weights: 3", "team_weights is 3"),
        ("maintenance_windows: [sat]", "line 1.*has .sat."),
        ("affinity_points: 12", "affinity_points 12 reaches"),
    ],
)
def test_mistake_in_the_words_of_the_order_is_named(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "policy.yaml").write_text(text)
    with pytest.raises(SchedulerError, match=named) as caught:
        load_policy(tmp_path, 1000)
    assert caught.value.code == "bad_policy"
