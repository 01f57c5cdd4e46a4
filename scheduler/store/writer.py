"""The one writer: everything a reader can do, plus all changes."""

from __future__ import annotations

import logging
import sqlite3
from types import TracebackType

from scheduler.audit.head import write_head
from scheduler.store.device_reads import DeviceReads
from scheduler.store.device_writes import DeviceWrites
from scheduler.store.forecast_reads import ForecastReads
from scheduler.store.forecast_writes import ForecastWrites
from scheduler.store.healing_reads import HealingReads
from scheduler.store.healing_writes import HealingWrites
from scheduler.store.job_reads import JobReads
from scheduler.store.job_writes import JobWrites
from scheduler.store.joined_reads import JoinedReads
from scheduler.store.joined_writes import JoinedWrites
from scheduler.store.password_reads import PasswordReads
from scheduler.store.password_writes import PasswordWrites
from scheduler.store.people_reads import PeopleReads
from scheduler.store.people_writes import PeopleWrites
from scheduler.store.plan_reads import PlanReads
from scheduler.store.plan_writes import PlanWrites
from scheduler.store.quality_reads import QualityReads
from scheduler.store.quality_writes import QualityWrites
from scheduler.store.review_reads import ReviewReads
from scheduler.store.review_writes import ReviewWrites
from scheduler.store.role_reads import RoleReads
from scheduler.store.role_writes import RoleWrites
from scheduler.store.upload_reads import UploadReads
from scheduler.store.upload_writes import UploadWrites

_log = logging.getLogger("greenroom.store")


class Store(
    JobWrites, RoleWrites, PeopleWrites, DeviceWrites, HealingWrites, PlanWrites, ForecastWrites, QualityWrites, UploadWrites,
    ReviewWrites, PasswordWrites, JoinedWrites,
    JobReads, RoleReads, PeopleReads, DeviceReads, HealingReads, PlanReads, ForecastReads, QualityReads, UploadReads, ReviewReads,
    PasswordReads, JoinedReads,
):  # fmt: skip
    """The writer's store. Reads see the open transaction. Used by one thread at a time."""

    def close(self) -> None:
        """Close the log's head and the database. Nothing may be added to the log until the next `open_writer`."""
        self._connection.close()
        try:
            write_head(self.data_dir, self._chain.last, is_closed=True)
        except OSError as error:
            _log.warning("audit.head is not marked as closed: %s", error)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connected(self) -> sqlite3.Connection:
        return self._connection
