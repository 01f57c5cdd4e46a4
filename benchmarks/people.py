"""What people in the simulated studio ask for, sensibly or not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from scheduler.core import events

if TYPE_CHECKING:
    from benchmarks.simulator import Simulator


def ask_something(world: Simulator) -> None:
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


def _ask_of_the_house(world: Simulator) -> None:
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
