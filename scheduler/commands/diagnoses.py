"""Commands about diagnoses: looked for in a process of its own, since files are read and decoded for it."""

from __future__ import annotations

import asyncio
from typing import Any

from scheduler.commands.arguments import Arguments
from scheduler.commands.house import Handler, House
from scheduler.commands.jobs import unknown_job
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.plan import errand

MOST = 2  # at a time: each takes seconds of a processor beside the videos that play
_running: dict[str, asyncio.Task[dict[str, Any]]] = {}


async def diagnose(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """What spoilt a job's video; who asks of the same job meanwhile gets the same answer. Changes nothing."""
    job_id = args.take("job_id", str)
    args.done()
    if house.ledger.store.job(job_id) is None:
        raise unknown_job(job_id)
    if job_id not in _running:
        if len(_running) >= MOST:
            message = f"{MOST} other videos are being looked at just now."
            raise SchedulerError(503, "diagnoses_running", message, hint="Try again in some seconds.", most=MOST)
        task = asyncio.get_running_loop().create_task(errand.run_diagnosis(house.data_dir, job_id))
        _running[job_id] = task
        task.add_done_callback(lambda _: _running.pop(job_id))
    return await asyncio.shield(_running[job_id])  # one who goes away takes nothing from the others


DIAGNOSIS_COMMANDS: dict[str, Handler] = {"diagnose": diagnose}
