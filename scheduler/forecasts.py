"""Asking the forecaster: estimates with their age checked, what-if, the score. Nobody gets old numbers for fresh ones."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scheduler.clock import house_now
from scheduler.door import LENGTH, Actor, DoorError, forecaster_path, frame_length, pack_request, unpack
from scheduler.errors import SchedulerError

STALE_AFTER_S = 15.0  # an estimate older than this is none
GLANCE_S = 0.5  # a page waits no longer for all estimates
QUICK_S = 0.2  # an answer to a submission waits no longer for its own
PATIENCE_S = 30.0
READER_S = 5.0  # somebody looks at the screen and waits for it
STALE, PENDING = "stale", "pending"
Told = dict[str, Any]
OVER: Told = {"estimate": None, "estimate_state": "over"}  # of a job that has ended nobody is asked


class Foretold(dict[str, Told]):
    """By job id, `{"estimate", "estimate_state"}`. `is_fresh`: the forecaster answered, and what it says is of just now."""

    def __init__(self, jobs: Mapping[str, Told] | None = None) -> None:
        super().__init__(jobs or {})
        self.is_fresh = jobs is not None

    def of(self, job_id: str) -> Told:
        """What is told of an open job; of one that is newer than the forecast, "pending", and without a fresh one, "stale"."""
        return self.get(job_id) or {"estimate": None, "estimate_state": PENDING if self.is_fresh else STALE}


class Forecasts:
    """The forecaster's door. A new connection per question: whoever asks may come from any thread.

    `clock`: the house's time, in seconds since 1970, by which an estimate is fresh or stale.
    """

    def __init__(self, data_dir: Path, clock: Callable[[], float] = house_now) -> None:
        self._path, self._clock = forecaster_path(data_dir), clock

    def everybody(self, patience_s: float = GLANCE_S) -> Foretold:
        """All that is told now; empty and not fresh when the forecaster is gone, stands still or does not answer in this time."""
        try:
            board = self._ask("estimates", {}, patience_s)
        except SchedulerError:
            return Foretold()
        return Foretold() if self._clock() - float(board["at"]) > STALE_AFTER_S else Foretold(board["jobs"])

    def of_new(self, job_id: str) -> Told:
        """Of a job that was submitted a moment ago: at once, or "pending"."""
        try:
            return self._ask("estimate", {"job_id": job_id}, QUICK_S)
        except SchedulerError as error:
            return {"estimate": None, "estimate_state": PENDING if error.code == "forecaster_slow" else STALE}

    def what_if(self, request: dict[str, Any]) -> dict[str, Any]:
        """Decision, ranges and delays of a request that is not made. Raises SchedulerError."""
        return self._ask("what_if", {"request": request}, PATIENCE_S)

    def reorder(self, job_id: str, priority: int) -> dict[str, Any]:
        """Whose end another priority of this job would move, and by how much. Raises SchedulerError."""
        return self._ask("reorder", {"job_id": job_id, "priority": priority}, READER_S)

    def score(self) -> dict[str, Any]:
        """How true forecasts were, week by week. Raises SchedulerError."""
        return self._ask("score", {}, PATIENCE_S)

    def _ask(self, command: str, args: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(timeout_s)
                line.connect(_short(self._path))
                line.sendall(pack_request(1, command, Actor(), args))
                answer = unpack(_read(line, frame_length(_read(line, LENGTH.size))))
        except TimeoutError as error:
            raise SchedulerError(503, "forecaster_slow", "The forecaster has not answered in time.", hint="Try again.") from error
        except (OSError, EOFError, DoorError) as error:
            raise SchedulerError(
                503, "no_forecaster", "The forecaster does not answer.", hint="It is started again by itself; try again."
            ) from error
        if not answer.get("ok"):
            raise SchedulerError.from_json(answer.get("error") or {})
        result = answer["result"]
        assert isinstance(result, dict), json.dumps(answer)[:200]
        return result


def _read(line: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        chunk = line.recv(count - len(data))
        if not chunk:
            raise EOFError("the forecaster closed the connection")
        data += chunk
    return bytes(data)


def _short(path: Path) -> str:
    """A Unix socket's path has at most 107 bytes; a longer one is given from the working directory."""
    text = str(path)
    return text if len(os.fsencode(text)) < 104 else os.path.relpath(text)
