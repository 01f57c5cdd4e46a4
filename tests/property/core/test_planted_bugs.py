"""A check that has never caught anything proves nothing: each planted bug must be caught by the simulator's checks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.simulator import Simulator
from benchmarks.workload import OVERLOAD, UNEQUAL, Workload
from scheduler.core.policy import Policy
from tests.property.core import bugs_of_gangs, bugs_of_previews, bugs_of_the_order  # noqa: F401 they register their bugs
from tests.property.core.bugs import BUGS

STORMY = Workload(
    slots=3, arrivals_per_s=0.8, users=5, restarts_per_s=0.01, wishes_per_s=0.4, hang=0.004, poison_jobs=0.03,
    priorities=(0, 5, 10, 50, 100), roles=4,
)  # fmt: skip
NO_EXCLUSIONS = replace(STORMY, exclusions=())
NO_RESTARTS = replace(STORMY, restarts_per_s=0.0, crash=0.03, wishes_per_s=1.0)
RULES = replace(STORMY, deadlines=0.3, reservations=0.08, sessions=0.15, slots=4, exclusions=())
RULED = Policy(
    lease_s=10.0, grace_s=5.0, max_queued=60, max_queued_per_user=20, max_queued_per_team=8, max_queued_per_role=14,
    max_running_per_user=2, max_running_per_team=3, gpu_s_per_day_per_user=170.0, quota_day_starts_s=32_300.0,
    reservation_notice_s=3.0, preempt_margin=6.0, ageing_per_s=0.2, max_preemptions=9,
)  # fmt: skip
TOGETHER = replace(RULES, gangs=0.25, reservations=0.02, hang=0.01)
RELAYS = replace(STORMY, sessions=0.4, exclusions=(), users=3, hang=0.0, crash=0.01)
CROWD = replace(OVERLOAD, slots=3, gangs=0.1, priorities=(10,))
JUDGED = replace(STORMY, previews=0.4, exclusions=(), restarts_per_s=0.02)
POLICY = Policy(lease_s=10.0, grace_s=5.0, max_queued=60, max_queued_per_user=5)


def hunt() -> str | None:
    """What was found in a stormy day, in a quiet end, and under overload; None where nothing was."""
    try:
        for seed, workload in enumerate((STORMY, NO_EXCLUSIONS, NO_RESTARTS)):
            world = Simulator(seed, workload, POLICY, full_every=40)
            world.run(4_000)
            world.settle(5_000.0)
        relays = Simulator(11, RELAYS, replace(POLICY, max_running_per_user=1), full_every=40)
        relays.run(3_000)
        relays.settle(5_000.0)
        judged = Simulator(10, JUDGED, POLICY, full_every=40)
        judged.run(2_500)
        judged.settle(5_000.0)
        ruled = Simulator(4, RULES, RULED, full_every=40)
        ruled.run(5_000)
        ruled.settle(5_000.0)
        for seed, workload, ageing_per_s in ((5, replace(OVERLOAD, deadlines=0.1), 0.5), (7, UNEQUAL, 3.0), (6, UNEQUAL, 0.05)):
            overload = Simulator(seed, workload, Policy(ageing_per_s=ageing_per_s, lease_s=10.0), full_every=200)
            assert overload.ledger is not None
            overload.ledger.is_watching_order = True
            overload.run(3_000)
        gangs = Simulator(8, TOGETHER, replace(RULED, max_queued_per_team=None, team_weights={"team1": 2.5}), full_every=20)
        gangs.run(4_000)
        gangs.settle(5_000.0)
        crowd = Simulator(9, CROWD, Policy(lease_s=10.0, fair_share_points=0), full_every=200)
        crowd.run(3_000)
        crowd.settle(5_000.0)
        assert crowd.ledger is not None and crowd.ledger.longest_gang_wait_s < 1.3 * crowd.ledger.longest_wait_s[10]
        served = sorted(overload.ledger.use.together.values())
        assert served[-1] <= 1.2 * served[0], f"equal teams had {served} blocks while all of them waited"
    except (AssertionError, KeyError) as finding:  # KeyError: the ledger has no such row
        return f"{type(finding).__name__}: {finding}"
    return None


@pytest.mark.parametrize("name", sorted(BUGS))
def test_planted_bug_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BUGS[name](monkeypatch)
    assert hunt() is not None, f"{name} was not caught"


def test_without_a_bug_nothing_is_found() -> None:
    assert hunt() is None
    assert len(BUGS) >= 25
