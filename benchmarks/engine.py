"""`python -m benchmarks.engine --size 640x384 --random-weights --json`: how fast the engine makes video on this device.

Steady state: the ring has wrapped and the sink was renewed before anything counts. Times are medians of the repeats, by
device events for parts and by the clock for whole blocks: from one block whose fragment (H.264 and AAC) is written to the
next; where PyAV is not installed, until the frames are in host memory. Weights are random (`--random-weights`): the
arithmetic is that of trained ones. Prints JSON, nothing else.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from itertools import product
from typing import Any

import torch

from benchmarks.film import Film
from engine.adapters import Adapter
from engine.adapters.coded import CodedSet
from engine.catalog import BLOCK_FRAMES, CLIP_FRAMES, FPS, SHAPES, ModelShape
from engine.config import Settings
from engine.memory import GIB, predict
from engine.memory.offload import Offload
from engine.model.block_engine import BlockEngine, Conditions
from engine.model.context import Context, ContextLayout
from engine.model.cuda.host import pinned
from engine.model.cuda.network import CudaTransformer
from engine.model.random_weights import random_adapter, random_conditions, random_engine

SHAPE_NAMES = {"14b": "live-avatar-14b", "pocket": "pocket"}
DEVICE_CONTEXT = 900 * 2**20  # of a cap, what is left to the CUDA context and the libraries' kernels
WARM_BLOCKS = CLIP_FRAMES // BLOCK_FRAMES + 1  # one clip fills the ring; its end renews the sink
GOAL_FPS = {"384x256": 45.0, "640x384": 20.0, "704x384": 17.0}  # of eight bits with everything that a step needs resident
SLOWEST_CAPPED = 1.5  # below a cap so many times as slow at most
GOAL_TOTAL_GIB = {"640x384": 42.0}
GOAL_PREDICTION = 0.03  # of the peak
GOAL_ADAPTER_SHARE = 1.05  # of a step without room for adapters


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything about one shape, size and precision."""
    width, height = (int(x) for x in arguments.size.split("x"))
    shape = dataclasses.replace(SHAPES[SHAPE_NAMES[arguments.shape]], dtype=arguments.dtype)
    _fresh()
    start = time.perf_counter()
    offload = Offload(
        text_weights=arguments.text_on_host, cold_weights=arguments.cold_on_host, rings=arguments.rings_on_host,
        layers=arguments.stream_layers,
    )  # fmt: skip
    kv = {"default": "default", "bf16": None, "fp8": "fp8"}[arguments.kv]
    engine = random_engine(
        shape, "cuda", arguments.precision, kv=kv, offload=offload, adapter_rank=arguments.adapter_rank
    )
    if arguments.no_recording and isinstance(engine.transformer, CudaTransformer):
        engine.transformer.is_recording = False
    torch.cuda.synchronize()
    load_ms = (time.perf_counter() - start) * 1e3
    weights = torch.cuda.memory_allocated()
    load_peak = torch.cuda.max_memory_allocated()
    settings = Settings(size="704*384", steps=arguments.steps, seed=7)
    layout = engine.layout(width, height, settings.steps)
    context = on_device(layout, offload)
    conditions = random_conditions(shape, width, height, "cuda", BLOCK_FRAMES * (WARM_BLOCKS + 2 * arguments.repeats + 4))
    begin_ms = [_clock(lambda: engine.begin(context, conditions, settings)) for _ in range(2)]
    first_ms = _clock(lambda: _block(engine, context, conditions, settings))
    for _ in range(WARM_BLOCKS - 1):
        _block(engine, context, conditions, settings)
    block_ms = [_clock(lambda: _block(engine, context, conditions, settings)) for _ in range(arguments.repeats)]
    film_ms, encode_ms = _film(engine, context, conditions, settings, arguments.repeats)
    parts = _parts(engine, context, conditions, settings)
    if arguments.adapter_rank:
        parts |= _adapter_parts(engine, shape, arguments.adapter_rank, context, conditions, settings)
    block = statistics.median(film_ms or block_ms)
    return {
        "date": time.strftime("%Y-%m-%d"), "device": torch.cuda.get_device_name(), "torch": torch.__version__,
        "shape": arguments.shape, "size": arguments.size, "steps": settings.steps, "precision": arguments.precision,
        "kv": engine.transformer.kv or "bf16", "offload": dataclasses.asdict(offload), "cap_gib": arguments.cap_gib,
        "compile": "none (fused kernels)" if arguments.precision != "plain" else "none (eager)",
        "steps_are": "launched kernel by kernel" if arguments.no_recording else "recorded",
        "decode": "in", "encode": "in" if film_ms else "not installed here", "repeats": arguments.repeats,
        "block_ms": round(block, 2), "block_ms_spread": [round(f(film_ms or block_ms), 2) for f in (min, max)],
        "block_without_encode_ms": round(statistics.median(block_ms), 2),
        "encode_ms": round(statistics.median(encode_ms), 2) if encode_ms else None,
        "fps": round(BLOCK_FRAMES / block * 1e3, 2), **parts,
        "first_begin_ms": round(begin_ms[0], 1), "begin_ms": round(begin_ms[1], 1), "first_block_ms": round(first_ms, 1),
        "launch_share": round(parts["step_launch_ms"] / parts["step_ms"], 3),
        "command": "python -m benchmarks.engine " + " ".join(sys.argv[1:]),
        "build_ms": round(load_ms, 1), "weights_gib": round(weights / GIB, 3),
        "build_peak_gib": round(load_peak / GIB, 3),
        "peak_allocated_gib": round(torch.cuda.max_memory_allocated() / GIB, 3),
        "peak_reserved_gib": round(torch.cuda.max_memory_reserved() / GIB, 3),
        "context_gib": round(layout.total_bytes / GIB, 3), "rings_gib": round(layout.ring_bytes / GIB, 3),
        "recordings_gib": round(_recordings_bytes() / GIB, 3),
        "device_context_gib": round(_device_context_bytes() / GIB, 3),
        "predicted": _predicted(arguments, shape, offload, engine.transformer.kv, conditions),
    }  # fmt: skip


