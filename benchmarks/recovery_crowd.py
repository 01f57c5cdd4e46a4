"""The parts of `benchmarks.recovery --device` in which somebody takes the device's memory."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.neighbours import Neighbour
from benchmarks.recovery_house import seconds_of, strike
from benchmarks.recovery_stage import BLOCKS, END_S, Found, Stage, goal, summary
from engine import memory
from engine.catalog import SHAPES
from engine.memory import GIB
from scheduler.chaos.house import until


def out_of_memory(stage: Stage) -> Iterator[Found]:
    """A process takes the device's memory while a job rests and its context had to go → it goes on with fewer steps.

    The job is made with five steps. Another one needs its memory meanwhile (the vault lets its context go), then the intruder
    leaves less than five steps need and more than four do: the device refuses the job's context when it comes back. Once only:
    the house learns from it, and lets no further job of this kind in with five steps.
    """
    if stage.device == "cpu":
        return
    hurt, intruder = stage.hurt, Neighbour("memory")
    coded = "fp8" if stage.options.precision == "fp8" else None
    of_four = memory.context_bytes(SHAPES["live-avatar-14b"], stage.width, stage.height, 4, kv=coded)
    try:
        hurt.wait_for_standby()
        job_id = stage.submit(blocks=24, steps=5, degrade="allow")
        hurt.wait_for_blocks(job_id, 5)
        hurt.house.door.pause(job_id)
        until(lambda: (hurt.reader.job(job_id) or {})["state"] == "QUEUED", "a rest", END_S)
        done = hurt.blocks(job_id)
        left = [int(intruder.ask(f"leave {4 * GIB}"))]
        stage.finish(stage.submit("presenter", 2))
        time.sleep(0.5)  # its context is let go of by order of the daemon
        left.append(int(intruder.ask(f"leave {of_four + 3 * GIB}")))
        at = time.time()
        hurt.house.door.resume(job_id)
        detected = hurt.row(job_id, "fault:detected", at)
        started = hurt.row(job_id, "job:started", at)
        hurt.wait_for_blocks(job_id, done + 2)
        first = int(started["body"]["from_block"])
        one: Found = {
            "resumed_s": round(seconds_of(started) - seconds_of(detected), 3), "asked_s": round(seconds_of(detected) - at, 3),
            "from_block": first, "blocks_lost": done - first, "resume": started["body"]["resume"],
            "acted": [e["body"]["action"] for e in hurt.reader.story(f"job:{job_id}") if e["action"] == "heal:acted"],
            "free_gib": [round(free / GIB, 2) for free in left], "said": (hurt.reader.job(job_id) or {}).get("error_message"),
        }  # fmt: skip
        hurt.end_job(job_id)
        yield {**summary([one], "resumed_s"), "each": [one], "goals": [
            goal("out of memory to job resumed with less, worst, s", 1.0, one["resumed_s"]),
            goal("finished blocks lost to want of memory", 0, one["blocks_lost"]),
        ]}  # fmt: skip
    finally:
        intruder.end()


def crowded_out(stage: Stage) -> Iterator[Found]:
    """A process takes all memory, and that of a killed worker too: the standby's block fails for want of memory.

    The house lets go of what it can spare, the context of a job that rests, and the job goes on.
    """
    if stage.device == "cpu":
        return
    hurt, each = stage.hurt, list[Found]()
    intruder = Neighbour("memory")
    try:
        for _ in range(max(2, stage.options.kills // 4)):
            resting = stage.submit("presenter", 24)
            hurt.wait_for_blocks(resting, 2)
            hurt.house.door.pause(resting)
            hurt.wait_for_standby()
            job_id = stage.submit(blocks=BLOCKS)
            pid = hurt.active()
            hurt.wait_for_blocks(job_id, 1)
            intruder.ask(f"leave {GIB // 4}")
            hurt.wait_for_blocks(job_id, 2)
            intruder.tell(f"bite {2 * GIB}")
            at = strike(pid)
            free = int(intruder.hear())
            found = stage.finish(job_id)
            story = [e for e in hurt.reader.story(f"job:{job_id}") if seconds_of(e) > at]
            refused = next((seconds_of(e) for e in story if e["action"] == "fault:detected"), None)
            starts = [e for e in story if e["action"] == "job:started" and seconds_of(e) > (refused or at)]
            each.append({
                "resumed_s": 0.0 if refused is None else round(seconds_of(starts[0]) - refused, 3),
                "refused_s": None if refused is None else round(refused - at, 3), "free_mib": free >> 20,
                "since_blow_s": round(seconds_of(starts[0]) - at, 3), "from_block": starts[0]["body"]["from_block"],
                "resume": starts[0]["body"]["resume"], "is_identical": found == stage.reference,
                "acted": [e["body"]["action"] for e in story if e["action"] == "heal:acted"],
                "said": (hurt.reader.job(job_id) or {}).get("error_message"),
            })  # fmt: skip
            intruder.ask("free")
            hurt.end_job(resting)
            lost = sum(not one["is_identical"] or one["resume"] != "exact" for one in each)
            found_all = summary(each, "resumed_s")
            yield {**found_all, "refused": sum(one["refused_s"] is not None for one in each), "each": each, "goals": [
                goal("a block that failed for want of memory to job resumed, worst, s", 1.0, found_all["worst_s"]),
                goal("jobs with other bits after a block failed for want of memory", 0, lost),
            ]}  # fmt: skip
    finally:
        intruder.end()
