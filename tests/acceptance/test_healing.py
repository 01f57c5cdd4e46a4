"""Healing with real processes: no memory, stutter, a hang, stopped processes. Work goes on, and the log says how fast."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.catalog import SHAPES
from engine.memory import context_bytes
from tests.acceptance.studio import Studio, until
from tests.acceptance.test_faults import Script, renew_workers
from tests.acceptance.test_kills import check_story

Make = Callable[..., Studio]


def write_policy(home: Path, text: str) -> None:
    """The data directory's policy."""
    (home / "var").mkdir(exist_ok=True)
    (home / "var" / "policy.yaml").write_text(text)


def healed(studio: Studio, fault: str) -> dict[str, Any]:
    """The newest heal of a fault, once it is over."""

    def look() -> dict[str, Any] | None:
        found = [heal for heal in studio.reader.heals() if heal["fault"] == fault]
        return found[0] if found and found[0]["state"] != "open" else None

    heal = until(look, f"the end of {fault}")
    assert heal is not None and heal["state"] == "recovered", heal
    assert heal["recovery_ms"] is not None and heal["actions"], heal
    return heal


def test_memory_that_is_short_and_blocks_that_are_slow_cost_steps_and_no_block(make_studio: Make, tmp_path: Path) -> None:
    script = Script(tmp_path)
    write_policy(tmp_path, "faults:\n  stutter: {return_after_s: 600}\n  memory_high: {above_ratio: 1.0}\n")
    short = {"do": "out_of_memory", "block": 6, "times": 99, "above_steps": 3}
    script.write(block_s=0.05, faults=[short])
    studio = make_studio("fake", script.env)
    first = studio.door.request_role("education-team", "teacher", degrade="allow")["id"]
    job = studio.wait_for_end(first)
    check_story(studio, first)
    assert (job["rungs"], json.loads(job["recipe"])["settings"]["steps"]) == ("steps=3", 3)
    assert json.loads(job["recipe"])["degradations"] == ["from block 6: steps=3"]
    assert healed(studio, "out_of_memory")["actions"] == ["caches", "steps=3"]

    slow = [{"do": "slow", "block": block, "seconds": 1.0, "above_steps": 3, "job": "*"} for block in range(2, 9)]
    script.write(block_s=0.05, faults=slow)
    renew_workers(studio)
    second = studio.door.request_role("education-team", "teacher", degrade="allow")["id"]
    studio.wait_for_end(second)
    check_story(studio, second)
    assert studio.job(second)["rungs"] == "steps=3"
    heal = healed(studio, "stutter")
    assert heal["numbers"]["planned_fps"] > heal["numbers"]["fps"]
    asked = studio.door.request_role("education-team", "teacher", degrade="ask")["id"]
    assert studio.wait_for_end(asked)["rungs"] == "", "nobody was slow any more"


def test_hang_at_a_named_point_is_seen_by_the_learnt_deadline_of_a_policy_changed_meanwhile(
    make_studio: Make, tmp_path: Path
) -> None:
    script = Script(tmp_path)
    script.write(block_s=0.05, faults=[{"do": "hang", "block": 8, "at": "decode"}], kv="fp8")
    studio = make_studio("fake", script.env)
    write_policy(tmp_path, "max_crashs: 3\n")
    until(lambda: studio.reader.audit(action="policy:refused"), "a refused policy")
    assert "line 1" in studio.reader.audit(action="policy:refused")[0]["body"]["message"]
    (old,) = [process.pid for process in studio.processes("daemon")][-1:]
    os.kill(old, signal.SIGKILL)  # its successor goes on with the policy that held
    until(lambda: [process.pid for process in studio.processes("daemon")][-1:] not in ([], [old]), "another daemon")
    studio.wait_until_ready()
    write_policy(tmp_path, "faults:\n  hung_step: {floor_s: 2.5}\n")
    until(lambda: studio.reader.fact("policy_version") == 2, "the new policy")
    job_id = studio.door.request_role("education-team", "teacher")["id"]
    studio.wait_for_end(job_id)
    check_story(studio, job_id)
    numbers = healed(studio, "hung_step")["numbers"]
    assert numbers["deadline_s"] == 2.5, "three times a block of 0.05 s is below the floor"
    assert studio.job(job_id)["crashes"] == 0
    assert studio.job(job_id)["context_bytes"] == context_bytes(SHAPES["pocket"], 128, 192, 4, kv="fp8"), "as its worker said"
    assert studio.reader.block_times()[0][1].count >= 5


def test_stopped_daemon_and_web_are_replaced_and_the_log_says_so(make_studio: Make, tmp_path: Path) -> None:
    write_policy(tmp_path, "faults:\n  daemon_lost: {silent_s: 1}\n  web_lost: {silent_s: 2}\n")
    script = Script(tmp_path)
    script.write(block_s=0.3)
    studio = make_studio("fake", script.env)
    job_id = studio.door.request_role("education-team", "teacher")["id"]
    studio.wait_for_blocks(job_id, 1)
    for kind in ("daemon", "web"):
        (old,) = [process.pid for process in studio.processes(kind)][-1:]
        os.kill(old, signal.SIGSTOP)
        until(lambda kind=kind, old=old: old not in [p.pid for p in studio.processes(kind)], f"the end of the {kind}")
    studio.wait_until_ready()
    studio.wait_for_end(job_id)
    check_story(studio, job_id)
    for fault in ("daemon_lost", "web_lost"):
        assert healed(studio, fault)["detect_ms"] >= 1000
    until(lambda: studio.http("GET", "/faults")[0] == 200, "the new web")
    assert studio.stop() == 0


def test_block_that_takes_longer_than_a_lease_is_finished_by_the_worker_that_makes_its_steps(
    make_studio: Make, tmp_path: Path
) -> None:
    script = Script(tmp_path)
    script.write(block_s=3.2)
    write_policy(tmp_path, "lease_s: 2\nfaults:\n  heartbeat_lost: {floor_s: 60}\n")
    studio = make_studio("fake", script.env)
    job_id = studio.door.request_role("education-team", "teacher", duration_sec=0.96, fill="loop")["id"]
    job = studio.wait_for_end(job_id)
    check_story(studio, job_id)
    assert (job["leases"], job["crashes"]) == (1, 0), "nobody was taken for dead"
