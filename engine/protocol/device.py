"""What workers ask of the vault on a GPU. What it hands out is `Mapped`: the memory file holds a handle of device memory."""

from __future__ import annotations

from dataclasses import dataclass

from engine.protocol.message import Message


@dataclass(frozen=True)
class OpenDeviceContext(Message):
    """As OpenContext, on the device. `reserve_bytes`: so many must stay free beside it for the worker's own use."""

    job_id: str
    bytes: int
    layout_sha256: str
    reserve_bytes: int = 0


@dataclass(frozen=True)
class OpenWeights(Message):
    """Map a network's weights on the device. An answer that was not there has to be filled and sealed by the asker; while
    another one fills it, the vault refuses with the code `being_filled`."""

    key: str
    bytes: int


@dataclass(frozen=True)
class SealWeights(Message):
    """The weights are filled; `fingerprint` is that of their values."""

    key: str
    fingerprint: str


@dataclass(frozen=True)
class DropWeights(Message):
    """These weights are not what they were: nobody gets them any more."""

    key: str


@dataclass(frozen=True)
class ClaimWeights(Message):
    """Write into the weights' side columns (an adapter) from now on, or no longer: at most one worker may."""

    key: str
    is_claimed: bool
