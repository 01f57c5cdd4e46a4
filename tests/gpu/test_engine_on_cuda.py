"""The engine on a CUDA device against the CPU, and against itself."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

if not torch.cuda.is_available():
    pytest.skip("no CUDA device", allow_module_level=True)

from engine.adapters import Adapter
from engine.catalog import SHAPES
from engine.config import Settings
from engine.errors import WeightsError
from engine.memory.offload import Offload
from engine.model import ready
from engine.model.block_engine import BlockEngine
from engine.model.context import Context
from engine.model.cuda import arrival
from engine.model.cuda.host import pinned
from engine.model.cuda.network import CudaTransformer
from engine.model.loading import load_engine
from engine.model.lora import merge
from engine.model.parity.kinds import run_case
from engine.model.pocket import write_pocket
from engine.model.random_weights import random_adapter, random_conditions, random_engine
from engine.worker.host_roles import HostRoles

SETTINGS = Settings(size="192*128", steps=3, seed=7)
WIDTH, HEIGHT = 128, 64
SMALL = dataclasses.replace(SHAPES["pocket"], dim=256, ffn_dim=512, num_heads=4, dtype="bfloat16")
CASES = os.environ.get("GREENROOM_PARITY", "")
FP32_TOLERANCE = 2e-3  # largest absolute error of latents of magnitude 1 to 4, eight blocks long
BF16_TOLERANCE = 0.05  # relative, of all latents of eight blocks
FP8_TOLERANCE = 0.15


@pytest.fixture(autouse=True)
def _exact() -> None:
    torch.backends.cudnn.allow_tf32 = False


def _context(engine: BlockEngine, device: str, *, is_split: bool = False) -> Context:
    """With `is_split` the rings lie in pinned host memory."""
    layout = engine.layout(WIDTH, HEIGHT, SETTINGS.steps)
    if not is_split:
        return Context(layout, torch.zeros(layout.total_bytes, dtype=torch.uint8, device=device))
    rings = pinned(layout.ring_bytes)
    rest = torch.zeros(layout.total_bytes - layout.ring_bytes, dtype=torch.uint8, device=device)
    return Context(layout, rest, rings)


def _video(
    engine: BlockEngine, conditions: dict[str, Tensor], device: str, blocks: int = 8, *, is_split: bool = False
) -> Tensor:
    context, latents = _context(engine, device, is_split=is_split), []
    engine.begin(context, conditions, SETTINGS)
    for block in range(blocks):
        latents.append(engine.make_block(context, conditions, SETTINGS, block).latents)
        context.flip(block + 1)
    return torch.cat(latents, dim=1).float().cpu()


def _relative(got: Tensor, want: Tensor) -> float:
    return float((got - want).norm() / want.norm())


def _to(conditions: dict[str, Tensor], device: str) -> dict[str, Tensor]:
    return {name: value.to(device) for name, value in conditions.items()}


def test_float32_on_cuda_computes_what_the_cpu_computes(tmp_path: Path) -> None:
    write_pocket(tmp_path / "pocket", 0)
    given = random_conditions(SHAPES["pocket"], WIDTH, HEIGHT, "cpu", 120)
    want = _video(load_engine(tmp_path / "pocket"), given, "cpu")
    got = _video(load_engine(tmp_path / "pocket", device="cuda"), _to(given, "cuda"), "cuda")
    assert float((got - want).abs().max()) < FP32_TOLERANCE


@pytest.mark.parametrize(
    ("precision", "kv", "tolerance"),
    [("bf16", None, BF16_TOLERANCE), ("bf16", "fp8", FP8_TOLERANCE), ("fp8", None, FP8_TOLERANCE), ("fp8", "fp8", FP8_TOLERANCE)],
)
def test_fused_layers_compute_what_the_plain_ones_compute(precision: str, kv: str | None, tolerance: float) -> None:
    given = random_conditions(SMALL, WIDTH, HEIGHT, "cuda", 120)
    plain, fused = random_engine(SMALL, "cuda", "plain"), random_engine(SMALL, "cuda", precision, kv=kv)
    fused.vae = plain.vae
    for module in (plain.transformer, fused.transformer):
        assert module.patch_embedding.weight.dtype == torch.bfloat16
    exact = {name: value.float() for name, value in given.items()}
    wide = random_engine(SMALL, "cuda", "plain")
    wide.transformer.float()
    wide.vae.float()
    wide.shape = dataclasses.replace(SMALL, dtype="float32")
    want = _video(wide, exact, "cuda")
    from_plain, from_fused = (_relative(_video(e, given, "cuda"), want) for e in (plain, fused))
    print(f"{precision}, keys {kv}: plain bfloat16 is {from_plain:.4f} from float32, fused {from_fused:.4f}")
    assert from_fused < tolerance


@pytest.mark.parametrize("precision", ["bf16", "fp8"])
def test_a_block_made_again_on_cuda_has_the_same_bits(precision: str) -> None:
    engine = random_engine(SMALL, "cuda", precision)
    given = random_conditions(SMALL, WIDTH, HEIGHT, "cuda", 120)
    context = _context(engine, "cuda")
    engine.begin(context, given, SETTINGS)
    for block in range(6):
        first = engine.make_block(context, given, SETTINGS, block)
        context.mark_denoised(block)  # as if its latents had never been finished
        again = engine.make_block(context, given, SETTINGS, block)
        assert torch.equal(first.latents, again.latents)
        assert (first.frames == again.frames).all()
        context.flip(block + 1)


@pytest.mark.parametrize("precision", ["bf16", "fp8"])
@pytest.mark.parametrize("layers", [0, 1, 2, 3, 5, 6])
def test_what_lies_in_host_memory_changes_no_bit(precision: str, layers: int) -> None:
    given = random_conditions(SMALL, WIDTH, HEIGHT, "cuda", 120)
    offload = Offload(cold_weights=True, rings=True, layers=layers)
    want = _video(random_engine(SMALL, "cuda", precision), given, "cuda")
    got = _video(random_engine(SMALL, "cuda", precision, offload=offload), given, "cuda", is_split=True)
    assert torch.equal(got, want)


@pytest.mark.parametrize("is_split", [False, True])
@pytest.mark.parametrize("precision", ["bf16", "fp8"])
@pytest.mark.parametrize("done", [1, 3, 4, 5, 6, 7, 9])
def test_a_lost_context_is_rebuilt_from_latents_and_goes_on(precision: str, done: int, *, is_split: bool) -> None:
    engine = random_engine(SMALL, "cuda", precision)
    given = random_conditions(SMALL, WIDTH, HEIGHT, "cuda", 200)
    context, latents = _context(engine, "cuda", is_split=is_split), []
    engine.begin(context, given, SETTINGS)
    for block in range(done + 1):
        latents.append(engine.make_block(context, given, SETTINGS, block).latents)
        context.flip(block + 1)
    again = _context(engine, "cuda", is_split=is_split)
    engine.rebuild(again, given, SETTINGS, latents[:done])
    made = engine.make_block(again, given, SETTINGS, done).latents
    assert torch.isfinite(made).all()
    assert _relative(made, latents[done]) < 0.5


def test_a_context_on_the_device_is_found_again_by_another_reader() -> None:
    engine = random_engine(SMALL, "cuda", "bf16")
    given = random_conditions(SMALL, WIDTH, HEIGHT, "cuda", 120)
    layout = engine.layout(WIDTH, HEIGHT, SETTINGS.steps)
    buffer = torch.zeros(layout.total_bytes, dtype=torch.uint8, device="cuda")
    first = Context(layout, buffer)
    engine.begin(first, given, SETTINGS)
    engine.make_block(first, given, SETTINGS, 0)
    first.flip(1)
    assert Context(layout, buffer).blocks_done == 1


@pytest.mark.skipif(not CASES, reason="GREENROOM_PARITY names no folder of golden cases")
@pytest.mark.parametrize("case", sorted(p.parent for p in Path(CASES).glob("*/config.json")), ids=lambda p: p.name)
def test_golden_case_on_cuda(case: Path) -> None:
    for result in run_case(case, "cuda"):
        assert result.is_passed, f"{result.demand}: {result.error} of {result.tolerance} at {result.worst}"


def _adapted(precision: str, halves: dict[str, Tensor] | None) -> Tensor:
    """Text keys and latents with an adapter as a side path."""
    engine = random_engine(SMALL, "cuda", precision, adapter_rank=8)
    given = random_conditions(SMALL, WIDTH, HEIGHT, "cuda", 120)
    engine.attach(engine.fit([Adapter.of(halves, 8.0, "teacher")]) if halves else None)
    return _video(engine, given, "cuda", 2)


@pytest.mark.parametrize(("precision", "tolerance"), [("bf16", 0.1), ("fp8", 0.3)])
def test_a_side_path_computes_what_merged_weights_compute(precision: str, tolerance: float) -> None:
    halves = random_adapter(SMALL, "cuda", 8, 2.0)
    base, beside = _adapted(precision, None), _adapted(precision, halves)
    merged = random_engine(SMALL, "cuda", "plain")
    merged.transformer.load_state_dict(merge(dict(merged.transformer.state_dict()), halves, alpha=8.0), strict=False)
    given = random_conditions(SMALL, WIDTH, HEIGHT, "cuda", 120)
    want = _video(merged, given, "cuda", 2)
    moved = _relative(base, want)
    print(f"{precision}: the adapter moves latents by {moved:.3f}, the side path is {_relative(beside, want):.4f} from merged")
    assert moved > 0.1
    assert _relative(beside, want) < tolerance * moved


@pytest.mark.parametrize("is_cold", [False, True])
@pytest.mark.parametrize("precision", ["bf16", "fp8"])
def test_adapters_switched_there_and_back_leave_no_bit(precision: str, *, is_cold: bool) -> None:
    offload = Offload(cold_weights=is_cold)
    engine = random_engine(SMALL, "cuda", precision, adapter_rank=16, offload=offload)
    given = random_conditions(SMALL, WIDTH, HEIGHT, "cuda", 120)
    first, second = (
        engine.fit([Adapter.of(random_adapter(SMALL, "cuda", 16, 0.1, seed), 16.0, str(seed))]) for seed in (1, 2)
    )
    videos = []
    for fitted in (None, first, second, second.on_host(), first, None):  # type: ignore[attr-defined]
        engine.attach(fitted)
        videos.append(_video(engine, given, "cuda", 2))
    base, one, two, two_again, one_again, base_again = videos
    assert torch.equal(base, base_again)
    assert torch.equal(one, one_again)
    assert torch.equal(two, two_again)
    assert not torch.equal(one, two)
    assert not torch.equal(base, one)


@pytest.mark.parametrize(("precision", "kv"), [("bf16", None), ("bf16", "fp8"), ("fp8", "fp8")])
def test_recorded_steps_have_the_bits_of_launched_ones(precision: str, kv: str | None) -> None:
    """Two ready roles in turns, each with an adapter of its own; one has another one from the middle on."""
    engine = random_engine(SMALL, "cuda", precision, kv=kv, adapter_rank=8)
    assert isinstance(engine.transformer, CudaTransformer)
    one, two = (engine.fit([Adapter.of(random_adapter(SMALL, "cuda", 8, 0.5, seed), 8.0, str(seed))]) for seed in (1, 2))
    cast = []
    for adapter, seed in ((one, 3), (two, 4)):
        engine.attach(adapter)
        cast.append((adapter, engine.make_ready(random_conditions(SMALL, WIDTH, HEIGHT, "cuda", 160, seed), WIDTH, HEIGHT)))
    made = []
    for is_recording in (False, True):
        engine.transformer.is_recording = is_recording
        contexts = [_context(engine, "cuda") for _ in cast]
        for context, (_, given) in zip(contexts, cast, strict=True):
            engine.begin(context, given, SETTINGS)
        for block in range(11):
            for context, (adapter, given) in zip(contexts, cast, strict=True):
                engine.attach(one if block > 6 else adapter)
                made.append(engine.make_block(context, given, SETTINGS, block).latents.clone())
                context.flip(block + 1)
    launched, recorded = made[:22], made[22:]
    assert engine.transformer.recorded_steps >= 2 * SETTINGS.steps
    assert [torch.equal(*pair) for pair in zip(launched, recorded, strict=True)] == [True] * 22


@pytest.mark.parametrize("precision", ["fp8", "bf16", "plain"])
def test_role_kept_in_host_memory_makes_the_same_blocks(precision: str) -> None:
    engine = random_engine(SMALL, "cuda", precision)
    roles = HostRoles(1 << 30)
    given = engine.make_ready(random_conditions(SMALL, WIDTH, HEIGHT, "cuda", 160), WIDTH, HEIGHT)
    roles.keep("role", given)
    want = _video(engine, given, "cuda", 3)
    roles.wait()
    kept = roles.get("role")
    assert kept is not None and all(value.is_pinned() for value in kept.values())
    assert torch.equal(_video(engine, ready.on_stage(kept, "cuda"), "cuda", 3), want)


def test_ready_roles_in_host_memory_stay_below_their_limit() -> None:
    given = {"ready.text.k": torch.rand(1 << 20, device="cuda")}
    roles = HostRoles(2 * (4 << 20))
    for name in ("first", "second", "third"):
        roles.keep(name, given)
        roles.wait()
        roles.get("first")
    assert [roles.get(name) is not None for name in ("first", "second", "third")] == [True, False, True]
    assert roles.total_bytes == 2 * (4 << 20)


def test_context_counts_as_begun_for_others_only_when_all_of_it_has_arrived() -> None:
    engine = random_engine(SMALL, "cuda", "fp8", kv="fp8")
    made = engine.make_ready(random_conditions(SMALL, WIDTH, HEIGHT, "cuda", 160), WIDTH, HEIGHT)
    want = _video(engine, made, "cuda", 1)  # and everything is compiled
    layout = engine.layout(WIDTH, HEIGHT, SETTINGS.steps)
    buffer = torch.zeros(layout.total_bytes, dtype=torch.uint8, device="cuda")
    context, given = Context(layout, buffer), ready.on_stage(ready.on_host(made), "cuda")
    with torch.cuda.stream(arrival.stream_of(buffer.device)):
        torch.cuda._sleep(8_000_000_000)  # some seconds
        held = torch.cuda.current_stream().record_event()
    engine.begin(context, given, SETTINGS)
    torch.cuda.current_stream().synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        seen = Context(layout, buffer).is_begun
    assert not held.query(), "the copies were to be held back until here"
    assert context.is_begun and not seen
    made_block = engine.make_block(context, given, SETTINGS, 0)
    assert held.query() and Context(layout, buffer).is_begun
    assert torch.equal(made_block.latents.float().cpu(), want)
    context.settle()


def test_first_step_of_a_role_from_host_memory_waits_for_one_layer_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = random_engine(SMALL, "cuda", "fp8", kv="fp8")
    made = engine.make_ready(random_conditions(SMALL, WIDTH, HEIGHT, "cuda", 160), WIDTH, HEIGHT)
    context, given = _context(engine, "cuda"), ready.on_stage(ready.on_host(made), "cuda")
    waited: list[int | None] = []
    wait = arrival.Arrival.wait

    def noted(self: arrival.Arrival, groups: int | None = None) -> None:
        waited.append(groups)
        wait(self, groups)

    monkeypatch.setattr(arrival.Arrival, "wait", noted)
    engine.begin(context, given, SETTINGS)
    engine.denoise_block(context, given, SETTINGS, 0)
    context.decoder(0)
    layers = engine.transformer.config.num_layers
    assert waited[:layers] == list(range(1, layers + 1))
    assert waited.index(None) == SETTINGS.steps * layers, "the decoder's part was not asked for before the last step"
    context.settle()


def test_too_many_ranks_for_the_room_are_refused() -> None:
    engine = random_engine(SMALL, "cuda", "fp8", adapter_rank=128)
    many = [Adapter.of(random_adapter(SMALL, "cuda", 100, 0.1, seed), 1.0, str(seed)) for seed in (1, 2)]
    with pytest.raises(WeightsError, match="room for 128"):
        engine.fit(many)
