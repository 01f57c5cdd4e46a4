"""How compute threads wait for one another: a moment awake, then asleep. Importing this imports nothing else.

Every operation of a small model ends with its threads waiting for the last of them. By default they spin meanwhile, and where
other work has the cores they spin away the time that the last one needs (`python -m benchmarks.pocket --waits`, docs/pocket.md).
"""

from __future__ import annotations

import os

# A thread looks a few thousand times before it lies down: most waits are shorter than falling asleep and being woken.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "2000"}


def let_threads_sleep() -> None:
    """In this process: to be called before torch is imported. What the environment says already holds."""
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)