def _predicted(
    arguments: argparse.Namespace, shape: ModelShape, offload: Offload, kv: str | None, conditions: Conditions
) -> dict[str, float | None]:
    """What the planner says of this very run: GiB, and milliseconds per block."""
    if arguments.precision == "plain":
        return {}
    width, height = (int(x) for x in arguments.size.split("x"))
    found = predict(
        shape, width, height, steps=arguments.steps, precision=arguments.precision, kv=kv, offload=offload,
        adapter_rank=arguments.adapter_rank, adapters=1 if arguments.adapter_rank else 0,
        voice_s=conditions["speech"].shape[-1] / FPS,
    )  # fmt: skip
    return {
        "allocated_gib": round(found.allocated_bytes / GIB, 3), "reserved_gib": round(found.reserved_bytes / GIB, 3),
        "total_gib": round(found.total_bytes / GIB, 3),
        "block_ms": None if found.block_ms is None else round(found.block_ms, 1),
    }  # fmt: skip


def goals(measured: dict[str, Any], plain_step_ms: float | None) -> list[dict[str, Any]]:
    """What this run has to reach, and whether it did; nothing for runs that no goal is about. `plain_step_ms`: of a step
    without room for adapters."""
    size, offload, found = measured["size"], measured["offload"], []

    def goal(name: str, limit: float, reached: float, *, at_least: bool = False) -> None:
        is_reached = reached >= limit if at_least else reached <= limit
        found.append({"goal": name, "limit": limit, "reached": round(reached, 4), "is_reached": is_reached})

    is_everyday = measured["precision"] == "fp8" and measured["shape"] == "14b" and measured["steps"] == 4
    if is_everyday and size in GOAL_FPS:
        share = SLOWEST_CAPPED if measured["cap_gib"] else 1.0
        goal("frames per second", GOAL_FPS[size] / share, measured["fps"], at_least=True)
        total = measured["peak_reserved_gib"] + measured["device_context_gib"]
        if measured["cap_gib"]:
            goal("GiB in all", measured["cap_gib"], total)
        elif size in GOAL_TOTAL_GIB and not any(offload[name] for name in ("rings", "layers", "cold_weights")):
            goal("GiB in all", GOAL_TOTAL_GIB[size], total)
        if predicted := measured["predicted"]:
            goal("planner's error of the peak", GOAL_PREDICTION, abs(predicted["total_gib"] / total - 1))
        if plain_step_ms and "step_attached_ms" in measured:
            goal("a step with an adapter", GOAL_ADAPTER_SHARE, measured["step_attached_ms"] / plain_step_ms)
    return found


