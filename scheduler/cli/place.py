"""Where the system lies: the data directory and the door to its daemon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from scheduler.cli.output import note
from scheduler.client import Scheduler
from scheduler.clock import house_now
from scheduler.errors import SchedulerError
from scheduler.store import Reader, open_reader
from scheduler.transport import DEFAULT_TIMEOUT_S

DataDir = Annotated[
    Path,
    typer.Option("--data", metavar="DIR", envvar="GREENROOM_DATA", show_default="./var", help="Data directory."),
]
DEFAULT_DATA = Path("var")
LOOK_S = 10.0  # for what is only looked at: a daemon that hangs is replaced sooner
PATIENCE_S = 2.0  # for the time alone: the store can be read while the daemon hangs


def door(data: Path, patience_s: float = DEFAULT_TIMEOUT_S) -> Scheduler:
    """The door to the daemon of this data directory. `patience_s`: how long an answer may take."""
    return Scheduler(data, patience_s=patience_s)


def house_time(data: Path) -> float:
    """Now, in seconds since 1970, as the house of this data directory counts it: the running daemon's time, which may differ
    from a clock that was set since its start. This machine's clock where no daemon runs, and with a remark where it hangs."""
    try:
        return time_of(Scheduler(data, patience_s=PATIENCE_S).status())
    except SchedulerError as error:
        if not isinstance(error.__cause__, FileNotFoundError | ConnectionRefusedError):
            note(f"Times are reckoned by this machine's clock: {error.message}")
        return house_now()


def time_of(status: dict[str, Any] | None) -> float:
    """Now, in seconds since 1970, by a status that was asked for just now; by this machine's clock without one."""
    return house_now() if status is None else float(status["daemon"]["now"])


def bad_usage(message: str, *, field: str | None = None, hint: str = "") -> SchedulerError:
    """A refusal that the command line itself makes."""
    return SchedulerError(400, "wrong_usage", message, field=field, hint=hint)


def parse_pairs(pairs: list[str] | None, field: str = "context") -> dict[str, str]:
    """`["topic=LLM", "audience=all"]` as a dict. Raises a refusal naming the pair at fault."""
    parsed: dict[str, str] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise bad_usage(f"{pair!r} is not key=value.", field=field, hint="For example: topic='LLM architecture'")
        parsed[key.strip()] = value
    return parsed


@contextmanager
def facts(data: Path) -> Iterator[Reader]:
    """The store, read-only. Raises a refusal when this data directory has none."""
    reader = open_reader(data)
    try:
        yield reader
    finally:
        reader.close()


def job_of(reader: Reader, job_id: str) -> dict[str, Any]:
    """The job's row. Raises a refusal when there is no such job."""
    row = reader.job(job_id)
    if row is None:
        raise SchedulerError(
            404, "unknown_job", f"There is no job {job_id!r}.", field="job", hint="See: role_scheduler jobs"
        )
    return row
