"""Whatever is asked for, and whatever room there is: the planner's promises about bytes, caps and rungs."""

from __future__ import annotations

import dataclasses
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalog import SHAPES
from engine.memory import GIB, Arrangement, Load, Offload, Plan, Room, Rung, all_rungs, device_named, make_plan, plan_of
from engine.memory.decoding import pieces_of

RUNGS = list(Rung)
sides = st.integers(4, 20).map(lambda n: 64 * n)
loads = st.builds(
    Load,
    shape=st.sampled_from(list(SHAPES.values())),
    width=sides,
    height=sides,
    steps=st.integers(3, 5),
    infer_frames=st.sampled_from((12, 36, 48, 96)),
    precision=st.sampled_from(("bf16", "fp8")),
    kv=st.sampled_from(("bf16", "fp8")),
    contexts=st.integers(1, 3),
    roles_ready=st.integers(1, 4),
    voice_s=st.floats(0, 2000),
    adapters=st.integers(0, 3),
    adapter_rank=st.integers(0, 128),
    text_encoder=st.sampled_from(("gpu", "host", "none")),
    speech_encoder=st.sampled_from(("gpu", "host", "none")),
)
caps = st.floats(1, 140).map(lambda gib: int(gib * GIB))
arrangements = st.builds(
    Arrangement,
    kv=st.sampled_from(("bf16", "fp8")),
    is_parked=st.booleans(),
    is_lean=st.booleans(),
    offload=st.builds(
        Offload, text_weights=st.booleans(), cold_weights=st.booleans(), rings=st.booleans(), layers=st.integers(0, 6)
    ),
)
frugal = settings(max_examples=60, deadline=None)


def resident(load: Load) -> Plan:
    """Everything on the GPU."""
    return plan_of(load, Room(), Rung.RESIDENT, Arrangement(kv=load.kv))


def lasting(load: Load) -> int:
    """What stays for the whole job."""
    passing = ("working memory", "allocator slack")
    return sum(part.gpu_bytes for part in resident(load).parts if part.name not in passing)


@frugal
@given(load=loads, how=arrangements)
def test_no_part_is_negative_and_their_sum_is_the_peak(load: Load, how: Arrangement) -> None:
    plan = plan_of(load, Room(), Rung.STREAMED_WEIGHTS, how)
    assert all(part.gpu_bytes >= 0 and part.host_bytes >= 0 for part in plan.parts)
    assert plan.peak_bytes == sum(part.gpu_bytes for part in plan.parts)
    assert len({part.name for part in plan.parts}) == len(plan.parts)


@frugal
@given(load=loads, how=arrangements)
def test_what_leaves_the_gpu_is_found_in_host_memory(load: Load, how: Arrangement) -> None:
    """Weights, contexts, conditions and encoders are moved, never lost."""
    kept = dataclasses.replace(how, is_parked=False, is_lean=False, offload=Offload())
    passing = {
        "layers on their way", "rings on their way", "text encoder on its way", "working memory", "allocator slack",
        "CUDA context", "recorded steps",
    }  # fmt: skip
    before, after = (
        {part.name: part.gpu_bytes + part.host_bytes for part in plan_of(load, Room(), Rung.RESIDENT, one).parts}
        for one in (kept, how)
    )
    assert {name: size for name, size in after.items() if name not in passing} == {
        name: size for name, size in before.items() if name not in passing
    }


@frugal
@given(load=loads, more=st.integers(1, 4))
def test_larger_pictures_and_more_steps_never_need_less(load: Load, more: int) -> None:
    """But for working memory, where the larger picture passes the autoencoder latent by latent."""
    for change in ({"width": load.width + 64 * more}, {"height": load.height + 64 * more}):
        larger = dataclasses.replace(load, **change)  # type: ignore[arg-type]
        assert lasting(larger) > lasting(load)
        if pieces_of(load.shape, load.width, load.height) == pieces_of(load.shape, larger.width, larger.height):
            assert resident(larger).peak_bytes > resident(load).peak_bytes
    if load.steps < 5:
        assert resident(dataclasses.replace(load, steps=load.steps + 1)).peak_bytes > resident(load).peak_bytes


@frugal
@given(load=loads, cap=st.none() | caps)
def test_every_rung_needs_less_than_the_one_above(load: Load, cap: int | None) -> None:
    rungs = all_rungs(load, Room(cap_bytes=cap))
    for above, below in itertools.pairwise(rungs):
        assert below.weighs_less_than(above)
        if below.rung is not Rung.FEWER_STEPS:  # rings in host memory already: steps save time and host memory only
            assert below.peak_bytes < above.peak_bytes
    order = [RUNGS.index(plan.rung) for plan in rungs]
    assert order == sorted(order)


@frugal
@given(load=loads, caps=st.tuples(caps, caps), consent=st.booleans())
def test_more_room_is_never_worse(load: Load, caps: tuple[int, int], consent: bool) -> None:
    small, large = (make_plan(load, Room(cap_bytes=cap), has_consent=consent) for cap in sorted(caps))
    assert bool(large.fits) >= bool(small.fits)
    if small.fits:
        assert RUNGS.index(large.rung) <= RUNGS.index(small.rung)
    if small.fits and large.rung is small.rung:
        assert large.how.offload.layers <= small.how.offload.layers or large.rung is Rung.SMALLER_SIZE


@frugal
@given(load=loads, cap=caps, consent=st.booleans())
def test_plan_that_fits_stays_below_its_cap(load: Load, cap: int, consent: bool) -> None:
    plan = make_plan(load, Room(cap_bytes=cap), has_consent=consent)
    assert bool(plan.fits) == (plan.peak_bytes <= cap)
    assert consent or not plan.rung.needs_consent
    assert plan.why["en"] and plan.why["zh"]


@frugal
@given(load=loads, how=arrangements)
def test_streaming_is_never_faster_than_everything_on_the_gpu(load: Load, how: Arrangement) -> None:
    room = Room(device=device_named("h200"))
    streamed = plan_of(load, room, Rung.STREAMED_WEIGHTS, how).time
    kept = plan_of(load, room, Rung.RESIDENT, dataclasses.replace(how, offload=Offload())).time
    assert (streamed is None) == (kept is None)
    if streamed is not None and kept is not None:
        assert streamed.block_ms >= kept.block_ms
        assert streamed.slowdown >= 1.0