def _film(
    engine: BlockEngine, context: Context, conditions: Conditions, settings: Settings, count: int
) -> tuple[list[float], list[float]]:
    """Milliseconds from one written block to the next, and of each encoding; nothing where PyAV is not installed."""
    try:
        film = Film(engine, context, conditions, settings)
    except ModuleNotFoundError:
        return [], []
    with film:
        times = film.make(count + 1)[1:]  # the first one has nothing to overlap with
    return [seconds * 1e3 for seconds in times], film.encode_ms


def on_device(layout: ContextLayout, offload: Offload) -> Context:
    """An empty context on the device, its rings in pinned host memory where they are offloaded."""
    if not offload.rings:
        return Context(layout, torch.zeros(layout.total_bytes, dtype=torch.uint8, device="cuda"))
    rest = torch.zeros(layout.total_bytes - layout.ring_bytes, dtype=torch.uint8, device="cuda")
    return Context(layout, rest, pinned(layout.ring_bytes))


def _block(engine: BlockEngine, context: Context, conditions: Conditions, settings: Settings) -> None:
    done = context.blocks_done
    engine.make_block(context, conditions, settings, done)
    context.flip(done + 1)


@torch.inference_mode()
def _parts(engine: BlockEngine, context: Context, conditions: Conditions, settings: Settings) -> dict[str, float]:
    """Milliseconds of one step and of the decoder, by device events; and how long the host needs to launch a step."""
    block = context.blocks_done
    words, audio = engine._text(conditions), engine._audio(conditions, block)
    rings, sink = engine._rings(context, settings), context.sink(context.sink_half(block))
    x = engine._noise(conditions, settings, block)
    _, modulations = engine.denoiser._plan(len(rings))
    memory = engine.denoiser._memory(rings[0], sink, x, block, settings.seed, 0, oldest=0)

    def step() -> None:
        engine.transformer(x, modulations[0], memory, words, audio)

    def decode() -> None:
        engine.vae.decode_block(x, context.decoder(block), context.decoder(block + 1))

    return {
        "step_ms": round(_events(step), 2), "step_launch_ms": round(_launch(step), 2),
        "decode_ms": round(_events(decode), 2), "decode_launch_ms": round(_launch(decode), 2),
        "audio_ms": round(_events(lambda: engine._audio(conditions, block)), 2),
    }  # fmt: skip


def _adapter_parts(
    engine: BlockEngine, shape: ModelShape, rank: int, context: Context, conditions: Conditions, settings: Settings
) -> dict[str, float]:
    """What an adapter for every module costs per step, and how long attaching takes from device and host memory."""
    fitted = engine.fit([Adapter.of(random_adapter(shape, "cpu", rank, 0.02), float(rank), "measured")])
    assert isinstance(fitted, CodedSet)
    host, without = fitted.on_host(), _parts(engine, context, conditions, settings)["step_ms"]
    attach = [_clock(lambda: engine.attach(fitted)) for _ in range(20)]
    attached = _parts(engine, context, conditions, settings)["step_ms"]
    from_host = [_clock(lambda: engine.attach(host)) for _ in range(10)]
    detach = [_clock(lambda: engine.attach(None)) for _ in range(10)]
    again = _parts(engine, context, conditions, settings)["step_ms"]
    return {
        "adapter_gib": round(fitted.total_bytes / GIB, 3), "step_room_only_ms": min(without, again),
        "step_attached_ms": attached, "attached_share": round(attached / min(without, again), 4),
        "attach_ms": round(statistics.median(attach), 2), "attach_worst_ms": round(max(attach[1:]), 2),
        "attach_from_host_ms": round(statistics.median(from_host), 2), "detach_ms": round(statistics.median(detach), 2),
    }  # fmt: skip


