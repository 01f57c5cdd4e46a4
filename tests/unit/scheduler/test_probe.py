"""Readings of the GPUs that the house uses, in the order of its slots; the driver's library is played."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from scheduler.probe import Probe

UUIDS = [f"GPU-{letter * 8}-0000-4000-8000-000000000000" for letter in "abc"]


class Driver:
    """Three GPUs; a handle is the GPU's UUID."""

    def __init__(self) -> None:
        self.lost: set[str] = set()
        self.codes: list[tuple[str, int]] = []

    def by_index(self, index: int) -> str:
        return self.by_uuid(UUIDS[index])

    def by_uuid(self, uuid: str) -> str:
        if uuid in self.lost:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        if uuid not in UUIDS:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return uuid

    def wait(self, events: object, timeout_ms: int) -> SimpleNamespace:
        if not self.codes:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_TIMEOUT)
        uuid, code = self.codes.pop()
        return SimpleNamespace(device=uuid, eventData=code)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    def no_sensor(*_: object) -> Any:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    played = Driver()
    for name in [name for name in dir(pynvml) if name.startswith(("nvmlDeviceGet", "nvmlEventSet"))]:
        monkeypatch.setattr(pynvml, name, no_sensor)
    for name, call in {
        "nvmlInit": lambda: None, "nvmlDeviceGetCount": lambda: len(UUIDS), "nvmlDeviceGetUUID": lambda handle: handle,
        "nvmlDeviceGetHandleByIndex": played.by_index, "nvmlDeviceGetHandleByUUID": played.by_uuid,
        "nvmlDeviceGetName": lambda handle: f"kind {handle[4]}", "nvmlEventSetCreate": lambda: "events",
        "nvmlDeviceRegisterEvents": lambda *_: None, "nvmlEventSetWait_v2": played.wait,
        "nvmlDeviceGetPciInfo": lambda handle: SimpleNamespace(busId=handle),
    }.items():  # fmt: skip
        monkeypatch.setattr(pynvml, name, call)
    return played


def read(probe: Probe) -> list[tuple[str, dict[str, Any]]]:
    return [(reading.device, reading.body) for reading in probe.read()]


def test_gpus_are_called_by_their_slots_not_by_the_drivers_numbers(driver: Driver) -> None:
    probe = Probe({"CUDA_VISIBLE_DEVICES": "2,0"})
    assert probe.gpus == (UUIDS[2], UUIDS[0])
    assert read(probe) == [("gpu0", {"name": "kind c"}), ("gpu1", {"name": "kind a"})]
    driver.codes = [(UUIDS[0], 48), (UUIDS[1], 79)]
    assert read(probe)[1] == ("gpu1", {"name": "kind a", "xids": [48]}), "and errors, those of other houses left out"


def test_without_a_word_all_gpus_are_read_and_with_the_processor_asked_for_none(driver: Driver) -> None:
    assert [device for device, _ in read(Probe({}))] == ["gpu0", "gpu1", "gpu2"]
    probe = Probe({"GREENROOM_DEVICE": "cpu"})
    assert [device for device, _ in read(probe)] == ["cpu"] and not probe.is_on_gpus


def test_gpu_that_fell_off_the_bus_is_told_as_lost_in_its_place_and_the_others_are_read(driver: Driver) -> None:
    driver.lost = {UUIDS[1]}
    probe = Probe({"CUDA_VISIBLE_DEVICES": ",".join(UUIDS)})
    assert read(probe) == [("gpu0", {"name": "kind a"}), ("gpu1", {"is_lost": True}), ("gpu2", {"name": "kind c"})]
    assert probe.gpus == (UUIDS[0],), "as CUDA does it: none behind one that does not answer"
    assert Probe({}).gpus == (UUIDS[0], UUIDS[2]), "a house that starts now takes those that are there"
