"""How many slots a house starts with, and on what."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from scheduler import gpus
from scheduler.errors import SchedulerError
from scheduler.house_size import house_size, threads_of
from scheduler.probe import Probe, Reading

CARDS = ("GPU-a", "GPU-b", "GPU-c")


def box(*usable: str, count: int | None = None) -> Probe:
    """A probe of a machine with these GPUs that can be used, of `count` that are named."""
    named = len(usable) if count is None else count
    readings = [Reading(f"gpu{number}", {"name": "NVIDIA H200"}) for number in range(named)] or [Reading("cpu", {})]
    return cast("Probe", SimpleNamespace(gpus=usable, is_on_gpus=bool(named), read=lambda: readings))


@pytest.fixture(autouse=True)
def _cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "is_torch_for_gpus", lambda: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_house_has_a_slot_for_each_gpu_or_fewer() -> None:
    size = house_size(None, box(*CARDS), "real")
    assert (size.slots, size.gpus) == (3, CARDS)
    assert size.told == "3 slots, a GPU each: gpu0 NVIDIA H200, gpu1 NVIDIA H200, gpu2 NVIDIA H200"
    size = house_size(1, box(*CARDS), "real")
    assert (size.slots, size.gpus) == (1, ("GPU-a",))
    assert size.told == "1 slot on gpu0 NVIDIA H200; 2 more GPUs are left alone"


def test_more_slots_than_gpus_are_refused_with_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SchedulerError, match="--slots is 4, but this machine has 3 GPUs") as caught:
        house_size(4, box(*CARDS), "real")
    assert caught.value.hint == "Use --slots 3 or less, or none: then each GPU has one."
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(SchedulerError, match="--slots is 2, but CUDA_VISIBLE_DEVICES=1 leaves 1 GPU"):
        house_size(2, box("GPU-b"), "real")


def test_gpus_that_are_named_and_do_not_answer_are_no_reason_to_take_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-d")
    with pytest.raises(SchedulerError, match="No GPU that CUDA_VISIBLE_DEVICES=GPU-d leaves answers") as caught:
        house_size(None, box(count=1), "real")
    assert "GREENROOM_DEVICE=cpu" in caught.value.hint


def test_without_a_gpu_there_are_as_many_slots_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (house_size(None, box(), "real").slots, house_size(2, box(), "real").slots) == (1, 2)
    monkeypatch.setattr(gpus, "is_torch_for_gpus", lambda: False)
    size = house_size(None, box(*CARDS), "real")
    assert (size.slots, size.gpus) == (1, ()) and size.told.startswith("1 slot on the processor")
    assert house_size(5, box(*CARDS), "fake").told == "5 slots of the scripted engine"


@pytest.mark.parametrize(("slots", "cores", "threads"), [(1, 1, 1), (1, 8, 7), (2, 2, 1), (2, 8, 3), (4, 64, 15), (8, 4, 1)])
def test_workers_share_the_cores_but_one(slots: int, cores: int, threads: int) -> None:
    assert threads_of(slots, cores) == threads
