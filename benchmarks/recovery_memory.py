"""What is taken of a GPU, as the driver says, and what the planner says of it."""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

from engine.catalog import SHAPES
from engine.memory import GIB, Load, Room, find_device, make_plan, predict, ready_bytes
from scheduler.chaos.house import until

if TYPE_CHECKING:
    from benchmarks.recovery_stage import Stage

GOAL = 0.03
DEFAULT_RANK = 32  # room for adapters, as `engine.worker.device` has it
SETTLE_S = 5.0  # the driver's books may lag behind the end of a process
MIB_PER_GIB = 1024


def used_mib(device: str) -> int:
    """What is taken on the GPU, all processes; 0 on a CPU."""
    return int(smi("--query-gpu=memory.used").splitlines()[0]) if device == "cuda" else 0


def settled_mib(device: str, empty: int) -> int:
    """The same, as soon as it is as little as `empty`, or after some seconds."""
    deadline = time.monotonic() + SETTLE_S
    while (used := used_mib(device)) > empty and time.monotonic() < deadline:
        time.sleep(0.05)
    return used


def gpu_name(device: str) -> str:
    """As the driver calls it."""
    return smi("--query-gpu=name").splitlines()[0] if device == "cuda" else "none"


def smi(query: str) -> str:
    """One question to the driver's own program."""
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def measure_memory(stage: Stage, options: argparse.Namespace, empty: int) -> dict[str, Any]:
    """The most that a house with a job, its role made ready and a warm standby takes, beside the prediction of exactly that."""
    if options.device != "cuda":
        return {"note": "no GPU, nothing to weigh"}
    stage.hurt.wait_for_standby()
    job = stage.submit(blocks=12)
    stage.hurt.wait_for_blocks(job, 5)  # past the sink's renewal
    seen = []
    for _ in range(4):
        seen.append(used_mib("cuda"))
        time.sleep(0.1)
    shares = _by_kind(stage)
    until(lambda: stage.is_done(job), f"the end of {job}", 60)
    shape = SHAPES["live-avatar-14b"]
    load = Load(shape=shape, width=stage.width, height=stage.height, precision=options.precision, adapter_rank=DEFAULT_RANK,
                adapters=1, has_vault=True, standbys=1)  # fmt: skip
    offload = make_plan(load, Room(device=find_device(gpu_name("cuda")))).how.offload
    said = predict(
        shape, stage.width, stage.height, steps=4, precision=options.precision, offload=offload, has_vault=True,
        adapter_rank=DEFAULT_RANK, voice_s=12 * 0.48, standbys=1,
    )  # fmt: skip
    ready = ready_bytes(shape, stage.width, stage.height, "fp8" if options.precision == "fp8" else None)  # of the role that plays
    taken, predicted = (max(seen) - empty) / MIB_PER_GIB, (said.total_bytes + ready) / GIB
    error = abs(predicted / taken - 1)
    record = json.loads((stage.hurt.house.data_dir / "jobs" / job / "blocks" / "000007.json").read_bytes())
    return {
        "house_gib": round(taken, 3), "predicted_gib": round(predicted, 3), "error": round(error, 4), "by_process_gib": shares,
        "worker_peak_gib": round(record["peak_bytes"] / GIB, 3),
        "worker_predicted_gib": round(record["predicted_bytes"] / GIB, 3),
        "predicted_neighbours_gib": round(said.neighbour_bytes / GIB, 3), "notes": _notes(stage),
        "goals": [
            {"goal": "planner's error of the memory", "limit": GOAL, "found": round(error, 4), "is_reached": error <= GOAL}
        ],
    }  # fmt: skip


def _by_kind(stage: Stage) -> dict[str, float]:
    """GiB by process, where the driver tells."""
    status = stage.hurt.house.status()
    names = {status["vault"]["pid"]: "vault"} | {slot["pid"]: "worker" for slot in status["slots"]}
    names |= {one["pid"]: "standby" for one in status["standby"]}
    lines = [line.split(",") for line in smi("--query-compute-apps=pid,used_memory").splitlines() if line]
    found = {int(pid): int(mib) for pid, mib in lines if mib.strip().isdecimal()}
    return {names.get(pid, "other"): round(mib / MIB_PER_GIB, 3) for pid, mib in found.items()}


def _notes(stage: Stage) -> list[dict[str, Any]]:
    """What the first two workers wrote down of their own memory while they warmed up."""
    log = stage.hurt.house.data_dir / "logs" / "worker-0.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    kept = ("when", "since_s", "allocated_bytes", "reserved_bytes", "peak_bytes", "mapped_bytes")
    return [{name: line[name] for name in kept} for line in lines if "allocated_bytes" in line][:4]
