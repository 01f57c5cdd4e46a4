"""Before submitting: when would it start and end, and whom would it delay?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.catalog import SHAPES
from engine.config import framed
from scheduler import submission
from scheduler.core import events, machine
from scheduler.core.actions import MoveJob
from scheduler.core.block_times import Pace
from scheduler.core.job import HoldReason, JobState
from scheduler.core.sentences import sentence
from scheduler.core.state import State
from scheduler.costs import preset_of
from scheduler.errors import SchedulerError
from scheduler.forecast.estimator import Estimator
from scheduler.forecast.told import told_of, untold_of
from scheduler.forecast.witness import Request
from scheduler.job_ladder import Picture, job_ladder, settings_below
from scheduler.memory_kinds import kind_at
from scheduler.registry import Role

NOT_YET = "what-if"  # the id of a job that nobody submitted
PREVIEW = "what-if-preview"  # what it would wait for
LEAST_DELAY_S = 1.0
MOST_SHOWN = 50


def what_if(
    state: State, estimator: Estimator, request: Mapping[str, Any], role: Role, model: str, pace: Pace,
    *, kv: str | None = None, follows_end: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Decision, ranges and delays of a request that is not made. `state` is used up. `kv`: the form of rings in this house;
    `follows_end`: the state in which the part that it is to follow ended, empty for one that is open or unknown.

    `picture`: the size of the video, and how its portrait is scaled and cut. `delays`: jobs that would end later,
    the worst first, each with its seconds. Raises SchedulerError as a submission would.
    """
    if model not in SHAPES:
        raise SchedulerError(409, "unknown_model", f"The model {model!r} is not known.", hint="Restart the house.")
    made = submission.work_out(request, role, model, "", kv=kv)
    wish = Request(
        at=state.now, id=NOT_YET, role=role.name, team=role.team, user=made.user, priority=made.priority,
        blocks=made.total_blocks, preset=preset_of(made.recipe.to_json()), device=model,
    )  # fmt: skip
    known_ms = pace.block_ms(made.recipe.to_json(), made.width, made.height)
    reckoned: dict[str, Any] = {} if known_ms is None else {"block_ms": known_ms}  # by admission, as for a submission
    before = estimator.as_things_are(state)
    state.is_asked_about = True
    actions = machine.step(
        state,
        events.JobSubmitted(
            at=state.now, job_id=NOT_YET, ordinal=state.last_ordinal + 1, user=wish.user, team=wish.team, role=wish.role,
            priority=wish.priority, total_blocks=wish.blocks, context_bytes=made.context_bytes, degrade=made.degrade,
            deadline=None if made.deadline_s is None else state.now + made.deadline_s,
            start_at=None if made.start_in_s is None else state.now + made.start_in_s, follows=made.follows,
            follows_end=follows_end, **reckoned, preview=PREVIEW if made.preview else "",
            **settings_below(job_ladder(
                model, made.recipe.settings, Picture(width=role.image_width, height=role.image_height),
                kv=kv, kind_at=kind_at(state.memory, model),
            )),
        ),
    )  # fmt: skip
    decision = next((move.body["decision"] for move in actions if isinstance(move, MoveJob) and "decision" in move.body), None)
    if made.preview is not None and decision is not None and decision["reason"] == HoldReason.APPROVAL:
        decision = {**decision, "text": sentence("approval_would")}
    job = state.jobs.get(NOT_YET)
    scaled = framed(made.role.image_width, made.role.image_height, made.width, made.height)
    picture = {"width": made.width, "height": made.height, "scaled": scaled[:2], "left": scaled[2], "top": scaled[3]}
    answer: dict[str, Any] = {"decision": decision, "blocks": wish.blocks, "priority": wish.priority, "picture": picture}
    if made.preview is not None:
        answer["cost"] = _cost(pace, made, made.preview)
    if job is None or job.state is JobState.REJECTED:
        return {**answer, "estimate": None, "estimate_state": "rejected", "delays": []}
    estimator.requests[NOT_YET] = wish
    try:
        found = estimator.estimates(state, {NOT_YET})
        after = estimator.as_things_are(state)
    finally:
        del estimator.requests[NOT_YET]
    late = {name: after[name] - seconds for name, seconds in before.items() if name in after}
    worst = sorted(((delay, name) for name, delay in late.items() if delay >= LEAST_DELAY_S), reverse=True)
    delays = [
        {"job": name, "user": state.jobs[name].user, "role": state.jobs[name].role, "delay_s": round(delay, 1)}
        for delay, name in worst[:MOST_SHOWN]
    ]
    told = told_of(found.get(NOT_YET), state.now, estimator.runs, untold_of(state, NOT_YET))
    return {**answer, **told, "delays": delays, "delayed": len(worst)}


def _cost(pace: Pace, made: submission.Submission, cheap: submission.Submission) -> dict[str, float | None]:
    """GPU seconds that are predicted of the preview and of the video, as a submission's answer has them."""
    seconds = [pace.gpu_seconds(one.recipe.to_json(), one.width, one.height, one.total_blocks) for one in (cheap, made)]
    return {"preview_gpu_s": seconds[0], "gpu_s": seconds[1]}


def as_request(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request's fields, checked; None means not given. Raises SchedulerError."""
    given = {name: value for name, value in request.items() if value is not None}
    submission.check_fields(given)
    return given
