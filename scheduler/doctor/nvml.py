"""What NVML tells of the driver and of a GPU beyond the readings of `scheduler.probe`: link, limits, modes, peers.

Nothing else of the doctor knows the library. What a GPU does not tell is None, never a made-up number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pynvml

T = TypeVar("T")
_PEER_READS = 0  # NVML_P2P_CAPS_INDEX_READ: pynvml spells it as a tuple, which its own call does not take
_PEERS = {
    pynvml.NVML_P2P_STATUS_OK: "ok", pynvml.NVML_P2P_STATUS_CHIPSET_NOT_SUPPORED: "chipset",
    pynvml.NVML_P2P_STATUS_GPU_NOT_SUPPORTED: "gpu", pynvml.NVML_P2P_STATUS_IOH_TOPOLOGY_NOT_SUPPORTED: "topology",
    pynvml.NVML_P2P_STATUS_DISABLED_BY_REGKEY: "disabled", pynvml.NVML_P2P_STATUS_NOT_SUPPORTED: "not supported",
}  # fmt: skip
_REASONS = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: "no_library", pynvml.NVML_ERROR_DRIVER_NOT_LOADED: "not_loaded",
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "mismatch", pynvml.NVML_ERROR_NO_PERMISSION: "no_permission",
}  # fmt: skip
_MODES = {
    pynvml.NVML_COMPUTEMODE_DEFAULT: "default", pynvml.NVML_COMPUTEMODE_EXCLUSIVE_THREAD: "exclusive",
    pynvml.NVML_COMPUTEMODE_PROHIBITED: "prohibited", pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS: "exclusive",
}  # fmt: skip


class NoDriver(Exception):
    """NVML does not open. `reason`: no_library, not_loaded, mismatch, no_permission, or other, said in `str`."""

    def __init__(self, reason: str, said: str) -> None:
        super().__init__(said)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Driver:
    """`cuda`: the newest that it runs; `uuids`: of every GPU as NVML counts them, None for one that is lost."""

    version: str
    cuda: tuple[int, int] | None
    uuids: tuple[str | None, ...]


@dataclass(frozen=True, kw_only=True)
class Card:
    """One GPU. Links in lanes and generations, clocks in MHz, power in watts; None: it does not tell."""

    width: int | None
    max_width: int | None
    generation: int | None
    max_generation: int | None
    max_sm_clock_mhz: int | None
    power_limit_w: float | None
    default_power_limit_w: float | None
    mode: str | None  # default, exclusive (one process only), prohibited


def open_driver() -> Driver:
    """Raises NoDriver."""
    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError as error:
        raise NoDriver(_REASONS.get(error.value, "other"), str(error)) from error
    number = _told(pynvml.nvmlSystemGetCudaDriverVersion)
    return Driver(
        version=str(_told(pynvml.nvmlSystemGetDriverVersion) or "?"),
        cuda=None if number is None else (number // 1000, number % 1000 // 10),
        uuids=tuple(_told(lambda index=index: str(pynvml.nvmlDeviceGetUUID(_by_index(index)))) for index in range(count)),
    )


def card(uuid: str) -> Card | None:
    """The GPU of this UUID; None when it does not answer."""
    handle = _told(pynvml.nvmlDeviceGetHandleByUUID, uuid)
    if handle is None:
        return None
    mode = _told(pynvml.nvmlDeviceGetComputeMode, handle)
    return Card(
        width=_told(pynvml.nvmlDeviceGetCurrPcieLinkWidth, handle),
        max_width=_told(pynvml.nvmlDeviceGetMaxPcieLinkWidth, handle),
        generation=_told(pynvml.nvmlDeviceGetCurrPcieLinkGeneration, handle),
        max_generation=_told(pynvml.nvmlDeviceGetMaxPcieLinkGeneration, handle),
        max_sm_clock_mhz=_told(pynvml.nvmlDeviceGetMaxClockInfo, handle, pynvml.NVML_CLOCK_SM),
        power_limit_w=_watts(_told(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle)),
        default_power_limit_w=_watts(_told(pynvml.nvmlDeviceGetPowerManagementDefaultLimit, handle)),
        mode=None if mode is None else _MODES.get(mode),
    )


def peer(one: str, other: str) -> str | None:
    """Can the first read the other's memory directly: `ok`, or what stands in the way; None where NVML does not tell."""
    first, second = (_told(pynvml.nvmlDeviceGetHandleByUUID, uuid) for uuid in (one, other))
    if first is None or second is None:
        return None
    return _PEERS.get(_told(pynvml.nvmlDeviceGetP2PStatus, first, second, _PEER_READS))


def _by_index(index: int) -> Any:
    return pynvml.nvmlDeviceGetHandleByIndex(index)


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000


def _told(call: Callable[..., T], *arguments: Any) -> T | None:
    try:
        return call(*arguments)
    except pynvml.NVMLError:
        return None