def _events(work: Callable[[], object], repeats: int = 7) -> float:
    """Median milliseconds on the device."""
    work()
    times = []
    for _ in range(repeats):
        before, after = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        before.record()
        work()
        after.record()
        after.synchronize()
        times.append(before.elapsed_time(after))
    return statistics.median(times)


def _launch(work: Callable[[], object], repeats: int = 5) -> float:
    """Median milliseconds that the host needs to put work on an idle device's way."""
    times = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def _clock(work: Callable[[], object]) -> float:
    """Milliseconds until the device is done."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) * 1e3


def _device_context_bytes() -> int:
    """What the driver says is taken beyond the allocator's own: the CUDA context and the libraries' kernels."""
    free, total = torch.cuda.mem_get_info()
    return total - free - torch.cuda.memory_reserved()


def _recordings_bytes() -> int:
    """What the allocator keeps for recorded steps: segments of pools of their own."""
    return sum(part["total_size"] for part in torch.cuda.memory_snapshot() if part["segment_pool_id"] != (0, 0))


def _fresh() -> None:
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def main(arguments: list[str]) -> int:
    """Command line; exit status 1 below a goal, 69 where there is no CUDA device."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--shape", choices=SHAPE_NAMES, default="14b")
    parser.add_argument("--size", nargs="+", default=["640x384"], help="width x height in pixels, multiples of 64")
    parser.add_argument("--precision", nargs="+", choices=("plain", "bf16", "fp8"), default=["fp8"])
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--kv", choices=("default", "bf16", "fp8"), default="default", help="keys and values in a context")
    parser.add_argument("--text-on-host", action="store_true", help="weights used once per prompt lie in host memory")
    parser.add_argument("--cold-on-host", action="store_true", help="so do those used once per block")
    parser.add_argument("--rings-on-host", action="store_true", help="rings travel from host memory, layer by layer")
    parser.add_argument("--stream-layers", type=int, default=0, help="so many layers travel from host memory at each step")
    parser.add_argument(
        "--adapter-rank", type=int, nargs="+", default=[0],
        help="room for adapters; one of this rank is measured, against a step without room where 0 comes first",
    )  # fmt: skip
    parser.add_argument("--no-recording", action="store_true", help="launch every step kernel by kernel, for comparison")
    parser.add_argument("--cap-gib", type=float, help="a hard limit on what this process may take of the device")
    parser.add_argument("--random-weights", action="store_true", required=True)
    parser.add_argument("--json", action="store_true", help="for symmetry: the output is always JSON")
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print("no CUDA device: this benchmark has nothing to measure", file=sys.stderr)
        return 69
    options.dtype = "bfloat16"
    torch.cuda.memory._set_allocator_settings("expandable_segments:True")  # reserved stays near allocated
    if options.cap_gib:
        _, total = torch.cuda.mem_get_info()
        torch.cuda.set_per_process_memory_fraction((options.cap_gib * GIB - DEVICE_CONTEXT) / total)
    is_reached, plain_step_ms = True, None
    for precision, size, rank in product(options.precision, options.size, options.adapter_rank):
        one = argparse.Namespace(**{**vars(options), "size": size, "precision": precision, "adapter_rank": rank})
        measured = measure(one)
        plain_step_ms = measured["step_ms"] if rank == 0 else plain_step_ms
        measured["goals"] = goals(measured, plain_step_ms)
        is_reached &= all(goal["is_reached"] for goal in measured["goals"])
        print(json.dumps(measured), flush=True)
    return 0 if is_reached else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
