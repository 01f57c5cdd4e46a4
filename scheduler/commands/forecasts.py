"""Commands of the forecaster: keep what it told people, so that it can be held against what happens."""

from __future__ import annotations

from typing import Any

from scheduler.commands.arguments import Arguments
from scheduler.commands.house import Handler, House
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.ledger import Turn
from scheduler.store.sql.forecasts import FORECAST_COLUMNS

MAX_ROWS = 2_000


async def keep_forecasts(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Keep forecasts of jobs; each row has exactly the table's columns."""
    rows = args.take("rows", list)
    args.done()
    if len(rows) > MAX_ROWS or not all(isinstance(row, dict) and set(row) == set(FORECAST_COLUMNS) for row in rows):
        names = ", ".join(FORECAST_COLUMNS)
        raise SchedulerError(422, "bad_forecasts", "These are no forecasts.", hint=f"At most {MAX_ROWS} of: {names}.")

    def act(turn: Turn) -> dict[str, Any]:
        turn.has_changed = True
        for row in rows:
            turn.store.keep_forecast(row)
        return {"kept": len(rows)}

    return await house.ledger.do(act, actor)


FORECAST_COMMANDS: dict[str, Handler] = {"keep_forecasts": keep_forecasts}
