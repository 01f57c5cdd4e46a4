"""A studio in virtual time: faults, people and restarts from a seed; every promise is checked after every event."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.simulator import Simulator
from benchmarks.workload import CALM, OVERLOAD, UNEQUAL, Workload
from scheduler.core.job import JobState
from scheduler.core.policy import Policy


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_lost_or_doubled_whatever_goes_wrong(seed: int) -> None:
    world = Simulator(seed, Workload(), full_every=100)
    world.run(6_000)
    world.settle()
    assert world.ledger is not None
    ended = world.ledger.ended
    assert sum(ended.values()) == world.submissions
    assert ended[JobState.SUCCEEDED] > 0.85 * world.submissions


def test_calm_day_finishes_every_job() -> None:
    world = Simulator(1, CALM, full_every=100)
    world.run(5_000)
    world.settle()
    assert world.ledger is not None
    assert world.ledger.ended[JobState.SUCCEEDED] == world.submissions > 100


def test_one_slot_and_no_exclusions_work_as_well() -> None:
    world = Simulator(2, Workload(slots=1, arrivals_per_s=0.2, exclusions=()), full_every=50)
    world.run(5_000)
    world.settle()


def test_poison_jobs_end_and_cost_the_others_little() -> None:
    world = Simulator(3, Workload(slots=1, arrivals_per_s=0.1, poison_jobs=0.1, crash=0.0, wishes_per_s=0.0))
    world.run(4_000)
    world.settle()
    assert world.ledger is not None
    assert world.ledger.ended[JobState.FAILED] >= len(world.poison) > 5


def test_same_events_twice_lead_to_the_same_actions() -> None:
    hashes = []
    for _ in range(2):
        world = Simulator(7, Workload(), is_hashed=True)
        world.run(4_000)
        assert world.digest is not None
        hashes.append(world.digest.hexdigest())
    assert hashes[0] == hashes[1]
    other = Simulator(8, Workload(), is_hashed=True)
    other.run(4_000)
    assert other.digest is not None and other.digest.hexdigest() != hashes[0]


def test_actions_do_not_depend_on_the_order_of_sets(repo_root: Path) -> None:
    program = (
        "from benchmarks.simulator import Simulator; from benchmarks.workload import Workload\n"
        "world = Simulator(7, Workload(), is_hashed=True); world.run(3000); print(world.digest.hexdigest())"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program], cwd=repo_root, env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert outputs[0] == outputs[1] != ""


def test_under_overload_nobody_waits_beyond_the_bound_of_ageing() -> None:
    policy = Policy(ageing_per_s=0.5, lease_s=10.0, grace_s=5.0, max_queued=5_000, max_queued_per_user=5_000)
    world = Simulator(11, OVERLOAD, policy)
    assert world.ledger is not None
    world.ledger.is_watching_order = True
    world.run(12_000)
    backlog = world.state.queued
    assert backlog > 50, "the workload is no overload"
    # 30 points at 0.5 per second: after one minute a job of priority 0 is as good as a new one of priority 30, so
    # it waits one minute longer than those, give or take a few jobs.
    assert world.ledger.longest_wait_s[0] < world.ledger.longest_wait_s[30] + 60.0 + 60.0


def test_urgent_jobs_start_within_a_block_and_the_stopping_of_a_worker() -> None:
    workload = Workload(
        slots=2, arrivals_per_s=0.35, priorities=(5,) * 30 + (100,), exclusions=(), crash=0.0, hang=0.0, failure=0.0,
        poison_jobs=0.0, restarts_per_s=0.0, wishes_per_s=0.0,
    )  # fmt: skip
    world = Simulator(13, workload)  # a day on which no three urgent ones meet
    world.run(12_000)
    assert world.ledger is not None
    longest_block_s = workload.block_s * 1.2
    stopping_s = max(longest_block_s, workload.prepare_s) + workload.close_s
    assert 0.0 < world.ledger.longest_wait_s[100] <= stopping_s * 2  # two urgent ones may want the same slot
    assert world.ledger.longest_wait_s[5] > world.ledger.longest_wait_s[100]


@pytest.mark.parametrize("ordering", ["fifo", "priority", "shortest"])
def test_orderings_to_compare_with_keep_every_other_promise(ordering: str) -> None:
    policy = Policy(ordering=ordering, lease_s=10.0, grace_s=5.0)
    world = Simulator(21, Workload(wishes_per_s=0.2), policy, full_every=50)
    world.run(2_000)
    world.settle()


def test_reserved_jobs_and_sessions_end_like_all_others_and_start_on_time() -> None:
    workload = Workload(reservations=0.03, sessions=0.2, deadlines=0.3, arrivals_per_s=0.5, exclusions=())
    policy = Policy(lease_s=10.0, grace_s=5.0, reservation_notice_s=5.0, max_running_per_role=2)
    world = Simulator(22, workload, policy, full_every=50)
    world.run(6_000)
    world.settle()
    assert world.ledger is not None
    assert world.ledger.ended[JobState.SUCCEEDED] > 0.6 * world.submissions  # a broken session ends as a whole
    assert world.ledger.latest_reserved_s > 0.0


def test_equal_teams_are_served_alike_while_all_of_them_wait() -> None:
    world = Simulator(23, UNEQUAL, Policy(lease_s=10.0, max_queued=5_000, max_queued_per_user=5_000), full_every=500)
    world.run(6_000)
    assert world.ledger is not None
    served = sorted(world.ledger.use.together.values())
    assert len(served) == 3 and served[-1] <= 1.2 * served[0]
