"""The core's whole knowledge, and the only places where it changes: `move`, `grant`, `free`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from heapq import heappush
from typing import Any

from scheduler.core.actions import Action, DropContext, MoveJob, Record, Refuse
from scheduler.core.fleet import Slot, WorkerState
from scheduler.core.healing_policy import HealingPolicy
from scheduler.core.heals import Descent, Heals
from scheduler.core.job import FINAL_STATES, LEGAL_MOVES, OWN_HOLDS, OWNED_STATES, HoldReason, Job, JobState
from scheduler.core.learnt_memory import LearntMemory
from scheduler.core.policy import Policy
from scheduler.core.relations import Relations
from scheduler.core.sensors import Sensors
from scheduler.core.shares import Shares
from scheduler.core.tags import Tag
from scheduler.core.usage import Counts, Spent
from scheduler.core.waiting_line import WaitingLine

STORY_LENGTH = 12  # recent moves kept per job, for error messages
ENDED_LENGTH = 1_000  # ended jobs whose story is kept

_JOB_FIELDS = frozenset(item.name for item in fields(Job)) - {"state"}
_Story = tuple[tuple[float, str], ...]


def consent_until(job: Job, policy: Policy) -> float:
    """When a question about a lower setting ends by itself."""
    return max(job.submitted_at, job.offered_at) + policy.consent_timeout_s


class Turn:
    """What one event leads to: facts (committed together) before effects (done after the commit)."""

    __slots__ = ("at", "effects", "facts")

    def __init__(self, at: float) -> None:
        self.at = at
        self.facts: list[Action] = []
        self.effects: list[Action] = []

    def record(self, tag: Tag, subject: str, body: dict[str, Any] | None = None, outcome: str = "success") -> None:
        """An audit row without a change of a job."""
        self.facts.append(Record(tag, subject, outcome, body or {}))

    def refuse(self, code: str, message: str, hint: str = "", story: tuple[str, ...] = ()) -> None:
        """Turn a wish down; the caller must not have changed anything."""
        self.facts.append(Refuse(code, message, hint, story))


class State:
    """All jobs that have not ended, the slots, and what follows from both. Mutated by `machine.step` only."""

    def __init__(self, policy: Policy, slots: int, healing: HealingPolicy | None = None, gang_slots: int = 1) -> None:
        """`gang_slots`: how many slots the engine can use for one job at most."""
        if slots < 1:
            raise ValueError(f"slots is {slots}; at least 1 is needed")
        self.policy = policy
        self.healing = healing or HealingPolicy()
        self.heals = Heals()
        self.sensors = Sensors()
        self.memory = LearntMemory()
        self.degraded: dict[str, Descent] = {}  # jobs that came down by themselves, and when they may climb
        self.now = 0.0
        self.slots = [Slot(number) for number in range(slots)]
        self.jobs: dict[str, Job] = {}
        self.gang_slots = gang_slots
        self.gangs: dict[str, int] = {}  # open jobs that want several slots at once, and how many
        self.line = WaitingLine(policy)
        self.shares = Shares()
        self.held: dict[str, Job] = {}  # queued, but held back by something of their own
        self.leases: dict[str, Slot] = {}
        self.scheduled: dict[str, Job] = {}  # those among the held whose reserved time has not come
        self.reserved: dict[str, Job] = {}  # open jobs that were promised a time of day
        self.followers: dict[str, str] = {}  # open job → the part of its session that comes next
        self.previews: dict[str, list[str]] = {}  # preview that has not ended → the open jobs that wait for its approval
        self.counts = Counts()
        self.spent = Spent()
        self.alarms: list[tuple[float, int, str]] = []  # heap: back-offs and consents that end
        self.relations = Relations()
        self.unavailable_roles: set[str] = set()
        self.missing: dict[str, str] = {}  # of these the roles that lack a file, and which
        self.is_queue_paused = False
        self.is_booted = True  # False between a restore and the event `Booted`
        self.is_imagined = False  # a future that is only looked at: nobody will read why, so it is not worked out
        self.is_asked_about = False  # what would be if somebody submitted this: decisions are worded so
        self.last_ordinal = -1
        self.accepted = 0  # jobs ever taken up by this state, rejected ones included
        self.ended = dict.fromkeys(sorted(FINAL_STATES), 0)
        self.stories: dict[str, _Story] = {}
        self.ended_stories: dict[str, _Story] = {}

    @classmethod
    def restore(
        cls,
        policy: Policy,
        slots: int,
        jobs: Iterable[Job],
        unavailable_roles: Iterable[str] = (),
        is_queue_paused: bool = False,
        never_with: Mapping[str, Iterable[str]] | None = None,
        drained_slots: Iterable[int] = (),
        healing: HealingPolicy | None = None,
        heals: Heals | None = None,
        degraded: Mapping[str, Descent] | None = None,
        shares: Shares | None = None,
        spent: Spent | None = None,
        gangs: Mapping[str, int] | None = None,
        gang_slots: int = 1,
        memory: LearntMemory | None = None,
        share_with: Mapping[str, Iterable[str]] | None = None,
    ) -> State:
        """The state after a restart, from the rows of the jobs that have not ended (others are ignored).

        Slots have no workers yet. The first event must be `Booted`: it queues again what a worker held.
        """
        state = cls(policy, slots, healing, gang_slots)
        state.gangs.update(gangs or {})
        state.is_booted = False
        state.heals = heals or state.heals
        state.memory = memory or state.memory
        state.shares, state.spent = shares or state.shares, spent or state.spent
        state.unavailable_roles.update(unavailable_roles)
        state.is_queue_paused = is_queue_paused
        for role, others in (never_with or {}).items():
            state.relations.put(role, others)
        for role, others in (share_with or {}).items():
            state.relations.share(role, others)
        for number in drained_slots:
            if 0 <= number < slots:
                state.slots[number].drained_for.add("person")
        for job in sorted(jobs, key=lambda job: job.ordinal):
            assert isinstance(job.state, JobState), f"{job.id}: make jobs of rows with Job.from_row"
            if job.state in FINAL_STATES:
                continue
            if job.state is JobState.SUBMITTED or job.id in state.jobs or job.ordinal <= state.last_ordinal:
                raise ValueError(f"{job.id} cannot be restored: {job.state}, ordinal {job.ordinal}")
            state.jobs[job.id] = job
            state.last_ordinal = job.ordinal
            state.accepted += 1
            state._promise(job)
            state.stories[job.id] = ((job.submitted_at, f"found as {job.state}"),)
            if job.state is JobState.QUEUED:
                state._enqueue(job)
        state.degraded = {job_id: descent for job_id, descent in (degraded or {}).items() if job_id in state.jobs}
        return state

    # ---- the only changes -------------------------------------------------------------------------------------------

    def move(
        self, turn: Turn, job: Job, target: JobState, tag: Tag,
        fields: dict[str, Any] | None = None, body: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Change a job's state, or only columns of it (target == its state). An illegal move is a broken invariant."""
        source = job.state
        fields = fields if fields is not None else {}
        assert target is source or target in LEGAL_MOVES[source], (job.id, source, target, self.story(job.id))
        if source is JobState.QUEUED:
            self._dequeue(job)
        elif target is JobState.QUEUED and source in OWNED_STATES:
            fields = {**fields, "freed_at": turn.at}
        for name, value in fields.items():
            if name in _JOB_FIELDS:
                setattr(job, name, value)
        job.state = target
        turn.facts.append(MoveJob(job.id, source, target, tag, fields, body if body is not None else {}))
        if not self.is_imagined:
            story = (*self.stories.get(job.id, ())[1 - STORY_LENGTH :], (turn.at, f"{tag} → {target}"))
            self.stories[job.id] = story
        if target is JobState.QUEUED:
            self._enqueue(job)
        elif target in FINAL_STATES:
            self._end(turn, job)

    def progress(self, turn: Turn, job: Job, tag: Tag, fields: dict[str, Any], body: dict[str, Any]) -> None:
        """Change columns of a job that a worker holds, apart from its story: the frequent, small case of `move`."""
        assert job.state in OWNED_STATES
        before_ms = job.milliseconds_left
        for name, value in fields.items():
            setattr(job, name, value)
        self.counts.promise(job, (job.milliseconds_left - before_ms) * self.width_of(job.id))
        turn.facts.append(MoveJob(job.id, job.state, job.state, tag, fields, body))

    def advance(self, job: Job, blocks_done: int) -> None:
        """Count finished blocks without a word: for futures that are only looked at, where no fact is written."""
        promised_ms = (job.blocks_done - blocks_done) * job.block_ms * self.width_of(job.id)
        job.blocks_done = blocks_done
        self.counts.promise(job, promised_ms)

    def accept(self, job: Job, slots_needed: int = 1) -> None:
        """Take up a job just submitted; `move` decides what becomes of it."""
        assert job.id not in self.jobs and job.ordinal > self.last_ordinal, job.id
        if slots_needed > 1:
            self.gangs[job.id] = slots_needed
        self.jobs[job.id] = job
        self.last_ordinal = job.ordinal
        self.accepted += 1
        self._promise(job)

    def grant(self, turn: Turn, slot: Slot, job: Job, body: dict[str, Any], others: Iterable[Slot] = ()) -> None:
        """Give the slot's worker a lease on a queued job; `others` play it with this one."""
        leases = job.leases + 1
        lease_id = f"{job.id}-{leases}"
        lease_until = turn.at + self.policy.lease_s
        self.move(
            turn, job, JobState.LEASED, Tag.JOB_LEASED,
            {"slot": slot.number, "lease_id": lease_id, "lease_until": lease_until, "leases": leases, "hold": None,
             "leased_at": turn.at},
            body,
        )  # fmt: skip
        self.sensors.without_context.discard(job.id)
        slot.take(job.id, job.role, lease_id, lease_until, rungs=job.rungs)
        for other in others:
            other.take(job.id, job.role, lease_id, lease_until, lead=slot.number)
        self.leases[lease_id] = slot

    def free(
        self, turn: Turn, slot: Slot, target: JobState, tag: Tag, fields: dict[str, Any], body: dict[str, Any]
    ) -> None:
        """Take the lease back and move its job on (queued again, or ended)."""
        assert slot.job_id is not None and slot.lease_id is not None
        job = self.jobs[slot.job_id]
        body = {"slot": slot.number, "lease_id": slot.lease_id, "blocks_done": job.blocks_done, **body}
        del self.leases[slot.lease_id]
        for held in self.slots_of(job):
            held.free()
        self.settle(job, turn.at - job.leased_at, turn.at)
        self.move(turn, job, target, tag, {"slot": None, "lease_id": None, "lease_until": 0.0, **fields}, body)

    def settle(self, job: Job, seconds: float, at: float) -> None:
        """A lease on the job ended after so many seconds on its slot."""
        self.spent.add(job, seconds * self.width_of(job.id), at, self.policy)

    def change_policy(self, policy: Policy, healing: HealingPolicy) -> None:
        """Another policy: the line is put in its order anew, and questions get its time."""
        self.policy, self.healing = policy, healing
        waiting = [job for job in self.jobs.values() if job.id in self.line]
        self.line = WaitingLine(policy)
        for job in waiting:
            self.line.add(job)
        for job in self.held.values():
            if job.hold is HoldReason.AWAITING_CONSENT:
                heappush(self.alarms, (consent_until(job, policy), job.ordinal, job.id))

    # ---- looking ----------------------------------------------------------------------------------------------------

    @property
    def queued(self) -> int:
        """Jobs queued, in line or held back."""
        return len(self.line) + len(self.held)

    def width_of(self, job_id: str) -> int:
        """How many slots a job plays on at once."""
        return self.gangs.get(job_id, 1)

    def slots_of(self, job: Job) -> list[Slot]:
        """The slots that play a running job, the one that speaks for all first."""
        assert job.slot is not None, f"{job.id} is {job.state} and plays nowhere"
        lead = self.slots[job.slot]
        if job.id not in self.gangs:
            return [lead]
        return [lead, *(slot for slot in self.slots if slot.lead == lead.number and slot.job_id == job.id)]

    def hold_for(self, job: Job, at: float, otherwise: HoldReason, ended: HoldReason | None = None) -> HoldReason:
        """The job's own reason to stand outside the line, or `otherwise`. `ended`: a reason that ends just now."""
        if job.is_paused and ended is not HoldReason.PAUSED:
            return HoldReason.PAUSED
        if job.role in self.unavailable_roles:
            return HoldReason.ROLE_UNAVAILABLE
        if job.is_unapproved and ended is not HoldReason.APPROVAL:
            return HoldReason.APPROVAL
        if job.follows in self.jobs:
            return HoldReason.AWAITING_TURN
        if job.start_at is not None and job.start_at > at:
            return HoldReason.SCHEDULED
        if job.not_before > at:
            return HoldReason.RETRYING
        return otherwise

    def story(self, job_id: str) -> tuple[str, ...]:
        """The job's recent moves, oldest first, as `<seconds> <tag> → <state>`."""
        moves = self.stories.get(job_id) or self.ended_stories.get(job_id, ())
        return tuple(f"{at:.3f} {what}" for at, what in moves)

    def idle_slots(self) -> list[Slot]:
        """Slots that may be given a job now, in order."""
        return [slot for slot in self.slots if slot.worker is WorkerState.READY and not slot.is_drained]

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _promise(self, job: Job) -> None:
        """An open job: its GPU seconds and its reserved time are spoken for."""
        self.counts.promise(job, job.milliseconds_left * self.width_of(job.id))
        if job.start_at is not None:
            self.reserved[job.id] = job
        if job.follows:
            self.followers.setdefault(job.follows, job.id)
        if job.is_unapproved and not job.preview_end:
            self.previews.setdefault(job.preview, []).append(job.id)

    def _enqueue(self, job: Job) -> None:
        self.counts.enter(job)
        if job.hold not in OWN_HOLDS:
            self.line.add(job)
            return
        self.held[job.id] = job
        if job.hold is HoldReason.RETRYING:
            heappush(self.alarms, (job.not_before, job.ordinal, job.id))
        elif job.hold is HoldReason.AWAITING_CONSENT:
            heappush(self.alarms, (consent_until(job, self.policy), job.ordinal, job.id))
        elif job.hold is HoldReason.SCHEDULED and job.start_at is not None:
            self.scheduled[job.id] = job
            heappush(self.alarms, (job.start_at, job.ordinal, job.id))

    def _dequeue(self, job: Job) -> None:
        if job.id in self.line:
            self.line.remove(job)
        else:
            del self.held[job.id]
            self.scheduled.pop(job.id, None)
        self.counts.leave(job)

    def _end(self, turn: Turn, job: Job) -> None:
        self.ended[job.state] += 1
        del self.jobs[job.id]
        self.counts.promise(job, -job.milliseconds_left * self.width_of(job.id))
        self.gangs.pop(job.id, None)
        self.reserved.pop(job.id, None)
        self.degraded.pop(job.id, None)
        self.sensors.without_context.discard(job.id)
        self.ended_stories[job.id] = self.stories.pop(job.id, ())
        if len(self.ended_stories) > ENDED_LENGTH:
            del self.ended_stories[next(iter(self.ended_stories))]
        if self.followers.get(job.follows) == job.id:
            del self.followers[job.follows]
        for waiting in self.previews.pop(job.id, ()):
            if (run := self.jobs.get(waiting)) is not None:
                fields: dict[str, Any] = {"preview_end": str(job.state)}
                self.move(turn, run, JobState.QUEUED, Tag.PREVIEW_ENDED, fields, {"preview": job.id, "as": str(job.state)})
        if job.state is JobState.REJECTED:
            return
        turn.effects.append(DropContext(job.id))
        follower = self.jobs.get(self.followers.pop(job.id, ""))
        if follower is not None:
            self._pass_on(turn, job, follower)

    def _pass_on(self, turn: Turn, ended: Job, follower: Job) -> None:
        """The next part of a session may begin; without the part before it, it is worth nothing."""
        if ended.state is not JobState.SUCCEEDED:
            said = f"It was to follow {ended.id}, which ended as {ended.state}."
            error = {"error_code": "session_broken", "error_message": said,
                     "error_hint": "Submit the session again, from the part that is missing."}  # fmt: skip
            fields: dict[str, Any] = {"hold": None, "finished_at": turn.at, **error}
            self.move(turn, follower, JobState.CANCELLED, Tag.JOB_CANCELLED, fields, {"cause": "session_broken", "by": ended.id})
        elif follower.hold is HoldReason.AWAITING_TURN:
            hold = self.hold_for(follower, turn.at, HoldReason.WAITING_FOR_SLOT)
            self.move(turn, follower, JobState.QUEUED, Tag.JOB_QUEUED, {"hold": hold}, {"cause": "its_turn", "after": ended.id})
