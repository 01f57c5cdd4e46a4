"""Reading device history: minutes that were added up as the readings came, so that a day is 1,440 rows and not 86,400."""

from __future__ import annotations

import json
import math

from scheduler.store.reads import Reads, Row
from scheduler.store.sql import samples as sql

MINUTE_S = 60


class SampleReads(Reads):
    """Minutes, shares of memory, and single readings of a span. Spans are seconds since 1970, the end not included."""

    def minutes(self, since: float, until: float) -> list[Row]:
        """Columns of `sample_minutes` by device and minute; `levels` as data: percent of memory in use → readings."""
        rows = self._rows(sql.SELECT_MINUTES, _span(since, until))
        return [{**row, "levels": {int(key): count for key, count in json.loads(row["levels"]).items()}} for row in rows]

    def minute_steps(self, since: float, until: float, step_s: float) -> list[Row]:
        """One row per device and step of whole minutes: at, memory_peak_bytes, memory_total_bytes, load (mean, percent),
        temperature_peak_c; None is what was not measured."""
        return self._rows(sql.SELECT_MINUTE_STEPS, _steps(since, until, step_s))

    def shares(self, since: float, until: float, step_s: float) -> list[Row]:
        """Who held memory: device, owner (`weights`, `prepared`, `greenroom`, `job:<id>`, `parked`), at, peak_bytes."""
        return self._rows(sql.SELECT_SHARES, _steps(since, until, step_s))

    def device_troubles(self, since: float, until: float, mask: int) -> list[Row]:
        """Minutes in which a device was throttled for one of the masked reasons, or reported error codes."""
        return self._rows(sql.SELECT_THROTTLED, (*_span(since, until), mask))

    def samples_between(self, since: float, until: float, step_s: float) -> list[Row]:
        """Single readings, one per device and step: at, device and the reading's own keys."""
        rows = self._rows(sql.SELECT_RANGE, (since, until, step_s))
        return [{**json.loads(row["body"]), "at": row["at"], "device": row["device"]} for row in rows]

    def first_minute(self) -> float | None:
        """Where the kept history begins (seconds since 1970); None: there is none."""
        value = self._value(sql.SELECT_FIRST_MINUTE)
        return None if value is None else float(value) * MINUTE_S


def _span(since: float, until: float) -> tuple[int, int]:
    return int(since // MINUTE_S), math.ceil(until / MINUTE_S)


def _steps(since: float, until: float, step_s: float) -> dict[str, int]:
    first, last = _span(since, until)
    return {"since": first, "until": last, "step": max(1, math.ceil(step_s / MINUTE_S))}
