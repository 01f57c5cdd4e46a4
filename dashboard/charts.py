"""Charts as plain data and layout for Plotly: arrays, no templates; colours come from the page's own tokens."""

from __future__ import annotations

import time
from typing import Any

from dashboard.reads import Reads

MAX_POINTS = 720
YOUNG_MS = 120_000  # the shortest span that is shown


def devices(reads: Reads, seconds: float) -> dict[str, Any]:
    """Memory and load of each device in percent over the last `seconds`. Missing readings are gaps, not lines."""
    since = time.time() - seconds
    step = max(1.0, seconds / MAX_POINTS)
    lines: dict[str, dict[str, list[Any]]] = {}
    for row in reads.store.thinned_samples(since, step):
        line = lines.setdefault(row["device"], {"x": [], "memory": [], "load": []})
        if line["x"] and row["at"] * 1000 - line["x"][-1] > 5000 * max(1.0, step):
            line["x"].append(row["at"] * 1000 - 1)
            line["memory"].append(None)
            line["load"].append(None)
        used, total = row.get("memory_used_bytes"), row.get("memory_total_bytes")
        line["x"].append(round(row["at"] * 1000))
        line["memory"].append(round(100 * used / total, 2) if used is not None and total else None)
        line["load"].append(row.get("utilization_percent"))
    traces = []
    for device, line in sorted(lines.items()):
        for kind, dash in (("memory", "solid"), ("load", "dot")):
            traces.append({"device": device, "kind": kind, "dash": dash, "x": line["x"], "y": line[kind]})
    first = min((line["x"][0] for line in lines.values() if line["x"]), default=None)
    until = time.time() * 1000
    begin = since * 1000 if first is None else max(since * 1000, min(first, until - YOUNG_MS))  # a young house fills it, too
    return {"traces": traces, "unit": "%", "range": [0, 100], "since": begin, "until": until}


def block_times(reads: Reads, role: str, limit: int = 500) -> dict[str, Any]:
    """Seconds of computing per block, oldest first, and the seconds of video that one block is."""
    rows = reads.store.role_blocks(role, limit)
    return {
        "traces": [{
            "kind": "block_seconds", "x": [round(row["made_at"] * 1000) for row in rows],
            "y": [row["seconds"] for row in rows], "text": [f"{row['job_id']} · {row['block']}" for row in rows],
        }],
        "unit": "s",
        "realtime": rows[-1]["frames"] / 25 if rows else None,
    }  # fmt: skip
