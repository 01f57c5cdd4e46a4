"""What must hold after every event, looked at from outside: `check_cheap` in O(slots), `check_invariants` in full.

The checks do not use the code that decides; they state the rules again. A breach raises BrokenInvariant.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from scheduler.core.fair_share import lead_after
from scheduler.core.fleet import Slot, WorkerState
from scheduler.core.job import FINAL_STATES, OWN_HOLDS, OWNED_STATES, HoldReason, Job, JobState
from scheduler.core.policy import STANDARD, Policy
from scheduler.core.state import State

FITTED_IN = 14  # so many jobs behind a gang are certainly asked whether they fit in before it
_SERVING = (WorkerState.READY, WorkerState.BUSY)


class BrokenInvariant(AssertionError):
    """The core's state contradicts itself or its rules."""

    def __init__(self, findings: list[str]) -> None:
        self.findings = findings
        super().__init__("; ".join(findings))


def check_cheap(state: State) -> None:
    """Counts, owners, leases, idle slots and inversions, in O(slots). Raises BrokenInvariant."""
    findings: list[str] = []
    owned = 0
    for slot in state.slots:
        if slot.job_id is not None:
            owned += slot.lead is None
            _check_owner(state, slot, findings)
        elif slot.worker is WorkerState.BUSY or slot.lease_id is not None:
            findings.append(f"slot {slot.number} is busy without a job")
    if owned != len(state.leases):
        findings.append(f"{len(state.leases)} leases for {owned} slots with a job")
    if len(state.jobs) != len(state.line) + len(state.held) + owned:
        findings.append(f"{len(state.jobs)} jobs, but {len(state.line)} + {len(state.held)} queued and {owned} owned")
    if state.accepted != len(state.jobs) + sum(state.ended.values()):
        findings.append(f"{state.accepted} jobs accepted, {len(state.jobs)} open, {sum(state.ended.values())} ended")
    if not state.is_queue_paused:
        best = state.line.best()
        if best is not None and not _excluders(state, best) and not _is_at_a_limit(state, best):
            _check_waiting(state, best, findings)
    if findings:
        raise BrokenInvariant(findings)


def check_invariants(state: State) -> None:
    """Everything, by counting again in O(n log n). Raises BrokenInvariant."""
    check_cheap(state)
    findings: list[str] = []
    queued: dict[tuple[str, str], int] = {}
    promised_ms: dict[tuple[str, str], int] = {}
    line: list[Job] = []
    lease_ids: set[str] = set()
    for job_id, job in state.jobs.items():
        if job_id != job.id or job.state in FINAL_STATES or job.state is JobState.SUBMITTED:
            findings.append(f"{job_id} is kept as open but is {job.state}")
        if not 0 <= job.blocks_done <= job.total_blocks:
            findings.append(f"{job_id} has {job.blocks_done} of {job.total_blocks} blocks")
        if job.crashes >= state.policy.max_crashes or job.retries > state.policy.max_retries:
            findings.append(f"{job_id} should have failed: {job.crashes} crashes, {job.retries} retries")
        for subject in (("user", job.user), ("team", job.team), ("role", job.role)):
            queued[subject] = queued.get(subject, 0) + (job.state is JobState.QUEUED)
            left_ms = (job.total_blocks - job.blocks_done) * job.block_ms * state.gangs.get(job.id, 1)
            promised_ms[subject] = promised_ms.get(subject, 0) + left_ms
        if job.state is JobState.QUEUED:
            _check_queued(state, job, findings)
            if job.hold not in OWN_HOLDS:
                line.append(job)
        elif job.state in OWNED_STATES:
            _check_owned(state, job, lease_ids, findings)
    if {subject: count for subject, count in queued.items() if count} != state.counts.queued:
        findings.append("queued jobs per user, team and role are counted wrong")
    if {subject: left for subject, left in promised_ms.items() if left} != state.counts.promised_ms:
        findings.append("GPU seconds promised to users, teams and roles are counted wrong")
    if not state.gangs.keys() <= state.jobs.keys():
        findings.append("gangs are kept of jobs that have ended")
    _check_line(state, line, findings)
    _check_shares(state, line, findings)
    if findings:
        raise BrokenInvariant(findings)


