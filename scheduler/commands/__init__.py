"""The commands of the door, by name. Each handler is `async (house, actor, args) -> result`."""

from __future__ import annotations

from typing import Any

from scheduler.commands.arguments import Arguments
from scheduler.commands.batch import BATCH_COMMANDS
from scheduler.commands.diagnoses import DIAGNOSIS_COMMANDS
from scheduler.commands.forecasts import FORECAST_COMMANDS
from scheduler.commands.house import House
from scheduler.commands.jobs import JOB_COMMANDS
from scheduler.commands.passwords import PASSWORD_COMMANDS
from scheduler.commands.people import PEOPLE_COMMANDS
from scheduler.commands.plans import PLAN_COMMANDS
from scheduler.commands.previews import PREVIEW_COMMANDS
from scheduler.commands.queue import QUEUE_COMMANDS
from scheduler.commands.reviews import REVIEW_COMMANDS
from scheduler.commands.roles import ROLE_COMMANDS
from scheduler.commands.sessions import SESSION_COMMANDS
from scheduler.commands.uploads import UPLOAD_COMMANDS
from scheduler.door import Actor
from scheduler.errors import SchedulerError

COMMANDS = {
    **JOB_COMMANDS, **ROLE_COMMANDS, **QUEUE_COMMANDS, **PEOPLE_COMMANDS, **PLAN_COMMANDS, **FORECAST_COMMANDS,
    **REVIEW_COMMANDS, **PREVIEW_COMMANDS, **PASSWORD_COMMANDS, **DIAGNOSIS_COMMANDS,
    **UPLOAD_COMMANDS, **BATCH_COMMANDS, **SESSION_COMMANDS,
}  # fmt: skip

__all__ = ["COMMANDS", "House", "handle"]


async def handle(house: House, command: str, actor: Actor, args: dict[str, Any]) -> dict[str, Any]:
    """Run one command. Raises SchedulerError."""
    handler = COMMANDS.get(command)
    if handler is None:
        raise SchedulerError(404, "unknown_command", f"There is no command {command!r}.", hint=f"Known: {', '.join(COMMANDS)}.")
    arguments = Arguments(command, args)
    return await handler(house, actor, arguments)
