"""What every part of `scheduler.client.Scheduler` stands on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class Wishing(ABC):
    """Somebody whose wishes reach the daemon."""

    @abstractmethod
    def _call(self, command: str, **args: Any) -> dict[str, Any]:
        """The daemon's answer; what is None is left out. Raises SchedulerError."""
