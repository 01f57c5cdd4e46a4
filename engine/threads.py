"""How compute threads wait for one another: asleep. Importing this imports nothing else.

Every operation of a small model ends with its threads waiting for the last of them. By default they spin meanwhile, and where
other work has the cores they spin away the time that the last one needs (`python -m benchmarks.pocket --waits`, docs/pocket.md).
"""

from __future__ import annotations

import os

WAITING = {"OMP_WAIT_POLICY": "PASSIVE"}


def let_threads_sleep() -> None:
    """In this process: to be called before torch is imported. What the environment says already holds."""
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)
