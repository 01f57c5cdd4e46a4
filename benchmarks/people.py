"""What people in the simulated studio ask for, sensibly or not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Protocol

from benchmarks.ledger import Ledger
from benchmarks.workload import Workload
from scheduler.core import events
from scheduler.core.job import JobState
from scheduler.core.state import State


class World(Protocol):
    """What people can see and ask of the simulated studio."""

    random: Random
    state: State
    now: float
    workload: Workload
    ledger: Ledger | None
    submissions: int

    def feed(self, event: events.Event) -> Any:
        """Let something happen."""

    def submit_preview(self) -> str | None:
        """A preview is submitted once more; None where it is rejected."""

    def plan(self, in_s: float, kind: str, data: Any = None) -> None:
        """Let something happen later."""

    def pause_queue(self, is_paused: bool) -> None:
        """Pause the queue, or let it go on."""

    def drain(self, slot: int, is_drained: bool) -> None:
        """Drain a slot, or give it work again."""

    def set_role(self, role: int, is_available: bool) -> None:
        """Take a role away, or give it back."""


def ask_something(world: World) -> None:
    """One wish, drawn from the world's seed; what was paused or taken away comes back some time later."""
    draw, at = world.random, world.now
    jobs = world.state.jobs
    if draw.random() < 0.06 or not jobs:
        _ask_of_the_house(world)
        return
    # an open job near the end of the list, an ended one, or one that never was
    job_id = draw.choice(list(jobs)[-200:]) if draw.random() < 0.95 else f"j{draw.randrange(world.submissions + 5):08d}"
    chance = draw.random()
    if chance < 0.25:
        world.feed(events.CancelRequested(at=at, job_id=job_id))
    elif chance < 0.5:
        world.feed(events.PauseRequested(at=at, job_id=job_id))
    elif chance < 0.8:
        paused = [job.id for job in jobs.values() if job.is_paused]
        world.feed(events.ResumeRequested(at=at, job_id=draw.choice(paused) if paused else job_id))
    elif chance < 0.98:
        world.feed(
            events.PriorityChanged(at=at, job_id=job_id, priority=draw.choice((*world.workload.priorities, 99, 101)))
        )
    else:
        world.feed(events.ConsentAnswered(at=at, job_id=job_id, is_agreed=draw.random() < 0.5))


def judge_preview(world: World, job_id: str) -> None:
    """Somebody looks at the preview that a job waits for: too early now and then, and not always pleased.

    One that came to nothing is asked for again, or the job goes on without it. While it is open, somebody looks again.
    """
    draw, at = world.random, world.now
    job = world.state.jobs.get(job_id)
    if job is None or not job.is_unapproved:
        return
    chance = draw.random()
    if job.preview_end in (JobState.FAILED, JobState.CANCELLED) and chance < 0.3:
        if (preview := world.submit_preview()) is not None:
            world.feed(events.PreviewRenewed(at=at, job_id=job_id, preview=preview))
    elif job.preview_end or chance < 0.2:
        is_approved = draw.random() < 0.7
        if world.ledger is not None and job.preview_end and not is_approved:
            world.ledger.turned_down.add(job_id)
        world.feed(events.PreviewJudged(at=at, job_id=job_id, is_approved=is_approved))
    world.plan(draw.expovariate(0.2), "judgement", job_id)


def _ask_of_the_house(world: World) -> None:
    draw = world.random
    chance = draw.random()
    undo: Callable[[], None]
    if chance < 0.3:
        world.pause_queue(True)
        undo = partial(world.pause_queue, False)
    elif chance < 0.6:
        slot = draw.randrange(world.workload.slots)
        world.drain(slot, True)
        undo = partial(world.drain, slot, False)
    else:
        role = draw.randrange(world.workload.roles)
        world.set_role(role, False)
        undo = partial(world.set_role, role, True)
    world.plan(draw.expovariate(0.1), "undo", undo)
