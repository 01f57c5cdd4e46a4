"""Writing single facts and device readings: measurements with their own time, no log rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scheduler.canonical import canonical_json
from scheduler.store.sql import devices as sql
from scheduler.store.sql import samples as sample_sql
from scheduler.store.transaction import Transactional

FULL_RATE_S = 86_400.0  # readings stay at 1 Hz for a day, then one per minute stays
KEPT_S = 8 * FULL_RATE_S  # single readings and shares of memory
MINUTES_KEPT_S = 35 * FULL_RATE_S  # minutes: 50,400 rows per device
MINUTE_S = 60.0
THINNED_UNTIL = "samples_thinned_until"


class DeviceWrites(Transactional):
    """Facts and samples."""

    def set_fact(self, name: str, value: Any, at: float) -> None:
        """Overwrite a single fact.

        `value`: anything JSON can say. A fact that people decide on needs its own `record`.
        """
        self._write(sql.SET_FACT, (name, canonical_json(value), at))

    def set_devices(self, names: list[str], at: float) -> None:
        """Keep what the workers compute on."""
        self.set_fact(sql.DEVICES, names, at)

    def insert_sample(self, at: float, device: str, body: Mapping[str, Any]) -> None:
        """Keep a reading and add it to its minute. Leave out what was not measured; a second reading of the same moment is
        dropped. `body["shares"]`: bytes of memory by owner."""
        if self._write(sql.INSERT_SAMPLE, (at, device, canonical_json(dict(body)))).rowcount == 0:
            return
        used, total = body.get("memory_used_bytes"), body.get("memory_total_bytes")
        minute = int(at // MINUTE_S)
        self._write(sample_sql.ADD_TO_MINUTE, {
            "device": device, "minute": minute, "memory_used_bytes": used, "memory_total_bytes": total,
            "level": int(100 * used / total) if used is not None and total else None,
            "load": body.get("utilization_percent"), "temperature_c": body.get("temperature_c"),
            "throttle": int(body.get("throttle_reasons") or 0), "errors": len(body.get("xids") or ()),
        })  # fmt: skip
        for owner, held in (body.get("shares") or {}).items():
            self._write(sample_sql.ADD_SHARE, (device, minute, owner, held))

    def thin_samples(self, now: float) -> int:
        """Of readings older than a day keep the first of each minute and device; returns how many went.

        Looks only at whole minutes that it has not thinned before. What is older than a week or, of the minutes, than five
        weeks is forgotten.
        """
        self._write(sample_sql.FORGET_SAMPLES, (now - KEPT_S,))
        self._write(sample_sql.FORGET_SHARES, ((now - KEPT_S) // MINUTE_S,))
        self._write(sample_sql.FORGET_MINUTES, ((now - MINUTES_KEPT_S) // MINUTE_S,))
        row = self._connection.execute(sql.SELECT_FACT, (THINNED_UNTIL,)).fetchone()
        since = float(json.loads(row["value"])) if row else 0.0
        before = (now - FULL_RATE_S) // MINUTE_S * MINUTE_S
        if before <= since:
            self._need_transaction()
            return 0
        gone = self._write(sql.THIN_SAMPLES, (since, before, since, before)).rowcount
        self.set_fact(THINNED_UNTIL, before, now)
        return gone
