"""Commands about diagnoses: looked for in a process of its own, since files are read and decoded for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from scheduler.commands.arguments import Arguments
from scheduler.commands.house import Handler, House
from scheduler.commands.jobs import unknown_job
from scheduler.door import Actor
from scheduler.errand import run_errand
from scheduler.errors import SchedulerError

MOST = 2  # at a time: each takes seconds of a processor beside the videos that play; of one person, one
DIAGNOSIS_TIMEOUT_S = 50.0  # less than a client waits at the door
RETRY_AFTER_S = 5


@dataclass(frozen=True)
class _Diagnosis:
    """One that is looked for just now, and the actor who asked first."""

    asked_by: str
    task: asyncio.Task[dict[str, Any]]


_running: dict[str, _Diagnosis] = {}  # by job


async def diagnose(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """What spoilt a job's video; who asks of the same job meanwhile gets the same answer. Changes nothing."""
    job_id = args.take("job_id", str)
    args.done()
    if house.ledger.store.job(job_id) is None:
        raise unknown_job(job_id)
    if job_id not in _running:
        _check_places(actor.name)
        task = asyncio.get_running_loop().create_task(run_errand(house.data_dir, DIAGNOSIS_TIMEOUT_S, "diagnose", job_id))
        _running[job_id] = _Diagnosis(actor.name, task)
        task.add_done_callback(lambda _: _running.pop(job_id))
    return await asyncio.shield(_running[job_id].task)  # one who goes away takes nothing from the others


def _check_places(name: str) -> None:
    """Raises SchedulerError: 429 where this actor's own diagnosis is at work, 503 where all places are taken."""
    own = next((job_id for job_id, one in _running.items() if one.asked_by == name), None)
    if own is not None:
        raise SchedulerError(
            429, "own_diagnosis_running", f"Your diagnosis of {own} is still at work; a person has one at a time.",
            hint=f"Wait for the answer about {own}, then ask for this one; or look by hand: role_scheduler diagnose JOB.",
            job=own, retry_after_s=RETRY_AFTER_S,
        )  # fmt: skip
    if len(_running) >= MOST:
        message = f"{MOST} other videos are being looked at just now."
        raise SchedulerError(
            503, "diagnoses_running", message, hint="Try again in some seconds.", most=MOST, retry_after_s=RETRY_AFTER_S
        )


DIAGNOSIS_COMMANDS: dict[str, Handler] = {"diagnose": diagnose}
