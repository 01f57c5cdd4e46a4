"""Why a job failed, in words and a code."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from engine.errors import EngineError

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class Failure:
    """A stable code, a sentence, whether another try can help, what a person can do; `is_expected`: no traceback."""

    code: str
    message: str
    can_retry: bool
    hint: str = ""
    is_expected: bool = True


def failure_of(error: Exception) -> Failure:
    """The failure behind an exception. What nobody foresaw may be the machine's fault, so a retry is allowed."""
    if isinstance(error, EngineError):
        return Failure(error.code, str(error), error.can_retry, error.hint)
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return Failure("disk_full", f"The disk is full. {error}", True, "Free some space; the job goes on by itself.")
    text = f"{type(error).__name__}: {error}"
    # torch.OutOfMemoryError by name: this module must not import torch; the CPU allocator has no type of its own
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in text:
        return Failure("out_of_memory", f"The device has no memory left for this. {text}", True, is_expected=False)
    return Failure("engine_error", text, True, "The worker's log has the traceback.", is_expected=False)
