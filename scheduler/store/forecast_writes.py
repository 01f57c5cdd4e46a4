"""Writing forecasts: measurements with their own time, no log rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scheduler.store.sql import forecasts as sql
from scheduler.store.transaction import Transactional


class ForecastWrites(Transactional):
    """Forecasts."""

    def keep_forecast(self, row: Mapping[str, Any]) -> None:
        """Keep what was told of a job. One of a job that is not there, or of the same moment, is dropped."""
        self._write(sql.INSERT_FORECAST, (*(row[name] for name in sql.FORECAST_COLUMNS), row["job_id"]))
