"""Which GPUs a house uses: CUDA_VISIBLE_DEVICES read as CUDA does, and what each process is shown."""

from __future__ import annotations

import pytest

from scheduler import gpus

A, B, C = (f"GPU-{letter * 8}-0000-4000-8000-000000000000" for letter in "abc")
AWAY = "GPU-dddddddd-0000-4000-8000-000000000000"
INSTANCE = "MIG-11111111-0000-4000-8000-000000000000"
BOX = (A, B, C)


@pytest.mark.parametrize(
    ("visible", "found", "names"),
    [
        pytest.param(None, BOX, [A, B, C], id="nothing is said: all"),
        pytest.param(None, (A, None, C), [A, C], id="one is lost: the others"),
        pytest.param(None, (), [], id="none"),
        pytest.param("", BOX, [], id="none is left"),
        pytest.param("1", BOX, [B], id="one"),
        pytest.param("2,0", BOX, [C, A], id="another order"),
        pytest.param(" 2 , 0 ", BOX, [C, A], id="spaces"),
        pytest.param("0,7,1", BOX, [A], id="up to a number that is too high"),
        pytest.param("0,-1,1", BOX, [A], id="up to -1"),
        pytest.param("-1", BOX, [], id="-1 alone hides all"),
        pytest.param("NoDevFiles", BOX, [], id="a word that means nothing"),
        pytest.param("0,1,0", BOX, [], id="twice the same: none"),
        pytest.param("0,1", (A, None, C), [A], id="up to one that is lost"),
        pytest.param(f"{C},{A}", BOX, [C, A], id="by UUID"),
        pytest.param("GPU-b", BOX, [B], id="by the beginning of a UUID"),
        pytest.param("GPU-", BOX, [], id="a beginning that is not clear"),
        pytest.param(f"GPU-b,{B}", BOX, [], id="twice the same in two ways"),
        pytest.param(f"{A},{AWAY},{C}", BOX, [A, AWAY, C], id="one that fell off the bus keeps its place"),
        pytest.param(INSTANCE, BOX, [INSTANCE], id="an instance of a GPU"),
        pytest.param(f"{INSTANCE},{INSTANCE[:-1]}1", BOX, [INSTANCE], id="a process gets one instance only"),
    ],
)
def test_gpus_are_those_that_cuda_would_see(visible: str | None, found: tuple[str | None, ...], names: list[str]) -> None:
    assert gpus.in_order(found, visible) == names


def test_processor_is_wanted_where_it_is_asked_for() -> None:
    assert gpus.are_wanted({}) and gpus.are_wanted({"GREENROOM_DEVICE": "auto"})
    assert not gpus.are_wanted({"GREENROOM_DEVICE": "cpu"})


def test_each_slots_worker_sees_its_own_gpu_alone() -> None:
    house = gpus.environment([C, A])
    assert house == {"CUDA_VISIBLE_DEVICES": f"{C},{A}", "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "GREENROOM_DEVICE": "cuda"}
    assert [gpus.of_slot(house, slot) for slot in (0, 1, 2)] == [{"CUDA_VISIBLE_DEVICES": C}, {"CUDA_VISIBLE_DEVICES": A}, {}]
    assert "GREENROOM_DEVICE" not in gpus.environment([A]), "a single GPU that CUDA cannot use leaves the processor"


def test_environment_that_names_no_gpu_is_passed_on_as_it_is() -> None:
    assert gpus.of_slot({}, 0) == gpus.of_slot({"CUDA_VISIBLE_DEVICES": ""}, 0) == {}
