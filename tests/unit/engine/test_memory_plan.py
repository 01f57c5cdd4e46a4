"""The planner against published arithmetic and measured peaks; what each rung moves, and what it says."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from engine.catalog import SHAPES
from engine.errors import SettingsError
from engine.memory import (
    COSTS,
    GIB,
    PART_WORDS,
    RUNG_WORDS,
    Arrangement,
    Load,
    Offload,
    Plan,
    Room,
    Rung,
    Verdict,
    all_rungs,
    context_bytes,
    device_named,
    devices,
    find_device,
    make_plan,
    plan_of,
    rung_words,
    speed_of,
)
from engine.memory.adapters import fitted_bytes, scratch_bytes
from engine.memory.decoding import decode_moment
from engine.memory.devices import CUDA_STREAMS_BYTES
from engine.memory.measured import LINK_GB_PER_S, PEAKS, ROWS
from engine.memory.timing import BlockTime, measured_speed, step_work
from engine.memory.weights import (
    cold_bytes,
    speech_encoder_bytes,
    text_encoder_bytes,
    text_layer_bytes,
    transformer_bytes,
    travelling_layer_bytes,
    vae_parameters,
)
from engine.memory.working import ALLOCATOR, ALLOCATOR_SLACK_RATIOS

LARGE, POCKET = SHAPES["live-avatar-14b"], SHAPES["pocket"]
STANDARD = Load(shape=LARGE, width=640, height=384, portrait=(1280, 720))
H200 = device_named("h200")
LINK = 1e6 * LINK_GB_PER_S  # bytes per millisecond


def capped(gib: float, load: Load = STANDARD, **more: object) -> Plan:
    """The plan on the measured card under a cap."""
    return make_plan(load, Room(device=H200, cap_bytes=int(gib * GIB)), **more)  # type: ignore[arg-type]


def part(plan: Plan, name: str) -> tuple[int, int]:
    """Bytes of a part on the GPU and in host memory; zeros where the plan has no such part."""
    return next(((one.gpu_bytes, one.host_bytes) for one in plan.parts if one.name == name), (0, 0))


# ---- bytes ----------------------------------------------------------------------------------------------------------


def test_weights_take_the_published_gibibytes() -> None:
    assert round((transformer_bytes(LARGE, "bf16") - 2 * 40 * 6 * 5120) / GIB, 2) == 30.35
    scales = 4 * (40 * (9 * 5120 + 13824) + 12 * 6 * 5120)
    modulations = 2 * 40 * 6 * 5120  # float32 in the fused network
    assert transformer_bytes(LARGE, "fp8") == 15_938_355_200 + 2 * 357_400_409 + scales + modulations
    assert 2 * vae_parameters(LARGE) == 253_785_062
    assert round(text_encoder_bytes(LARGE) / GIB, 2) == 10.58
    assert text_encoder_bytes(LARGE) == 24 * text_layer_bytes(LARGE) + 2 * 4096 * (256_384 + 1)  # embedding, last norm
    assert speech_encoder_bytes(LARGE) == 630_945_090


@pytest.mark.parametrize(
    ("size", "one_ring", "all_rings", "sink"),
    [((384, 256), 3.52, 14.06, 0.73), ((640, 384), 8.79, 35.16, 1.83), ((704, 384), 9.67, 38.67, 2.01)],
)
def test_rings_and_sink_take_the_published_gibibytes(
    size: tuple[int, int], one_ring: float, all_rings: float, sink: float
) -> None:
    wide = dataclasses.replace(STANDARD, width=size[0], height=size[1], kv="bf16")
    plan = plan_of(wide, Room(), Rung.RESIDENT, Arrangement(kv="bf16"))
    assert round(part(plan, "rings")[0] / GIB, 2) == all_rings
    assert part(plan, "rings")[0] == 4 * 12 * (size[0] // 16) * (size[1] // 16) * 819_200
    assert round(part(plan, "rings")[0] / 4 / GIB, 2) == one_ring
    assert round(part(plan, "sink")[0] / 2 / GIB, 2) == sink  # it exists twice


def test_rings_in_eight_bits_take_half_and_the_sink_three_quarters() -> None:
    wide, coded = (plan_of(STANDARD, Room(), Rung.RESIDENT, Arrangement(kv=kv)) for kv in ("bf16", "fp8"))
    assert part(coded, "rings")[0] * 2 == part(wide, "rings")[0]
    assert part(coded, "sink")[0] == pytest.approx(0.75 * part(wide, "sink")[0], rel=0.01)


def test_parts_of_a_context_are_the_whole_context() -> None:
    load = dataclasses.replace(STANDARD, contexts=2, kv="bf16")
    plan = plan_of(load, Room(), Rung.RESIDENT, Arrangement(kv="bf16"))
    names = ("rings", "sink", "decoder memory", "small state")
    assert sum(part(plan, name)[0] for name in names) == 2 * context_bytes(LARGE, 640, 384, 4)


def test_peak_counts_the_allocators_gaps_and_the_driver() -> None:
    plan = make_plan(STANDARD, Room(device=H200))
    working = part(plan, "working memory")[0]
    assert working == decode_moment(LARGE, 640, 384, 1).total_bytes
    assert part(plan, "allocator slack")[0] == pytest.approx(ALLOCATOR_SLACK_RATIOS[ALLOCATOR] * working, abs=1)
    assert part(plan, "CUDA context")[0] == plan.cuda_context_bytes == H200.cuda_context_bytes > 0
    besides = part(plan, "allocator slack")[0] + part(plan, "recorded steps")[0] + plan.cuda_context_bytes
    assert plan.allocated_bytes == plan.peak_bytes - besides
    streamed = capped(22.15)
    assert streamed.cuda_context_bytes == H200.cuda_context_bytes + CUDA_STREAMS_BYTES


def test_streamed_rings_leave_four_layers_of_one_ring_on_the_gpu() -> None:
    how = Arrangement(kv="fp8", offload=Offload(rings=True))
    plan = plan_of(STANDARD, Room(), Rung.STREAMED_RINGS, how)
    rings = part(plan, "rings")
    assert rings[0] == 0
    assert part(plan, "rings on their way")[0] == rings[1] // 4 // 40 * 4


def test_role_made_ready_keeps_half_a_context_without_rings_and_its_text() -> None:
    one, two = (make_plan(dataclasses.replace(STANDARD, roles_ready=count), Room()) for count in (1, 2))
    conditions = part(one, "role conditions")[0]
    context = part(one, "sink")[0] // 2 + part(one, "decoder memory")[0] // 2 + 192  # 40 scales of values, aligned
    text = part(one, "text keys and values")[0]
    assert part(two, "role conditions")[0] == 2 * (conditions + context + text)


@pytest.mark.parametrize(("place", "layers"), [("host", 2), ("gpu", 0), ("none", 0)])
def test_text_encoder_in_host_memory_travels_through_two_layers(place: str, layers: int) -> None:
    plan = make_plan(dataclasses.replace(STANDARD, text_encoder=place), Room())
    assert part(plan, "text encoder on its way") == (layers * text_layer_bytes(LARGE), 0)
    assert sum(part(plan, "text encoder")) == (0 if place == "none" else text_encoder_bytes(LARGE))


def test_voice_of_a_long_video_takes_its_room() -> None:
    short, long = (
        part(make_plan(dataclasses.replace(STANDARD, voice_s=seconds), Room()), "role conditions")[0]
        for seconds in (0, 1920)
    )
    assert long - short == 1920 * 25 * 25 * 1024 * 2


# ---- time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "published"), [((384, 256), 36.97), ((640, 384), 108.8), ((704, 384), 123.0)])
def test_work_of_a_step_is_the_published_one_less_the_text_keys(size: tuple[int, int], published: float) -> None:
    work = step_work(LARGE, *size)
    text_keys = 4 * 512 * 5120**2 * 40 / 1e12
    assert (work.products + work.attention) / 1e12 + text_keys == pytest.approx(published, rel=0.005)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.width}x{row.height}-{row.precision}-{row.kv}")
def test_predicted_blocks_are_within_three_percent_of_the_measured_ones(row: object) -> None:
    load = dataclasses.replace(
        STANDARD, width=row.width, height=row.height, precision=row.precision, kv=row.kv, steps=row.steps  # type: ignore[attr-defined]
    )  # fmt: skip
    plan = plan_of(load, Room(device=H200), Rung.RESIDENT, Arrangement(kv=row.kv))  # type: ignore[attr-defined]
    assert plan.time is not None
    assert plan.time.block_ms == pytest.approx(row.block_ms, rel=0.03)  # type: ignore[attr-defined]


def test_measured_rows_stand_in_the_benchmarks(repo_root: Path) -> None:
    lines = (repo_root / "docs" / "benchmarks.md").read_text(encoding="utf-8").splitlines()
    for row in ROWS:
        figures = [f"{row.width}x{row.height}", row.precision, *map(str, (row.block_ms, row.step_ms, row.decode_ms))]
        assert any(all(figure in line for figure in figures) for line in lines), figures


def test_rates_of_the_engine_lie_below_the_chip() -> None:
    speed = measured_speed()
    assert 0 < speed.products["bf16"] < 774 and 0 < speed.products["fp8"] < 1454  # large products, measured
    assert all(rate > 0 for rate in speed.attention.values())


def test_slower_of_link_and_computation_hides_the_other() -> None:
    time = BlockTime(steps=4, compute_ms=100, link_ms=80, start_ms=2, cold_ms=5, decode_ms=20, rest_ms=1)
    assert (time.step_ms, time.is_link_hidden) == (102, True)
    assert time.block_ms == 4 * 102 + 5 + 20 + 1
    slow = dataclasses.replace(time, link_ms=150)
    assert (slow.step_ms, slow.is_link_hidden) == (152, False)
    assert slow.slowdown == pytest.approx((4 * 152 + 26) / (4 * 100 + 21))


def test_streamed_rings_and_layers_travel_once_per_step() -> None:
    how = Arrangement(kv="fp8", offload=Offload(rings=True, layers=10))
    plan = plan_of(STANDARD, Room(device=H200), Rung.STREAMED_WEIGHTS, how)
    ring = part(plan, "rings")[1] // 4
    assert plan.time is not None
    assert plan.time.start_ms == pytest.approx(ring / 40 / LINK)
    assert plan.time.cold_ms == 0
    assert plan.time.link_ms == pytest.approx((ring + 10 * travelling_layer_bytes(LARGE, "fp8")) / LINK)


def test_weights_used_once_per_block_travel_once() -> None:
    how = Arrangement(kv="fp8", offload=Offload(cold_weights=True))
    plan = plan_of(STANDARD, Room(device=H200), Rung.COLD_WEIGHTS, how)
    kept = plan_of(STANDARD, Room(device=H200), Rung.RESIDENT, Arrangement(kv="fp8"))
    assert plan.time is not None and kept.time is not None
    assert (plan.time.link_ms, plan.time.start_ms) == (0, 0)
    assert plan.time.block_ms - kept.time.block_ms == pytest.approx(12 * 4 * 5120**2 / LINK)


def test_unmeasured_card_has_no_time_unless_somebody_hands_figures_in() -> None:
    card = device_named("4090")
    plan = make_plan(STANDARD, Room(device=card))
    assert plan.time is None and "not measured" in plan.notes[0]["en"]
    figures = {
        "products_tflops": 200, "attention_tflops": 100, "decode_ms_per_megapixel": 900, "link_gb_per_s": 25,
    }  # fmt: skip
    own = make_plan(STANDARD, Room(device=card.with_speed(speed_of(figures, "fp8"))))
    assert own.time is not None and own.time.block_ms > 1000
    with pytest.raises(SettingsError, match="link_gb_per_s is missing"):
        speed_of({name: value for name, value in figures.items() if name != "link_gb_per_s"}, "fp8")
    with pytest.raises(SettingsError, match="'speed' is no figure"):
        speed_of({**figures, "speed": 1}, "fp8")


def test_time_of_another_model_is_not_that_of_the_measured_one() -> None:
    assert make_plan(Load(shape=POCKET, width=192, height=128), Room(device=H200)).time is None


# ---- the ladder -----------------------------------------------------------------------------------------------------


def test_standard_preset_runs_under_22_gibibytes_with_the_link_hidden() -> None:
    plan = capped(22.15)
    assert (plan.fits, plan.verdict) == (True, Verdict.FITS_DEGRADED)
    assert plan.peak_bytes <= 22.15 * GIB
    assert plan.how.offload.rings and "streamed" in rung_words(plan)["en"]
    assert plan.time is not None and plan.time.is_link_hidden
    kept = make_plan(STANDARD, Room(device=H200)).time
    assert kept is not None
    assert plan.time.block_ms / kept.block_ms == pytest.approx(PEAKS[2].block_ms / PEAKS[0].block_ms, abs=0.04)
    assert "22.15 GiB" in plan.why["en"] and rung_words(plan)["en"] in plan.why["en"]


def test_rungs_come_in_the_order_of_what_they_cost() -> None:
    load = dataclasses.replace(STANDARD, kv="bf16", contexts=3, roles_ready=4, text_encoder="gpu", steps=5)
    rungs = [plan.rung for plan in all_rungs(load, Room(device=H200, cap_bytes=14 * GIB))]
    assert list(dict.fromkeys(rungs)) == list(Rung)
    assert rungs.count(Rung.FEWER_STEPS) == 2  # 4, then 3


def test_resident_rung_keeps_only_weights_that_no_step_uses_in_host_memory() -> None:
    plan = make_plan(STANDARD, Room(device=H200))
    assert plan.rung is Rung.RESIDENT and plan.peak_bytes <= 42 * GIB
    assert plan.how.offload == Offload(text_weights=True)
    assert part(plan, "transformer")[1] == cold_bytes(LARGE, "fp8")[0]
    assert plan.time is not None and plan.time.slowdown == 1.0
    assert make_plan(Load(shape=POCKET, width=192, height=128), Room()).how.offload == Offload()


def test_layers_do_not_travel_where_there_is_room_for_adapters() -> None:
    """The engine refuses both together."""
    load = dataclasses.replace(STANDARD, adapters=1, adapter_rank=64)
    rungs = [plan.rung for plan in all_rungs(load, Room(device=H200, cap_bytes=14 * GIB))]
    assert Rung.COLD_WEIGHTS in rungs and Rung.STREAMED_WEIGHTS not in rungs
    assert all(plan.how.offload.layers == 0 for plan in all_rungs(load, Room(device=H200, cap_bytes=14 * GIB)))


def test_rung_that_saves_nothing_is_left_out() -> None:
    load = dataclasses.replace(STANDARD, speech_encoder="host")
    rungs = [plan.rung for plan in all_rungs(load, Room(device=H200))]
    assert Rung.PARKED_CONTEXTS not in rungs  # one context only
    assert Rung.DROPPED_CACHES not in rungs  # one role, no adapter, encoders in host memory
    assert Rung.FP8_RINGS not in rungs  # they are in eight bits as asked


def test_waiting_contexts_and_caches_go_to_host_memory() -> None:
    load = dataclasses.replace(STANDARD, contexts=3, roles_ready=5, adapters=4, adapter_rank=64, speech_encoder="gpu")
    above, parked, lean = all_rungs(load, Room(device=H200))[:3]
    assert (parked.rung, lean.rung) == (Rung.PARKED_CONTEXTS, Rung.DROPPED_CACHES)
    assert part(above, "rings")[0] == 3 * part(parked, "rings")[0]
    assert part(parked, "rings")[1] == 2 * part(parked, "rings")[0]
    one = fitted_bytes(LARGE, "fp8", 64)
    assert part(lean, "adapters") == (one + scratch_bytes(3 * 960, 64), 3 * one)
    assert part(lean, "role conditions")[1] == 4 * part(lean, "role conditions")[0]
    assert part(lean, "speech encoder") == (0, speech_encoder_bytes(LARGE))


def test_only_as_many_layers_travel_as_the_cap_demands() -> None:
    plan = capped(14.0)
    layer, count = travelling_layer_bytes(LARGE, "fp8"), plan.how.offload.layers
    assert plan.rung is Rung.STREAMED_WEIGHTS and 2 < count < 40
    assert plan.peak_bytes <= 14 * GIB < plan.peak_bytes + layer
    assert part(plan, "layers on their way") == (2 * layer, 0)
    assert part(plan, "transformer")[1] == count * layer + sum(cold_bytes(LARGE, "fp8"))
    assert sum(part(plan, "transformer")) == transformer_bytes(LARGE, "fp8")


def test_what_only_consent_would_make_fit_is_refused_and_named() -> None:
    load = dataclasses.replace(STANDARD, width=1280, height=704)
    plan = capped(13.0, load)
    assert (plan.fits, plan.verdict, plan.rung) == (False, Verdict.DOES_NOT_FIT, Rung.STREAMED_WEIGHTS)
    assert "--consent" in plan.why["en"]
    agreed = capped(13.0, load, has_consent=True)
    assert (agreed.fits, agreed.verdict, agreed.rung) == (True, Verdict.FITS_DEGRADED, Rung.SMALLER_SIZE)
    assert rung_words(agreed)["en"] in plan.why["en"]


def test_what_never_fits_names_the_memory_that_would_do() -> None:
    plan = capped(4.0)
    least = re.search(r"Give it ([\d.]+) GiB or more", plan.why["en"])
    assert plan.verdict is Verdict.DOES_NOT_FIT and least is not None
    assert capped(float(least[1]) + 0.01, has_consent=True).fits


def test_smaller_picture_keeps_what_still_fits_on_the_gpu() -> None:
    load = dataclasses.replace(STANDARD, width=1280, height=704)
    smaller = [
        plan for plan in all_rungs(load, Room(device=H200, cap_bytes=30 * GIB)) if plan.rung is Rung.SMALLER_SIZE
    ]
    assert [(plan.load.width, plan.load.height) for plan in smaller][-1] == (384, 256)
    assert len({plan.how for plan in smaller}) > 1
    assert all(plan.load.width * plan.load.height >= 384 * 256 for plan in smaller)


def test_without_a_limit_nobody_can_tell() -> None:
    plan = make_plan(STANDARD, Room())
    assert (plan.fits, plan.verdict) == (None, Verdict.CANNOT_TELL)
    assert "--memory-gib" in plan.why["en"] and "--memory-gib" in plan.why["zh"]


def test_card_without_eight_bit_products_is_told_to_use_bf16() -> None:
    room = Room(device=device_named("A100-SXM4-80GB"))
    plan = make_plan(STANDARD, room)
    assert plan.verdict is Verdict.DOES_NOT_FIT and "--precision bf16" in plan.why["en"]
    wide = dataclasses.replace(STANDARD, precision="bf16", kv="bf16")
    assert Rung.FP8_RINGS not in [one.rung for one in all_rungs(wide, room)]
    assert make_plan(wide, room).how.kv == "bf16"


def test_host_memory_is_a_limit_as_well() -> None:
    room = Room(device=H200, cap_bytes=int(22.15 * GIB), host_bytes=16 * GIB)
    plan = make_plan(STANDARD, room)
    assert plan.verdict is Verdict.DOES_NOT_FIT and "host memory" in plan.why["en"]


def test_several_gpus_are_copies_and_say_so() -> None:
    one, four = (make_plan(STANDARD, Room(device=H200, gpus=gpus)) for gpus in (1, 4))
    assert (four.peak_bytes, four.time) == (one.peak_bytes, one.time)
    assert "4 independent copies" in four.notes[-1]["en"] and "is not built" in four.notes[-1]["en"]


# ---- words and cards ------------------------------------------------------------------------------------------------


def test_every_rung_and_part_has_words_in_both_languages() -> None:
    names = {rung.value for rung in Rung}
    assert set(RUNG_WORDS) == set(COSTS) == names
    loads = (STANDARD, dataclasses.replace(STANDARD, adapters=1, adapter_rank=4, has_vault=True, standbys=1))
    shown = {one.name for load in loads for plan in all_rungs(load, Room()) for one in plan.parts}
    assert shown == set(PART_WORDS)
    for words in (*RUNG_WORDS.values(), *COSTS.values(), *PART_WORDS.values()):
        assert words["en"] and words["zh"]


@pytest.mark.parametrize(
    ("spelling", "name", "usable_gib"),
    [
        ("NVIDIA H200", "NVIDIA H200", 132.05), ("NVIDIA H100 80GB HBM3", "NVIDIA H100 80GB", 76.0),
        ("NVIDIA A100-PCIE-40GB", "NVIDIA A100 40GB", 38.0), ("NVIDIA A100-SXM4-80GB", "NVIDIA A100 80GB", 76.0),
        ("rtx 4090", "NVIDIA GeForce RTX 4090", 22.15), ("NVIDIA L40S", "NVIDIA L40S", 45.6),
    ],
)  # fmt: skip
def test_card_is_found_by_the_name_that_its_driver_gives(spelling: str, name: str, usable_gib: float) -> None:
    found = find_device(spelling)
    assert found is not None and (found.name, found.usable_gib) == (name, usable_gib)


def test_only_the_measured_card_has_a_speed() -> None:
    assert [device.name for device in devices() if device.speed is not None] == ["NVIDIA H200"]
    with pytest.raises(SettingsError, match="'abacus' is not known"):
        device_named("abacus")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"width": 650}, "size"), ({"steps": 6}, "steps"), ({"infer_frames": 40}, "infer_frames"),
        ({"contexts": 0}, "contexts"), ({"kv": "fp4"}, "kv"), ({"precision": "int8"}, "precision"),
        ({"adapter_rank": 129}, "adapter_rank"), ({"text_encoder": "moon"}, "text_encoder"),
    ],
)  # fmt: skip
def test_load_that_cannot_be_is_refused_by_field(change: dict[str, object], field: str) -> None:
    with pytest.raises(SettingsError) as caught:
        dataclasses.replace(STANDARD, **change)  # type: ignore[arg-type]
    assert caught.value.field == field
