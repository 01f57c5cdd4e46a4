"""The parts of `benchmarks.recovery --device`: each is a generator that gives what was found so far after every blow."""

from __future__ import annotations

import argparse
import itertools
import random
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.neighbours import Neighbour
from benchmarks.recovery_house import HurtHouse, seconds_of, strike
from engine import memory
from engine.catalog import BLOCK_SECONDS, SHAPES
from scheduler.chaos.census import living, residents
from scheduler.chaos.house import ChaosHouse, NotWithin, until
from scheduler.chaos.points import Kind
from scheduler.core.healing_policy import Fault, HealingPolicy

BLOCKS = 6  # of the jobs that must come out as an undisturbed one
SEED = 5
END_S = 60.0
Found = dict[str, Any]
GIB = 1 << 30


class Stage:
    """The house, and what all parts know of it."""

    def __init__(self, hurt: HurtHouse, options: argparse.Namespace, until_at: float) -> None:
        self.hurt, self.options, self._until = hurt, options, until_at
        self.device = options.device
        self.draws = random.Random(SEED)
        self.ready_at = time.monotonic()
        self.block_s, self.standby_s = 0.0, 0.0
        self.width, self.height = 0, 0
        self.reference: list[tuple[str, str]] = []

    def is_over(self) -> bool:
        """No time is left for another blow."""
        return time.monotonic() > self._until

    def submit(self, role: str = "teacher", blocks: int = 60, **request: Any) -> str:
        """A job of so many blocks; the same recipe each time, but for what is said."""
        return self.hurt.submit(role, blocks * BLOCK_SECONDS, seed=7, **request)

    def is_done(self, job_id: str) -> bool:
        """Has it succeeded? Raises NotWithin when it never will."""
        row = self.hurt.reader.job(job_id) or {}
        if row.get("state") in ("FAILED", "REJECTED", "CANCELLED"):
            raise NotWithin(f"{job_id} ended as {row['state']}: {row['error_message']}")
        return bool(row.get("state") == "SUCCEEDED")

    def finish(self, job_id: str) -> list[tuple[str, str]]:
        """Wait for its end; the hashes of its blocks."""
        until(lambda: self.is_done(job_id), f"the end of {job_id}", END_S)
        return [(row["latents_sha256"], row["frames_sha256"]) for row in self.hurt.reader.blocks(job_id)]

    def learn(self) -> None:
        """Undisturbed jobs: their bits, and the usual time of a block. Then a warm standby is waited for."""
        for _ in range(2):
            job_id = self.submit(blocks=BLOCKS)
            found = self.finish(job_id)
            assert len(found) == BLOCKS and self.reference in ([], found), f"undisturbed jobs differ: {self.reference}, {found}"
            self.reference = found
        made = [row["made_at"] for row in self.hurt.reader.blocks(job_id)]
        self.block_s = statistics.median(later - earlier for earlier, later in itertools.pairwise(made[1:]))
        row = self.hurt.reader.job(job_id)
        assert row is not None
        self.width, self.height = row["width"], row["height"]
        self.hurt.wait_for_standby()
        self.standby_s = time.monotonic() - self.ready_at

    def come_to_rest(self) -> None:
        """After a part that failed: nothing of it goes on."""
        for row in self.hurt.reader.load_open_jobs():
            self.hurt.house.door.cancel(row.id)
        until(lambda: not self.hurt.reader.load_open_jobs(), "the end of all jobs", END_S)


def goal(name: str, limit: float, found: float) -> Found:
    """One line of the verdict."""
    return {"goal": name, "limit": round(limit, 3), "found": round(found, 3), "is_reached": found <= limit}


def _summary(each: list[Found], field: str) -> Found:
    values = [one[field] for one in each]
    return {"times": len(values), "median_s": round(statistics.median(values), 3), "worst_s": round(max(values), 3)}


