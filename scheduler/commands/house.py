"""What command handlers may use: the parts of the running daemon, put together once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scheduler.commands.arguments import Arguments
from scheduler.context_size import known_ring_form
from scheduler.core.block_times import Pace
from scheduler.door import Actor
from scheduler.ledger import Ledger
from scheduler.reports import Reports
from scheduler.role_book import RoleBook
from scheduler.supervisor import Supervisor
from scheduler.uploads import Uploads
from scheduler.vault_link import VaultLink


@dataclass(frozen=True, kw_only=True)
class House:
    """The running daemon."""

    data_dir: Path
    model: str
    ledger: Ledger
    supervisor: Supervisor
    vault: VaultLink
    reports: Reports
    roles: RoleBook
    uploads: Uploads
    started_at: float

    def weights_sha256(self) -> str:
        """Hash of the weights in use; empty until a worker has mapped them."""
        for slot in self.supervisor.slots:
            if slot.active is not None and slot.active.ready is not None:
                return slot.active.ready.weights_sha256
        return ""

    def kv(self) -> str | None:
        """The form of rings in this house (`scheduler.context_size`)."""
        return known_ring_form(self.ledger.store, self.model)

    def pace(self) -> Pace:
        """What videos are predicted to take here; pages and the forecaster read the same from the store."""
        return Pace(self.reports.times, self.ledger.store.devices())


Handler = Callable[[House, Actor, Arguments], Awaitable[dict[str, Any]]]
