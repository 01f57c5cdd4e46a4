"""Before somebody gives a job another priority: who would be done sooner, who later, and by how much?"""

from __future__ import annotations

from typing import Any

from scheduler.core import events, machine
from scheduler.core.state import State
from scheduler.errors import SchedulerError
from scheduler.forecast.estimator import Estimator
from scheduler.forecast.told import LEAST_RUNS

LEAST_S = 1.0  # smaller changes are not worth a word
MOST_SHOWN = 20


def reorder(state: State, estimator: Estimator, job_id: str, priority: int) -> dict[str, Any]:
    """`changes`: jobs whose end would move, the most moved first: job, user, role, moved_s (later is positive), and finish, the
    new one in seconds since 1970. As things are: no new submissions, no losses. `state` is used up.

    Raises SchedulerError: 404 for a job that is not open, 409 while nothing can be told.
    """
    if job_id not in state.jobs:
        raise SchedulerError(404, "unknown_job", f"The job {job_id!r} is not open.", field="job_id", hint="It may have ended.")
    if estimator.runs < LEAST_RUNS:
        raise SchedulerError(409, "few_runs", "Too few jobs have finished here to tell.", hint="Ask again after five.")
    before = estimator.as_things_are(state)
    machine.step(state, events.PriorityChanged(at=state.now, job_id=job_id, priority=priority))
    after = estimator.as_things_are(state)
    moved = {name: after[name] - seconds for name, seconds in before.items() if name in after}
    felt = (name for name, seconds in moved.items() if abs(seconds) >= LEAST_S)
    worst = sorted(felt, key=lambda name: (-abs(moved[name]), name))
    changes = [
        {"job": name, "user": state.jobs[name].user, "role": state.jobs[name].role, "moved_s": round(moved[name], 1),
         "finish": round(state.now + after[name], 1)}
        for name in worst[:MOST_SHOWN] if name in state.jobs
    ]  # fmt: skip
    return {"changes": changes, "changed": len(worst), "is_known": job_id in after}
