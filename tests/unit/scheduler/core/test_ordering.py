"""Who is next, and which place everybody has."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.job import HoldReason, Job, JobState
from scheduler.core.ordering import effective_priority, place_of, queue_order, sort_key
from scheduler.core.policy import Policy
from scheduler.core.waiting_line import WaitingLine
from tests.unit.scheduler.core.studio import Studio

POLICY = Policy(ageing_per_s=0.1, ageing_ceiling=60, urgent_priority=100)


def job(ordinal: int, priority: int, submitted_at: float, role: str = "teacher") -> Job:
    return Job(
        id=f"j{ordinal}", ordinal=ordinal, user="education-team", team="education", role=role, priority=priority,
        submitted_at=submitted_at, total_blocks=8, context_bytes=1, degrade="ask",
        state=JobState.QUEUED, hold=HoldReason.WAITING_FOR_SLOT,
    )  # fmt: skip


def test_higher_priority_goes_first_and_equals_in_order_of_acceptance() -> None:
    jobs = [job(0, 5, 0.0), job(1, 20, 0.0), job(2, 20, 0.0), job(3, 70, 0.0)]
    assert [j.id for j in queue_order(jobs, 0.0, POLICY)] == ["j3", "j1", "j2", "j0"]


def test_waiting_lifts_an_old_job_over_a_newer_better_one() -> None:
    old, new = job(0, 5, 0.0), job(1, 10, 51.0)
    assert [j.id for j in queue_order([old, new], 60.0, POLICY)] == ["j0", "j1"]
    newer_by_less = job(1, 10, 49.0)
    assert [j.id for j in queue_order([old, newer_by_less], 60.0, POLICY)] == ["j1", "j0"]


def test_ageing_ends_at_the_ceiling_and_never_makes_a_job_urgent() -> None:
    assert effective_priority(job(0, 5, 0.0), 100.0, POLICY) == 15.0
    assert effective_priority(job(0, 5, 0.0), 1e9, POLICY) == 60.0
    assert effective_priority(job(0, 100, 0.0), 1e9, POLICY) == 100.0
    ancient, urgent = job(0, 59, 0.0), job(1, 100, 1e6)
    assert queue_order([ancient, urgent], 1e6, POLICY)[0] is urgent


@given(
    st.lists(st.tuples(st.integers(0, 120), st.floats(0, 5_000)), min_size=2, max_size=30),
    st.floats(5_000, 100_000),
)
def test_the_order_never_contradicts_effective_priority(drawn: list[tuple[int, float]], at: float) -> None:
    jobs = [job(n, priority, submitted) for n, (priority, submitted) in enumerate(drawn)]
    points = [effective_priority(j, at, POLICY) for j in queue_order(jobs, at, POLICY)]
    assert all(a >= b - 1e-6 for a, b in pairwise(points))


@given(st.data())
def test_line_agrees_with_a_plain_sort_after_any_coming_and_going(data: st.DataObject) -> None:
    line = WaitingLine(POLICY)
    present: dict[int, Job] = {}
    for ordinal in range(data.draw(st.integers(1, 40))):
        if present and data.draw(st.integers(0, 1)):
            gone = present.pop(data.draw(st.sampled_from(sorted(present))))
            line.remove(gone)
        role = data.draw(st.sampled_from(["a", "b", "c"]))
        new = job(ordinal, data.draw(st.integers(0, 110)), float(data.draw(st.integers(0, 50))), role)
        line.add(new)
        present[ordinal] = new
    expected = queue_order(present.values(), 100.0, POLICY)
    assert list(line.best_first()) == expected
    assert line.best() is expected[0]
    assert [line.place(j.id) for j in expected] == [(n + 1, len(expected)) for n in range(len(expected))]
    assert list(line.best_first({"a", "c"})) == [j for j in expected if j.role == "b"]


def test_roles_can_be_left_out_while_iterating() -> None:
    line, left_out = WaitingLine(POLICY), set[str]()
    for ordinal, role in enumerate("abababc"):
        line.add(job(ordinal, 10, 0.0, role))
    seen = []
    for j in line.best_first(left_out):
        seen.append(j.id)
        left_out.add(j.role)
    assert seen == ["j0", "j1", "j6"]


def test_place_counts_only_jobs_in_line() -> None:
    studio = Studio(are_ready=False)
    for name in ("j0", "j1", "j2"):
        studio.submit(name)
    studio.pause("j1")
    assert place_of(studio.state, "j2") == (2, 2)
    assert place_of(studio.state, "j1") is None
    order = queue_order(studio.state.jobs.values(), studio.at, studio.state.policy)
    assert [j.id for j in order] == ["j0", "j2", "j1"]


def test_a_job_cannot_take_two_places() -> None:
    line = WaitingLine(POLICY)
    line.add(job(0, 10, 0.0))
    with pytest.raises(AssertionError):
        line.add(job(0, 10, 0.0))


def test_key_is_static_and_unique_by_ordinal() -> None:
    assert sort_key(job(0, 10, 5.0), POLICY) < sort_key(job(1, 10, 5.0), POLICY)
    assert sort_key(job(9, 61, 999.0), POLICY) < sort_key(job(1, 60, 0.0), POLICY)


def test_a_better_job_has_nobody_ahead_though_others_wait() -> None:
    line = WaitingLine(POLICY)
    line.add(job(1, 10, 0.0))
    assert line.ahead_of(job(2, 100, 1.0)) == 0
    assert line.ahead_of(job(3, 1, 1.0)) == 1
