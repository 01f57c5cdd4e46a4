"""The preview of a video that waits for its approval, made once more where the first came to nothing."""

from __future__ import annotations

from typing import Any

from scheduler.commands.arguments import Arguments
from scheduler.commands.house import Handler, House
from scheduler.commands.jobs import accept, repeated, unknown_job
from scheduler.core import events
from scheduler.core.job import JobState
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.ledger import Turn


async def renew_preview(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Make the preview of a waiting job again, with the recipe it had: another job, whose approval the waiting one needs now."""
    job_id = args.take("job_id", str)
    args.done()
    store = house.ledger.store
    job = store.job(job_id)
    if job is None:
        raise unknown_job(job_id)
    old = store.job(job["preview"]) if job["preview"] else None
    if old is None:
        raise SchedulerError(409, "nothing_to_approve", f"{job_id} waits for no approval.", field="id")
    made = repeated(house, old)

    def act(turn: Turn) -> dict[str, Any]:
        answer = accept(house, turn, made, None, "", again_of=old["id"])
        if answer["state"] == JobState.REJECTED:
            decision = answer["decision"] or {}
            raise SchedulerError(
                409, str(decision.get("reason")), f"The preview cannot be made now: {decision.get('text', {}).get('en', '')}",
                hint="Approve the job to make it without a preview, or cancel it.", text=decision.get("text"),
            )  # fmt: skip
        turn.apply(events.PreviewRenewed(at=turn.at, job_id=job_id, preview=answer["id"]))
        return {"id": job_id, "preview": {name: answer[name] for name in ("id", "state", "place")}}

    return await house.ledger.do(act, actor)


PREVIEW_COMMANDS: dict[str, Handler] = {"renew_preview": renew_preview}
