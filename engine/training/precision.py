"""Where training computes in bfloat16: matrix products on a GPU, or on any device beside a base that is stored so."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def mixed_precision(device: torch.device, *, is_wanted: bool | None = None) -> AbstractContextManager[object]:
    """Autocast to bfloat16; without `is_wanted` on GPUs only."""
    wanted = device.type == "cuda" if is_wanted is None else is_wanted
    return torch.autocast(device.type, torch.bfloat16) if wanted else nullcontext()


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """An island of float32 inside `mixed_precision`."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def is_mixed(device: torch.device) -> bool:
    """Inside `mixed_precision`."""
    return torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)
