"""Commands about day plans and rehearsals: file, check, rehearse, keep."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from scheduler.commands.arguments import Arguments
from scheduler.commands.house import Handler, House
from scheduler.core.tags import Tag
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.ledger import Turn
from scheduler.plan import keeping
from scheduler.plan.entry import DAY_MINUTES, Calendar
from scheduler.plan.file import load_plan
from scheduler.zone import studio_zone

KINDS = ("yaml", "csv")
PATIENCE_S = 20.0  # less than a client waits at the door
_running: set[asyncio.Task[dict[str, Any]]] = set()
_log = logging.getLogger("greenroom.plans")


async def file_plan(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """File a day's plan; without a date in it, for today. The one filed before for that day is replaced.

    A plan for a day that is over is refused: no check would ever use it.
    """
    text, kind = args.take("text", str), _kind(args)
    args.done()
    plan = load_plan(text, kind)
    now = house.ledger.clock.now()
    calendar = Calendar.of(plan, now, studio_zone())
    day = calendar.day.isoformat()
    if calendar.at(DAY_MINUTES) <= now:
        raise SchedulerError(
            422, "day_over", f"The plan is for {day}, which is over.", field="date",
            hint="Correct its date, or leave the date out: then it is for today.", day=day,
        )  # fmt: skip

    def act(turn: Turn) -> dict[str, Any]:
        before = turn.store.filed_plan(day)
        turn.has_changed = True
        turn.store.keep_plan(day, kind, text, plan.sha256, plan.videos, turn.actor.name, turn.at)
        body = {"plan_sha256": plan.sha256, "videos": plan.videos, "replaced": None if before is None else before["sha256"]}
        turn.record(Tag.PLAN_FILED, f"plan:{day}", body)
        return {"day": day, "videos": plan.videos, "entries": len(plan.entries), "plan_sha256": plan.sha256}

    return await house.ledger.do(act, actor)


async def check_plan(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Check a plan, or without one what is filed for today, against the house; the report is kept."""
    text, kind = args.maybe("text", str), _kind(args)
    args.done()
    if text is not None:
        load_plan(text, kind)  # a mistake is told at once

    async def work() -> dict[str, Any]:
        report = await keeping.run_check(house.data_dir, text, kind)
        return await house.ledger.do(lambda turn: keeping.keep_check(turn, report), actor)

    return await _in_background(work)


async def rehearse(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Simulate a day of load; the report is kept."""
    day, seed = args.maybe("day", str) or "peak", args.maybe("seed", int) or 0
    args.done()

    async def work() -> dict[str, Any]:
        report = await keeping.run_rehearsal(house.data_dir, "--day", day, "--seed", str(seed))
        return await house.ledger.do(lambda turn: keeping.keep_rehearsal(turn, report), actor)

    return await _in_background(work)


async def keep_rehearsal(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Keep the report of a rehearsal that the command line made."""
    report = args.take("report", dict)
    args.done()
    for name, kind in (("kind", str), ("day", str), ("totals", dict)):
        if not isinstance(report.get(name), kind):
            raise SchedulerError(422, "bad_report", f"The report has no {name}.", field="report")
    kept = await house.ledger.do(lambda turn: keeping.keep_rehearsal(turn, report), actor)
    return {"number": kept["number"]}


def _kind(args: Arguments) -> str:
    kind = args.maybe("kind", str) or "yaml"
    if kind not in KINDS:
        raise SchedulerError(422, "bad_request", f"kind {kind!r} is unknown.", field="kind", hint="Use yaml or csv.")
    return kind


async def _in_background(work: Callable[[], Coroutine[Any, Any, dict[str, Any]]]) -> dict[str, Any]:
    """The result, or `{"is_running": true}` where it takes longer than a caller waits: it is kept when it is there."""
    if _running:
        raise SchedulerError(
            503, "check_running", "Another check or rehearsal runs just now.", hint="Try again when it is done, in a minute."
        )
    task = asyncio.get_running_loop().create_task(work())
    _running.add(task)
    task.add_done_callback(_forget)
    done, _ = await asyncio.wait([task], timeout=PATIENCE_S)
    return task.result() if done else {"is_running": True}


def _forget(task: asyncio.Task[dict[str, Any]]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.warning("a check or rehearsal failed: %s", error)


PLAN_COMMANDS: dict[str, Handler] = {
    "file_plan": file_plan,
    "check_plan": check_plan,
    "rehearse": rehearse,
    "keep_rehearsal": keep_rehearsal,
}
