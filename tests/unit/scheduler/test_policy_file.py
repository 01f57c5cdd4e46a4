"""policy.yaml: defaults without it, and a mistake in it is named with its line or field."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler.core.policy import Policy
from scheduler.errors import SchedulerError
from scheduler.policy_file import load_policy


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
