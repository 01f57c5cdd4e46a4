"""Named points at which a test lets the process die by SIGKILL: `GREENROOM_CRASH_AT="after_flip:3"`, third passing."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

from engine.errors import SettingsError

VARIABLE = "GREENROOM_CRASH_AT"


class CrashPoint(StrEnum):
    """Every place where the order of two effects matters."""

    BEFORE_STEP = "before_step"
    BEFORE_DECODE = "before_decode"
    BEFORE_SINK = "before_sink"  # passed once per job, in the last block of the first clip
    BEFORE_BLOCK_FILES = "before_block_files"
    AFTER_FRAGMENT = "after_fragment"
    AFTER_RECORD = "after_record"
    AFTER_FLIP = "after_flip"
    AFTER_BLOCK_DONE = "after_block_done"
    BEFORE_VIDEO = "before_video"
    AFTER_VIDEO = "after_video"


class CrashPoints:
    """Counts passings; without an armed point it does nothing else."""

    def __init__(self, point: CrashPoint | None = None, passing: int = 1) -> None:
        self._point, self._passing = point, passing
        self._passed: Counter[CrashPoint] = Counter()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> CrashPoints:
        """Armed by `GREENROOM_CRASH_AT="point:n"`; raises SettingsError for an unknown point."""
        text = environment.get(VARIABLE)
        if not text:
            return cls()
        name, _, passing = text.partition(":")
        try:
            return cls(CrashPoint(name), int(passing or 1))
        except ValueError as error:
            raise SettingsError(f"{VARIABLE}={text!r}: {error}.", field=VARIABLE) from error

    def pass_by(self, point: CrashPoint) -> None:
        """The process is at `point`; it ends here when this is the armed passing."""
        self._passed[point] += 1
        if point is self._point and self._passed[point] == self._passing:
            os.kill(os.getpid(), signal.SIGKILL)
