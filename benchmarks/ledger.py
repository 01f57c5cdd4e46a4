"""What an outsider can see of the core: its actions. The ledger keeps the jobs table they describe and judges them.

It knows no code of the core but the contracts (job, actions): a fault of the core shows here even where the core's own
picture is consistent.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from benchmarks.use import Use
from scheduler.core.actions import (
    Action,
    DropContext,
    KillWorker,
    MoveJob,
    Record,
    Refuse,
    SendCancel,
    SendPreempt,
    SendRun,
)
from scheduler.core.events import JobSubmitted
from scheduler.core.job import FINAL_STATES, LEGAL_MOVES, OWN_HOLDS, OWNED_STATES, Job, JobState
from scheduler.core.policy import Policy
from scheduler.core.state import State
from scheduler.core.tags import Tag

COLUMNS = tuple(item.name for item in fields(Job))
_FACTS = (MoveJob, Record, Refuse)


class Unfaithful(AssertionError):
    """The core's actions break a promise."""


class Ledger:
    """The jobs table as the daemon would write it, and the promises that every action is held to."""

    def __init__(self, policy: Policy, slots: int = 1) -> None:
        self.policy, self.slots = policy, slots
        self.rows: dict[str, dict[str, Any]] = {}
        self.leases: set[str] = set()
        self.holders: dict[int, str] = {}  # slot → job that its worker was told to run
        self.killed: set[str] = set()  # workers whose kill was ordered
        self.contexts: set[str] = set()  # jobs that may have a context
        self.drained: set[int] = set()
        self.away: set[str] = set()  # roles that are not available
        self.excluded: set[tuple[str, str]] = set()
        self.is_queue_paused = False
        self.durable: dict[str, int] = {}  # blocks that the worker has really made, by job
        self.use = Use(policy)
        self.wanted: dict[str, int] = self.use.wanted  # slots at once, by job that wants several
        self.vacating: set[str] = set()  # jobs whose workers were asked to stop
        self.ended = dict.fromkeys(sorted(FINAL_STATES), 0)  # over all restarts
        self.latest_reserved_s = 0.0  # from a reserved time to its start
        self.longest_wait_s: dict[int, float] = {}  # first start after submission, by priority
        self.longest_gang_wait_s = 0.0  # first start after submission, of jobs on several slots
        self.turned_down: set[str] = set()  # jobs whose preview somebody rejected
        self.left: dict[str, int] = {}  # jobs that left their slots in this step, and where they played
        self.is_watching_order = False  # hold every start against everybody who waits: O(queue) per start

    def submit(self, event: JobSubmitted) -> None:
        """The row that the daemon inserts before the step."""
        known = {name: getattr(event, name) for name in COLUMNS if hasattr(event, name)}
        row = {item.name: known.get(item.name, item.default) for item in fields(Job)}
        if event.slots_needed > 1:
            self.wanted[event.job_id] = event.slots_needed
        self.rows[event.job_id] = row | {"id": event.job_id, "submitted_at": event.at, "state": JobState.SUBMITTED}

    def take(self, actions: list[Action], at: float) -> None:
        """Apply one step's actions. Raises Unfaithful."""
        is_in_effects = False
        self.left = {}
        gangs: set[str] = set()  # that stop others
        turns: dict[int, str] = {}  # slot → the part of a session whose turn has come there
        for action in actions:
            if isinstance(action, _FACTS):
                self._demand(not is_in_effects, f"a fact comes after an effect: {action}")
            else:
                is_in_effects = True
            if isinstance(action, MoveJob):
                self._move(action, at)
                if action.tag == Tag.JOB_PREEMPTING and action.body.get("preemptor") in self.wanted:
                    gangs.add(action.body["preemptor"])
                if action.body.get("cause") == "its_turn" and action.fields["hold"] not in OWN_HOLDS:
                    turns[self.left[action.body["after"]]] = action.job_id
            elif isinstance(action, Record) and action.tag == Tag.WORKER_KILL_ORDERED:
                self.vacating.discard(action.body["job_id"])
            elif isinstance(action, SendRun):
                self._run(action, at)
            elif isinstance(action, (SendPreempt, SendCancel)):
                self._demand(action.slot in self.holders, f"nothing to stop: {action}")
                self.vacating.add(self.holders[action.slot])
            elif isinstance(action, KillWorker):
                self._demand(action.worker_id not in self.killed, f"killed twice: {action}")
                self.killed.add(action.worker_id)
            elif isinstance(action, DropContext):
                self._demand(self.rows[action.job_id]["state"] in FINAL_STATES, f"context of an open job: {action}")
                self.contexts.discard(action.job_id)
        for slot, job_id in turns.items():
            self._check_turn(slot, self.rows[job_id])
        for job_id in sorted(gangs):
            held = sum(other not in self.vacating for other in self.holders.values())
            is_enough = self.slots - held >= self.wanted[job_id]
            self._demand(is_enough, f"{job_id} stops others and still cannot begin: {held} slots stay with others")

    def open_jobs(self) -> list[Job]:
        """The rows of jobs that have not ended, as the daemon reads them after a restart."""
        rows = [row for row in self.rows.values() if row["state"] not in FINAL_STATES]
        return [Job(**{name: row[name] for name in COLUMNS}) for row in sorted(rows, key=lambda row: row["ordinal"])]

    def compare(self, state: State) -> None:
        """The core's jobs are the rows of the table, and no ended job has a context."""
        kept = {job.id: job for job in self.open_jobs()}
        self._demand(kept == state.jobs, "the table and the core's jobs differ")
        stale = [job_id for job_id in self.contexts if self.rows[job_id]["state"] in FINAL_STATES]
        self._demand(not stale, f"contexts of ended jobs were kept: {stale[:3]}")

    def forget_ended(self) -> None:
        """Drop rows of ended jobs, so that a long run stays small."""
        self.rows = {job_id: row for job_id, row in self.rows.items() if row["state"] not in FINAL_STATES}

    def _move(self, action: MoveJob, at: float) -> None:
        row = self.rows[action.job_id]
        self._demand(row["state"] is action.source, f"{action.job_id} is {row['state']}, not {action.source}")
        is_legal = action.source is action.target or action.target in LEGAL_MOVES[action.source]
        self._demand(is_legal, f"{action.job_id}: {action.source} → {action.target} is not legal")
        done = action.fields.get("blocks_done")
        if done is not None:
            self._demand(done == row["blocks_done"] + 1, f"{action.job_id}: block {done} after {row['blocks_done']}")
            self._demand(done <= self.durable.get(action.job_id, 0), f"{action.job_id}: block {done} was not made")
        if row["preview"] and (action.tag == Tag.JOB_APPROVED or action.fields.get("preview_end")):
            self._check_preview(row, action)
        if action.tag == Tag.JOB_PREEMPTING and action.body["cause"] == "preempted":
            self._check_need(row, at)
            self._check_preemptor(self.rows[action.body["preemptor"]], row, action.body, at)
        is_leaving = action.source in OWNED_STATES and action.target not in OWNED_STATES
        lease_until = row["lease_until"]
        if is_leaving:
            self.left[action.job_id] = row["slot"]
        row.update({name: value for name, value in action.fields.items() if name in row})
        row["state"] = action.target
        finding = self.use.take(action, row, self.rows, at, lease_until)
        self._demand(finding is None, finding or "")
        if action.target in FINAL_STATES:
            self.ended[action.target] += 1
        if is_leaving:
            self.holders = {slot: job_id for slot, job_id in self.holders.items() if job_id != action.job_id}
            self.vacating.discard(action.job_id)
        is_wanted = row["is_cancel_requested"] and action.target is JobState.QUEUED
        self._demand(not is_wanted, f"{action.job_id} was cancelled and is queued again")

    def _run(self, action: SendRun, at: float) -> None:
        row = self.rows[action.job_id]
        self._demand(action.lease_id not in self.leases, f"lease {action.lease_id} was issued before")
        self.leases.add(action.lease_id)
        self._demand(action.job_id not in self.holders.values(), f"{action.job_id} runs on two slots")
        slots = [action.slot, *(slot for slot, _ in action.members)]
        self._demand(len(slots) == self.wanted.get(action.job_id, 1), f"{action.job_id} is given slots {slots}")
        is_new = self.left.get(action.job_id) != action.slot  # else it takes another setting, and keeps its slot
        for slot in slots:
            self._demand(slot not in self.holders, f"slot {slot} runs two jobs")
            self._demand(slot not in self.drained or not is_new, f"slot {slot} is drained: {action}")
        self._demand(not (self.is_queue_paused and is_new), f"the queue is paused: {action}")
        self._demand(not row["is_paused"], f"{action.job_id} is paused and runs")
        self._demand(row["role"] not in self.away, f"role {row['role']} is not available: {action}")
        self._demand(row["not_before"] <= at, f"{action.job_id} runs before its back-off is over")
        self._demand(row["state"] is JobState.LEASED, f"{action.job_id} runs but is {row['state']}")
        self._demand(row["start_at"] is None or row["start_at"] <= at, f"{action.job_id} runs before its reserved time")
        before = self.rows.get(row["follows"])
        is_early = before is not None and before["state"] is not JobState.SUCCEEDED
        self._demand(not is_early, f"{action.job_id} runs before {row['follows']} has succeeded")
        self._demand(not row["preview"] or row["approved_at"] is not None, f"{action.job_id} runs before its preview is approved")
        self._demand(action.job_id not in self.turned_down, f"{action.job_id} runs though its preview was rejected")
        finding = self.use.run(row, [self.rows[job_id] for job_id in sorted(set(self.holders.values()))])
        self._demand(finding is None, finding or "")
        self._demand(action.from_block == row["blocks_done"], f"{action.job_id} starts at {action.from_block}")
        for slot, other in self.holders.items():
            pair = (row["role"], self.rows[other]["role"])
            self._demand(pair not in self.excluded, f"{pair} play together on slots {action.slot} and {slot}")
        if action.lease_id.endswith("-1") and row["start_at"] is not None:
            self.latest_reserved_s = max(self.latest_reserved_s, at - row["start_at"])
        elif action.lease_id.endswith("-1"):
            wait_s = at - row["submitted_at"]
            if action.members:
                self.longest_gang_wait_s = max(wait_s, self.longest_gang_wait_s)
            else:
                self.longest_wait_s[row["priority"]] = max(wait_s, self.longest_wait_s.get(row["priority"], 0.0))
            if self.is_watching_order:
                self._check_overtaking(row)
        self.holders |= dict.fromkeys(slots, action.job_id)
        self.contexts.add(action.job_id)

    def _check_preview(self, row: dict[str, Any], action: MoveJob) -> None:
        """Nobody approves what has not ended, and how it ended is told as it was."""
        cheap = self.rows.get(row["preview"])
        if cheap is not None:  # else it ended long ago
            self._demand(cheap["state"] in FINAL_STATES, f"{action.job_id}: {cheap['id']} is judged and has not ended")
            told = action.fields.get("preview_end")
            self._demand(told in (None, cheap["state"]), f"{action.job_id}: {cheap['id']} is told as {told}")

    def restart(self) -> None:
        """The daemon began anew: its workers are gone."""
        self.holders.clear()
        self.vacating.clear()

    def _check_need(self, victim: dict[str, Any], at: float) -> None:
        """More waiting jobs lead the victim than slots become free without it (unless these may not take just any slot)."""
        policy = self.policy
        if self.excluded or policy.max_running_per_user or policy.max_running_per_team or policy.max_running_per_role:
            return
        waiting = [r for r in self.rows.values() if r["state"] is JobState.QUEUED and r["hold"] not in OWN_HOLDS]
        leading = sum(self.wanted.get(row["id"], 1) for row in waiting if self._leads(row, victim, at))
        coming = sum(slot not in self.drained for slot, job_id in self.holders.items() if job_id in self.vacating)
        self._demand(
            leading > coming, f"{victim['id']} gives way to nobody: {leading} lead it, {coming} slots come free"
        )

    def _check_preemptor(self, row: dict[str, Any], victim: dict[str, Any], body: dict[str, Any], at: float) -> None:
        """Who stops another leads it, and not by a hair: so no two jobs ever stop each other in turn."""
        self._demand(self._leads(row, victim, at), f"{row['id']} stops {victim['id']}, which it does not lead")
        policy = self.policy
        if body["rule"] != "margin":
            return
        cost = policy.preempt_points_per_s * policy.preempt_cost_s * (victim["preemptions"] + 1)
        self._demand(body["gain"] >= cost - 1e-3, f"{victim['id']} gives way at a cost of {cost} for a gain of {body['gain']}")
        self._demand(victim["preemptions"] < policy.max_preemptions, f"{victim['id']} gives way too often")

    def _check_turn(self, slot: int, part: dict[str, Any]) -> None:
        """The slot of a part that has ended is the next part's, unless an urgent job takes it, or the part may not play now.

        For an urgent gang slots are kept, in which others may fit.
        """
        other = self.rows.get(self.holders.get(slot, part["id"]), part)
        others = [self.rows[job_id] for job_id in {job_id for held, job_id in self.holders.items() if held != slot}]
        policy, is_hindered = self.policy, any((part["role"], row["role"]) in self.excluded for row in others)
        for kind in ("user", "team", "role"):
            limit = getattr(policy, f"max_running_per_{kind}")
            is_hindered |= limit is not None and sum(row[kind] == part[kind] for row in others) >= limit
        before_all = [other, *(row for row in map(self.rows.get, self.wanted) if row and row["state"] is JobState.QUEUED)]
        is_urgent = any(row["start_at"] is not None or row["priority"] >= policy.urgent_priority for row in before_all)
        is_allowed = other is part or is_hindered or is_urgent
        self._demand(is_allowed, f"{other['id']} takes slot {slot}, where it was {part['id']}'s turn")

    def _is_in_a_session(self, row: dict[str, Any]) -> bool:
        """Parts of a session give way to urgent ones only."""
        return bool(row["follows"]) or any(
            other["follows"] == row["id"] and other["state"] not in FINAL_STATES for other in self.rows.values()
        )

    def _leads(self, row: dict[str, Any], victim: dict[str, Any], at: float) -> bool:
        policy = self.policy
        if victim["start_at"] is not None:
            return False
        if row["priority"] < policy.urgent_priority and row["start_at"] is None and self._is_in_a_session(victim):
            return False
        if row["start_at"] is not None or row["priority"] >= policy.urgent_priority > victim["priority"]:
            return True
        gains = [policy.ageing_per_s * (at - r["submitted_at"]) + self._deadline_points(r) for r in (row, victim)]
        points = [
            max(r["priority"], min(policy.ageing_ceiling, r["priority"] + gain))
            for r, gain in zip((row, victim), gains, strict=True)
        ]
        return bool(points[0] - points[1] >= policy.preempt_margin - 1e-6)

    def _deadline_points(self, row: dict[str, Any]) -> float:
        """What a deadline is worth: ageing since `deadline_lead_s` before the job must begin, if that is before submission."""
        policy = self.policy
        if row["deadline"] is None or not policy.ageing_per_s:
            return 0.0
        must_begin = row["deadline"] - row["total_blocks"] * row["block_ms"] / 1000
        early_s = row["submitted_at"] - (must_begin - policy.deadline_lead_s)
        return min(policy.deadline_points, max(0.0, policy.ageing_per_s * early_s))

    def _check_overtaking(self, row: dict[str, Any]) -> None:
        """The bound on waiting: the points of priority, deadline and fair share, waited off, and nobody later goes first."""
        policy = self.policy
        if row["priority"] > policy.ageing_ceiling or row["start_at"] is not None:
            return
        for other in self.rows.values():
            if other["state"] is not JobState.QUEUED or other["hold"] in OWN_HOLDS or other is row:
                continue
            lead = row["priority"] + self._deadline_points(row) - other["priority"] - self._deadline_points(other)
            if row["team"] != other["team"]:
                lead += policy.fair_share_points
            if other["start_at"] is None:
                lead += max(policy.affinity_points, policy.backfill_points)
            is_overtaken = row["submitted_at"] > other["submitted_at"] + max(0.0, lead) / policy.ageing_per_s + 1e-6
            self._demand(
                not is_overtaken, f"{row['id']} goes before {other['id']}, which waited longer than ageing allows"
            )

    @staticmethod
    def _demand(is_true: bool, finding: str) -> None:
        if not is_true:
            raise Unfaithful(finding)
