"""How long faults cost: `python -m benchmarks.recovery [--json] [--engine fake|real] [--only NAME …] [--kills 20]`.

Each figure is taken beside the alternative without the feature, by turns in one run: no warm standby, a restart of everything,
no preemption. The blow's moment is the machine's clock just before the signal; what followed is read from the audit, whose times
are the daemon's clock (set from the same one). "Resumed" is the audit row of JobStarted: the context is attached and the first
step begins. `--engine real` measures the model that `--model` names, on the device that its workers find. Exit 1: a goal missed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.recovery_house import HurtHouse, hurt_house, seconds_of, strike
from benchmarks.recovery_store import fill_store
from engine.catalog import BLOCK_SECONDS
from engine.worker.crash_points import CrashPoint
from scheduler.chaos.census import living
from scheduler.chaos.house import until
from scheduler.chaos.points import Kind
from scheduler.core.healing_policy import Fault, HealingPolicy

JOBS = 100_000
BLOCK_S = 0.2  # of the scripted engine


@dataclass(frozen=True)
class Options:
    """What is measured on."""

    engine: str
    model: str
    kills: int
    jobs: int


def result(name: str, goal_s: float | None, times: list[float], others: dict[str, list[float]], **facts: Any) -> dict[str, Any]:
    """One line of the report. The worst of the kills stands for p99: there are too few of them for less."""
    worst = max(times)
    return {
        "name": name, "goal_s": None if goal_s is None else round(goal_s, 3), "worst_s": round(worst, 3),
        "median_s": round(statistics.median(times), 3), "times": len(times), "is_reached": goal_s is None or worst <= goal_s,
        "without_it": {
            other: {"median_s": round(statistics.median(values), 3), "worst_s": round(max(values), 3), "times": len(values)}
            for other, values in others.items()
        },
        **facts,
    }  # fmt: skip


def killed_worker(options: Options) -> dict[str, Any]:
    """kill -9 of the worker in the middle of a block → its job goes on."""
    few = max(3, options.kills // 4)
    with _house(options) as hurt:
        times = _interrupt(hurt, options.kills, _kill_worker)
        restarts = _interrupt(hurt, few, _kill_everything)
    with _house(options, standbys=0) as cold:
        cold_times = _interrupt(cold, few, _kill_worker)
    return result(
        "worker_killed_to_job_resumed", 1.0, times, {"no_standby": cold_times, "restart_of_everything": restarts}
    )


def hung_worker(options: Options) -> dict[str, Any]:
    """SIGSTOP of the worker in the middle of a block → seen, replaced, the job goes on."""
    deadline_s = HealingPolicy()[Fault.HEARTBEAT_LOST]["floor_s"]
    few = max(3, options.kills // 4)
    with _house(options) as hurt:
        times = _interrupt(hurt, options.kills, _freeze_worker)
    with _house(options, standbys=0) as cold:
        cold_times = _interrupt(cold, few, _freeze_worker)
    return result("worker_hung_to_job_resumed", 1.2 + deadline_s, times, {"no_standby": cold_times}, deadline_s=deadline_s)


def hung_step(options: Options) -> dict[str, Any]:
    """A step that ends no more, under a heart that beats → seen, replaced, the job goes on. The goal counts from the deadline,
    which is three times the learnt block, at least what the policy says."""
    few = max(3, options.kills // 4)
    with _house(options) as hurt:
        times = _interrupt(hurt, options.kills, _hang_step)
        rows = [entry["body"] for entry in hurt.reader.story("slot:0") if entry["action"] == "fault:detected"]
        deadline_s = max(body["deadline_s"] for body in rows if body["fault"] == Fault.HUNG_STEP)
    with _house(options, standbys=0) as cold:
        cold_times = _interrupt(cold, few, _hang_step)
    return result("step_hung_to_job_resumed", 1.2 + deadline_s, times, {"no_standby": cold_times}, deadline_s=deadline_s)


def out_of_memory(options: Options) -> dict[str, Any]:
    """The device refuses memory → the job goes on with less. Only with the scripted engine, which refuses on order."""
    few, before = max(3, options.kills // 4), 3
    fault = {"do": "out_of_memory", "job": "*", "block": before, "times": 10**6, "above_steps": 3}
    times: list[float] = []
    lost = 0
    with hurt_house("fake", block_s=BLOCK_S, script={"faults": [fault]}) as hurt:
        for _ in range(options.kills):
            job_id = hurt.submit(seconds=2.88, degrade="allow")
            refused = hurt.when(job_id, ("fault:detected",), 0.0)
            given_up = hurt.when(job_id, ("heal:acted",), 0.0, lambda entry: entry["body"]["action"].startswith("steps="))
            times.append(hurt.when(job_id, ("job:started",), given_up) - refused)
            taken_up = [entry for entry in hurt.reader.story(f"job:{job_id}") if entry["action"] == "job:started"][-1]
            lost += before - int(taken_up["body"]["from_block"])
            hurt.wait_for_blocks(job_id, before + 1)
    with hurt_house("fake", block_s=BLOCK_S) as hurt:
        restarts = _interrupt(hurt, few, _kill_everything)
    found = result(
        "out_of_memory_to_job_resumed", 1.0, times, {"restart_of_everything": restarts}, finished_blocks_lost=lost
    )
    return {**found, "is_reached": found["is_reached"] and lost == 0}


def stutter(options: Options) -> dict[str, Any]:
    """Blocks become slow → those that begin after it was seen have fewer steps. Only with the scripted engine."""
    few, first, total = max(3, options.kills // 4), 8, 16
    slow = [
        {"do": "slow", "job": "*", "block": block, "seconds": BLOCK_S, "times": 10**6, "above_steps": 3}
        for block in range(first, total)
    ]
    seen, blocks_later, left_s = [], [], []
    with hurt_house("fake", block_s=BLOCK_S, script={"faults": slow}) as hurt:
        hurt.teach_block_times()
        for _ in range(options.kills):
            job_id = hurt.submit(seconds=total * BLOCK_SECONDS, degrade="allow")
            detected = hurt.row(job_id, "fault:detected")
            eased = hurt.row(job_id, "heal:acted")
            started = hurt.row(job_id, "job:started", seconds_of(eased))
            seen.append(seconds_of(started) - seconds_of(detected))
            blocks_later.append(int(started["body"]["from_block"]) - int(detected["body"]["blocks_done"]))
            left_s.append(hurt.when(job_id, ("job:succeeded",), 0.0) - seconds_of(detected))
    with hurt_house("fake", block_s=BLOCK_S, script={"faults": slow}, faults={"stutter": "{action: alert}"}) as hurt:
        hurt.teach_block_times()
        untouched = []
        for _ in range(few):
            job_id = hurt.submit(seconds=total * BLOCK_SECONDS, degrade="allow")
            detected = hurt.row(job_id, "fault:detected")
            untouched.append(hurt.when(job_id, ("job:succeeded",), 0.0) - seconds_of(detected))
    found = result(
        "stutter_to_fewer_steps", None, seen, {}, most_slow_blocks_after_it_was_seen=max(blocks_later),
        rest_of_the_job_s={"with": round(statistics.median(left_s), 3), "only_an_alert": round(statistics.median(untouched), 3)},
    )  # fmt: skip
    return {**found, "is_reached": max(blocks_later) <= 1}  # the one under way


def killed_daemon(options: Options) -> dict[str, Any]:
    """kill -9 of the daemon with a full store → it answers again. Its spare has come to stand behind it before."""
    few = max(3, options.kills // 4)
    with tempfile.TemporaryDirectory(prefix="greenroom-full-") as folder:
        data_dir = Path(folder)
        fill_store(data_dir, options.jobs)
        with hurt_house("fake", block_s=BLOCK_S, data_dir=data_dir) as hurt:
            hurt.wait_for_spare()
            times = [_until_ready(hurt, Kind.DAEMON) for _ in range(options.kills)]
            bare = [_until_ready(hurt, Kind.DAEMON, has_spare=False) for _ in range(few)]
            restarts = [_until_ready(hurt, Kind.LAUNCHER) for _ in range(few)]
            jobs = sum(hurt.reader.state_counts().values())
    others = {"no_spare": bare, "restart_of_everything": restarts}
    return result("daemon_killed_to_ready", 1.0, times, others, jobs_in_store=jobs)


def urgent_job(options: Options) -> dict[str, Any]:
    """An urgent job is acknowledged while another runs → its first block begins. Its role was shown before."""
    few = max(3, options.kills // 4)
    times, blocks = [], []
    with _house(options) as hurt:
        warm = hurt.submit("presenter", 0.96, priority=100)
        hurt.wait_for_blocks(warm, 2)
        for _ in range(options.kills):
            running = hurt.submit()
            hurt.wait_for_blocks(running, 3)
            urgent = hurt.submit("presenter", 0.96, priority=100)
            at = time.time()
            times.append(hurt.when(urgent, ("job:started",), 0.0) - at)
            blocks += _block_times(hurt, running)
            hurt.wait_for_blocks(urgent, 2)
            hurt.end_job(running)
        waits = []
        for _ in range(few):  # the same wish without the right to interrupt: it waits for the other's end
            running = hurt.submit(seconds=9.6)
            hurt.wait_for_blocks(running, 3)
            patient = hurt.submit("student", 0.96, priority=1)
            at = time.time()
            waits.append(hurt.when(patient, ("job:started",), 0.0) - at)
            hurt.wait_for_blocks(patient, 2)
    block_s = max(blocks)
    others = {"no_preemption": waits}
    return result("urgent_job_to_block_started", block_s + 0.05, times, others, longest_block_s=round(block_s, 3))


# ---- blows -----------------------------------------------------------------------------------------------------------


def _house(options: Options, standbys: int = 1) -> Any:
    return hurt_house(options.engine, model=options.model, standbys=standbys, block_s=BLOCK_S)


def _interrupt(hurt: HurtHouse, times: int, blow: Callable[[HurtHouse], float]) -> list[float]:
    """Seconds from each blow in the middle of a block until the job goes on."""
    found = []
    for _ in range(times):
        job_id = hurt.submit()
        hurt.wait_for_blocks(job_id, 2)
        if blow is not _kill_everything and hurt.house.status()["standby"]:
            hurt.wait_for_standby()
        time.sleep(BLOCK_S / 3)
        at = blow(hurt)
        found.append(hurt.when(job_id, ("job:started",), at) - at)
        hurt.end_job(job_id)
    return found


def _kill_worker(hurt: HurtHouse) -> float:
    return strike(hurt.active())


def _freeze_worker(hurt: HurtHouse) -> float:
    return strike(hurt.active(), signal.SIGSTOP)


def _hang_step(hurt: HurtHouse) -> float:
    """The next step stands still; the moment at which it does."""
    order = hurt.house.orders / CrashPoint.BEFORE_STEP
    order.write_text('{"hang_s": 600}', encoding="utf-8")
    until(lambda: not order.exists(), "a step that hangs", 20, 0.002)
    return time.time()


def _kill_everything(hurt: HurtHouse) -> float:
    """The launcher and all below it; somebody starts it again at once."""
    assert hurt.house.launcher is not None
    at = strike(hurt.house.launcher.pid)
    hurt.house.launcher.wait()
    hurt.house.start()
    return at


def _until_ready(hurt: HurtHouse, kind: Kind, *, has_spare: bool = True) -> float:
    """Seconds from the kill until the door answers; the next kill comes when the house is whole again."""
    if not has_spare:
        (spare,) = living(hurt.house, Kind.SPARE)
        strike(spare)
    if kind is Kind.LAUNCHER:
        assert hurt.house.launcher is not None
        at = strike(hurt.house.launcher.pid)
        hurt.house.launcher.wait()
        hurt.house.start(is_awaited=False)
    else:
        (pid,) = living(hurt.house, Kind.DAEMON)
        at = strike(pid)
        until(lambda: pid not in living(hurt.house, Kind.DAEMON), "its end", 10, 0.002)
    until(lambda: hurt.house.status()["daemon"]["pid"], "an answer", 60, 0.002)
    ready = time.time() - at
    until(hurt.house.is_ready, "a worker", 120)
    hurt.wait_for_spare()
    return ready


def _block_times(hurt: HurtHouse, job_id: str) -> list[float]:
    """Seconds from block to block."""
    made = [row["made_at"] for row in hurt.reader.blocks(job_id)]
    return [later - earlier for earlier, later in itertools.pairwise(made)]


MEASURES: dict[str, Callable[[Options], dict[str, Any]]] = {
    "killed_worker": killed_worker, "hung_worker": hung_worker, "hung_step": hung_step,
    "out_of_memory": out_of_memory, "stutter": stutter, "killed_daemon": killed_daemon, "urgent_job": urgent_job,
}  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether all goals are reached."""
    parser = argparse.ArgumentParser(prog="benchmarks.recovery", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--engine", choices=("fake", "real"), default="fake")
    parser.add_argument("--model", default="pocket", help="with --engine real: name of the model's directory")
    parser.add_argument("--only", nargs="+", choices=sorted(MEASURES), default=list(MEASURES))
    parser.add_argument("--kills", type=int, default=20, help="blows per figure; the alternatives get a quarter")
    parser.add_argument("--jobs", type=int, default=JOBS, help="jobs in the store that the daemon comes back to")
    chosen = parser.parse_args(arguments)
    options = Options(chosen.engine, chosen.model, chosen.kills, chosen.jobs)
    results = []
    for name in chosen.only:
        print(f"recovery: {name}", file=sys.stderr, flush=True)
        results.append(MEASURES[name](options))
        print(f"recovery: {json.dumps(results[-1])}", file=sys.stderr, flush=True)
    is_reached = all(one["is_reached"] for one in results)
    report = {
        "benchmark": "recovery", "is_reached": is_reached, "engine": options.engine, "results": results,
        "python": platform.python_version(), "machine": platform.machine(), "cores": len(os.sched_getaffinity(0)),
        "load_average": round(os.getloadavg()[0], 2), "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip
    if chosen.json:
        print(json.dumps(report, indent=2))
    else:
        for one in results:
            verdict = "reached" if one["is_reached"] else "MISSED"
            goal = one["goal_s"] or "the next block"
            print(f"{one['name']}: worst {one['worst_s']} s (goal {goal}) {verdict}; without it {one['without_it']}")
    return 0 if is_reached else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
