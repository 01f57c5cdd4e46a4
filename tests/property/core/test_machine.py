"""Any order of events: hypothesis looks for the shortest one that breaks an invariant or a promise to the ledger."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from benchmarks.ledger import Ledger
from scheduler.core import events
from scheduler.core.explain import why
from scheduler.core.fleet import WorkerState
from scheduler.core.invariants import check_invariants
from scheduler.core.job import JobState
from scheduler.core.machine import State, step
from scheduler.core.ordering import place_of, queue_order
from scheduler.core.policy import Policy

SLOTS = 2
POLICY = Policy(
    lease_s=5.0, grace_s=3.0, min_run_blocks=1, max_preemptions=2, max_crashes=2, max_retries=1, max_strikes=3,
    quarantine_s=4.0, max_queued_per_user=4, max_queued=7, slot_memory_bytes=10, consent_timeout_s=20.0,
    ageing_per_s=0.5, exclusion_patience_s=6.0, max_running_per_team=1, max_queued_per_role=3, gpu_s_per_day_per_user=8.0,
    quota_day_starts_s=1_020.0, reservation_notice_s=1.0, preempt_cost_s=0.5, deadline_lead_s=10.0,
)  # fmt: skip

number = st.integers(0, 9)
slot_number = st.integers(0, SLOTS - 1)
ROLES = ("a", "b", "c")
REPORTS = ("started", "block", "seen", "stopped", "cancelled")
role = st.sampled_from(ROLES)


class Core(RuleBasedStateMachine):
    """Events in any order, sensible or not."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State(POLICY, SLOTS, gang_slots=SLOTS)
        self.ledger = Ledger(POLICY, SLOTS)
        self.at = 1_000.0
        self.submitted = 0
        self.spawned = 0
        self.leases: list[str] = []

    def feed(self, event: events.Event) -> None:
        """One event through core and ledger."""
        if isinstance(event, events.JobSubmitted):
            self.ledger.submit(event)
        actions = step(self.state, event)
        self.ledger.take(actions, event.at)
        self.leases += [
            slot.lease_id for slot in self.state.slots if slot.lease_id and slot.lease_id not in self.leases
        ]

    def any_job(self, n: int) -> str:
        """An open job, or one that may have ended."""
        jobs = list(self.state.jobs)
        return jobs[n % len(jobs)] if jobs and n else f"j{n}"

    @rule(
        role=role, priority=st.sampled_from([0, 5, 20, 99, 100]), blocks=st.integers(1, 3),
        size=st.sampled_from([5, 5, 5, 20]), degrade=st.sampled_from(["allow", "ask", "never"]), user=st.integers(0, 1),
        ahead_s=st.sampled_from([None, None, None, 0.5, 3.0]), is_reserved=st.booleans(), follows=st.integers(-20, 3),
        slots=st.sampled_from([1, 1, 1, 2]), is_previewed=st.sampled_from([False, False, True]),
    )  # fmt: skip
    def submit(
        self, role: str, priority: int, blocks: int, size: int, degrade: str, user: int, ahead_s: float | None,
        is_reserved: bool, follows: int, slots: int, is_previewed: bool,
    ) -> None:  # fmt: skip
        wanted_at = None if ahead_s is None else self.at + ahead_s
        self.feed(
            events.JobSubmitted(
                at=self.at, job_id=f"j{self.submitted}", ordinal=self.submitted, user=f"u{user}", team=f"t{user}", role=role,
                priority=priority, total_blocks=blocks, context_bytes=size, degrade=degrade,
                start_at=wanted_at if is_reserved else None, deadline=None if is_reserved else wanted_at,
                follows=self.any_job(follows) if follows >= 0 else "",
                alternatives=(("small", 5),), slots_needed=slots,
                preview=f"j{self.submitted + 1}" if is_previewed else "",
            )
        )  # fmt: skip
        self.submitted += 1
        if is_previewed:
            self.submit(role, priority, 1, 5, degrade, user, None, False, -1, 1, False)

    @rule(n=number, kind=st.sampled_from([events.CancelRequested, events.PauseRequested, events.ResumeRequested]))
    def wish(self, n: int, kind: Any) -> None:
        self.feed(kind(at=self.at, job_id=self.any_job(n)))

    @rule(n=number, priority=st.sampled_from([0, 50, 99, 100]))
    def reprioritise(self, n: int, priority: int) -> None:
        self.feed(events.PriorityChanged(at=self.at, job_id=self.any_job(n), priority=priority))

    @rule(n=number, is_agreed=st.booleans())
    def consent(self, n: int, is_agreed: bool) -> None:
        self.feed(events.ConsentAnswered(at=self.at, job_id=self.any_job(n), is_agreed=is_agreed))

    @rule(n=number, is_approved=st.booleans())
    def judge(self, n: int, is_approved: bool) -> None:
        self.feed(events.PreviewJudged(at=self.at, job_id=self.any_job(n), is_approved=is_approved))

    @rule(is_paused=st.booleans())
    def pause_queue(self, is_paused: bool) -> None:
        self.ledger.is_queue_paused = is_paused
        self.feed(events.QueuePaused(at=self.at) if is_paused else events.QueueResumed(at=self.at))

    @rule(role=role, is_available=st.booleans())
    def change_role(self, role: str, is_available: bool) -> None:
        (self.ledger.away.discard if is_available else self.ledger.away.add)(role)
        if role == "a":
            self.ledger.excluded = {("a", "b"), ("b", "a")}
        never_with = ("b",) if role == "a" else ()
        self.feed(events.RoleChanged(at=self.at, role=role, is_available=is_available, never_with=never_with))

    @rule(slot=slot_number, is_drained=st.booleans())
    def drain(self, slot: int, is_drained: bool) -> None:
        (self.ledger.drained.add if is_drained else self.ledger.drained.discard)(slot)
        self.feed(events.SlotDrained(at=self.at, slot=slot, is_drained=is_drained))

    @rule(slot=slot_number)
    def worker_starts(self, slot: int) -> None:
        self.spawned += 1
        self.feed(events.WorkerWasStarted(at=self.at, slot=slot, worker_id=f"w{self.spawned}"))

    @rule(slot=slot_number)
    def worker_ready(self, slot: int) -> None:
        self.spawned += 1
        self.feed(events.WorkerBecameReady(at=self.at, slot=slot, worker_id=f"w{self.spawned}"))

    @rule(slot=slot_number, cause=st.sampled_from(["exited", "stopped", "killed"]))
    def worker_lost(self, slot: int, cause: str) -> None:
        worker_id = self.state.slots[slot].worker_id or "nobody"
        self.feed(events.WorkerWasLost(at=self.at, slot=slot, worker_id=worker_id, cause=cause))

    @precondition(lambda self: self.leases)
    @rule(
        n=st.integers(0, 3),
        block=st.integers(-1, 3),
        kind=st.sampled_from(REPORTS),
    )
    def report(self, n: int, block: int, kind: str) -> None:
        lease_id = self.leases[-1 - n % len(self.leases)]
        slot = self.state.leases.get(lease_id)
        if slot is not None and slot.job_id is not None and kind == "block":
            done = self.state.jobs[slot.job_id].blocks_done
            block = done if block >= 0 else done + 1  # mostly the right one
            self.ledger.durable[slot.job_id] = done + 1
        kinds: dict[str, events.Event] = {
            "started": events.JobWasStarted(at=self.at, lease_id=lease_id, resume="fresh"),
            "block": events.BlockWasDone(at=self.at, lease_id=lease_id, block=block),
            "seen": events.WorkWasSeen(at=self.at, lease_id=lease_id, allowed_s=float(n)),
            "stopped": events.JobWasPreempted(at=self.at, lease_id=lease_id, blocks_done=block),
            "cancelled": events.JobWasCancelled(at=self.at, lease_id=lease_id, blocks_done=block),
        }
        self.feed(kinds[kind])

    @precondition(lambda self: self.leases)
    @rule(n=st.integers(0, 3), can_retry=st.booleans(), is_success=st.booleans())
    def end(self, n: int, can_retry: bool, is_success: bool) -> None:
        lease_id = self.leases[-1 - n % len(self.leases)]
        if is_success:
            self.feed(events.JobHasSucceeded(at=self.at, lease_id=lease_id))
        else:
            self.feed(events.JobHasFailed(at=self.at, lease_id=lease_id, code="x", can_retry=can_retry))

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 3.0, 6.0, -2.0]))
    def time_passes(self, seconds: float) -> None:
        self.at += max(0.0, seconds)
        self.feed(events.TimePassed(at=self.at + min(0.0, seconds)))

    @rule()
    def restart(self) -> None:
        away, paused = sorted(self.state.unavailable_roles), self.state.is_queue_paused
        drained = [slot.number for slot in self.state.slots if slot.is_drained]
        never_with = dict(self.state.relations.pairs())
        self.state = State.restore(
            POLICY, SLOTS, self.ledger.open_jobs(), away, paused, never_with, drained,
            shares=self.state.shares, spent=self.state.spent, gangs=self.state.gangs, gang_slots=SLOTS,
        )  # fmt: skip
        self.ledger.restart()
        self.feed(events.Booted(at=self.at))

    @invariant()
    def everything_holds(self) -> None:
        check_invariants(self.state)
        self.ledger.compare(self.state)

    @invariant()
    def every_queued_job_is_explained_and_placed(self) -> None:
        order = queue_order(self.state.jobs.values(), self.state.now, POLICY, self.state.line.handicaps)
        placed = [job.id for job in order if place_of(self.state, job.id) is not None]
        assert [place_of(self.state, job_id) for job_id in placed] == [(n + 1, len(placed)) for n in range(len(placed))]
        for job in self.state.jobs.values():
            assert (why(self.state, job.id) is not None) == (job.state is JobState.QUEUED)

    @invariant()
    def no_slot_is_busy_without_a_worker(self) -> None:
        for slot in self.state.slots:
            assert (slot.job_id is None) or slot.worker in (WorkerState.BUSY, WorkerState.STOPPING)


Core.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestCore = Core.TestCase


def test_a_quota_is_kept_for_the_better_job_that_waits_for_a_vacated_slot() -> None:
    core = Core()
    for slot in range(SLOTS):
        core.worker_ready(slot=slot)
    core.change_role(role="a", is_available=True)  # it may not play with b
    plain = {
        "ahead_s": None, "blocks": 1, "degrade": "allow", "follows": -1, "is_reserved": False, "priority": 0, "size": 5,
        "slots": 1, "is_previewed": False,
    }  # fmt: skip
    core.submit(role="b", user=1, **plain)
    core.wish(kind=events.CancelRequested, n=0)
    core.submit(role="a", user=0, **plain)  # waits for b's slot, and has its team's one place
    core.submit(role="c", user=0, **plain)  # an idle slot would do for it, but not the team's quota
    core.everything_holds()
    assert [job.state.name for job in core.state.jobs.values()] == ["LEASED", "QUEUED", "QUEUED"]