def linear_points(state: State, job: Job) -> tuple[bool, float]:
    """The order's meaning, stated again: above ageing by own priority, else own priority plus age."""
    if job.start_at is not None:
        return (True, float(max(job.priority, state.policy.urgent_priority)))
    if job.priority > state.policy.ageing_ceiling:
        return (True, float(job.priority))
    policy = state.policy
    points = job.priority + policy.ageing_per_s * (state.now - job.submitted_at)
    if job.deadline is not None:
        begin_by = job.deadline - job.total_blocks * job.block_ms / 1000
        urgency = policy.ageing_per_s * (state.now - (begin_by - policy.deadline_lead_s)) - (points - job.priority)
        points += max(0.0, min(policy.deadline_points, urgency)) if policy.ageing_per_s else 0.0
    return (False, points)


def _points(state: State, job: Job) -> float:
    is_above, points = linear_points(state, job)
    return points if is_above else min(points, float(state.policy.ageing_ceiling))


def _score(state: State, job: Job) -> tuple[bool, float]:
    """Points less what fair share takes from the team."""
    is_above, points = linear_points(state, job)
    return is_above, points if is_above else points - state.line.handicaps.get(job.team, 0.0)


def _check_owner(state: State, slot: Slot, findings: list[str]) -> None:
    job = state.jobs.get(slot.job_id or "")
    if job is None or job.state not in OWNED_STATES:
        findings.append(f"slot {slot.number} holds {slot.job_id}, which is not owned")
        return
    if slot.lead is not None:
        _check_member(state, slot, findings)
        return
    if sum(other.job_id == job.id for other in state.slots) != state.gangs.get(job.id, 1):
        findings.append(f"{job.id} plays on too few or too many slots")
    if job.slot != slot.number or job.lease_id != slot.lease_id or job.role != slot.role:
        findings.append(f"slot {slot.number} and {job.id} disagree: slot {job.slot}, lease {job.lease_id}")
    if slot.lease_id is None or state.leases.get(slot.lease_id) is not slot:
        findings.append(f"lease {slot.lease_id} of slot {slot.number} is not registered")
    if slot.worker not in (WorkerState.BUSY, WorkerState.STOPPING) or slot.worker_id is None:
        findings.append(f"slot {slot.number} holds {job.id} with a worker that is {slot.worker}")
    if (job.state is JobState.PREEMPTING or job.is_cancel_requested) != (slot.stop_cause is not None):
        findings.append(f"{job.id} is {job.state}, its slot was asked to stop: {slot.stop_cause}")
    if slot.worker is WorkerState.BUSY and job.state is not JobState.PREEMPTING and job.rungs != slot.rungs:
        findings.append(f"{job.id} has the setting {job.rungs!r}, its worker was sent {slot.rungs!r}")
    if (slot.worker is WorkerState.STOPPING) != (slot.kill_cause is not None):
        findings.append(f"slot {slot.number} is {slot.worker} with kill cause {slot.kill_cause}")
    if job.is_paused and job.state is not JobState.PREEMPTING and not job.is_cancel_requested:
        findings.append(f"{job.id} is paused but {job.state}")
    excluded = state.relations.excluded_by(job.role)
    for other in state.slots if excluded else ():
        if other is slot or other.role is None or (slot.is_older_than_relations and other.is_older_than_relations):
            continue
        if other.role in excluded:
            findings.append(f"{job.role} on slot {slot.number} plays with {other.role} on slot {other.number}")


def _check_member(state: State, slot: Slot, findings: list[str]) -> None:
    """A slot that plays behind another: all that it holds is the other's."""
    lead = state.slots[slot.lead or 0]
    shared = ("job_id", "role", "lease_id", "stop_cause")
    if lead.lead is not None or any(getattr(slot, name) != getattr(lead, name) for name in shared):
        findings.append(f"slot {slot.number} plays behind slot {lead.number}, which holds {lead.job_id}: {slot.job_id}")
    if slot.worker not in (WorkerState.BUSY, WorkerState.STOPPING) or slot.worker_id is None:
        findings.append(f"slot {slot.number} holds {slot.job_id} with a worker that is {slot.worker}")
    if (slot.worker is WorkerState.STOPPING) != (lead.worker is WorkerState.STOPPING):
        findings.append(f"slots {slot.number} and {lead.number} play together, and one of them is being stopped")


