"""Why a job failed, in words and a code."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from engine.errors import EngineError

_NO_MEMORY = ("can't allocate memory", "CUDA error: out of memory", "CUDA_ERROR_OUT_OF_MEMORY")
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
    # torch.OutOfMemoryError by name: this module must not import torch; the CPU allocator has no type of its own, nor has the
    # driver, which wants memory for more than tensors (kernels that are loaded, room for their registers)
    is_type = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    if is_type or any(words in text for words in _NO_MEMORY):
        return Failure("out_of_memory", f"The device has no memory left for this. {text}", True, is_expected=False)
    return Failure("engine_error", text, True, "The worker's log has the traceback.", is_expected=False)
