"""Why a job waits, as `jobs JOB` tells it: the sentence in both languages, and every blocker as data."""

from __future__ import annotations

from typing import Any

from scheduler.cli.output import print_table, say
from scheduler.store import Reader
from scheduler.zone import moment_text

_COLUMNS = ("rule", "job", "amount", "until", "more")


def with_hold(reader: Reader, row: dict[str, Any]) -> dict[str, Any]:
    """The row with what holds it now, which may be more than its own reason: a paused queue, a role that plays elsewhere."""
    return {**row, "hold": reader.hold_now(row)}


def why_of(reader: Reader, row: dict[str, Any], now: float) -> dict[str, Any]:
    """`place` and `why` of the job, as `GET /jobs/{id}` has them; both None where it does not wait. `now`: the house's time."""
    place, found = reader.why(row, now)
    why = None if found is None else {"reason": str(found.reason), "text": found.text, "blockers": found.data["blockers"]}
    return {"place": None if place is None else {"place": place[0], "of": place[1]}, "why": why}


def show_why(why: dict[str, Any] | None) -> None:
    """The sentence and a table of what stands between the job and its start; nothing where it does not wait."""
    if why is None:
        return
    say(f"why: {why['text']['en']}")
    say(f"     {why['text']['zh']}")
    if why["blockers"]:
        say("blockers:")
        print_table(_COLUMNS, [_cells(blocker) for blocker in why["blockers"]])


def _cells(blocker: dict[str, Any]) -> tuple[object, ...]:
    amount, until = blocker["amount"], blocker["until"]
    more = ", ".join(f"{name} {value}" for name, value in blocker.items() if name not in _COLUMNS)
    return (
        blocker["rule"], blocker["job"], None if amount is None else f"{amount:g}",
        None if until is None else moment_text(until), more,
    )  # fmt: skip