def _check_waiting(state: State, best: Job, findings: list[str]) -> None:
    """Work conserving, and no inversion beyond the hysteresis: `best` is first in line and nothing excludes it."""
    policy = state.policy
    if policy.ordering != STANDARD:
        return  # the orderings to compare with stop nobody
    wanted = state.gangs.get(best.id, 1)
    idle = sum(slot.worker is WorkerState.READY and not slot.is_drained for slot in state.slots)
    if idle >= wanted:
        findings.append(f"{'a slot idles' if wanted == 1 else f'{idle} slots idle'} while {best.id} waits")
        return
    running = [
        (slot, state.jobs[slot.job_id])
        for slot in state.slots
        if slot.job_id is not None and slot.lead is None and slot.worker is WorkerState.BUSY and not slot.is_drained
    ]
    if any(slot.stop_cause is not None for slot, _ in running):
        return  # a slot becomes free at its next block
    found: list[str] = []
    for slot, job in running:
        width = state.gangs.get(job.id, 1)
        if _goes_before_all(best, policy) and not _goes_before_all(job, policy):
            idle += width
            found.append(f"urgent {best.id} waits for {job.id} on slot {slot.number}")
        elif (
            job.start_at is None
            and not job.follows
            and job.id not in state.followers
            and slot.leased_blocks >= policy.min_run_blocks
            and job.preemptions < policy.max_preemptions
            and not (policy.degrade_within_s and _is_spared(job, policy))
            and (job.total_blocks - job.blocks_done) * job.block_ms > 1000 * policy.preempt_cost_s
            and (lead := _points(state, best) - _points(state, job)) >= (least := _least_lead(job, policy))
            and lead + lead_after(state, best, job) >= least
        ):
            idle += width
            found.append(f"{best.id} waits for {job.id} on slot {slot.number}, which it leads by the margin")
    if idle >= wanted and not any(slot.lead is not None and slot.is_drained for slot in state.slots):
        findings += found


def _check_queued(state: State, job: Job, findings: list[str]) -> None:
    if job.slot is not None or job.lease_id is not None or job.is_cancel_requested or job.hold is None:
        findings.append(f"{job.id} is queued with slot {job.slot}, lease {job.lease_id}, hold {job.hold}")
    if (job.id in state.line) == (job.hold in OWN_HOLDS) or (job.id in state.held) != (job.hold in OWN_HOLDS):
        findings.append(f"{job.id} with hold {job.hold} stands in the wrong place")
    if job.hold is HoldReason.AWAITING_CONSENT:
        return
    if job.is_paused != (job.hold is HoldReason.PAUSED):
        findings.append(f"{job.id} has hold {job.hold}, paused is {job.is_paused}")
    is_role_missing = job.role in state.unavailable_roles and not job.is_paused
    if is_role_missing != (job.hold is HoldReason.ROLE_UNAVAILABLE):
        findings.append(f"{job.id} has hold {job.hold}, its role is {'missing' if is_role_missing else 'there'}")
    if job.hold not in OWN_HOLDS and job.start_at is not None and job.start_at > state.now:
        findings.append(f"{job.id} is in line before its reserved time")
    if (job.follows in state.jobs) and (job.id in state.line or state.followers.get(job.follows) != job.id):
        findings.append(f"{job.id} stands in line before {job.follows} has ended, or nobody waits to tell it")
    if job.hold is HoldReason.AWAITING_TURN and job.follows not in state.jobs:
        findings.append(f"{job.id} waits for {job.follows}, which has ended")
    if job.is_unapproved and job.id in state.line:
        findings.append(f"{job.id} stands in line before its preview {job.preview} is approved")
    is_told = job.id in state.previews.get(job.preview, ()) and not job.preview_end
    if job.is_unapproved and job.preview in state.jobs and not is_told:
        findings.append(f"{job.id} will not hear how its preview {job.preview} ends")
    if (job.hold is HoldReason.APPROVAL) and not job.is_unapproved:
        findings.append(f"{job.id} waits for an approval that it has")
    if (job.id in state.scheduled) != (job.hold is HoldReason.SCHEDULED):
        findings.append(f"{job.id} has hold {job.hold}, among the scheduled: {job.id in state.scheduled}")
    if job.hold not in OWN_HOLDS and job.not_before > state.now:
        findings.append(f"{job.id} is in line before its back-off is over")
    if job.hold in (HoldReason.RETRYING, HoldReason.SCHEDULED) and not any(alarm[2] == job.id for alarm in state.alarms):
        findings.append(f"nothing ends the wait of {job.id}")


