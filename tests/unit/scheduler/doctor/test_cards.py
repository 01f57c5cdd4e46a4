"""Driver, CUDA_VISIBLE_DEVICES, links, clocks, memory, modes, peers; the driver's library is played, no GPU was asked."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from scheduler.doctor import cards, versions, visible
from scheduler.doctor.finding import Finding
from scheduler.doctor.subject import Subject
from scheduler.plan.check import ATTENTION, BAD, OK, UNKNOWN
from scheduler.preflight import lock_data_dir, prepare_data_dir
from scheduler.spawn import ProcessList

UUIDS = [f"GPU-{letter * 8}-0000-4000-8000-000000000000" for letter in "abc"]
GIB = 1 << 30


def _raise(code: int) -> Any:
    raise pynvml.NVMLError(code)


class Driver:
    """Three GPUs; a handle is the UUID. `tell(call, value)` sets what a call answers; what is not set is not supported."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._set = monkeypatch.setattr
        for name in [one for one in dir(pynvml) if one.startswith(("nvmlDeviceGet", "nvmlEventSet", "nvmlSystemGet"))]:
            self.refuse(name)
        self._set(pynvml, "nvmlInit", lambda: None)
        self._set(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: UUIDS[index])
        self._set(pynvml, "nvmlDeviceGetHandleByUUID", lambda uuid: uuid)
        self._set(pynvml, "nvmlDeviceGetUUID", lambda handle: handle)
        for name, value in {
            "DeviceGetCount": 3, "SystemGetDriverVersion": "580.65.06", "SystemGetCudaDriverVersion": 13000,
            "DeviceGetCurrPcieLinkWidth": 16, "DeviceGetMaxPcieLinkWidth": 16, "DeviceGetCurrPcieLinkGeneration": 5,
            "DeviceGetMaxPcieLinkGeneration": 5, "DeviceGetMaxClockInfo": 1980, "DeviceGetClockInfo": 1980,
            "DeviceGetCurrentClocksEventReasons": 0, "DeviceGetComputeMode": 0, "DeviceGetEnforcedPowerLimit": 700_000,
            "DeviceGetPowerManagementDefaultLimit": 700_000, "DeviceGetMemoryInfo": SimpleNamespace(used=GIB, total=80 * GIB),
            "DeviceGetUtilizationRates": SimpleNamespace(gpu=0), "DeviceGetTemperature": 35,
            "DeviceGetComputeRunningProcesses": [], "DeviceGetP2PStatus": 0,
        }.items():  # fmt: skip
            self.tell(name, value)

    def tell(self, name: str, value: Any) -> None:
        self._set(pynvml, f"nvml{name}", lambda *_: value)

    def refuse(self, name: str, code: int = pynvml.NVML_ERROR_NOT_SUPPORTED) -> None:
        self._set(pynvml, name, lambda *_: _raise(code))


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    for name in ("CUDA_VISIBLE_DEVICES", "GREENROOM_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    return Driver(monkeypatch)


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return Subject(data_dir=tmp_path / "var")


def of_card(subject: Subject, kind: str, device: str = "gpu0") -> Finding:
    (one,) = [one for one in cards.card_findings(subject) if one.name == f"{device} {kind}"]
    return one


def seen(subject: Subject) -> Finding:
    (one,) = visible.visible_findings(subject)
    return one


def test_without_a_driver_the_processor_is_named_and_nothing_else_is_asked(
    driver: Driver, subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visible, "PCI", tmp_path)
    for code in (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED):
        driver.refuse("nvmlInit", code)
        (one,) = visible.driver_findings(subject)
        assert (one.state, one.remedy) == (OK, "") and "processor" in one.text
        assert not [*visible.visible_findings(subject), *cards.card_findings(subject), *cards.peer_findings(subject)]
    (one,) = visible.driver_findings(Subject(data_dir=subject.data_dir, model="live-avatar-14b"))
    assert one.state == ATTENTION and "--model pocket" in one.remedy


def test_card_on_the_bus_without_its_driver_is_told(
    driver: Driver, subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visible, "PCI", tmp_path)
    for address, vendor, kind in (("0000:01:00.0", "0x10de", "0x030200"), ("0000:01:00.1", "0x10de", "0x040300"),
                                  ("0000:02:00.0", "0x1002", "0x030000")):  # fmt: skip
        (tmp_path / address).mkdir()
        (tmp_path / address / "vendor").write_text(f"{vendor}\n")
        (tmp_path / address / "class").write_text(f"{kind}\n")
    driver.refuse("nvmlInit", pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
    (one,) = visible.driver_findings(subject)
    assert one.state == ATTENTION and one.data["cards_on_the_bus"] == ["0000:01:00.0"] and "--gpus all" in one.remedy


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "Restart the machine"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "/dev/nvidia"),
        (pynvml.NVML_ERROR_UNKNOWN, "Install the driver"),
    ],
)
def test_driver_that_does_not_open_is_told_with_its_own_remedy(
    driver: Driver, subject: Subject, code: int, remedy: str
) -> None:
    driver.refuse("nvmlInit", code)
    (one,) = visible.driver_findings(subject)
    assert one.state == BAD and remedy in one.remedy and one.data["said"]


