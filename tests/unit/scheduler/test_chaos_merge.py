"""One report of several houses: sums, findings with their house, and what counts as a run that passed."""

from __future__ import annotations

import json
from typing import Any

from scheduler.chaos.houses import share_out
from scheduler.chaos.merge import HouseOutcome, merged
from scheduler.chaos.points import Kind
from scheduler.chaos.run import ChaosOptions

OPTIONS = ChaosOptions(kills=10, seed=30, kinds=(Kind.WEB, Kind.WORKER), points=("after_flip",))


def outcome(number: int, *, kinds: dict[str, int], points: dict[str, int] | None = None, **more: Any) -> HouseOutcome:
    """What a house showed that ended well, unless `more` says otherwise."""
    kills = sum(kinds.values())
    facts = {
        "kills": kills, "kills_by_kind": kinds, "kills_by_point": points or {}, "deeds": {"kill": kills},
        "missed": [f"blow {number} (kill worker after_flip): not within 25 s"], "frozen_gone_s": [2.0 * number],
        "acknowledged": 10, "refused_by_code": {"daemon_unreachable": number}, "blocks_checked": 100, "jobs_rebuilt": 0,
        "resumes": {"exact": 3, "fresh": 10}, "checks": 2, "launcher_starts": 1, "launchers_gave_up": [],
        "is_stopped_at_limit": False, "blows": 6,
    }  # fmt: skip
    facts |= more.pop("facts", {})
    return HouseOutcome(number=number, seed=29 + number, kills_asked=3, seconds=12.5, facts=facts, **more)


def test_what_one_house_missed_and_another_hit_is_no_finding_and_everything_is_summed() -> None:
    report = merged(OPTIONS, [outcome(1, kinds={"worker": 2}, points={"after_flip": 1}), outcome(2, kinds={"web": 1})], 14.0)
    assert report["is_passed"] and report["findings"] == []
    assert report["kills"] == 3 and report["kills_by_kind"] == {"web": 1, "worker": 2}
    assert report["kills_by_point"] == {"after_flip": 1} and report["deeds"] == {"kill": 3}
    assert report["acknowledged"] == 20 and report["blocks_checked"] == 200 and report["checks"] == 4
    assert report["resumes"] == {"exact": 6, "fresh": 20} and report["refused_by_code"] == {"daemon_unreachable": 3}
    assert report["missed"][1] == "house 2 (seed 31): blow 2 (kill worker after_flip): not within 25 s"
    assert report["frozen_gone_s"] == [2.0, 4.0] and report["seconds"] == 14.0
    rows = [(row["house"], row["seed"], row["kills"], row["seconds"]) for row in report["houses"]]
    assert rows == [(1, 30, 2, 12.5), (2, 31, 1, 12.5)]
    assert json.loads(json.dumps(report)) == {**report, "options": json.loads(json.dumps(report["options"]))}


def test_what_no_house_hit_is_a_finding_with_those_that_missed_it() -> None:
    report = merged(OPTIONS, [outcome(1, kinds={"worker": 2}), outcome(2, kinds={"worker": 1})], 14.0)
    assert not report["is_passed"]
    assert report["findings"][0] == "no web was killed"
    assert report["findings"][1].startswith("nobody was killed at after_flip (house 1 (seed 30): blow 1 (")
    untried = merged(OPTIONS, [outcome(1, kinds={"worker": 2, "web": 1}, facts={"missed": []})], 14.0)
    assert untried["findings"] == ["nobody was killed at these points, no blow came to them: after_flip"]


def test_finding_of_one_house_fails_the_run_and_says_which_it_was() -> None:
    good = outcome(1, kinds={"web": 1, "worker": 1}, points={"after_flip": 1})
    bad = outcome(2, kinds={}, findings=["a block is lost"])
    report = merged(OPTIONS, [good, bad], 14.0)
    assert not report["is_passed"] and report["findings"] == ["house 2 (seed 31): a block is lost"]
    assert [row["is_passed"] for row in report["houses"]] == [True, False]
    assert merged(OPTIONS, [bad], 14.0)["findings"][0] == "a block is lost", "a house alone needs no name"


def test_house_that_made_no_report_fails_the_run_and_what_it_told_last_counts() -> None:
    good = outcome(1, kinds={"web": 1, "worker": 1}, points={"after_flip": 1})
    lost = outcome(2, kinds={"worker": 1}, is_ended=False, stood_still=["after blow 402"], kept_in="somewhere")
    report = merged(OPTIONS, [good, lost], 14.0)
    assert not report["is_passed"] and report["kills"] == 3
    row = report["houses"][1]
    assert (row["is_ended"], row["stood_still"], row["kept_in"]) == (False, ["after blow 402"], "somewhere")
    nothing = HouseOutcome(number=2, seed=31, kills_asked=3, is_ended=False)  # it never said a word
    assert merged(OPTIONS, [good, nothing], 14.0)["kills"] == 2


def test_fewer_kills_because_of_the_limit_are_no_failure_but_said() -> None:
    hit = {"kinds": {"web": 1, "worker": 1}, "points": {"after_flip": 1}}
    outcomes = [outcome(1, **hit), outcome(2, **hit, facts={"is_stopped_at_limit": True})]  # type: ignore[arg-type]
    report = merged(OPTIONS, outcomes, 14.0)
    assert report["is_passed"] and report["stopped_at_limit"] and report["kills"] == 4 < report["kills_asked"] == 10
    assert not merged(OPTIONS, outcomes[:1], 14.0)["stopped_at_limit"]


def test_kills_are_shared_out_and_each_house_has_a_seed_of_its_own() -> None:
    shares = share_out(OPTIONS, 3)
    assert [(share.kills, share.seed) for share in shares] == [(4, 30), (3, 31), (3, 32)]
    assert all(ChaosOptions.from_json(json.loads(json.dumps(share.to_json()))) == share for share in shares)
    assert share_out(OPTIONS, 1) == [OPTIONS]
