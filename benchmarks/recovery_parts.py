"""The parts of `benchmarks.recovery --device`: each is a generator that gives what was found so far after every blow."""

from __future__ import annotations

import itertools
import signal
import statistics
import time
from collections.abc import Callable, Iterator

from benchmarks.neighbours import Neighbour
from benchmarks.recovery_crowd import crowded_out, out_of_memory
from benchmarks.recovery_house import HurtHouse, seconds_of, strike
from benchmarks.recovery_stage import BLOCKS, Found, Stage, goal, summary
from scheduler.chaos.census import living
from scheduler.chaos.points import Kind
from scheduler.core.healing_policy import Fault, HealingPolicy


def kills(stage: Stage) -> Iterator[Found]:
    """kill -9 of the worker at a random moment of a block → the job goes on, with the same bits."""
    each: list[Found] = []
    for number in range(stage.options.kills):
        each.append(_blow(stage, 1 + number % (BLOCKS - 2), signal.SIGKILL))
        is_same = sum(one["is_identical"] and one["resume"] == "exact" for one in each)
        found = summary(each, "resumed_s")
        yield {
            **found, "next_block_median_s": round(statistics.median(one["next_block_s"] for one in each), 3), "exact": is_same,
            "each": each, "goals": [
                goal("worker killed -9 to work on its block, worst, s", 1.0, found["worst_s"]),
                goal("killed workers whose job has other bits or went on otherwise", 0, len(each) - is_same),
            ],
        }  # fmt: skip


