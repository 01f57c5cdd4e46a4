"""Reading facts and device readings. A sample is its body's keys plus `at` (seconds since 1970) and `device`."""

from __future__ import annotations

import json
from typing import Any

from scheduler.store.reads import Reads, Row
from scheduler.store.sql import devices as sql

LATEST_WINDOW_S = 10.0  # a device that has said nothing for so long is not among the latest


class DeviceReads(Reads):
    """Facts and samples."""

    def fact(self, name: str, default: Any = None) -> Any:
        """The value of a single fact, or the default."""
        row = self._row(sql.SELECT_FACT, (name,))
        return default if row is None else json.loads(row["value"])

    def devices(self) -> list[str]:
        """What the workers compute on, as it was when one of them last became ready; names as they say them, sorted."""
        return list(self.fact(sql.DEVICES, []))

    def facts(self) -> dict[str, Any]:
        """All facts: name → value."""
        return {
            row["name"]: json.loads(row["value"])
            for row in self._rows(sql.SELECT_FACTS)
            if row["name"] != sql.PERSONAL_KEY
        }

    def samples(self, since: float, device: str | None = None, limit: int = 100_000) -> list[Row]:
        """Readings from `since` on, oldest first, of one device or all."""
        if device is None:
            rows = self._rows(sql.SELECT_SAMPLES, (since, limit))
        else:
            rows = self._rows(sql.SELECT_SAMPLES_OF, (since, device, limit))
        return [_flat(row) for row in rows]

    def latest_samples(self) -> list[Row]:
        """The newest reading of every device that is being read, by device."""
        newest = {row["device"]: row for row in self._rows(sql.SELECT_LATEST_SAMPLES, (LATEST_WINDOW_S,))}
        return [_flat(newest[device]) for device in sorted(newest)]


def _flat(row: Row) -> Row:
    return {**json.loads(row["body"]), "at": row["at"], "device": row["device"]}
