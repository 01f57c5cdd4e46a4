"""Contexts on a device: a job that comes back at another setting leaves nothing of the old one behind."""

from __future__ import annotations

from typing import cast

import pytest
import torch

from engine.catalog import SHAPES
from engine.memory import GIB, Room
from engine.model.context import Context, layout_of
from engine.worker import device
from engine.worker.device import DeviceContexts
from engine.worker.device_memory import SharedDevice

CARD_BYTES = 30 * GIB  # of a 32 GiB card


class Shared:
    """Stands for the vault's memory on a device."""

    mapped_bytes = 0

    def open_context(self, job_id: str, size: int, layout: str, reserve: int) -> torch.Tensor:
        """Nothing looks into it here."""
        return torch.empty(0)


def test_context_with_its_rings_on_the_host_goes_when_its_job_takes_a_setting_that_fits_the_card(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device, "device_room", lambda: Room(cap_bytes=CARD_BYTES))
    monkeypatch.setattr(device, "Context", lambda *_: object())
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 0)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 0)
    contexts = DeviceContexts(SHAPES["live-avatar-14b"], "fp8", 0, cast(SharedDevice, Shared()))
    large, small = (layout_of(SHAPES["live-avatar-14b"], *size, 3, 48, "fp8") for size in ((640, 384), (384, 256)))
    assert contexts._plan(large).how.offload.rings and not contexts._plan(small).how.offload.rings
    contexts._kept["j1"] = ("large", cast(Context, object()))
    contexts._kept["j2"] = ("another job's", cast(Context, object()))
    contexts.open("j1", small, "small")
    assert list(contexts._kept) == ["j2"]
