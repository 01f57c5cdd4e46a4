"""Cut the power of a submitting daemon, in replay: `python -m benchmarks.power_cut [--json] [--images 1000] [--seed 1]`.

The real daemon with its scripted worker runs under `strace` while jobs are submitted and made. Its operations on files are
replayed onto a disk that keeps only what was synced; at random points the power is cut, the image is opened as a start would,
and compared with what people had been told by then. Before it is believed, the rig must notice what is wrong on purpose:
`synchronous=NORMAL` and `OFF`, and block files without one of their syncs. Exit 0: nothing lost, everything wrong noticed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cut_check import acknowledged, look_into
from benchmarks.cut_disk import ANY, ORDERED, CutDisk, write_image
from benchmarks.house import ROLES, ROOT
from benchmarks.syscall_trace import STRACE, Op, below_folders, read_trace
from scheduler.chaos.census import children
from scheduler.client import Scheduler
from scheduler.errors import SchedulerError
from scheduler.preflight import prepare_data_dir

SUBMISSIONS = 60
FINISHED = 3
READY_S = 90.0
NOT_DATA = ("logs", "run", "models")
PAGES = (0, 20)  # WAL pages per checkpoint within a commit: 0 as shipped, and so few that there are many checkpoints
TEETH = ("normal", "off", "no_file_sync", "no_directory_sync")
EXIT_NO_STRACE = 69


@dataclass
class Recording:
    """What the daemon did: where, in which order, and what lay there before."""

    data_dir: Path
    ops: list[Op]
    before: Path  # copy of the data directory as the trace began


def record(mode: str, pages: int, folder: Path) -> Recording:
    """Run the daemon under strace through a load. Raises RuntimeError when it does not start or finish."""
    data_dir, trace, before = folder / "var", folder / "trace", folder / "before"
    prepare_data_dir(data_dir)
    shutil.copytree(data_dir, before)
    command = [
        *STRACE, "-o", str(trace), sys.executable, "-m", "benchmarks.cut_daemon", mode, str(pages), "--",
        "--data", str(data_dir), "--engine", "fake", "--standbys", "0", "--preload-roles", str(ROLES),
    ]  # fmt: skip
    script = folder / "script.json"
    script.write_text(json.dumps({"block_s": 0.02}), encoding="utf-8")
    environment = {**os.environ, "GREENROOM_FAKE_SCRIPT": str(script), "OMP_NUM_THREADS": "1"}
    log = folder / "daemon.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        _load(Scheduler(data_dir).as_actor("local"), process, log)
    finally:
        for traced in children(process.pid):  # strace itself ends with what it traces
            os.kill(traced, signal.SIGTERM)
        process.wait(60)
    with trace.open(encoding="ascii") as lines:
        ops = list(below_folders(read_trace(lines, str(data_dir)), data_dir, NOT_DATA))
    trace.unlink()
    return Recording(data_dir, ops, before)


def _load(door: Scheduler, process: subprocess.Popen[bytes], log: Path) -> None:
    """Submit at a pace while jobs are made and talked about; until some have finished."""
    deadline = time.monotonic() + READY_S
    sent, ids = 0, list[str]()
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            status = door.status()
            if not status["slots"][0]["worker"]:
                time.sleep(0.05)
                continue
            if sent < SUBMISSIONS:
                ids.append(door.request_role(f"team-{sent}", "teacher", duration_sec=1.92, seed=sent, fill="loop")["id"])
                sent += 1
                continue
            if SUBMISSIONS - status["queue"]["length"] > FINISHED:
                return
            door.write_note(ids[0], "words that a cut may not separate from their row", video_s=0.0)
        except SchedulerError:
            pass  # not yet
        time.sleep(0.05)
    raise RuntimeError(f"the daemon did not make {FINISHED} jobs:\n{log.read_text()[-2000:]}")


def cut(recording: Recording, images: int, names: str, seed: int, folder: Path) -> dict[str, Any]:
    """Cut at random points after the first acknowledgement and look into each image. Counts images by what was wrong."""
    rng = random.Random(seed)
    disk = CutDisk(recording.data_dir, names)
    for path in sorted(recording.before.rglob("*")):
        disk.adopt(recording.data_dir / path.relative_to(recording.before), path)
    first = next(index for index, op in enumerate(recording.ops) if op.kind == "send" and acknowledged(op.data))
    points = sorted(rng.randrange(first, len(recording.ops)) for _ in range(images))
    wrong: Counter[str] = Counter()
    examples: list[str] = []
    told: list[str] = []
    position = 0
    for point in points:
        while position <= point:
            op = recording.ops[position]
            if op.kind == "send":
                told += acknowledged(op.data)
            else:
                disk.feed(op)
            position += 1
        target = folder / "image"
        write_image(disk.image(rng), recording.data_dir, target)
        findings = look_into(target, told)
        shutil.rmtree(target)
        for kind in {finding.kind for finding in findings}:
            wrong[kind] += 1
        if findings and len(examples) < 3:
            examples.append(f"cut after operation {point}: {findings[0].text}"[:300])
    return {"images": images, "names": names, "wrong": dict(wrong), "examples": examples, "acknowledged": len(told)}


def measure(images: int, seed: int, modes: tuple[str, ...]) -> list[dict[str, Any]]:
    """One result per mode, checkpoint size and kind of file system."""
    results = []
    for mode in modes:
        for pages in PAGES:
            with tempfile.TemporaryDirectory(prefix="greenroom-cut-") as name:
                folder = Path(name)
                _note(f"power_cut: recording {mode}, {pages} pages")
                recording = record(mode, pages, folder)
                # Half and half as shipped; what is wrong on purpose must show on the kinder one, but a missing sync of names.
                kinds = (ORDERED, ANY) if mode == "full" else (ANY,) if mode == "no_directory_sync" else (ORDERED,)
                share = images // (len(PAGES) * len(kinds)) if mode == "full" else max(25, images // 10)
                for kind in kinds:
                    began = time.monotonic()
                    result = cut(recording, share, kind, seed, folder)
                    results.append({
                        "mode": mode, "checkpoint_pages": pages, **result, "operations": len(recording.ops),
                        "seconds": round(time.monotonic() - began, 1),
                    })  # fmt: skip
                    _note(f"power_cut: {results[-1]}")
    return results


def verdict(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Nothing wrong as shipped, and every fault made on purpose seen at least once."""
    shipped = [result for result in results if result["mode"] == "full"]
    wrong = sum((Counter(result["wrong"]) for result in shipped), Counter())
    teeth = {
        mode: sum(sum(result["wrong"].values()) for result in results if result["mode"] == mode)
        for mode in TEETH
        if any(result["mode"] == mode for result in results)
    }
    return {
        "images": sum(result["images"] for result in shipped), "wrong_images_as_shipped": dict(wrong),
        "seen_of_what_is_wrong_on_purpose": teeth, "is_reached": not wrong and all(teeth.values()),
    }  # fmt: skip


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Record, cut, judge; exit 69 where there is no strace."""
    parser = argparse.ArgumentParser(prog="benchmarks.power_cut", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--images", type=int, default=1000, help="images of the daemon as shipped")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--modes", nargs="+", choices=("full", *TEETH), default=["full", *TEETH])
    chosen = parser.parse_args(arguments)
    if shutil.which("strace") is None:
        _note("power_cut needs strace to see the operations. Debian: apt-get install strace")
        return EXIT_NO_STRACE
    results = measure(chosen.images, chosen.seed, tuple(chosen.modes))
    judged = verdict(results)
    report = {
        "benchmark": "power_cut", **judged, "results": results, "sqlite": sqlite3.sqlite_version,
        "python": platform.python_version(), "machine": platform.machine(), "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip
    if chosen.json:
        print(json.dumps(report, indent=2))
    else:
        print(f"{judged['images']} images, wrong: {judged['wrong_images_as_shipped'] or 'none'}; "
              f"wrong on purpose and seen: {judged['seen_of_what_is_wrong_on_purpose']}")  # fmt: skip
    return 0 if judged["is_reached"] else 1


if __name__ == "__main__":
    sys.exit(main())
