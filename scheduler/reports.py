"""What workers say, made into events and rows. Every report is fenced by its lease: the core decides, extras follow it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import protocol
from engine.catalog import BLOCK_FRAMES
from engine.config import Settings
from engine.regular_file import open_regular
from scheduler.core import events
from scheduler.core.actions import Action, MoveJob
from scheduler.core.block_times import BlockKey, BlockTimes
from scheduler.core.healing_policy import Fault, HealingPolicy
from scheduler.core.ladder import Rung
from scheduler.core.reports import MEMORY_CODES
from scheduler.errors import SchedulerError
from scheduler.job_ladder import Picture, at_rung, ladder_of_row
from scheduler.ledger import Ledger, Turn, job_of
from scheduler.memory_kinds import kind_at, measured
from scheduler.own_files import with_own_files
from scheduler.role_book import RoleBook
from scheduler.room import is_without_room
from scheduler.worker_link import WorkerLink

RENEW_EVERY_S = 1.0  # a step that is seen renews the lease, this often at most
JUDGE_FIRST_S = 2.0  # a lease outlives its worker's deadline by so much: whoever stands still is judged by that
PLAN_FROM = 5  # blocks of a kind that must be known before one counts as too slow
_log = logging.getLogger("greenroom.reports")


class Reports:
    """Receives the workers' reports on the event loop's thread."""

    def __init__(
        self, ledger: Ledger, data_dir: Path, roles: RoleBook, times: BlockTimes, healing: Callable[[], HealingPolicy]
    ) -> None:
        self._ledger = ledger
        self._data_dir = data_dir
        self._roles, self._times, self._healing = roles, times, healing
        self._prepared: dict[str, tuple[str, asyncio.Future[protocol.RolePrepared | protocol.RoleRefused]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def expect_role(
        self, request_id: str, worker_id: str
    ) -> asyncio.Future[protocol.RolePrepared | protocol.RoleRefused]:
        """A future for the worker's answer to PrepareRole; SchedulerError 503 when that worker is lost."""
        future: asyncio.Future[protocol.RolePrepared | protocol.RoleRefused] = asyncio.get_running_loop().create_future()
        self._prepared[request_id] = (worker_id, future)
        future.add_done_callback(lambda _: self._prepared.pop(request_id, None))
        return future

    def lose_worker(self, worker_id: str) -> None:
        """Nobody will answer for this worker any more."""
        for asked, future in list(self._prepared.values()):
            if asked == worker_id and not future.done():
                future.set_exception(
                    SchedulerError(503, "worker_lost", "The slot's worker was lost while it prepared the role.",
                                   hint="Another one takes its place; try again in a few seconds.")
                )  # fmt: skip

    def receive(self, link: WorkerLink, message: protocol.Message) -> None:
        """Take one report."""
        match message:
            case protocol.JobStarted():
                self._ledger.post(lambda turn: self._started(turn, link, message))
            case protocol.BlockDone():
                self._ledger.post(lambda turn: self._block_done(turn, link, message))
            case protocol.SegmentDone():
                self._ledger.post(lambda turn: self._segment_done(turn, message))
            case protocol.JobPreempted():
                self._post(lambda at: events.JobWasPreempted(at=at, lease_id=message.lease_id, blocks_done=message.blocks_done))
            case protocol.JobCancelled():
                self._post(lambda at: events.JobWasCancelled(at=at, lease_id=message.lease_id, blocks_done=message.blocks_done))
            case protocol.JobFailed():
                self._ledger.post(lambda turn: self._failed(turn, link, message))
            case protocol.JobSucceeded():
                task = asyncio.get_running_loop().create_task(self._succeeded(message))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case protocol.RolePrepared() | protocol.RoleRefused():
                _, future = self._prepared.get(message.request_id, ("", None))
                if future is not None and not future.done():
                    future.set_result(message)
            case protocol.BlockStarted():
                pass  # the heartbeat carries the same; measured by benchmarks from the wire
            case _:
                _log.warning("worker %s sent %s, which no daemon expects", link.worker_id, type(message).__name__)

    def see_work(self, link: WorkerLink, allowed_s: float) -> None:
        """The worker is at a step where it was not before: a block that takes long is not lost for that."""
        lease_id, now = link.heartbeat.lease_id, time.monotonic()
        if lease_id is None or now - link.renewed_at < min(RENEW_EVERY_S, self._ledger.state.policy.lease_s / 4):
            return
        link.renewed_at = now
        self._post(lambda at: events.WorkWasSeen(at=at, lease_id=lease_id, allowed_s=allowed_s + JUDGE_FIRST_S))

    def _post(self, event: Callable[[float], events.Event]) -> None:
        self._ledger.post(lambda turn: turn.apply(event(turn.at)))

    def _started(self, turn: Turn, link: WorkerLink, message: protocol.JobStarted) -> None:
        actions = turn.apply(
            events.JobWasStarted(
                at=turn.at, lease_id=message.lease_id, resume=message.resume,
                ladder=self._ladder(turn, link, message.lease_id, is_started=True),
                prepare_ms=message.prepare_ms, context_ms=message.context_ms,
            )
        )
        if (job_id := _moved(actions)) is None:
            return
        row = turn.store.job(job_id)
        assert row is not None
        asked = json.loads(row["asked"]) if row["asked"] else None
        first = json.loads(row["recipe"])
        # Blocks that a dead daemon never heard of were made with an exact context of this very setting.
        unheard = message.resume == "exact" and message.from_block > row["blocks_done"]
        recipe = at_rung(first, row["rungs"], asked, row["blocks_done"] if unheard else message.from_block)
        if asked is None and recipe["settings"] != first["settings"]:
            turn.store.note_job(job_id, asked=json.dumps(first["settings"], ensure_ascii=False))
        if link.ready is not None:
            # The worker computes with the threads that the recipe was begun with, so these stay.
            pinned = {name: recipe["made_with"][name] for name in ("threads",) if name in recipe["made_with"]}
            recipe["made_with"] = {**link.ready.software, "device": link.ready.device, **pinned}
            recipe["weights_sha256"] = link.ready.weights_sha256
        turn.store.note_job(
            job_id, resume=message.resume, width=message.width, height=message.height,
            started_at=row["started_at"] or turn.at, recipe=json.dumps(recipe, ensure_ascii=False),
        )  # fmt: skip
        self._expect(link, block_key(recipe, message.width, message.height, link))

    def _ladder(self, turn: Turn, link: WorkerLink, lease_id: str, *, is_started: bool) -> tuple[Rung, ...]:
        """What the lease's job could give up; empty where its role is gone, or the lease. `is_started`: see `ladder_of_row`."""
        if (job := turn.job_of(lease_id)) is None or (row := turn.store.job(job.id)) is None:
            return ()
        role = self._roles.version(row["role"], row["role_version"])
        own = {"portrait": json.loads(row["recipe"])["portrait_sha256"]}
        if own["portrait"] != role.portrait_sha256 and turn.store.asset(own["portrait"]) is not None:
            role = with_own_files(turn.store, own, role)
        kinds = kind_at(turn.state.memory, json.loads(row["recipe"])["model"], [link.ready])
        kv = None if link.ready is None else link.ready.kv
        picture = Picture(width=role.image_width, height=role.image_height)
        return ladder_of_row(row, picture, is_started=is_started, kv=kv, kind_at=kinds)

    @property
    def times(self) -> BlockTimes:
        """What blocks take here, as learnt so far."""
        return self._times

    def _expect(self, link: WorkerLink, key: BlockKey) -> None:
        """From now on the worker makes blocks of this kind: how long may one take?"""
        rule, time = self._healing()[Fault.HUNG_STEP], self._times.predict(key)
        link.block_deadline_s = None if time is None else time.deadline_s(rule["factor"], rule["floor_s"])

    def _failed(self, turn: Turn, link: WorkerLink, message: protocol.JobFailed) -> None:
        """A disk without room is nobody's failure: everything waits until there is some, then goes on."""
        if message.code == "disk_full" and turn.job_of(message.lease_id) is not None and is_without_room(self._data_dir):
            raise SchedulerError(507, "disk_full", message.message, hint=message.hint)
        ladder = self._ladder(turn, link, message.lease_id, is_started=False) if message.code in MEMORY_CODES else ()
        event = events.JobHasFailed(
            at=turn.at, lease_id=message.lease_id, code=message.code, can_retry=message.can_retry, ladder=ladder
        )
        job_id = _moved(turn.apply(event))
        if job_id is not None:
            turn.store.note_job(job_id, error_code=message.code, error_message=message.message, error_hint=message.hint)

    def _segment_done(self, turn: Turn, message: protocol.SegmentDone) -> None:
        job = turn.job_of(message.lease_id)
        if job is not None:
            path = self._inside(message.path)
            turn.store.insert_segment(
                {"job_id": job.id, "segment": message.segment, "path": path, "sha256": message.sha256,
                 "frames": message.frames, "bytes": message.bytes}
            )  # fmt: skip

    def _block_done(self, turn: Turn, link: WorkerLink, message: protocol.BlockDone) -> None:
        job = turn.job_of(message.lease_id)
        row = None if job is None else turn.store.job(job.id)
        if job is None:
            link.kill("wrong_lease")  # it works on something that nobody gave it, instead of what somebody did
        key = None
        took = None
        if row is not None and row["width"] is not None:
            recipe = json.loads(row["recipe"])
            key = block_key(recipe, row["width"], row["height"], link)
            took = measured(
                message, link.ready, link.peak, key.model, row["width"], row["height"], Settings(**recipe["settings"])
            )
        known = None if key is None else self._times.of(key)
        planned_s = known.typical_s if known is not None and known.count >= PLAN_FROM else 0.0
        event = events.BlockWasDone(
            at=turn.at, lease_id=message.lease_id, block=message.block, seconds=message.seconds, planned_s=planned_s,
            memory=took,
        )  # fmt: skip
        if _moved(turn.apply(event)) is None:
            return
        assert job is not None
        turn.store.insert_block({
            "job_id": job.id, "block": message.block, "lease_id": message.lease_id, "frames": message.frames,
            "seconds": message.seconds, "latents_sha256": message.latents_sha256, "frames_sha256": message.frames_sha256,
            "fragment_sha256": message.fragment_sha256, "fragment_bytes": message.fragment_bytes,
            "stage_ms": json.dumps(message.stage_ms), "peak_bytes": message.peak_bytes, "made_at": turn.at,
        })  # fmt: skip
        # A lease's first block warms up what was just mapped; a job that stutters says nothing of what is usual.
        is_warm = job.slot is not None and turn.state.slots[job.slot].leased_blocks > 1
        is_usual = is_warm and turn.state.heals.find(Fault.STUTTER, f"job:{job.id}") is None
        if key is not None and (is_usual or known is None):
            turn.store.keep_block_time(key, self._times.learn(key, message.seconds), turn.at)
            self._expect(link, key)

    async def _succeeded(self, message: protocol.JobSucceeded) -> None:
        """Believe the file, not the word: hash it (outside the loop's thread) before the job counts as done."""
        job = job_of(self._ledger.state, message.lease_id)
        problem = None
        if job is not None:
            problem = await asyncio.to_thread(_problem_with, message, job.total_blocks * BLOCK_FRAMES)

        def commit(turn: Turn) -> None:
            if problem is not None:
                _log.error("lease %s: %s", message.lease_id, problem)
                turn.apply(events.JobHasFailed(at=turn.at, lease_id=message.lease_id, code="bad_artifact", can_retry=True))
                return
            job_id = _moved(turn.apply(events.JobHasSucceeded(at=turn.at, lease_id=message.lease_id)))
            if job_id is not None:
                turn.store.note_job(
                    job_id, video_path=self._inside(message.path), video_sha256=message.sha256, frames=message.frames,
                    video_bytes=message.bytes,
                )  # fmt: skip

        self._ledger.post(commit)

    def _inside(self, path: str) -> str:
        """The path relative to the data directory, so that the directory can be moved."""
        return str(Path(path).resolve().relative_to(self._data_dir.resolve()))


def block_key(recipe: dict[str, Any], width: int, height: int, link: WorkerLink) -> BlockKey:
    """What a block's time depends on."""
    device = "" if link.ready is None else link.ready.device
    return BlockKey(recipe["model"], f"{width}x{height}", int(recipe["settings"]["steps"]), device)


def _moved(actions: list[Action]) -> str | None:
    """The job that moved first, if any: a refused (fenced) report moves none."""
    return next((action.job_id for action in actions if isinstance(action, MoveJob)), None)


def _problem_with(message: protocol.JobSucceeded, frames: int) -> str | None:
    try:
        with open_regular(message.path) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"the video cannot be read: {error}"
    if found != message.sha256:
        return "the video on disk is not the one reported"
    if message.frames != frames:
        return f"the video has {message.frames} frames instead of {frames}"
    return None
