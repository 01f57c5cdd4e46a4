"""How fast a submission is acknowledged: `python -m benchmarks.api [--json] [--jobs N] [--tabs N]`.

Real web, daemon and store with the scripted engine. Jobs are submitted at a steady pace over one kept connection, as `local`;
timed from the first byte sent to the last byte of the answer (the job is on disk by then). Rounds with and without company
alternate: company is 50 live tabs, a reader of the event stream and somebody downloading a video again and again. Beside
it stands how long the disk alone takes to sync, before and after. Exits with 1 when the goal is missed or a tab went silent.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.disk import sync_times_ms
from benchmarks.house import House, running_house

GOAL_P99_MS = 15.0
PACE_PER_S = 20.0
WARM_UP = 40
DEFAULT_JOBS = 800
ROUNDS = 2
BLOCK_S = 0.5
USERS = 400  # one person may have 100 queued jobs
JSON = {"Content-Type": "application/json"}


def submit_paced(house: House, count: int, first: int) -> list[float]:
    """Submit `count` jobs at a steady pace; milliseconds until each was acknowledged. Raises RuntimeError on a refusal."""
    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=30)
    times, begin = [], time.perf_counter()
    for index in range(count):
        wait = begin + index / PACE_PER_S - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        number = first + index
        body = json.dumps({"user": f"u{number % USERS}", "role": "student", "duration_sec": 0.5, "seed": number})
        sent = time.perf_counter()
        connection.request("POST", "/jobs", body, {**JSON, "Idempotency-Key": f"bench-{number}"})
        answer = connection.getresponse()
        text = answer.read()
        times.append((time.perf_counter() - sent) * 1e3)
        if answer.status != 202:
            raise RuntimeError(f"{answer.status} {text.decode()}")
    connection.close()
    return times


@contextmanager
def company(house: House, tabs: int, video: str) -> Iterator[dict[str, Any]]:
    """Live tabs, an event stream, a download, in processes of their own; yields what they heard (filled in at the end)."""
    heard: dict[str, Any] = {}
    commands = {"tabs": [house.url, str(tabs)], "readers": [house.url, video]}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.{name}", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name, words in commands.items()
    ]  # fmt: skip
    try:
        if not all(_said(process).get("live") for process in processes):
            raise RuntimeError("not all tabs and readers became live")
        yield heard
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
            heard |= _said(process)
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
            process.wait(10)
            assert process.stdout is not None
            process.stdout.close()


def _said(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    said: dict[str, Any] = json.loads(process.stdout.readline() or "{}")
    return said


def _video_to_watch(house: House) -> str:
    """A finished video of `local`, eight seconds long; its id."""
    job = _ask(house, "POST", "/jobs", {"role": "student", "duration_sec": 8, "fill": "loop"})["id"]
    deadline = time.monotonic() + 120
    while _ask(house, "GET", f"/jobs/{job}")["state"] != "SUCCEEDED":
        if time.monotonic() > deadline:
            raise RuntimeError("the video to download was not made in two minutes")
        time.sleep(0.5)
    return str(job)


def _ask(house: House, method: str, path: str, body: Any = None) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=30)
    connection.request(method, path, None if body is None else json.dumps(body), JSON)
    answer: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def length_s(jobs: int) -> float:
    """Seconds that the paced submissions alone take; start, video and tabs add some ten."""
    return (2 * jobs + WARM_UP) / PACE_PER_S


def tell(text: str) -> None:
    """A line on stderr: stdout is for the result."""
    print(f"benchmarks.api: {text}", file=sys.stderr, flush=True)


def measure(jobs: int, tabs: int) -> dict[str, Any]:
    """Acknowledgement times alone and in company, in alternating rounds of the same run."""
    alone: list[float] = []
    busy: list[float] = []
    heard: list[dict[str, Any]] = []
    tell(f"starting a house; {2 * jobs} submissions at {PACE_PER_S:g} per second take {length_s(jobs):.0f} s and a little")
    with running_house(BLOCK_S) as house:
        tell("making the video that is downloaded later")
        video = _video_to_watch(house)
        number = WARM_UP
        submit_paced(house, WARM_UP, 0)
        disk = sync_times_ms(house.data_dir)
        for turn in range(1, ROUNDS + 1):
            tell(f"round {turn} of {ROUNDS}: {jobs // ROUNDS} jobs alone")
            alone += submit_paced(house, jobs // ROUNDS, number)
            number += jobs // ROUNDS
            tell(f"round {turn} of {ROUNDS}: {jobs // ROUNDS} jobs in the company of {tabs} live tabs")
            with company(house, tabs, video) as crowd:
                busy += submit_paced(house, jobs // ROUNDS, number)
            number += jobs // ROUNDS
            heard.append(crowd)
        disk += sync_times_ms(house.data_dir)
    is_heard = all(one["longest_silence_s"] < 3 and one["most_pulses"] - one["fewest_pulses"] <= 2 for one in heard)
    p99 = _quantile(busy, 0.99)
    return {
        "name": "submit_acknowledged_p99_ms", "goal": GOAL_P99_MS, "reached": round(p99, 2),
        "is_reached": p99 <= GOAL_P99_MS and is_heard, "every_tab_heard_everything": is_heard,
        "in_company_ms": _summary(busy), "alone_ms": _summary(alone), "disk_sync_ms": _summary(disk),
        "ratio_p99_to_alone": round(p99 / _quantile(alone, 0.99), 2), "jobs_each_way": len(busy), "pace_per_s": PACE_PER_S,
        "company": heard,
    }  # fmt: skip


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _summary(values: list[float]) -> dict[str, float]:
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    return {**{name: round(_quantile(values, share), 2) for name, share in shares.items()}, "worst": round(max(values), 2)}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether the goal is reached."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.api",
        description="How fast a submission is acknowledged while tabs are live, events are read and a video is downloaded.",
        epilog=f"Submissions come at {PACE_PER_S:g} per second, so {2 * DEFAULT_JOBS} of them take "
        f"{length_s(DEFAULT_JOBS):.0f} s; "
        "the whole run takes about ten seconds more. Progress is told on stderr. On a busy machine the figures mean nothing.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--jobs", type=int, default=DEFAULT_JOBS, help="jobs submitted alone, and again in company (%(default)s)")
    parser.add_argument("--tabs", type=int, default=50, help="live tabs (%(default)s)")
    chosen = parser.parse_args(arguments)
    result = measure(chosen.jobs, chosen.tabs)
    report = {
        "benchmark": "api", "is_reached": result["is_reached"], "results": [result], "python": platform.python_version(),
        "machine": platform.machine(), "cores": len(os.sched_getaffinity(0)), "load_average": round(os.getloadavg()[0], 2),
    }  # fmt: skip
    if chosen.json:
        print(json.dumps(report, indent=2))
    else:
        verdict = "reached" if result["is_reached"] else "MISSED"
        print(f"{result['name']}: {result['reached']} (goal {result['goal']}) {verdict}; alone {result['alone_ms']['p99']}")
    return 0 if result["is_reached"] else 1


if __name__ == "__main__":
    sys.exit(main())
