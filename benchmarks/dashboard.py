"""How fast pages are with a long past: `python -m benchmarks.dashboard [--json] [--jobs N] [--keep DIR]`.

A store of 30,000 jobs with their log and a day of device readings, the real web server without a daemon (what a page reads is
the store's). The first view is timed on a fresh server, from the first byte sent to the last byte of the answer; lists, each
with other filters, orders and pages, after it. Exits with 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.dashboard_store import fill

ROOT = Path(__file__).resolve().parents[1]
GOAL_FIRST_MS, GOAL_LIST_MS = 1000.0, 300.0
FRESH_SERVERS, ROUNDS = 3, 12
START_LIMIT_S = 60.0
FIRST = "/dashboard"
LISTS = (
    "/dashboard/jobs", "/dashboard/jobs?page=300", "/dashboard/jobs?sort=priority&page=2", "/dashboard/jobs?sort=-finished",
    "/dashboard/jobs?state=FAILED", "/dashboard/jobs?state=open", "/dashboard/jobs?text=u17&page=3",
    "/dashboard/jobs?user=u3&role=teacher", "/users/local", "/dashboard/roles/", "/jobs?per_page=50",
)  # fmt: skip
OTHERS = ("/dashboard/watermark/", "/dashboard/queue/", "/dashboard/plan/", "/dashboard/rehearsals/", "/dashboard/policy",
          "/dashboard/roles/teacher", "/dashboard/faults/", "/devices/chart?range=24h",
          "/watermark/chart?device=gpu0&range=24h", "/dashboard")  # fmt: skip


@contextmanager
def server(data_dir: Path) -> Iterator[int]:
    """A fresh web server; its port, once it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "-c", "python:dashboard.serving", "-b", f"127.0.0.1:{port}", "wsgi:app"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "GREENROOM_DATA": str(data_dir)})
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until `/healthz` answers: the server has imported everything and done nothing else."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if get(port, "/healthz")[0] == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("The web server did not come up.")


def get(port: int, path: str, accept: str = "text/html") -> tuple[int, float, int]:
    """(status, milliseconds, bytes) of a request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    sent = time.perf_counter()
    connection.request("GET", path, headers={"Accept": accept})
    answer = connection.getresponse()
    size = len(answer.read())
    took = (time.perf_counter() - sent) * 1e3
    connection.close()
    return answer.status, took, size


def measure_page(port: int, path: str) -> dict[str, Any]:
    """The median and the slowest of some rounds. Raises RuntimeError for a page that does not answer 200."""
    accept = "text/html" if path.startswith(("/dashboard", "/users")) else "application/json"
    times = []
    for _ in range(ROUNDS):
        status, took, size = get(port, path, accept)
        if status != 200:
            raise RuntimeError(f"{path} answers {status}")
        times.append(took)
    return {"path": path, "median_ms": round(statistics.median(times), 1), "slowest_ms": round(max(times), 1), "bytes": size}


def measure(data_dir: Path) -> dict[str, Any]:
    """First views of fresh servers, then lists and other pages of the last one."""
    firsts = []
    for _ in range(FRESH_SERVERS):
        with server(data_dir) as port:
            status, took, _ = get(port, FIRST)
            if status != 200:
                raise RuntimeError(f"{FIRST} answers {status}")
            firsts.append(round(took, 1))
    with server(data_dir) as port:
        get(port, FIRST)
        lists, others = ([measure_page(port, path) for path in paths] for paths in (LISTS, OTHERS))
    slowest = max(page["slowest_ms"] for page in lists)
    return {
        "first_view_ms": {"reached": max(firsts), "goal": GOAL_FIRST_MS, "each": firsts},
        "list_ms": {"reached": slowest, "goal": GOAL_LIST_MS}, "lists": lists, "others": others,
        "is_reached": max(firsts) <= GOAL_FIRST_MS and slowest <= GOAL_LIST_MS,
    }  # fmt: skip


def main(arguments: list[str]) -> int:
    """0 when both goals are reached, else 1."""
    parser = argparse.ArgumentParser(prog="benchmarks.dashboard", description="How fast pages are with a long past.")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("--jobs", type=int, default=30_000)
    parser.add_argument("--keep", type=Path, help="a directory for the store; used again when it is there")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="greenroom-dashboard-") as folder:
        data_dir = chosen.keep or Path(folder)
        begin = time.perf_counter()
        if not (data_dir / "greenroom.db").is_file():
            data_dir.mkdir(parents=True, exist_ok=True)
            fill(data_dir, chosen.jobs)
        filled_s = time.perf_counter() - begin
        found = {"jobs": chosen.jobs, "cores": len(os.sched_getaffinity(0)), "machine": platform.machine(),
                 "filled_s": round(filled_s, 1), **measure(data_dir)}  # fmt: skip
    print(json.dumps(found, indent=1) if chosen.json else _lines(found))
    return 0 if found["is_reached"] else 1


def _lines(found: dict[str, Any]) -> str:
    every = found["lists"] + found["others"]
    pages = [f"{page['median_ms']:8.1f} {page['slowest_ms']:8.1f} ms  {page['path']}" for page in every]
    first, lists = found["first_view_ms"], found["list_ms"]
    return "\n".join([
        f"{found['jobs']} jobs, {found['cores']} cores; median and slowest of {ROUNDS}", *pages,
        f"first view {first['reached']:.0f} ms (goal {first['goal']:.0f}), "
        f"slowest list {lists['reached']:.0f} ms (goal {lists['goal']:.0f})",
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
