"""The comparison of schemes: its arithmetic, its verdict, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import schemes
from benchmarks.schemes import judge, judge_starts, main, roles_in, table

MIB = 2**20
ALIKE = [{0: {"a"}, 1: {"b"}}] * 4


def rows(**changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    medians = {"isolation": 9.0, "time-sharing": 3.0, "adapters": 0.5, "ours": 0.25}
    return {
        name: {
            "switch_s": {"median": median, "worst": 2 * median, "count": 4}, "switch_in_blocks": 2 * median,
            "at_once": 0.5, "first_role_bytes": 100 * MIB,
            "further_role_bytes": (80 if name == "isolation" else 8) * MIB, "roles_in_budget": 3, "known": "",
            **changes.get(name, {}),
        }
        for name, median in medians.items()
    }  # fmt: skip


def test_switches_are_summed_up_apart_from_the_share_that_was_answered_at_once() -> None:
    found = judge_starts([(False, 0.1), (True, 0.5), (True, 0.7), (True, 3.0)], block_s=0.5)
    assert found == {
        "switch_s": {"median": 0.7, "worst": 3.0, "count": 3}, "block_s": 0.5, "switch_in_blocks": 1.4, "at_once": 0.5,
    }  # fmt: skip


def test_roles_fit_while_the_budget_lasts() -> None:
    assert roles_in(1.0, 1024 * MIB, 10 * MIB) == 1 and roles_in(1.0, 1004 * MIB, 10 * MIB) == 3
    assert roles_in(1.0, 1025 * MIB, 10 * MIB) == 0, "not even the first"
    assert roles_in(1.0, 100 * MIB, -2 * MIB) is None, "a role that takes nothing is not bound by memory"


def test_others_are_told_as_multiples_of_ours() -> None:
    found = judge(rows(), ALIKE)
    assert found["is_reached"] and all(found["goals"].values())
    assert found["switch_over_ours"] == {"isolation": 36.0, "time-sharing": 12.0, "adapters": 2.0}
    assert found["further_role_over_ours"] == {"isolation": 10.0, "time-sharing": 1.0, "adapters": 1.0}


@pytest.mark.parametrize(
    ("changes", "latents", "goal"),
    [
        ({"isolation": {"switch_in_blocks": 0.4}}, ALIKE, "ours switches faster than isolation"),
        ({"time-sharing": {"switch_in_blocks": 0.5}}, ALIKE, "ours switches faster than time-sharing"),
        ({"ours": {"further_role_bytes": 80 * MIB}}, ALIKE, "a further role takes less than with isolation"),
        ({}, [*ALIKE, {1: {"c"}}], "first blocks are the same in all schemes, and others for other roles"),
        ({}, [{0: {"a"}, 1: {"a"}}], "first blocks are the same in all schemes, and others for other roles"),
    ],
)
def test_each_goal_can_be_missed_alone(changes: dict[str, Any], latents: list[dict[int, set[str]]], goal: str) -> None:
    found = judge(rows(**changes), latents)
    assert not found["is_reached"] and [name for name, is_reached in found["goals"].items() if not is_reached] == [goal]


def test_adapters_have_no_goal() -> None:
    assert judge(rows(adapters={"switch_in_blocks": 0.01, "further_role_bytes": 0}), ALIKE)["is_reached"]


def test_table_has_a_line_for_each_scheme_and_says_what_was_missed() -> None:
    missed = rows(ours={"further_role_bytes": 90 * MIB, "roles_in_budget": None})
    facts = {"shape": "pocket", "device": "cpu", "budget_gib": 2.0, "schemes": missed}
    lines = table({**facts, **judge(missed, ALIKE)}).splitlines()
    assert [line.split()[0] for line in lines[2:6]] == list(schemes.WAYS)
    assert lines[5].split()[1:] == ["250.0", "500.0", "0.50", "100", "90.00", "any", "50%"]
    assert "MISSED   a further role takes less than with isolation" in lines


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--roles", "1"], "--roles 1"),
        (["--requests", "0 4"], "from 0 to 3"),
        (["--requests", "0 one"], "from 0 to 3"),
        (["--requests", "0 0"], "no switch"),
        (["--requests", ""], "no switch"),
    ],
)
def test_order_without_a_switch_is_refused_before_anything_starts(
    arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--shape", "pocket", *arguments])
    assert ended.value.code == 2 and word in capsys.readouterr().err
