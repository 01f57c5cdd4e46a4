"""A job's files on the disk: voice, header, blocks, segments, video. Every file is there whole or not at all.

The record `blocks/NNNNNN.json` is written last: a block with a record is durable.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import EngineError, MediaError
from engine.media.durable import make_folder, sync, write_whole
from engine.media.join import JoinedVideo, join
from engine.protocol import BlockDone
from engine.worker.crash_points import CrashPoint, CrashPoints


@dataclass(frozen=True, kw_only=True)
class BlockRecord:
    """What is known of a durable block; see BlockDone for the fields' meaning."""

    block: int
    frames: int
    seconds: float
    latents_sha256: str
    latents_file_sha256: str
    frames_sha256: str
    fragment_sha256: str
    fragment_bytes: int
    stage_ms: dict[str, float] = field(default_factory=dict)
    peak_bytes: int = 0
    predicted_bytes: int = 0
    placement: str = ""
    made_with: dict[str, str] = field(default_factory=dict)  # device and software

    def report(self, lease_id: str) -> BlockDone:
        """The report of this block under a lease."""
        data = asdict(self)
        del data["latents_file_sha256"], data["made_with"]
        return BlockDone(lease_id=lease_id, **data)


class JobFiles:
    """The paths below a job's directory, and what is written to them."""

    def __init__(self, job_dir: Path) -> None:
        self.voice = job_dir / "voice.wav"
        self.init = job_dir / "init.mp4"
        self.video = job_dir / "video.mp4"
        self._blocks = job_dir / "blocks"
        self._segments = job_dir / "segments"
        job_dir.mkdir(parents=True, exist_ok=True)
        sync(job_dir.parent)  # the daemon made the job's folder, and did not wait for the disk
        make_folder(self._blocks)

    def fragment(self, block: int) -> Path:
        """The block's pictures and sound."""
        return self._blocks / f"{block:06d}.m4s"

    def latents(self, block: int) -> Path:
        """The block's latents."""
        return self._blocks / f"{block:06d}.safetensors"

    def record(self, block: int) -> Path:
        """The block's record."""
        return self._blocks / f"{block:06d}.json"

    def segment(self, segment: int) -> Path:
        """A closed segment."""
        return self._segments / f"{segment:03d}.mp4"

    # ---- blocks ----------------------------------------------------------------------------------------------------

    def write_block(self, record: BlockRecord, fragment: bytes, latents: bytes, crash: CrashPoints) -> None:
        """Make a block durable. Raises DiskFull, OSError."""
        crash.pass_by(CrashPoint.BEFORE_BLOCK_FILES)
        write_whole(self.fragment(record.block), fragment)
        crash.pass_by(CrashPoint.AFTER_FRAGMENT)
        write_whole(self.latents(record.block), latents)
        crash.pass_by(CrashPoint.AFTER_LATENTS)
        write_whole(self.record(record.block), json.dumps(asdict(record), separators=(",", ":")).encode())
        crash.pass_by(CrashPoint.AFTER_RECORD)

    def take_header(self, header: bytes, *, has_blocks: bool) -> None:
        """Write `init.mp4`, or check that the blocks on the disk belong to this header. Raises MediaError, DiskFull."""
        if self.init.exists() and self.init.read_bytes() == header:
            return
        if has_blocks:
            raise MediaError(
                f"{self.init} was made by another version of the encoder; its blocks cannot be continued.",
                hint="Submit the job again.",
            )
        write_whole(self.init, header)

    def durable_blocks(self, seen: int, total: int) -> list[BlockRecord | None]:
        """The durable blocks from 0 on without a gap: None for those the daemon has `seen`, else their checked records.

        Blocks that the daemon knows are only looked for (a long job has tens of thousands); the others' files are read.
        """
        names = {path.name for path in self._blocks.iterdir()}
        found: list[BlockRecord | None] = []
        for block in range(total):
            wanted = {path.name for path in (self.fragment(block), self.latents(block), self.record(block))}
            if not wanted <= names:
                break
            record = self._checked_record(block) if block >= seen else None
            if block >= seen and record is None:
                break
            found.append(record)
        return found

    def read_latents(self, block: int) -> bytes:
        """The safetensors image of a block. Raises EngineError when it is not the one that was written."""
        image = self.latents(block).read_bytes()
        record = self._parsed_record(block)
        if record is None or _sha256(image) != record.latents_file_sha256:
            raise EngineError(f"{self.latents(block)} is damaged.", hint="Submit the job again.")
        return image

    def _checked_record(self, block: int) -> BlockRecord | None:
        record = self._parsed_record(block)
        if record is None:
            return None
        fragment, latents = self.fragment(block).read_bytes(), self.latents(block).read_bytes()
        is_good = _sha256(fragment) == record.fragment_sha256 and _sha256(latents) == record.latents_file_sha256
        return record if is_good else None

    def old_record(self, block: int) -> BlockRecord | None:
        """The record of a block that is about to be made again, if there is one."""
        return self._parsed_record(block) if self.record(block).exists() else None

    def _parsed_record(self, block: int) -> BlockRecord | None:
        try:
            data = json.loads(self.record(block).read_bytes())
            record = BlockRecord(**{name: data[name] for name in BlockRecord.__dataclass_fields__})
        except (ValueError, KeyError, TypeError):
            return None  # not a record: the block is made again
        return record if record.block == block else None

    # ---- segments and video ----------------------------------------------------------------------------------------

    def close_segment(self, segment: int, blocks: range) -> JoinedVideo:
        """Join the blocks to a file, or take the file that is there already. Raises DiskFull, MediaError."""
        target, note = self.segment(segment), self._segments / f"{segment:03d}.json"
        if target.exists() and note.exists():
            known = _joined_from(target, note)
            if known is not None:
                return known
        joined = join([self.init, *(self.fragment(block) for block in blocks)], target)
        data = {"frames": joined.frames, "seconds": joined.seconds, "bytes": joined.bytes, "sha256": joined.sha256}
        write_whole(note, json.dumps(data).encode())
        return joined

    def close_video(self, segments: int) -> JoinedVideo:
        """Join the segments to the finished video. Raises DiskFull, MediaError."""
        return join([self.segment(segment) for segment in range(segments)], self.video)


def _joined_from(target: Path, note: Path) -> JoinedVideo | None:
    """What is noted of a closed segment, when the file is still that one."""
    try:
        data: dict[str, Any] = json.loads(note.read_bytes())
        joined = JoinedVideo(path=target, **data)
    except (ValueError, TypeError):
        return None
    with target.open("rb") as file:
        return joined if hashlib.file_digest(file, "sha256").hexdigest() == joined.sha256 else None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
