"""`python -m benchmarks.recovery --device cuda --shape 14b --random-weights --kills 20`: kill -9 of workers on a GPU.

A vault holds the weights and the jobs' contexts; a worker makes a job; it is killed in the middle of a block, at another place
each time; a warm standby is told to go on as soon as the process is gone (what the daemon does). Every job has the same recipe,
so its blocks must have the bits of one that nobody disturbed. Besides: a fresh process instead of a standby, the vault's own
death, how much memory everybody takes, and what is left on the GPU after a clean and a dirty end. Prints JSON. Exit 1: a goal
missed, 69: no CUDA device.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.crew import Crew, Kit, Member, block_hashes
from engine import protocol
from engine.catalog import BLOCK_SECONDS, SHAPES
from engine.memory import GIB, Load, Room, find_device, make_plan, predict

GOAL_S = 1.0
GOAL_PROMOTION_S = 0.5
GOAL_PREDICTION = 0.03
SHAPE_NAMES = {"14b": "live-avatar-14b"}
DEFAULT_RANK = 32  # room for adapters, as `engine.worker.device` has it
SEED = 5
SETTLE_S = 3.0  # the driver's books may lag behind the end of a process
MIB_PER_GIB = 1024


class Scene:
    """One crew on one GPU, and what is asked of it."""

    def __init__(self, crew: Crew, kit: Kit, standbys: int) -> None:
        self.crew, self.kit, self._wanted = crew, kit, standbys
        self.active = crew.start_worker()
        self.first_ready_s = self.active.wait_until_ready()
        self.warm: list[Member] = []
        self.ready_s: list[float] = []
        self.reference: list[tuple[str, str]] = []
        self.block_s = 0.0
        self.peak_bytes = 0  # of the worker, what it maps of the vault's included
        self.used_mib = 0  # while the context of a finished job was still there
        self._jobs = 0

    def job_dir(self) -> Path:
        """A new job's folder."""
        self._jobs += 1
        return self.crew.folder / f"job-{self._jobs}"

    def keep_standbys(self, count: int | None = None) -> None:
        """Start what is missing; nobody waits."""
        while len(self.warm) < (self._wanted if count is None else count):
            self.warm.append(self.crew.start_worker())

    def promote(self) -> Member:
        """The standby that was started first; it must be warm by now."""
        self.active = self.warm.pop(0)
        self.ready_s.append(self.active.wait_until_ready())
        return self.active

    def make_reference(self) -> None:
        """A job that nobody disturbs, twice: the second one shows the usual time of a block."""
        for _ in range(2):
            folder = self.job_dir()
            order = self.kit.order(folder)
            self.active.say(order)
            self.active.wait_for(protocol.JobSucceeded, lambda report, order=order: report.lease_id == order.lease_id)  # type: ignore[misc]
            self.used_mib = used_mib()
            self.finish(self.active, order)
            found = block_hashes(folder)
            assert len(found) == self.kit.blocks and self.reference in ([], found), "an undisturbed job differs from another"
            self.reference = found
            shutil.rmtree(folder)
        blocks = self.active.all_of(protocol.BlockDone)[-self.kit.blocks // 2 :]
        self.block_s = statistics.median(report.seconds for report in blocks)
        self.peak_bytes = max(report.peak_bytes for report in blocks)

    def finish(self, member: Member, order: protocol.RunJob) -> None:
        """Wait for the job's end; then its context is freed, as the daemon does."""
        member.wait_for(protocol.JobSucceeded, lambda report: report.lease_id == order.lease_id)
        self.crew.ask_vault(protocol.DropContext(job_id=order.job_id))

    def interrupt(self, block: int, part: float, take_over: Any) -> dict[str, Any]:
        """A job killed after a part of a block: `take_over` gives the worker that goes on."""
        folder = self.job_dir()
        order = self.kit.order(folder)
        self.active.say(order)
        self.active.wait_for(protocol.BlockStarted, lambda report: report.lease_id == order.lease_id and report.block == block)
        time.sleep(part * self.block_s)
        killed, gone = self.active.kill()
        done = 1 + max((r.block for r in self.active.all_of(protocol.BlockDone) if r.lease_id == order.lease_id), default=-1)
        again = self.kit.order(folder, done)
        member: Member = take_over()
        said = time.monotonic()
        member.say(again)
        self.keep_standbys()
        started, report = member.wait_for(protocol.JobStarted, lambda r: r.lease_id == again.lease_id)
        working, _ = member.wait_for(
            protocol.Heartbeat, lambda beat: beat.lease_id == again.lease_id and beat.phase in ("step", "decode")
        )
        first = report.from_block
        finished, made = member.wait_for(protocol.BlockDone, lambda r: r.lease_id == again.lease_id and r.block >= first)
        self.finish(member, again)
        found = block_hashes(folder)
        shutil.rmtree(folder)
        return {
            "block": block, "part": round(part, 3), "from_block": report.from_block, "resume": report.resume,
            "gone_s": round(gone - killed, 3), "started_s": round(started - killed, 3), "resumed_s": round(working - killed, 3),
            "promotion_s": round(working - said, 3), "next_block_s": round(finished - killed, 3),
            "next_block": made.block, "is_identical": found == self.reference,
        }  # fmt: skip


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, on the GPU of this machine."""
    width, height = (int(x) for x in options.size.split("x"))
    empty = used_mib()
    with tempfile.TemporaryDirectory(prefix="greenroom-recovery-", dir=options.folder) as name:
        folder = Path(name)
        crew = Crew(folder, "benchmarks.random_worker", f"random/{options.shape}/{options.precision}")
        kit = Kit(folder, width, height, options.blocks, {"size": "688*368", "steps": options.steps, "seed": 7})
        try:
            report = _measure(options, crew, kit)
            crew.end()
            report["left_after_clean_end_mib"] = _settled(empty) - empty
            _say(f"left after a clean end: {report['left_after_clean_end_mib']} MiB")
            report["left_after_dirty_end_mib"] = _dirty_end(crew, kit, empty)
        finally:
            crew.kill_everybody()
    kills = report["kills"]
    worst = max(kill["resumed_s"] for kill in kills)
    promotions = max(kill["promotion_s"] for kill in kills)
    left = max(report["left_after_clean_end_mib"], report["left_after_dirty_end_mib"])
    checks = [
        ("worker killed -9 to work on the block, worst, s", GOAL_S, worst),
        ("standby promoted, worst, s", GOAL_PROMOTION_S, promotions),
        ("kills after which bits differ from an undisturbed job's", 0, sum(not kill["is_identical"] for kill in kills)),
        ("kills after which the job did not go on exactly", 0, sum(kill["resume"] != "exact" for kill in kills)),
        ("left on the GPU, MiB", 0, left),
        ("planner's error of the peak", GOAL_PREDICTION, report["memory_gib"]["error"]),
    ]
    goals = [{"goal": name, "limit": limit, "reached": found, "is_reached": found <= limit} for name, limit, found in checks]
    return {
        "benchmark": "recovery on a device", "is_reached": all(goal["is_reached"] for goal in goals), "goals": goals,
        "worst_s": worst, "median_s": statistics.median(kill["resumed_s"] for kill in kills), "date": time.strftime("%Y-%m-%d"),
        "shape": options.shape, "size": options.size, "steps": options.steps, "precision": options.precision, **_gpu(), **report,
        "command": "python -m benchmarks.recovery " + " ".join(sys.argv[1:]),
    }  # fmt: skip


def _measure(options: argparse.Namespace, crew: Crew, kit: Kit) -> dict[str, Any]:
    empty = used_mib()
    crew.start_vault()
    scene = Scene(crew, kit, options.standbys)
    _say(f"first worker ready after {scene.first_ready_s:.1f} s")
    scene.make_reference()
    _say(f"a block takes {scene.block_s:.3f} s")
    before = used_mib()
    scene.keep_standbys(1)
    scene.warm[0].wait_until_ready()
    memory = _memory(options, kit, scene.used_mib - empty, used_mib() - before)
    memory |= {"worker_peak": round(scene.peak_bytes / GIB, 3)}
    _say(json.dumps(memory))
    notes = [_notes(member) for member in (scene.active, scene.warm[0])]
    _say(json.dumps(notes))
    shares = _processes()
    assert crew.vault is not None
    names = {crew.vault.pid: "vault", scene.active.process.pid: "worker", scene.warm[0].process.pid: "standby"}
    scene.keep_standbys()
    draws, kills = random.Random(SEED), []
    for number in range(options.kills):
        scene.keep_standbys()
        scene.warm[0].wait_until_ready()
        kills.append(scene.interrupt(1 + number % (kit.blocks - 2), draws.random(), scene.promote))
        _say(json.dumps(kills[-1]))
    fresh = [scene.interrupt(2, draws.random(), lambda: _fresh(scene)) for _ in range(options.others)]
    _say(f"fresh: {json.dumps(fresh)}")
    vault = [_kill_vault(scene) for _ in range(min(1, options.others))]
    _say(f"vault: {json.dumps(vault)}")
    return {
        "kills": kills, "block_s": round(scene.block_s, 3), "first_worker_ready_s": round(scene.first_ready_s, 2),
        "standby_ready_s": [round(seconds, 2) for seconds in scene.ready_s], "fresh_process": fresh, "vault_killed": vault,
        "memory_gib": memory, "first_worker_and_standby": notes,
        "processes_gib": {names.get(pid, "other"): round(mib / MIB_PER_GIB, 3) for pid, mib in shares.items()},
    }  # fmt: skip


def _notes(member: Member) -> list[dict[str, Any]]:
    """What a worker wrote down of the device's memory."""
    lines = [json.loads(line) for line in member.log.read_text().splitlines() if line.startswith("{")]
    kept = ("when", "since_s", "allocated_bytes", "reserved_bytes", "peak_bytes", "mapped_bytes")
    return [{name: line[name] for name in kept} for line in lines if line["event"] == "device memory"]


def _memory(options: argparse.Namespace, kit: Kit, house_mib: int, standby_mib: int) -> dict[str, float]:
    """What vault and worker take with one context, what a standby adds, and what the planner says of it."""
    width, height = (int(x) for x in options.size.split("x"))
    shape = dataclasses.replace(SHAPES[SHAPE_NAMES[options.shape]], dtype="bfloat16")
    load = Load(
        shape=shape, width=width, height=height, precision=options.precision, adapter_rank=DEFAULT_RANK, adapters=1,
        has_vault=True, standbys=1,
    )  # fmt: skip
    offload = make_plan(load, Room(device=find_device(_smi("--query-gpu=name").splitlines()[0]))).how.offload
    predicted = [
        predict(
            shape, width, height, steps=options.steps, precision=options.precision, offload=offload, has_vault=True,
            adapter_rank=DEFAULT_RANK, voice_s=kit.blocks * BLOCK_SECONDS, standbys=standbys,
        ).total_bytes / GIB
        for standbys in (0, 1)
    ]  # fmt: skip
    taken = [house_mib / MIB_PER_GIB, (house_mib + standby_mib) / MIB_PER_GIB]
    error = max(abs(said / found - 1) for said, found in zip(predicted, taken, strict=True))
    return {
        "vault_and_worker": round(taken[0], 3), "predicted": round(predicted[0], 3), "with_a_standby": round(taken[1], 3),
        "predicted_with_a_standby": round(predicted[1], 3), "error": round(error, 4),
    }  # fmt: skip


def _fresh(scene: Scene) -> Member:
    """No standby: a process that is started now, as without the feature."""
    member = scene.crew.start_worker()
    member.wait_until_ready()
    scene.active = member
    return member


def _kill_vault(scene: Scene) -> dict[str, Any]:
    """kill -9 of the vault: its workers end; a new vault and a new worker go on from the durable latents."""
    folder = scene.job_dir()
    order = scene.kit.order(folder)
    scene.active.say(order)
    scene.active.wait_for(protocol.BlockDone, lambda r: r.lease_id == order.lease_id and r.block == 2)
    assert scene.crew.vault is not None
    killed = time.monotonic()
    scene.crew.vault.kill()
    scene.crew.vault.wait()
    codes = [member.process.wait(20) for member in (scene.active, *scene.warm)]
    ended = time.monotonic()
    scene.warm.clear()
    scene.crew.start_vault()
    member = _fresh(scene)
    again = scene.kit.order(folder, 3)
    member.say(again)
    started, report = member.wait_for(protocol.JobStarted, lambda r: r.lease_id == again.lease_id)
    scene.finish(member, again)
    return {
        "exit_codes": sorted(set(codes)), "workers_ended_s": round(ended - killed, 3), "resumed_s": round(started - killed, 3),
        "resume": report.resume, "blocks": len(block_hashes(folder)),
    }  # fmt: skip


def _dirty_end(crew: Crew, kit: Kit, empty: int) -> int:
    """Everybody killed at once in the middle of a block: MiB that are taken afterwards."""
    again = Crew(crew.folder, crew.program, crew.model_dir)
    again.start_vault()
    member = again.start_worker()
    try:
        member.wait_until_ready()
        member.say(kit.order(crew.folder / "job-last"))
        member.wait_for(protocol.BlockStarted, lambda report: report.block == 1)
    finally:
        again.kill_everybody()
    return _settled(empty) - empty


def used_mib() -> int:
    """What is taken on the GPU, all processes, as the driver says."""
    return int(_smi("--query-gpu=memory.used").splitlines()[0])


def _settled(empty: int) -> int:
    deadline = time.monotonic() + SETTLE_S
    while (used := used_mib()) > empty and time.monotonic() < deadline:
        time.sleep(0.05)
    return used


def _processes() -> dict[int, int]:
    """MiB by process, where the driver tells."""
    lines = [line.split(",") for line in _smi("--query-compute-apps=pid,used_memory").splitlines() if line]
    return {int(pid): int(mib) for pid, mib in lines if mib.strip().isdecimal()}


def _gpu() -> dict[str, str]:
    return {"gpu": _smi("--query-gpu=name").splitlines()[0], "torch": version("torch")}


def _smi(query: str) -> str:
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _say(text: str) -> None:
    print(f"recovery: {text}", file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """Measure, print, and say by the exit status whether all goals are reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=("cuda",), required=True)
    parser.add_argument("--shape", choices=SHAPE_NAMES, default="14b")
    parser.add_argument("--random-weights", action="store_true", required=True)
    parser.add_argument("--size", default="640x384", help="width x height in pixels, of the area of 688*368")
    parser.add_argument("--precision", choices=("bf16", "fp8"), default="fp8")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--blocks", type=int, default=8, help="of each job; a ring holds 4")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--standbys", type=int, default=3, help="warm ones kept, so that no kill waits for the next")
    parser.add_argument("--others", type=int, default=2, help="kills without a standby; 0 leaves out the vault's death, too")
    parser.add_argument("--folder", help="where jobs are written; default: the temporary directory")
    parser.add_argument("--json", action="store_true", help="for symmetry: the output is always JSON")
    options = parser.parse_args(arguments)
    if shutil.which("nvidia-smi") is None:
        print("no CUDA device: this benchmark has nothing to measure", file=sys.stderr)
        return 69
    found = measure(options)
    print(json.dumps(found, indent=1))
    return 0 if found["is_reached"] else 1
