"""Named points at which a test lets the vault die: orders in `$GREENROOM_CRASH_ORDERS`, as for the worker."""

from __future__ import annotations

import os
import signal
from enum import StrEnum
from pathlib import Path

from engine.crash_orders import ORDERS_VARIABLE, take


class VaultPoint(StrEnum):
    """Every place in the vault where the order of two effects matters."""

    VAULT_AFTER_OPEN = "vault_after_open"  # a context is in the books, its descriptor was not handed out
    VAULT_AFTER_ADOPT = "vault_after_adopt"  # a context was taken over from a worker, which was not told
    VAULT_AFTER_DROP = "vault_after_drop"
    VAULT_INSIDE_LOAD = "vault_inside_load"  # a weights file is read in part


_orders = Path(folder) if (folder := os.environ.get(ORDERS_VARIABLE)) else None


def pass_by(point: VaultPoint) -> None:
    """The vault is at `point`; it ends here when that is ordered."""
    if take(_orders, point):
        os.kill(os.getpid(), signal.SIGKILL)
