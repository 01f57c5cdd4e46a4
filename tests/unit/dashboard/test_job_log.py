"""A job's log: lines that name it, from all processes in order of time, for those who may read its words."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.dashboard.web_rig import Web


def write(house: Web, name: str, *lines: dict[str, Any] | str) -> None:
    """A log file as a process writes it."""
    folder = house.data_dir / "logs"
    folder.mkdir(exist_ok=True)
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / name).write_text("\n".join(text) + "\n", encoding="utf-8")


def test_log_has_the_jobs_lines_of_all_processes_by_level_and_time(house: Web) -> None:
    job, other = house.job(1, user="ana"), house.job(2)
    at = "2026-11-21T09:00:02.000Z"
    daemon = {"@timestamp": at, "log.level": "warning", "service.name": "daemon", "message": f"late: {job}"}
    worker = {"at": 1_795_251_601.0, "level": "error", "process": "worker", "event": "job failed", "job": job, "code": "x"}
    write(house, "daemon.jsonl", daemon, {**worker, "job": other, "error": job}, "{half", "[]")
    write(house, "worker-0.jsonl", worker)
    client = house.person("ana")
    lines = client.get(f"/jobs/{job}/log").get_json()["lines"]
    assert [(line["level"], line["process"], line["text"]) for line in lines] == [
        ("error", "worker", "job failed"), ("warning", "daemon", f"late: {job}")
    ]  # fmt: skip
    assert lines[0]["more"] == {"code": "x"}
    later = client.get(f"/jobs/{job}/log?after={lines[0]['at']}").get_json()
    assert (len(later["lines"]), later["until"]) == (1, lines[1]["at"])
    assert len(client.get(f"/jobs/{job}/log?level=error").get_json()["lines"]) == 1
    loaded = client.get(f"/jobs/{job}/log?download=yes")
    assert loaded.headers["Content-Disposition"].startswith("attachment") and len(loaded.text.splitlines()) == 2
    assert client.get(f"/jobs/{other}/log").status_code == 403
    assert client.get(f"/jobs/{job}/log?level=all").status_code == 422
    assert "data-log=" in client.get(f"/dashboard/jobs/{job}").text
    assert "data-log=" not in client.get(f"/dashboard/jobs/{other}").text