def test_driver_and_a_gpu_that_fell_off_the_bus(driver: Driver, subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = visible.driver_findings(subject)
    assert one.state == OK and (one.data["cuda"], one.data["gpus"]) == ("13.0", 3)
    monkeypatch.setattr(
        pynvml, "nvmlDeviceGetHandleByIndex", lambda index: UUIDS[index] if index != 1 else _raise(pynvml.NVML_ERROR_GPU_IS_LOST)
    )
    (one,) = visible.driver_findings(subject)
    assert one.state == BAD and one.data["lost"] == [1]


def test_lost_gpu_that_was_asked_for_by_name_is_told_in_its_place(
    driver: Driver, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(UUIDS))
    monkeypatch.setattr(
        pynvml, "nvmlDeviceGetHandleByUUID", lambda uuid: uuid if uuid != UUIDS[1] else _raise(pynvml.NVML_ERROR_GPU_IS_LOST)
    )
    findings = {one.name: one for one in cards.card_findings(subject)}
    assert findings["gpu1"].state == BAD and UUIDS[1] in findings["gpu1"].text
    assert findings["gpu2 PCIe"].state == OK


@pytest.mark.parametrize(
    ("value", "state", "used", "told"),
    [
        (None, OK, [0, 1, 2], "not set"),
        ("2,0", OK, [2, 0], "gpu0 = 2, gpu1 = 0"),
        (UUIDS[1], OK, [1], "gpu0 = 1"),
        ("0,rubbish,1", ATTENTION, [0], "'rubbish' means nothing here, and CUDA looks at nothing behind it ('1')"),
        ("0,7", ATTENTION, [0], "'7' means nothing"),
        ("0,1,0", BAD, [], "twice (0)"),
        (f"1,{UUIDS[1]}", BAD, [], "twice"),
        ("", ATTENTION, [], "leaves none of 3"),
        ("-1", ATTENTION, [], "leaves none of 3"),
        ("MIG-1,MIG-2", ATTENTION, ["MIG-1"], "one instance"),
    ],
)
def test_every_entry_of_the_visible_gpus_is_told_as_cuda_reads_it(
    driver: Driver, subject: Subject, monkeypatch: pytest.MonkeyPatch, value: str | None, state: str, used: list[Any], told: str
) -> None:
    if value is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    one = seen(subject)
    assert (one.state, one.data["used"]) == (state, used) and told in one.text
    assert bool(one.remedy) == (state != OK)


def test_gpus_are_left_alone_where_the_processor_is_asked_for(
    driver: Driver, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENROOM_DEVICE", "cpu")
    assert "the GPUs (3) are left alone" in seen(subject).text
    assert not [*cards.card_findings(subject), *cards.peer_findings(subject)]


@pytest.mark.parametrize(
    ("told", "state", "text"),
    [
        ({}, OK, "16 lanes of generation 5"),
        ({"DeviceGetCurrPcieLinkGeneration": 1}, OK, "while idle"),
        ({"DeviceGetCurrPcieLinkGeneration": 3, "DeviceGetUtilizationRates": SimpleNamespace(gpu=90)}, ATTENTION, "under 90 %"),
        ({"DeviceGetCurrPcieLinkGeneration": 1, "DeviceGetUtilizationRates": None}, UNKNOWN, "load is not told"),
        ({"DeviceGetCurrPcieLinkWidth": 4}, ATTENTION, "4 of 16 lanes"),
        ({"DeviceGetMaxPcieLinkGeneration": None}, UNKNOWN, "does not tell its link"),
    ],
)
def test_link_is_held_against_what_it_can_and_an_idle_one_is_no_fault(
    driver: Driver, subject: Subject, told: dict[str, Any], state: str, text: str
) -> None:
    for name, value in told.items():
        driver.refuse(f"nvml{name}") if value is None else driver.tell(name, value)
    one = of_card(subject, "PCIe")
    assert one.state == state and text in one.text and bool(one.remedy) == (state != OK)


@pytest.mark.parametrize(
    ("told", "state", "text"),
    [
        ({}, OK, "1980 of 1980 MHz"),
        ({"DeviceGetClockInfo": 345, "DeviceGetCurrentClocksEventReasons": 1}, OK, "345 of 1980 MHz at 0 % load"),
        ({"DeviceGetClockInfo": 900, "DeviceGetCurrentClocksEventReasons": 0x48}, ATTENTION, "hardware thermal at 35 °C"),
        ({"DeviceGetEnforcedPowerLimit": 300_000}, ATTENTION, "may draw 300.0 W, its default is 700.0 W"),
        ({"DeviceGetClockInfo": 1200, "DeviceGetCurrentClocksEventReasons": 2,
          "DeviceGetUtilizationRates": SimpleNamespace(gpu=99)}, ATTENTION, "somebody set its clocks"),
        ({"DeviceGetCurrentClocksEventReasons": None}, UNKNOWN, "does not tell its clocks"),
    ],
)  # fmt: skip
def test_clocks_are_a_fault_only_where_heat_power_or_a_setting_holds_them(
    driver: Driver, subject: Subject, told: dict[str, Any], state: str, text: str
) -> None:
    for name, value in told.items():
        driver.refuse(f"nvml{name}") if value is None else driver.tell(name, value)
    one = of_card(subject, "clocks")
    assert one.state == state and text in one.text and bool(one.remedy) == (state != OK)


def test_memory_that_others_hold_is_told_with_their_names(driver: Driver, subject: Subject) -> None:
    assert of_card(subject, "memory").state == OK
    driver.tell("DeviceGetMemoryInfo", SimpleNamespace(used=30 * GIB, total=80 * GIB))
    driver.tell("DeviceGetComputeRunningProcesses", [SimpleNamespace(pid=1, usedGpuMemory=29 * GIB)])
    one = of_card(subject, "memory")
    assert one.state == ATTENTION and "process 1 (29.0 GiB)" in one.text and "CUDA_VISIBLE_DEVICES" in one.remedy
    prepare_data_dir(subject.data_dir)
    ProcessList(subject.run_dir).enter("worker", os.getpid())
    driver.tell("DeviceGetComputeRunningProcesses", [SimpleNamespace(pid=os.getpid(), usedGpuMemory=29 * GIB)])
    one = of_card(subject, "memory")
    assert one.state == ATTENTION and "dead run" in one.text and "serve ends them" in one.remedy
    with lock_data_dir(subject.data_dir):
        assert of_card(subject, "memory").state == OK
    driver.refuse("nvmlDeviceGetMemoryInfo")
    assert of_card(subject, "memory").state == UNKNOWN


@pytest.mark.parametrize(("mode", "state"), [(0, OK), (2, BAD), (3, BAD), (None, UNKNOWN)])
def test_mode_that_lets_one_process_in_is_bad_for_a_house_of_several(
    driver: Driver, subject: Subject, mode: int | None, state: str
) -> None:
    driver.refuse("nvmlDeviceGetComputeMode") if mode is None else driver.tell("DeviceGetComputeMode", mode)
    assert of_card(subject, "mode").state == state


def test_peers_are_asked_both_ways_and_one_gpu_has_none(
    driver: Driver, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = cards.peer_findings(subject)
    assert one.state == OK and len(one.data["pairs"]) == 6
    driver.tell("DeviceGetP2PStatus", pynvml.NVML_P2P_STATUS_CHIPSET_NOT_SUPPORTED)
    (one,) = cards.peer_findings(subject)
    assert one.state == ATTENTION and "gpu0 → gpu1: chipset" in one.text and "NCCL_P2P_DISABLE=1" in one.remedy
    driver.refuse("nvmlDeviceGetP2PStatus")
    (one,) = cards.peer_findings(subject)
    assert one.state == UNKNOWN
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert not list(cards.peer_findings(subject))


@pytest.mark.parametrize(
    ("built", "cuda", "state"),
    [((13, 0), 13000, OK), ((12, 8), 13000, OK), ((13, 1), 13000, ATTENTION), ((13, 0), 12080, BAD), (None, 13000, ATTENTION)],
)
def test_pytorch_is_held_against_what_the_driver_runs(
    driver: Driver, subject: Subject, monkeypatch: pytest.MonkeyPatch, built: tuple[int, int] | None, cuda: int, state: str
) -> None:
    monkeypatch.setattr(versions, "built_for", lambda: built)
    monkeypatch.setattr("scheduler.gpus.is_torch_for_gpus", lambda: True)
    driver.tell("SystemGetCudaDriverVersion", cuda)
    (one,) = versions.torch_findings(subject)
    assert one.state == state and bool(one.remedy) == (state != OK)


def test_cuda_that_pytorch_was_built_for_is_read_from_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "torch"
    folder.mkdir()
    spec = SimpleNamespace(submodule_search_locations=[str(folder)])
    monkeypatch.setattr(versions.importlib.util, "find_spec", lambda _: spec)
    for text, built in (("cuda: Optional[str] = '12.8'\n", (12, 8)), ("cuda = '13.0'\n", (13, 0)), ("cuda = None\n", None)):
        (folder / "version.py").write_text(f"__version__ = '2.13.0'\n{text}hip = '1.2'\n")
        assert versions.built_for() == built
