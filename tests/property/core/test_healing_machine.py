"""Sensors in any order: no job flaps, none is healed for ever, each third crash ends a job, and nobody starves by healing."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from benchmarks.ledger import Ledger
from scheduler.core import events
from scheduler.core.actions import Action, MoveJob, Record
from scheduler.core.healing_policy import HOUR, Fault, HealingPolicy
from scheduler.core.invariants import check_invariants
from scheduler.core.job import FINAL_STATES, JobState
from scheduler.core.ladder import DEVICE, Rung
from scheduler.core.machine import State, step
from scheduler.core.policy import Policy
from scheduler.core.tags import Tag

RETURN_S = 5.0
LIMIT = 3
HEALING = HealingPolicy.from_mapping({
    "memory_high": {"for_s": 2, "settle_s": 3, "return_after_s": RETURN_S, "max_per_hour": LIMIT},
    "out_of_memory": {"max_per_hour": LIMIT},
    "stutter": {"return_after_s": RETURN_S, "max_per_hour": LIMIT, "blocks": 2},
    "disk_low": {"action": "hold", "below_bytes": 100, "return_above_bytes": 200},
    "thermal": {"action": "rest", "for_s": 1, "return_after_s": 2},
    "gpu_lost": {"return_after_s": 2},
})  # fmt: skip
POLICY = Policy(max_crashes=3, lease_s=1e6, min_run_blocks=1, max_strikes=50, retry_backoff_s=1.0, consent_timeout_s=60.0)
LADDER = (
    Rung(name="caches", kind=DEVICE),
    Rung(name="", predicted_bytes=10),
    Rung(name="steps=4", predicted_bytes=8, needs_consent=True),
    Rung(name="steps=3", predicted_bytes=6, needs_consent=True),
)


class Healing(RuleBasedStateMachine):
    """One slot, jobs that are fed by sensors."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State(POLICY, 1, HEALING)
        self.ledger = Ledger(POLICY)
        self.at, self.submitted, self.workers = 1_000.0, 0, 0
        self.changes: dict[str, list[tuple[float, str]]] = {}
        self.crashes: dict[str, int] = {}
        self.acted: dict[tuple[str, str], list[float]] = {}
        self.spawn()

    def feed(self, event: events.Event) -> list[Action]:
        """One event through core and ledger; what heals do is noted."""
        if isinstance(event, events.JobSubmitted):
            self.ledger.submit(event)
        before = {job_id: job.state for job_id, job in self.state.jobs.items()}
        actions = step(self.state, event)
        self.ledger.take(actions, self.at)
        for action in actions:
            if isinstance(action, MoveJob):
                self._note_move(action, before)
            elif isinstance(action, Record) and action.tag == Tag.HEAL_ACTED and "=" in action.body["action"]:
                self.acted.setdefault((action.body["fault"], action.subject), []).append(self.at)
        return actions

    def _note_move(self, move: MoveJob, before: dict[str, JobState]) -> None:
        if move.tag in (Tag.JOB_DEGRADED, Tag.JOB_RESTORED) and "rungs" in move.fields:
            self.changes.setdefault(move.job_id, []).append((self.at, "up" if move.tag == Tag.JOB_RESTORED else "down"))
        if move.tag == Tag.BLOCK_FINISHED:
            self.crashes[move.job_id] = 0
        if move.target is JobState.FAILED and move.fields.get("error_code") == "poison_job":
            assert self.crashes[move.job_id] == 3, "set aside after exactly three crashes in a row"

    def spawn(self) -> None:
        """A worker takes the slot."""
        self.workers += 1
        self.feed(events.WorkerBecameReady(at=self.at, slot=0, worker_id=f"w{self.workers}"))

    def lease(self) -> str | None:
        """The lease on the slot."""
        return self.state.slots[0].lease_id

    def started(self) -> bool:
        """Has the slot's job begun?"""
        return self.lease() is not None and self.state.slots[0].is_started

    @rule(degrade=st.sampled_from(["allow", "ask", "never"]), priority=st.sampled_from([1, 50, 100]))
    def submit(self, degrade: str, priority: int) -> None:
        self.submitted += 1
        self.feed(
            events.JobSubmitted(
                at=self.at, job_id=f"j{self.submitted}", ordinal=self.submitted, user="u", team="t", role="r",
                priority=priority, total_blocks=60, context_bytes=10, degrade=degrade,
            )
        )  # fmt: skip

    @initialize()
    def open_house(self) -> None:
        self.submit("allow", 50)
        self.start()

    @precondition(lambda self: self.started())
    @rule(ratio=st.sampled_from([0.5, 0.5, 0.99]))
    def change_is_carried_out_and_time_goes_by(self, ratio: float) -> None:
        """The usual way of things: a worker that was asked stops, the job goes on, half a minute passes."""
        if self.state.slots[0].stop_cause is not None:
            self.stop()
        if self.lease() is not None:
            self.start()
        self.sense(ratio=ratio, hot=False, seconds=25, lost=False)

    @precondition(lambda self: self.lease() is not None)
    @rule()
    def start(self) -> None:
        self.feed(events.JobWasStarted(at=self.at, lease_id=str(self.lease()), resume="exact", ladder=LADDER))

    @precondition(lambda self: self.started())
    @rule(slow=st.booleans(), count=st.integers(1, 3))
    def blocks(self, slow: bool, count: int) -> None:
        for _ in range(count):
            job_id = self.state.slots[0].job_id
            if job_id is None or self.state.jobs[job_id].blocks_done >= 60:
                return
            self.at += 0.1
            done = self.state.jobs[job_id].blocks_done
            self.ledger.durable[job_id] = done + 1
            seconds = 2.0 if slow else 0.5
            self.feed(
                events.BlockWasDone(at=self.at, lease_id=str(self.lease()), block=done, seconds=seconds, planned_s=0.5)
            )

    @precondition(lambda self: self.started() and self.state.slots[0].stop_cause is not None)
    @rule()
    def stop(self) -> None:
        job_id = str(self.state.slots[0].job_id)
        done = self.state.jobs[job_id].blocks_done
        self.feed(events.JobWasPreempted(at=self.at, lease_id=str(self.lease()), blocks_done=done))

    @precondition(lambda self: self.lease() is not None)
    @rule()
    def no_memory(self) -> None:
        lease_id = str(self.lease())
        self.feed(events.JobHasFailed(at=self.at, lease_id=lease_id, code="out_of_memory", can_retry=True, ladder=LADDER))

    @precondition(lambda self: self.state.slots[0].worker_id is not None)
    @rule(cause=st.sampled_from(["killed", "hung_step", "stopped"]))
    def lose(self, cause: str) -> None:
        slot = self.state.slots[0]
        if slot.job_id is not None and cause != "stopped" and slot.kill_cause not in ("grace_over", "gpu_lost"):
            self.crashes[slot.job_id] = self.crashes.get(slot.job_id, 0) + 1
        self.feed(events.WorkerWasLost(at=self.at, slot=0, worker_id=str(slot.worker_id), cause=cause))
        self.spawn()

    @rule(n=st.integers(1, 9), is_agreed=st.booleans())
    def consent(self, n: int, is_agreed: bool) -> None:
        self.feed(events.ConsentAnswered(at=self.at, job_id=f"j{n}", is_agreed=is_agreed))

    @rule(
        ratio=st.sampled_from([0.5, 0.9, 0.99]), hot=st.booleans(), seconds=st.sampled_from([1, 4, 25]), lost=st.booleans()
    )
    def sense(self, ratio: float, hot: bool, seconds: int, lost: bool) -> None:
        for _ in range(seconds):
            self.at += 1.0
            self.feed(
                events.DeviceWasRead(
                    at=self.at, device="gpu0", slots=(0,), memory_ratio=ratio, is_throttled=hot, is_lost=lost and hot
                )
            )
            self.feed(events.TimePassed(at=self.at))

    @rule(free=st.sampled_from([50, 150, 250]))
    def disk(self, free: int) -> None:
        self.feed(events.DiskWasRead(at=self.at, free_bytes=free))

    @rule()
    def restart(self) -> None:
        drained = [0] if "person" in self.state.slots[0].drained_for else []
        old = self.state
        self.state = State.restore(
            POLICY, 1, self.ledger.open_jobs(), drained_slots=drained, healing=HEALING,
            heals=type(old.heals).from_mapping(old.heals.to_mapping()), degraded=old.degraded,
        )  # fmt: skip
        self.ledger.holders.clear()
        self.ledger.vacating.clear()
        self.feed(events.Booted(at=self.at))
        self.spawn()

    @invariant()
    def everything_holds(self) -> None:
        check_invariants(self.state)
        self.ledger.compare(self.state)

    @invariant()
    def no_job_flaps(self) -> None:
        for told in self.changes.values():
            wait_s, ups = RETURN_S, 0
            for (before, _), (at, kind) in zip([(-1e9, ""), *told], told, strict=False):
                if kind == "up":
                    assert at - before >= wait_s * 2**ups, "it climbs only after its time, which doubles"
                    ups += 1

    @invariant()
    def nobody_starves_for_want_of_a_heals_end(self) -> None:
        """A slot that healing closed has an open heal that will open it again."""
        causes = self.state.slots[0].drained_for - {"person"}
        faults = {"thermal": Fault.THERMAL, "gpu_lost": Fault.GPU_LOST, "disk_low": Fault.DISK_LOW}
        assert all(self.state.heals.of(faults[cause]) for cause in causes), causes

    @invariant()
    def heals_of_ended_jobs_are_closed(self) -> None:
        for heal in self.state.heals.of(Fault.OUT_OF_MEMORY, Fault.STUTTER):
            assert heal.job_id in self.state.jobs, heal
        assert all(job.state not in FINAL_STATES for job in self.state.jobs.values())

    @invariant()
    def actions_per_hour_are_limited(self) -> None:
        for key, times in self.acted.items():
            lately = [at for at in times if at > self.at - HOUR]
            assert len(lately) <= LIMIT * 3, (key, "at most three settings per heal, and so many heals per hour")


Healing.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestHealing = Healing.TestCase