def _check_owned(state: State, job: Job, lease_ids: set[str], findings: list[str]) -> None:
    if job.lease_id is None or job.lease_id in lease_ids or job.hold is not None or job.slot is None:
        findings.append(f"{job.id} is {job.state} with slot {job.slot}, lease {job.lease_id}, hold {job.hold}")
        return
    lease_ids.add(job.lease_id)
    if job.is_unapproved:
        findings.append(f"{job.id} is {job.state}, and nobody has approved its preview {job.preview}")
    if job.lease_id != f"{job.id}-{job.leases}":
        findings.append(f"{job.id} holds lease {job.lease_id}, but the last one granted is number {job.leases}")
    if state.slots[job.slot].job_id != job.id:
        findings.append(f"{job.id} claims slot {job.slot}, which holds {state.slots[job.slot].job_id}")


def _check_line(state: State, line: list[Job], findings: list[str]) -> None:
    """The line holds exactly the jobs in line, best first, and no idle slot is refused to one that may have it."""
    line.sort(key=lambda job: job.ordinal)
    line.sort(key=lambda job: linear_points(state, job), reverse=True)
    kept = list(state.line.best_first())
    if {job.id for job in kept} != {job.id for job in line} or len(kept) != len(line):
        findings.append("the line does not hold the jobs in line")
        return
    for better, worse in pairwise(kept) if state.policy.ordering == STANDARD else ():
        (above, points), (other_above, other_points) = _score(state, better), _score(state, worse)
        if (above, points + 1e-6) < (other_above, other_points):
            findings.append(f"{better.id} stands before {worse.id}")
    if kept and state.line.place(kept[-1].id) != (len(kept), len(kept)):
        findings.append("the last place is counted wrong")
    if state.is_queue_paused or not any(slot.is_idle for slot in state.slots):
        return
    passed: set[str] = set()  # roles that a better job waits for
    gap_s, behind = float("inf"), 0  # who ends within it may play before the gang that lacks slots
    idle = sum(slot.is_idle for slot in state.slots)
    promised: list[Job] = []  # better jobs that wait for a slot that is being vacated: they count for quotas already
    vacating = sum(slot.is_vacating for slot in state.slots)
    for job in kept:
        wanted = state.gangs.get(job.id, 1)
        behind += gap_s < float("inf")
        excluders, is_limited = _excluders(state, job), _is_at_a_limit(state, job, promised)
        if excluders and not is_limited and len(promised) < vacating:
            promised.append(job)
        if not excluders and not is_limited:
            # half of the gap: blocks shift the predicted ends a little, and nobody is asked again for that
            is_fitting = (job.total_blocks - job.blocks_done) * job.block_ms < 500 * gap_s
            if wanted <= idle and is_fitting and behind < FITTED_IN and job.role not in passed:
                findings.append(f"a slot idles while {job.id} may have it")
                return
            if wanted > idle and sum(slot.worker in _SERVING and not slot.is_drained for slot in state.slots) >= wanted:
                gap_s = min(gap_s, _least_gap(state))
        passed |= state.relations.excluded_by(job.role)


