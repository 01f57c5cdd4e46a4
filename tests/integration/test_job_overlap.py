"""A block is finished while the next one is begun: the device never waits for the encoder."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from engine import protocol
from engine.protocol import Message
from engine.worker.desk import Desk, Wish
from engine.worker.job_run import JobRun
from engine.worker.maker import MadeFiles, OnProgress, Task
from tests.integration.worker_rig import JobKit

LIMIT_S = 60


class Scene:
    """Pixels from nowhere; `begin_next` waits until the block before was reported."""

    width, height, context_ms = 64, 64, 0.0
    context_blocks = None

    def __init__(self) -> None:
        self.reported: dict[int, threading.Event] = {block: threading.Event() for block in range(4)}
        self.calls: list[str] = []
        self.was_overlapped = True

    def begin(self) -> None: ...

    def make(self, block: int, on_progress: OnProgress) -> MadeFiles:
        self.calls.append(f"make {block}")
        latents = save({"latents": np.full((1, 3, 4, 8), block, np.float32)})
        frames = np.full((12, 64, 64, 3), block * 40, np.uint8)
        return MadeFiles(latents, hashlib.sha256(latents).hexdigest(), frames)

    def begin_next(self, block: int, on_progress: OnProgress) -> None:
        self.calls.append(f"begin {block}")
        self.was_overlapped &= self.reported[block - 1].wait(LIMIT_S)

    def flip(self, blocks_done: int) -> None: ...

    def close(self, *, is_kept: bool) -> None: ...


class Maker:
    name = "test"

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def open(self, task: Task) -> Scene:
        return self.scene


def _run(folder: Path, scene: Scene, desk_wish: Wish | None = None) -> tuple[Message, list[str]]:
    kit, said = JobKit(folder / "assets", blocks=3), list[str]()

    def say(message: Message) -> None:
        said.append(f"{type(message).__name__} {getattr(message, 'block', '')}".strip())
        if isinstance(message, protocol.BlockStarted) and message.block == 1 and desk_wish:
            desk.wishes.add("lease-1", desk_wish)
        if isinstance(message, protocol.BlockDone):
            scene.reported[message.block].set()

    desk = Desk(say)
    (folder / "job").mkdir()
    return JobRun(kit.order(folder / "job"), Maker(scene), desk).run(), said  # type: ignore[arg-type]


def test_block_is_reported_while_the_next_is_begun(tmp_path: Path) -> None:
    scene = Scene()
    report, said = _run(tmp_path, scene)
    assert isinstance(report, protocol.JobSucceeded), report
    assert scene.was_overlapped, "the encoder had to wait for the device, or the device for the encoder"
    assert scene.calls == ["make 0", "begin 1", "make 1", "begin 2", "make 2"]
    assert [line for line in said if line.startswith("Block")] == [
        "BlockStarted 0", "BlockDone 0", "BlockStarted 1", "BlockDone 1", "BlockStarted 2", "BlockDone 2",
    ]  # fmt: skip


def test_who_has_to_give_way_begins_no_further_block(tmp_path: Path) -> None:
    scene = Scene()
    report, _ = _run(tmp_path, scene, Wish.PREEMPT)
    assert isinstance(report, protocol.JobPreempted) and report.blocks_done == 2
    assert scene.calls == ["make 0", "begin 1", "make 1"]
