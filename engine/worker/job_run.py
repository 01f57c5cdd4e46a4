"""One job under one lease: from RunJob to its last report."""

from __future__ import annotations

import hashlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal, cast

from engine.catalog import BLOCK_FRAMES, SEGMENT_CLIPS
from engine.config import Recipe
from engine.errors import EngineError
from engine.media.fragment import FragmentEncoder
from engine.media.voice import write_voice
from engine.protocol import (
    BlockStarted,
    JobCancelled,
    JobFailed,
    JobPreempted,
    JobStarted,
    JobSucceeded,
    Message,
    RunJob,
    SegmentDone,
)
from engine.stopwatch import Stopwatch
from engine.worker.crash_points import CrashPoint
from engine.worker.desk import Desk, Wish
from engine.worker.failure import failure_of
from engine.worker.job_files import BlockRecord, JobFiles
from engine.worker.maker import MadeFiles, Maker, Scene, Task
from engine.worker.resume import CONTINUOUS, FRESH, decide_resume

_log = logging.getLogger(__name__)
_POINTS = {"step": CrashPoint.BEFORE_STEP, "decode": CrashPoint.BEFORE_DECODE, "sink": CrashPoint.BEFORE_SINK}


class JobRun:
    """Makes the job's remaining blocks; `run` returns the report that ends the lease and never raises."""

    def __init__(self, order: RunJob, maker: Maker, desk: Desk) -> None:
        self._order, self._maker, self._desk = order, maker, desk
        self._say = desk.say
        self._lease_id = order.lease_id
        self._blocks_done = order.from_block
        self._blocks_per_segment = 0  # known with the settings
        self._ahead_s = 0.0  # spent already on the block that comes next

    def run(self) -> Message:
        """Do it. Whatever goes wrong becomes JobFailed: the worker lives on."""
        scene: Scene | None = None
        is_kept = True
        try:
            watch = Stopwatch()
            self._move("prepare")
            files = JobFiles(Path(self._order.job_dir))
            task = self._task(files)
            watch.lap("files")
            self._desk.crash.pass_by(CrashPoint.BEFORE_CONTEXT)
            scene = self._maker.open(task)
            watch.lap("open")
            self._desk.crash.pass_by(CrashPoint.AFTER_CONTEXT)
            encoder = FragmentEncoder(scene.width, scene.height, files.voice)
            watch.lap("encoder")
            start = self._resume(scene, encoder, files, watch)
            report = self._make_blocks(scene, encoder, files, start) or self._close(files)
            is_kept = isinstance(report, JobPreempted)
            return report
        except Exception as error:  # noqa: BLE001 - nothing is swallowed: logged, and reported as JobFailed
            failure = failure_of(error)
            where = {"job": self._order.job_id, "lease": self._lease_id, "code": failure.code, "error": str(error)}
            if failure.is_expected:
                _log.error("job failed", extra={"data": where})
            else:
                _log.exception("job failed", extra={"data": where})
            is_kept = failure.can_retry
            return JobFailed(
                lease_id=self._lease_id,
                code=failure.code,
                message=failure.message,
                can_retry=failure.can_retry,
                blocks_done=self._blocks_done,
                hint=failure.hint,
            )
        finally:
            if scene is not None:
                scene.close(is_kept=is_kept)

    def _move(self, phase: str, block: int | None = None, step: int | None = None) -> None:
        self._desk.position.move(phase, lease_id=self._lease_id, block=block, step=step)

    # ---- before the first block ------------------------------------------------------------------------------------

    def _task(self, files: JobFiles) -> Task:
        """The job with its recipe checked and its voice cut to length."""
        order = self._order
        recipe = Recipe.from_json(order.recipe)
        settings = recipe.checked_settings()
        self._blocks_per_segment = SEGMENT_CLIPS * settings.infer_frames // BLOCK_FRAMES
        if not files.voice.exists():
            fill = cast('Literal["loop", "pad"] | None', recipe.fill)
            write_voice(Path(order.voice_path), files.voice, recipe.voice_seconds, fill)
        portrait = Path(order.portrait_path)
        return Task(
            order.job_id, recipe, settings, portrait, Path(order.voice_path), files.voice, order.total_blocks,
            tuple(order.adapter_paths),
        )  # fmt: skip

    def _resume(self, scene: Scene, encoder: FragmentEncoder, files: JobFiles, watch: Stopwatch) -> int:
        """Attach the context, say what was not heard; returns the first block to make."""
        order = self._order
        durable = files.durable_blocks(order.from_block, order.total_blocks)
        files.take_header(encoder.init_bytes, has_blocks=bool(durable))
        plan = decide_resume(context_blocks=scene.context_blocks, records=len(durable))
        if plan.kind == FRESH:
            scene.begin()
        elif plan.kind == CONTINUOUS:
            scene.rebuild([partial(files.read_latents, block) for block in range(plan.start)])
        watch.lap(plan.kind)
        self._blocks_done = plan.start
        self._desk.crash.pass_by(CrashPoint.AFTER_BEGIN)
        self._say(
            JobStarted(
                lease_id=self._lease_id,
                resume=plan.kind,
                from_block=plan.start,
                prepare_ms=watch.total_ms,
                width=scene.width,
                height=scene.height,
                context_ms=scene.context_ms,
            )
        )
        _log.info("job taken up", extra={"data": {"job": order.job_id, "from_block": plan.start, "ms": watch.laps}})
        self._desk.crash.pass_by(CrashPoint.AFTER_STARTED)
        for record in durable[: plan.start]:
            if record is not None:
                self._say(record.report(self._lease_id))
        # The report of a segment follows that of its last block, so only older ones were surely heard.
        for segment in range(plan.start // self._blocks_per_segment):
            if (segment + 1) * self._blocks_per_segment >= order.from_block:
                self._close_segment(files, segment)
        return plan.start

    # ---- blocks ----------------------------------------------------------------------------------------------------

    def _make_blocks(self, scene: Scene, encoder: FragmentEncoder, files: JobFiles, start: int) -> Message | None:
        """Make blocks until the last, or until somebody wishes otherwise: then the report that says so."""
        with ThreadPoolExecutor(1, "finish") as finisher:
            for block in range(start, self._order.total_blocks):
                self._move("between", block)
                self._desk.between_blocks()
                wish = self._wish()
                if wish is Wish.CANCEL:
                    return JobCancelled(lease_id=self._lease_id, blocks_done=block)
                if wish is Wish.PREEMPT:
                    self._desk.crash.pass_by(CrashPoint.BEFORE_PREEMPTED)
                    return JobPreempted(lease_id=self._lease_id, blocks_done=block)
                self._make_block(scene, encoder, files, block, finisher)
                if (block + 1) % self._blocks_per_segment == 0:
                    self._close_segment(files, block // self._blocks_per_segment)
        return None

    def _wish(self) -> Wish | None:
        return self._desk.wishes.of(self._lease_id)

    def _make_block(
        self, scene: Scene, encoder: FragmentEncoder, files: JobFiles, block: int, finisher: ThreadPoolExecutor
    ) -> None:
        """Compute; then make durable, flip and report, in this order, so that a crash anywhere costs at most this block.

        The latter is another thread's: meanwhile the next block is begun, unless somebody waits for this one's end.
        """
        crash = self._desk.crash
        self._say(BlockStarted(lease_id=self._lease_id, block=block))

        def on_progress(phase: str, step: int, of_block: int = block) -> None:
            self._move(phase, of_block, step)
            crash.pass_by(_POINTS[phase])

        began = time.perf_counter()
        made = scene.make(block, on_progress)
        crash.pass_by(CrashPoint.AFTER_MAKE)
        seconds, self._ahead_s = self._ahead_s + time.perf_counter() - began, 0.0
        finished = finisher.submit(self._finish, scene, encoder, files, block, made, seconds)
        try:
            if block + 1 < self._order.total_blocks and self._wish() is None:
                began = time.perf_counter()
                scene.begin_next(block + 1, partial(on_progress, of_block=block + 1))
                crash.leave()
                self._ahead_s = time.perf_counter() - began
        finally:
            self._move("encode", block)
            finished.result()

    def _finish(
        self, scene: Scene, encoder: FragmentEncoder, files: JobFiles, block: int, made: MadeFiles, seconds: float
    ) -> None:
        """Encode, write, flip, report."""
        crash, old = self._desk.crash, files.old_record(block)
        began = time.perf_counter()
        fragment = encoder.encode(block, made.frames)
        encode_ms = (time.perf_counter() - began) * 1000
        record = BlockRecord(
            block=block,
            frames=len(made.frames),
            seconds=seconds,
            latents_sha256=made.latents_sha256,
            latents_file_sha256=hashlib.sha256(made.latents).hexdigest(),
            frames_sha256=hashlib.sha256(made.frames.tobytes()).hexdigest(),
            fragment_sha256=hashlib.sha256(fragment).hexdigest(),
            fragment_bytes=len(fragment),
            stage_ms={**made.stage_ms, "encode": encode_ms},
            peak_bytes=made.peak_bytes,
            predicted_bytes=made.predicted_bytes,
            placement=made.placement,
            made_with=dict(self._desk.made_with),
        )
        if old is not None and old.latents_sha256 != record.latents_sha256:
            # Not a reason to lose the job, but never silent: exact was promised.
            data = {"job": self._order.job_id, "block": block, "was_made_with": old.made_with}
            _log.error("a block made again differs from the durable one", extra={"data": data})
        files.write_block(record, fragment, made.latents, crash)
        scene.flip(block + 1)
        crash.pass_by(CrashPoint.AFTER_FLIP)
        self._blocks_done = block + 1
        self._say(record.report(self._lease_id))
        crash.pass_by(CrashPoint.AFTER_BLOCK_DONE)

    # ---- after the last block --------------------------------------------------------------------------------------

    def _close_segment(self, files: JobFiles, segment: int) -> None:
        self._move("segment", (segment + 1) * self._blocks_per_segment - 1)
        first = segment * self._blocks_per_segment
        blocks = range(first, min(first + self._blocks_per_segment, self._order.total_blocks))
        self._desk.crash.pass_by(CrashPoint.BEFORE_SEGMENT)
        joined = files.close_segment(segment, blocks)
        self._desk.crash.pass_by(CrashPoint.AFTER_SEGMENT)
        _expect_frames(joined.frames, len(blocks), f"segment {segment}")
        self._say(
            SegmentDone(
                lease_id=self._lease_id,
                segment=segment,
                path=str(joined.path),
                sha256=joined.sha256,
                frames=joined.frames,
                bytes=joined.bytes,
            )
        )

    def _close(self, files: JobFiles) -> Message:
        """Close the last segment and the video."""
        total = self._order.total_blocks
        if total % self._blocks_per_segment:
            self._close_segment(files, total // self._blocks_per_segment)
        self._move("video")
        self._desk.crash.pass_by(CrashPoint.BEFORE_VIDEO)
        joined = files.close_video(-(-total // self._blocks_per_segment))
        _expect_frames(joined.frames, total, "the video")
        self._desk.crash.pass_by(CrashPoint.AFTER_VIDEO)
        return JobSucceeded(
            lease_id=self._lease_id,
            path=str(joined.path),
            sha256=joined.sha256,
            frames=joined.frames,
            bytes=joined.bytes,
        )


def _expect_frames(found: int, blocks: int, what: str) -> None:
    if found != blocks * BLOCK_FRAMES:
        raise EngineError(f"{what} has {found} frames instead of {blocks * BLOCK_FRAMES}.")
