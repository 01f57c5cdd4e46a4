"""How a memory plan is shown: two tables and a few sentences, or one JSON object."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from engine.memory import COSTS, PART_WORDS, Part, Plan, gib, rung_words
from scheduler.cli.output import print_table, say
from scheduler.core.counted import counted

_PLACES = {"gpu": "GPU", "host": "host", "gpu+host": "GPU and host"}
NOT_MEASURED = "not measured here"


def show_plan(plan: Plan, rungs: tuple[Plan, ...], size: str, portrait: str) -> None:
    """For a person."""
    load, limit = plan.load, plan.room.limit_bytes
    real = f"{rungs[0].load.width}x{rungs[0].load.height}"
    say(f"{size} is an area budget: a {portrait} portrait gives {real}.")
    settings = "float32" if load.is_wide else f"{load.precision} weights, {plan.how.kv} rings"
    say(
        f"{load.shape.name}, {load.width}x{load.height}, {counted(load.steps, 'step')}, {load.infer_frames} frames per clip, "
        f"{settings}"
    )
    places = dict.fromkeys(_PLACES, "memory") if load.is_wide else _PLACES
    rows = [_row(part, places) for part in plan.parts if part.gpu_bytes or part.host_bytes]
    peak = ("peak", "", gib(plan.peak_bytes), gib(plan.host_bytes))
    here = "memory GiB" if load.is_wide else "GPU GiB"
    print_table(("part", "place", here, "host GiB"), [*rows, peak])
    have = "" if limit is None else f" of {gib(limit)} GiB"
    more = "" if load.is_wide else f" per GPU, {gib(plan.host_bytes)} GiB of host memory"
    say(f"peak          {gib(plan.peak_bytes)} GiB{have}{more}")
    say(f"ms per block  {_time_text(plan)}")
    say(f"rung          {rung_words(plan)['en']} ({plan.rung})")
    say(plan.why["en"])
    print_table(
        ("rung", here, "host GiB", "ms per block", "frames/s", "cost", "fits"),
        [_rung_row(one) for one in rungs],
        title="The ladder",
    )
    for note in plan.notes:
        say(note["en"])


def as_json_object(plan: Plan, rungs: tuple[Plan, ...], size: str, portrait: str) -> dict[str, Any]:
    """For a program: bytes and milliseconds; sentences in both languages."""
    device, limit = plan.room.device, plan.room.limit_bytes
    return {
        "size": size, "portrait": portrait, "model": plan.load.shape.name, "gpus": plan.room.gpus,
        "device": None if device is None else device.name, "limit_bytes": limit, "verdict": plan.verdict.value,
        **_figures(plan), "why": plan.why, "notes": list(plan.notes),
        "parts": [{**asdict(part), "place": part.place, "words": PART_WORDS[part.name]} for part in plan.parts],
        "ladder": [_figures(one) for one in rungs],
    }  # fmt: skip


def _figures(plan: Plan) -> dict[str, Any]:
    load, time = plan.load, plan.time
    return {
        "rung": plan.rung.value, "rung_words": rung_words(plan), "cost": COSTS[plan.rung.value], "fits": plan.fits,
        "width": load.width, "height": load.height, "steps": load.steps, "infer_frames": load.infer_frames,
        "precision": "float32" if load.is_wide else load.precision, "kv": plan.how.kv,
        "streamed_layers": plan.how.offload.layers, "peak_bytes": plan.peak_bytes, "host_bytes": plan.host_bytes,
        "ms_per_block": None if time is None else round(time.block_ms, 1),
        "frames_per_s": None if plan.frames_per_s is None else round(plan.frames_per_s, 2),
        "step": None if time is None else {
            "compute_ms": round(time.compute_ms, 1), "link_ms": round(time.link_ms, 1), "start_ms": round(time.start_ms, 1),
            "is_link_hidden": time.is_link_hidden, "slowdown_ratio": round(time.slowdown, 3),
        },
    }  # fmt: skip


def _row(part: Part, places: dict[str, str]) -> tuple[str, ...]:
    return (PART_WORDS[part.name]["en"], places[part.place], gib(part.gpu_bytes), gib(part.host_bytes))


def _rung_row(plan: Plan) -> tuple[str, ...]:
    time, rate = plan.time, plan.frames_per_s
    return (
        rung_words(plan)["en"], gib(plan.peak_bytes), gib(plan.host_bytes),
        "-" if time is None else f"{time.block_ms:.0f}", "-" if rate is None else f"{rate:.1f}",
        COSTS[plan.rung.value]["en"], {True: "yes", False: "no", None: "cannot tell"}[plan.fits],
    )  # fmt: skip


def _time_text(plan: Plan) -> str:
    """Time, rate and which of computation and link sets the pace."""
    time, device = plan.time, plan.room.device
    if time is None:
        return NOT_MEASURED if device is not None else f"{NOT_MEASURED}: no device is known (--device)"
    assert device is not None and device.speed is not None
    text = f"{time.block_ms:.0f}, {plan.frames_per_s:.1f} frames/s (from {device.speed.source})"
    if not time.link_ms:
        return text
    pace = "hidden behind" if time.is_link_hidden else "slower than"
    return (
        f"{text}; per step the link takes {time.link_ms:.0f} ms, {pace} the computation's {time.compute_ms:.0f} ms: "
        f"{time.slowdown:.2f} times as long as with everything resident"
    )