def _least_gap(state: State) -> float:
    """Seconds until the first running job ends, by what is predicted: no gang that lacks slots can begin before."""
    if any(slot.stop_cause is not None for slot in state.slots):
        return 0.0
    left_ms = [(job.total_blocks - job.blocks_done) * job.block_ms for job in state.jobs.values() if job.slot is not None]
    return min(left_ms, default=0) / 1000


def _excluders(state: State, job: Job) -> list[Slot]:
    excluded = state.relations.excluded_by(job.role)
    return [slot for slot in state.slots if slot.role is not None and slot.role in excluded] if excluded else []


def _least_lead(victim: Job, policy: Policy) -> float:
    """Points by which a job must lead to stop this one: the margin, or what stopping costs."""
    cost = policy.preempt_points_per_s * policy.preempt_cost_s * (victim.preemptions + 1)
    return max(policy.preempt_margin, cost) + 1e-6


def _is_spared(job: Job, policy: Policy) -> bool:
    """Did it come down to fewer steps where that spares a job which ends soon?"""
    steps = [int(word[6:]) for word in job.rungs.split() if word.startswith("steps=") and word[6:].isdigit()]
    if not steps or job.degrade != "allow":
        return False
    left_ms = (job.total_blocks - job.blocks_done) * job.block_ms
    return left_ms * steps[-1] <= 1000 * policy.degrade_within_s * (steps[-1] + 1)


def _goes_before_all(job: Job, policy: Policy) -> bool:
    return job.priority >= policy.urgent_priority or job.start_at is not None


def _is_at_a_limit(state: State, job: Job, promised: Sequence[Job] = ()) -> bool:
    """Has its user, team or role as many running jobs as it may, those with a promised slot included?"""
    policy = state.policy
    if policy.max_running_per_user is policy.max_running_per_team is policy.max_running_per_role is None:
        return False
    running = [state.jobs[slot.job_id] for slot in state.slots if slot.job_id is not None and slot.lead is None]
    running += promised
    limits = (
        (policy.max_running_per_user, sum(other.user == job.user for other in running)),
        (policy.max_running_per_team, sum(other.team == job.team for other in running)),
        (policy.max_running_per_role, sum(other.role == job.role for other in running)),
    )
    return any(limit is not None and count >= limit for limit, count in limits)


def _check_shares(state: State, line: Sequence[Job], findings: list[str]) -> None:
    """One level of slots per weight: who asks for more is due as much, who does not no more than that; all of what is served."""
    policy, rates = state.policy, state.shares.rates
    served: dict[str, int] = {}
    for slot in state.slots:
        if slot.job_id is not None:
            team = state.jobs[slot.job_id].team
            served[team] = served.get(team, 0) + 1
    playing = [state.jobs[slot.job_id] for slot in state.slots if slot.job_id is not None and slot.lead is None]
    asking = {job.team for job in line if not _is_at_its_own_limit(policy, job, playing)}
    if not asking or not served or policy.ordering != STANDARD or not policy.fair_share_points:
        if rates:
            findings.append(f"{sorted(rates)} are charged or owed though nobody is kept waiting by another")
        return
    due = {team: (served.get(team, 0) - rates[team]) / policy.weight_of(team) for team in rates}
    if due.keys() != asking | served.keys():
        findings.append(f"service is shared among {sorted(due)}, not {sorted(asking | served.keys())}")
        return
    level = max(due[team] for team in asking)
    for team, slots in due.items():
        wanted = level if team in asking else min(level, served[team] / policy.weight_of(team))
        if abs(slots - wanted) * policy.weight_of(team) > 1e-6:
            findings.append(f"{team} is due {slots:.3f} slots per weight, not {wanted:.3f}")
    if abs(sum(rates.values())) > 1e-6:
        findings.append(f"more or less than what is served is shared out: {sum(rates.values()):.6f} slots")


def _is_at_its_own_limit(policy: Policy, job: Job, playing: Sequence[Job]) -> bool:
    """Do quotas of running jobs of its user or its team alone keep it from a slot?"""
    limits = (
        (policy.max_running_per_user, [other for other in playing if other.user == job.user]),
        (policy.max_running_per_team, [other for other in playing if other.team == job.team]),
    )
    return any(limit is not None and len(others) >= limit for limit, others in limits)
