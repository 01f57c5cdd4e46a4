"""The gap between two parts of a session: `python -m benchmarks.relay [--shape pocket|live-avatar-14b] [--parts N]`.

A whole house with random weights plays a session whose parts are all of roles that nobody has asked for yet, then as many jobs
of other new roles, submitted at once and apart (the alternative: nothing tells that one follows the other). A gap is the time
from one's last block being durable and its video closed to the next one's start: conditions prepared, context open. The goal:
every gap of a session is at most one block. Prints JSON; exits with 1 when it is missed. Needs a GPU for the 14B shape.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.recovery_house import ROLE, house_of
from engine.model.random_directory import checked
from scheduler.chaos.house import ChaosHouse, until

SIZES = {"pocket": (192, 128, "pocket"), "live-avatar-14b": (640, 384, "standard")}
SECONDS = 2.88  # of each part: six blocks
START_S, WORK_S = 420.0, 420.0
PATIENT = {"hung_step": "{floor_s: 60, cold_s: 300, long_s: 300, start_s: 400}", "heartbeat_lost": "{floor_s: 60}"}


def measure(shape: str, parts: int, home: Path) -> dict[str, Any]:
    """Both ways in one house."""
    width, height, preset = SIZES[shape]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = checked(shape, "fp8" if device == "cuda" else "bf16", 0)
    house = house_of(home, model=model, width=width, height=height, preset=preset, device=device)
    names = [f"{way}{number}" for way in ("relay", "apart") for number in range(parts)]
    text = house.roles.read_text(encoding="utf-8")
    for name in names:  # the face and voice of another role, but words of their own: nothing of them is ready
        text += ROLE.format(name=name, priority=10, preset=preset).replace(f"/{name}.", "/teacher.")
    house.roles.write_text(text, encoding="utf-8")
    house.be_patient(PATIENT)
    try:
        house.start(is_awaited=False)
        until(lambda: house.is_ready() and house.status()["slots"][0]["worker"], "a worker", START_S)
        wish: dict[str, Any] = {"duration_sec": SECONDS, "fill": "loop", "degrade": "never"}
        _end_of(house, str(house.door.request_role("warm-up", "teacher", **wish)["id"]))
        session = house.door.request_session("relay", [{"role": name, **wish} for name in names[:parts]])
        relay = [str(one["id"]) for one in session["parts"]]
        _end_of(house, relay[-1])
        apart = [str(house.door.request_role(f"apart-{name}", name, **wish)["id"]) for name in names[parts:]]
        _end_of(house, apart[-1])
        found = {"relay": _gaps(house, relay), "apart": _gaps(house, apart)}
        blocks_ms = [1000 * block["seconds"] for job_id in relay for block in house.reader.blocks(job_id)]
    finally:
        house.end()
    block_ms = round(median(blocks_ms), 1)
    return {
        "shape": shape, "device": device, "parts": parts, "block_ms": block_ms, "gaps_ms": found,
        "worst_in_blocks": {way: round(max(gaps) / block_ms, 2) for way, gaps in found.items()}, "goal_in_blocks": 1.0,
        "is_reached": max(found["relay"]) <= block_ms,
    }  # fmt: skip


def _end_of(house: ChaosHouse, job_id: str) -> None:
    until(lambda: (house.reader.job(job_id) or {})["finished_at"], f"the end of {job_id}", WORK_S)


def _gaps(house: ChaosHouse, job_ids: list[str]) -> list[float]:
    rows = [house.reader.job(job_id) or {} for job_id in job_ids]
    bad = [row for row in rows if row["state"] != "SUCCEEDED"]
    if bad:
        raise SystemExit(f"{bad[0]['id']} ended as {bad[0]['state']}: {bad[0]['error_message']}")
    order = sorted(rows, key=lambda row: float(row["started_at"]))
    return [
        round(1000 * (after["started_at"] - before["finished_at"]), 1) for before, after in pairwise(order)
    ]


def main() -> int:
    """Measure, print JSON, say by the exit status whether the goal is reached."""
    parser = argparse.ArgumentParser(prog="benchmarks.relay", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shape", choices=SIZES, default="pocket", help="live-avatar-14b needs a GPU")
    parser.add_argument("--parts", type=int, default=6)
    parser.add_argument("--json", action="store_true", help="for symmetry: the output is always JSON")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="greenroom-relay-") as folder:
        found = measure(chosen.shape, chosen.parts, Path(folder))
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    machine = {"gpu": gpu, "torch": torch.__version__, "machine": platform.machine()}
    print(json.dumps({"benchmark": "relay", **found, **machine}, indent=2))
    return 0 if found["is_reached"] else 1


if __name__ == "__main__":
    sys.exit(main())