def hung(stage: Stage) -> Iterator[Found]:
    """SIGSTOP of the worker inside a block → seen, replaced, the job goes on."""
    deadline_s = 3 * stage.block_s
    each: list[Found] = []
    for number in range(max(2, stage.options.kills * 2 // 5)):
        each.append(_blow(stage, 1 + number % (BLOCKS - 2), signal.SIGSTOP))
        found = summary(each, "resumed_s")
        by_policy = HealingPolicy()[Fault.HEARTBEAT_LOST]["floor_s"]
        yield {
            **found, "deadline_s": round(deadline_s, 3), "silence_allowed_s": by_policy, "each": each, "goals": [
                goal("worker hung to work on its block, worst, s (3 predicted blocks + 1.2)", 1.2 + deadline_s, found["worst_s"]),
                goal("hung workers whose job has other bits", 0, sum(not one["is_identical"] for one in each)),
            ],
        }  # fmt: skip


def _blow(stage: Stage, block: int, number: signal.Signals) -> Found:
    """One job that loses its worker after a part of a block."""
    hurt = stage.hurt
    hurt.wait_for_standby()
    job_id = stage.submit(blocks=BLOCKS)
    pid = hurt.active()
    hurt.wait_for_blocks(job_id, block)
    time.sleep(stage.draws.random() * stage.block_s)
    done = hurt.blocks(job_id)
    at = strike(pid, number)
    started = hurt.row(job_id, "job:started", at)
    resumed = seconds_of(started) - at
    lost = next(e for e in hurt.reader.story("slot:0") if e["action"] == "worker:lost" and seconds_of(e) > at)
    fault = next(e for e in hurt.reader.story("slot:0") if e["action"] == "fault:detected" and seconds_of(e) > at)
    found = stage.finish(job_id)
    rows = hurt.reader.blocks(job_id)
    first = int(started["body"]["from_block"])
    return {
        "block": block, "blocks_done": done, "from_block": first, "resume": started["body"]["resume"],
        "lost_s": round(seconds_of(lost) - at, 3), "resumed_s": round(resumed, 3),
        "next_block_s": round(rows[first]["made_at"] - at, 3),
        "cause": fault["body"]["cause"], "is_identical": found == stage.reference,
        "silent_s": fault["body"].get("silent_s"), "allowed_s": fault["body"].get("deadline_s"),
    }  # fmt: skip


def urgent(stage: Stage) -> Iterator[Found]:
    """An urgent job is acknowledged while another runs → its first block begins. Its role was shown before."""
    hurt, each = stage.hurt, list[Found]()
    hurt.wait_for_standby()
    stage.finish(stage.submit("presenter", 2, priority=100))
    running = stage.submit(blocks=400)
    for _ in range(max(3, stage.options.kills // 2)):
        before = hurt.blocks(running)
        hurt.wait_for_blocks(running, before + 3)
        time.sleep(stage.draws.random() * stage.block_s)
        job_id = stage.submit("presenter", 2, priority=100)
        at = time.time()
        started, gave_way = hurt.row(job_id, "job:started"), hurt.row(running, "job:preempted", at)
        stage.finish(job_id)
        first = hurt.reader.blocks(job_id)[0]["made_at"]
        back = hurt.row(running, "job:started", at)
        each.append({
            "to_block_started_s": round(seconds_of(started) - at, 3), "gave_way_s": round(seconds_of(gave_way) - at, 3),
            "prepare_s": round(seconds_of(started) - seconds_of(gave_way), 3), "first_block_s": round(first - at, 3),
            "victim_resume": back["body"]["resume"],
            "story": [(e["action"], round(seconds_of(e) - at, 3)) for e in hurt.reader.story(f"job:{job_id}")],
        })  # fmt: skip
        longest = max(_block_times(hurt, running, stage.block_s))
        found = summary(each, "to_block_started_s")
        yield {
            **found, "block_s": round(stage.block_s, 3), "longest_block_s": round(longest, 3),
            "prepare": summary(each, "prepare_s"), "first_block": summary(each, "first_block_s"), "each": each, "goals": [
                goal("urgent job acknowledged to BlockStarted, worst, s", stage.block_s + 0.05, found["worst_s"]),
                goal("victims that did not go on exactly", 0, sum(one["victim_resume"] != "exact" for one in each)),
            ],
        }  # fmt: skip
    hurt.end_job(running)


def _block_times(hurt: HurtHouse, job_id: str, usual_s: float) -> list[float]:
    """Seconds from block to block, pauses left out."""
    made = [row["made_at"] for row in hurt.reader.blocks(job_id)]
    return [later - earlier for earlier, later in itertools.pairwise(made) if later - earlier < 2 * usual_s]


def stutter(stage: Stage) -> Iterator[Found]:
    """Neighbours compute on the same device, so blocks become slow → those that begin after it was seen have fewer steps."""
    hurt, each = stage.hurt, list[Found]()
    hurt.wait_for_standby()
    neighbours = [Neighbour("time", "--device", stage.device) for _ in range(3)]
    try:
        for neighbour in neighbours:
            neighbour.ask("stop")
        for _ in range(max(1, stage.options.kills // 7)):
            job_id = stage.submit(blocks=60, degrade="allow")
            hurt.wait_for_blocks(job_id, 4)
            for neighbour in neighbours:
                neighbour.ask("go")
            at = time.time()
            detected = hurt.row(f"{job_id}", "fault:detected", at)
            eased = hurt.row(job_id, "heal:acted", seconds_of(detected))
            started = hurt.row(job_id, "job:started", seconds_of(eased))
            for neighbour in neighbours:
                neighbour.ask("stop")
            each.append({
                "seen_s": round(seconds_of(detected) - at, 3),
                "fewer_steps_s": round(seconds_of(started) - seconds_of(detected), 3),
                "slow_blocks_after_it_was_seen": int(started["body"]["from_block"]) - int(detected["body"]["blocks_done"]),
                "action": eased["body"]["action"], "fps": detected["body"]["fps"], "planned_fps": detected["body"]["planned_fps"],
                "resume": started["body"]["resume"],
            })  # fmt: skip
            hurt.end_job(job_id)
            late = max(one["slow_blocks_after_it_was_seen"] for one in each)
            goals = [goal("slow blocks after a stutter was seen", 1, late)]
            yield {**summary(each, "fewer_steps_s"), "each": each, "goals": goals}
    finally:
        for neighbour in neighbours:
            neighbour.end()


def vault(stage: Stage) -> Iterator[Found]:
    """kill -9 of the vault → its workers end, new ones load the weights again, the job goes on (continuous on a GPU)."""
    hurt, each = stage.hurt, list[Found]()
    for _ in range(max(1, stage.options.kills // 10)):
        hurt.wait_for_standby()
        job_id = stage.submit(blocks=BLOCKS)
        hurt.wait_for_blocks(job_id, 2)
        (pid,) = living(hurt.house, Kind.VAULT)
        worker = hurt.active()
        at = strike(pid)
        found = stage.finish(job_id)
        starts = [e for e in hurt.reader.story(f"job:{job_id}") if e["action"] == "job:started"]
        again = next((e for e in starts if seconds_of(e) > at), None)
        each.append({
            "worker_replaced": hurt.active() != worker, "blocks": len(found), "is_identical": found == stage.reference,
            "resume": None if again is None else again["body"]["resume"],
            "resumed_s": 0.0 if again is None else round(seconds_of(again) - at, 3),
            "from_block": None if again is None else again["body"]["from_block"],
        })  # fmt: skip
        lost = sum(one["blocks"] != BLOCKS for one in each)
        goals = [goal("jobs not finished after their vault's death", 0, lost)]
        yield {**summary(each, "resumed_s"), "each": each, "goals": goals}


PARTS: dict[str, Callable[[Stage], Iterator[Found]]] = {
    "kills": kills, "urgent": urgent, "hung": hung, "stutter": stutter, "vault": vault, "crowded_out": crowded_out,
    "out_of_memory": out_of_memory,
}  # fmt: skip
