"""Working memory: the lists against measured peaks, against the classes they describe, and what `predict` answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.catalog import SHAPES, ModelShape
from engine.errors import SettingsError
from engine.memory import GIB, ITEM_BYTES, Offload, predict, sink_rows
from engine.memory.adapters import adapter_parameters, fitted_bytes
from engine.memory.decoding import decode_moment, latents_at_a_time, rearranged_bytes
from engine.memory.devices import CUDA_STREAMS_BYTES
from engine.memory.measured import PEAKS, Peak
from engine.memory.working import (
    ALLOCATOR,
    ALLOCATOR_SLACK_RATIOS,
    EXPANDABLE,
    KEPT_STEPS,
    SEGMENTS,
    moments,
    recorded_bytes,
    slack_bytes,
    worst_moment,
)
from engine.model.vae import VaeConfig, VideoAutoencoder
from engine.model.vae_parts import CausalConv
from engine.model.weights import empty_weights

LARGE, POCKET = SHAPES["live-avatar-14b"], SHAPES["pocket"]


@pytest.mark.parametrize("peak", PEAKS, ids=lambda peak: f"{peak.width}x{peak.height}-{peak.allocated_gib}")
def test_lists_of_tensors_explain_the_peaks_measured_on_an_h200(peak: Peak) -> None:
    told = predict(LARGE, peak.width, peak.height, offload=peak.offload, voice_s=peak.voice_s)
    assert told.allocated_bytes / GIB == pytest.approx(peak.allocated_gib, rel=0.01)
    assert told.reserved_bytes / GIB == pytest.approx(peak.reserved_gib, rel=0.03)
    assert told.cuda_context_bytes / GIB == pytest.approx(peak.context_gib, abs=0.035)
    assert told.total_bytes / GIB == pytest.approx(peak.reserved_gib + peak.context_gib, rel=0.03)


def test_measured_peaks_stand_in_the_docs(repo_root: Path) -> None:
    text = (repo_root / "docs" / "memory.md").read_text(encoding="utf-8")
    for peak in PEAKS:
        figures = (peak.allocated_gib, peak.reserved_gib, peak.context_gib)
        assert f"| {' | '.join(f'{figure:.3f}' for figure in figures)} |" in text


def test_prediction_follows_every_argument() -> None:
    plain = predict(LARGE, 640, 384)
    assert plain.allocated_bytes < plain.reserved_bytes < plain.total_bytes
    assert predict(LARGE, 640, 384, kv=None).allocated_bytes > plain.allocated_bytes + 17 * GIB
    roomy, filled = (predict(LARGE, 640, 384, adapter_rank=64, adapters=count).allocated_bytes for count in (0, 1))
    assert filled - roomy > fitted_bytes(LARGE, "fp8", 64)
    assert roomy > plain.allocated_bytes
    slower = predict(LARGE, 640, 384, adapter_rank=64).block_ms
    assert slower is not None and plain.block_ms is not None and 1 < slower / plain.block_ms < 1.05
    streamed = predict(LARGE, 640, 384, offload=Offload(layers=4))
    assert streamed.cuda_context_bytes - plain.cuda_context_bytes == CUDA_STREAMS_BYTES
    assert predict(LARGE, 640, 384, device="abacus").block_ms is None
    with pytest.raises(SettingsError, match="kv is 'fp4'"):
        predict(LARGE, 640, 384, kv="fp4")


def test_every_moment_of_the_large_model_is_named_and_the_autoencoder_is_the_worst() -> None:
    found = {moment.name: moment.total_bytes for moment in moments(LARGE, 640, 384, "fp8", "fp8")}
    assert set(found) == {"step", "prefill", "audio", "modulation", "decode", "portrait"}
    assert max(found, key=lambda name: found[name]) == "decode"
    assert found["decode"] == decode_moment(LARGE, 640, 384, 1).total_bytes
    assert found["portrait"] < found["decode"] < 1.02 * found["portrait"]
    assert max(moments(LARGE, 192, 128, "fp8"), key=lambda moment: moment.total_bytes).name == "modulation"


def test_large_pictures_pass_the_autoencoder_one_latent_at_a_time() -> None:
    assert (latents_at_a_time(48 * 32), latents_at_a_time(48 * 40)) == (3, 1)
    small, large = (decode_moment(LARGE, *size, 3).total_bytes for size in ((384, 256), (384, 320)))
    assert worst_moment(LARGE, 384, 256, "fp8").total_bytes == small
    assert worst_moment(LARGE, 384, 320, "fp8").total_bytes < 0.4 * large
    assert worst_moment(POCKET, 640, 384, "float32").total_bytes >= decode_moment(POCKET, 640, 384, 3).total_bytes


def test_attention_in_eight_bits_holds_less_than_in_bf16() -> None:
    wide, coded = (
        {moment.name: dict(moment.parts) for moment in moments(LARGE, 704, 384, "fp8", kv)} for kv in (None, "fp8")
    )
    tokens, sink = 3 * 44 * 24, sink_rows(704, 384)
    assert coded["step"]["rotated sink keys in eight bits"] == sink * 5120
    assert sum(coded["step"].values()) < sum(wide["step"].values())
    assert coded["prefill"]["sink values before they are coded"] == 2 * sink * 5120
    assert wide["prefill"]["sink values before they are coded"] == 0
    assert wide["step"]["rotated sink keys"] == 2 * sink * 5120 and tokens == 3168


def test_allocator_has_a_slack_of_its_own_per_mode() -> None:
    moment = worst_moment(LARGE, 640, 384, "fp8")
    assert set(ALLOCATOR_SLACK_RATIOS) == {SEGMENTS, EXPANDABLE} and ALLOCATOR in ALLOCATOR_SLACK_RATIOS
    for mode, ratio in ALLOCATOR_SLACK_RATIOS.items():
        assert slack_bytes(moment, mode) == int(ratio * moment.total_bytes)


@pytest.mark.parametrize("shape", [POCKET, LARGE], ids=lambda shape: shape.name)
def test_second_copies_are_those_of_the_classes_convolutions(shape: ModelShape) -> None:
    with empty_weights():
        vae = VideoAutoencoder(VaeConfig(dim=shape.vae_dim, dim_mult=shape.vae_dim_mult))
    deep = [(name, m) for name, m in vae.named_modules() if isinstance(m, CausalConv) and m.taps > 1]
    twice = [
        m for name, m in deep
        if name.startswith("decoder") and m.is_spatial and m.weight.shape[1] <= 128 and name != "decoder.conv1"
    ]  # fmt: skip
    numbers = sum(m.weight.numel() for _, m in deep) + sum(m.weight.numel() for m in twice)
    assert rearranged_bytes(shape) == numbers * ITEM_BYTES[shape.dtype]


def test_adapter_of_rank_128_takes_the_published_room() -> None:
    assert 4 * adapter_parameters(LARGE, 128) == 2_705_326_080  # 2.71 GB in float32
    assert fitted_bytes(POCKET, "float32", 128) == 4 * adapter_parameters(POCKET, 128)
    assert adapter_parameters(LARGE, 0) == fitted_bytes(LARGE, "fp8", 0) == 0


def test_standbys_and_the_vault_take_what_was_measured_and_weights_count_once() -> None:
    alone = predict(LARGE, 640, 384, offload=Offload(text_weights=True), adapter_rank=32)
    shared, twice = (
        predict(LARGE, 640, 384, offload=Offload(text_weights=True), adapter_rank=32, has_vault=True, standbys=count)
        for count in (0, 2)
    )
    assert shared.allocated_bytes == twice.allocated_bytes == alone.allocated_bytes
    assert alone.neighbour_bytes == 0 and shared.total_bytes - alone.total_bytes == shared.neighbour_bytes
    assert shared.neighbour_bytes / GIB == pytest.approx(0.515, abs=0.005)
    assert (twice.neighbour_bytes - shared.neighbour_bytes) / 2 / GIB == pytest.approx(1.173, abs=0.01)
    with pytest.raises(SettingsError, match="without a vault"):
        predict(LARGE, 640, 384, standbys=1)


def test_recorded_steps_take_a_steps_memory_once_and_the_drivers_share_of_each() -> None:
    """Measured on an H200: 0.219 and 0.475 GiB in segments of their own, 86 to 90 MiB in the driver's hands."""
    for width, height, measured in ((384, 256, 0.219 + 0.084), (640, 384, 0.475 + 0.088)):
        assert recorded_bytes(LARGE, width, height, "fp8", "fp8", 0, 8) / GIB == pytest.approx(measured, rel=0.03)
    many = [recorded_bytes(LARGE, 640, 384, "fp8", "fp8", 0, steps) for steps in (KEPT_STEPS, KEPT_STEPS + 1)]
    assert many[0] == many[1]


def test_steps_in_which_something_travels_are_not_recorded() -> None:
    assert all(
        predict(LARGE, 640, 384, offload=away).reserved_bytes
        < predict(LARGE, 640, 384).reserved_bytes - recorded_bytes(LARGE, 640, 384, "fp8", "fp8", 0, 8)
        for away in (Offload(rings=True), Offload(layers=4))
    )