def kills(stage: Stage) -> Iterator[Found]:
    """kill -9 of the worker at a random moment of a block → the job goes on, with the same bits."""
    each: list[Found] = []
    for number in range(stage.options.kills):
        each.append(_blow(stage, 1 + number % (BLOCKS - 2), signal.SIGKILL))
        is_same = sum(one["is_identical"] and one["resume"] == "exact" for one in each)
        found = _summary(each, "resumed_s")
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
        found = _summary(each, "resumed_s")
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
        found = _summary(each, "to_block_started_s")
        yield {
            **found, "block_s": round(stage.block_s, 3), "longest_block_s": round(longest, 3),
            "prepare": _summary(each, "prepare_s"), "first_block": _summary(each, "first_block_s"), "each": each, "goals": [
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
            yield {**_summary(each, "fewer_steps_s"), "each": each, "goals": goals}
    finally:
        for neighbour in neighbours:
            neighbour.end()


def out_of_memory(stage: Stage) -> Iterator[Found]:
    """A process takes the device's memory while a job rests and its context had to go → it goes on with fewer steps.

    The job is made with five steps. Another one needs its memory meanwhile (the vault lets its context go), then the intruder
    leaves less than five steps need and more than four do: the device refuses the job's context when it comes back.
    """
    if stage.device == "cpu":
        return
    hurt, each = stage.hurt, list[Found]()
    shape = SHAPES["live-avatar-14b"]
    of_four = memory.context_bytes(shape, stage.width, stage.height, 4, kv="fp8" if stage.options.precision == "fp8" else None)
    intruder = Neighbour("memory")
    try:
        for _ in range(max(1, stage.options.kills // 5)):
            hurt.wait_for_standby()
            job_id = stage.submit(blocks=24, steps=5, degrade="allow")
            hurt.wait_for_blocks(job_id, 5)
            hurt.house.door.pause(job_id)
            until(lambda job_id=job_id: (hurt.reader.job(job_id) or {})["state"] == "QUEUED", "a rest", END_S)  # type: ignore[misc]
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
            acted = [e["body"]["action"] for e in hurt.reader.story(f"job:{job_id}") if e["action"] == "heal:acted"]
            each.append({
                "resumed_s": round(seconds_of(started) - seconds_of(detected), 3), "asked_s": round(seconds_of(detected) - at, 3),
                "from_block": int(started["body"]["from_block"]), "blocks_lost": done - int(started["body"]["from_block"]),
                "resume": started["body"]["resume"], "acted": acted, "free_gib": [round(free / GIB, 2) for free in left],
                "said": (hurt.reader.job(job_id) or {}).get("error_message"),
            })  # fmt: skip
            hurt.end_job(job_id)
            intruder.ask("free")
            found = _summary(each, "resumed_s")
            yield {**found, "each": each, "goals": [
                goal("out of memory to job resumed with less, worst, s", 1.0, found["worst_s"]),
                goal("finished blocks lost to want of memory", 0, max(one["blocks_lost"] for one in each)),
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
            found_all = _summary(each, "resumed_s")
            yield {**found_all, "refused": sum(one["refused_s"] is not None for one in each), "each": each, "goals": [
                goal("a block that failed for want of memory to job resumed, worst, s", 1.0, found_all["worst_s"]),
                goal("jobs with other bits after a block failed for want of memory", 0, lost),
            ]}  # fmt: skip
    finally:
        intruder.end()


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
        yield {**_summary(each, "resumed_s"), "each": each, "goals": goals}


def strike_all(house: ChaosHouse) -> int:
    """kill -9 of the launcher and so, by the kernel, of everybody; how many there were. They are waited for."""
    assert house.launcher is not None
    there = len(residents(house))
    house.launcher.kill()
    house.launcher.wait()
    until(lambda: not residents(house), "the end of everybody", 10)
    return there


PARTS: dict[str, Callable[[Stage], Iterator[Found]]] = {
    "kills": kills, "urgent": urgent, "hung": hung, "stutter": stutter, "out_of_memory": out_of_memory,
    "crowded_out": crowded_out, "vault": vault,
}  # fmt: skip
