"""`python -m benchmarks.recovery --device cuda --shape 14b --random-weights`: faults in a whole house on a GPU.

The house is the real one (launcher, vault, daemon, worker, one warm standby, web, forecaster); its model directory asks for
random weights of the named shape, so no checkpoint is needed. Times of a blow are the machine's clock just before it, what
followed is read from the audit. The report is written to `--out` after every single blow: a run that is cut off loses nothing.
`--only` chooses parts, `--within` ends a run in time: parts that do not fit any more are named as left out.
`--device cpu --shape pocket` is the same program on any machine. Exit 1: a goal missed, 69: no such device.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.recovery_house import HurtHouse, house_of
from benchmarks.recovery_memory import gpu_name, measure_memory, settled_mib, used_mib
from benchmarks.recovery_parts import PARTS
from benchmarks.recovery_stage import Stage, strike_all
from engine.model.random_directory import checked
from scheduler.chaos.house import NotWithin
from scheduler.errors import SchedulerError

SHAPES = {"14b": "live-avatar-14b", "pocket": "pocket"}
SIZES = {"14b": (640, 384), "pocket": (192, 128)}  # of the portraits, so of the videos too
PRESETS = {"14b": "standard", "pocket": "pocket"}
ENDS_S = 45.0  # kept back for the ends
ALL = ("memory", *PARTS, "ends")


class Report:
    """What was found so far; on the disk after every addition."""

    def __init__(self, path: Path | None, facts: dict[str, Any]) -> None:
        self._path, self.data = path, {"benchmark": "recovery on a device", **facts, "parts": {}, "left_out": []}
        self._write()

    def add(self, part: str, found: dict[str, Any]) -> None:
        """Put it in, say it, write all."""
        self.data["parts"][part] = found
        last = found["each"][-1] if found.get("each") else {name: value for name, value in found.items() if name != "each"}
        print(f"recovery: {time.strftime('%H:%M:%S')} {part}: {json.dumps(last)}", file=sys.stderr, flush=True)
        self._write()

    def leave_out(self, part: str, why: str) -> None:
        """A part that was not measured, or not to its end."""
        self.data["left_out"].append({"part": part, "why": why})
        print(f"recovery: {part} left out: {why}", file=sys.stderr, flush=True)
        self._write()

    def _write(self) -> None:
        if self._path is not None:
            beside = self._path.with_suffix(".part")
            beside.write_text(json.dumps(self.data, indent=1) + "\n", encoding="utf-8")
            beside.replace(self._path)


def measure(options: argparse.Namespace, report: Report) -> None:
    """All chosen parts in one house, then its ends."""
    until = time.monotonic() + options.within
    empty = used_mib(options.device)
    width, height = SIZES[options.shape]
    with tempfile.TemporaryDirectory(prefix="greenroom-recovery-", dir=options.folder) as name:
        house = house_of(
            Path(name), model=checked(SHAPES[options.shape], options.precision, 0), width=width, height=height,
            preset=PRESETS[options.shape], device=options.device,
        )  # fmt: skip
        try:
            began = time.monotonic()
            house.start()
            stage = Stage(HurtHouse(house), options, until - ENDS_S if "ends" in options.only else until)
            stage.learn()
            report.add("start", {"house_ready_s": round(stage.ready_at - began, 2), "block_s": round(stage.block_s, 4),
                                 "standby_ready_s": round(stage.standby_s, 2)})  # fmt: skip
            if "memory" in options.only:
                report.add("memory", measure_memory(stage, options, empty))
            for part, play in PARTS.items():
                if part in options.only:
                    _play(stage, report, part, play)
            if "ends" in options.only:
                report.add("ends", _ends(stage, empty))
        except (NotWithin, SchedulerError) as error:
            report.leave_out("the rest", f"{error}; the launcher said: {house.said[-800:]}")
            _show_logs(house.data_dir / "logs")
        finally:
            house.end()
            if options.keep_logs:
                shutil.copytree(house.data_dir / "logs", options.keep_logs, dirs_exist_ok=True)


def _play(stage: Stage, report: Report, part: str, play: Any) -> None:
    if stage.is_over():
        report.leave_out(part, "no time was left")
        return
    try:
        for found in play(stage):
            report.add(part, found)
            if stage.is_over():
                report.data["parts"][part]["is_cut_short"] = True
                break
    except (NotWithin, SchedulerError, RuntimeError, LookupError, TypeError, ValueError) as error:  # others are worth something
        report.leave_out(part, f"{type(error).__name__}: {error}")
        _show_logs(stage.hurt.house.data_dir / "logs")
    stage.come_to_rest()


def _ends(stage: Stage, empty: int) -> dict[str, Any]:
    """MiB taken on the device, beyond what was taken before: after Ctrl-C, and after kill -9 of everybody inside a block."""
    house = stage.hurt.house
    began = time.monotonic()
    code = house.stop()
    clean_s = time.monotonic() - began
    clean = settled_mib(stage.device, empty) - empty
    house.start()
    stage.hurt.wait_for_blocks(stage.submit(), 2)
    seen = strike_all(house)
    dirty = settled_mib(stage.device, empty) - empty
    return {"left_after_clean_end_mib": clean, "left_after_dirty_end_mib": dirty, "clean_end_s": round(clean_s, 2),
            "exit_code": code, "killed": seen}  # fmt: skip


def _show_logs(logs: Path) -> None:
    for path in sorted(logs.glob("*.jsonl")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-6:]
        print(f"---- {path.name}", *(line[:1500] for line in lines), sep="\n", file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """Measure, print, and say by the exit status whether all goals are reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), required=True)
    parser.add_argument("--shape", choices=SHAPES, default="14b")
    parser.add_argument("--random-weights", action="store_true", required=True)
    parser.add_argument("--precision", choices=("fp8", "bf16"), default="fp8", help="of the large products")
    parser.add_argument("--only", nargs="+", choices=ALL, default=list(ALL))
    parser.add_argument("--kills", type=int, default=20, help="kill -9 of the worker; the other parts scale with it")
    parser.add_argument("--within", type=float, default=540.0, help="seconds; what does not fit is left out and named")
    parser.add_argument("--out", type=Path, help="the report, written after every blow")
    parser.add_argument("--keep-logs", type=Path, help="a folder for the house's logs")
    parser.add_argument("--folder", help="where the house lies; default: the temporary directory")
    parser.add_argument("--json", action="store_true", help="for symmetry: the output is always JSON")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and shutil.which("nvidia-smi") is None:
        print("no CUDA device: this benchmark has nothing to measure", file=sys.stderr)
        return 69
    facts = {
        "command": "python -m benchmarks.recovery " + " ".join(arguments), "date": time.strftime("%Y-%m-%d"),
        "shape": options.shape, "size": "x".join(map(str, SIZES[options.shape])), "precision": options.precision,
        "gpu": gpu_name(options.device), "torch": version("torch"), "python": sys.version.split()[0],
        "cores": len(os.sched_getaffinity(0)),
    }  # fmt: skip
    report = Report(options.out, facts)
    measure(options, report)
    goals = [goal for part in report.data["parts"].values() for goal in part.get("goals", ())]
    is_reached = bool(goals) and all(goal["is_reached"] for goal in goals) and not report.data["left_out"]
    print(json.dumps({**report.data, "is_reached": is_reached}, indent=1))
    for goal in goals:
        verdict = "reached" if goal["is_reached"] else "MISSED"
        print(f"recovery: {goal['goal']}: {goal['found']} (limit {goal['limit']}) {verdict}", file=sys.stderr)
    return 0 if is_reached else 1
