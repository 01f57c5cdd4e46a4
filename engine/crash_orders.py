"""Orders to die: files in the folder `$GREENROOM_CRASH_ORDERS`, each named like the point at which it is carried out.

Worker and vault pass points of their own; who passes first takes the order, and no other does.
"""

from __future__ import annotations

import os
from pathlib import Path

ORDERS_VARIABLE = "GREENROOM_CRASH_ORDERS"
TAKEN = "taken"


def take(orders: Path | None, point: str) -> bool:
    """Take an order: true for exactly one of all who try. Its trace is `taken/<point>.<pid>`."""
    if orders is None:
        return False
    try:
        (orders / point).rename(trace_of(orders, point))
    except FileNotFoundError:
        return False
    return True


def trace_of(orders: Path, point: str) -> Path:
    """What lies there once this process has taken the order."""
    return orders / TAKEN / f"{point}.{os.getpid()}"
