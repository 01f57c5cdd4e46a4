"""What the worker's shell needs of the program that makes the pixels: the model's, or the scripted one of tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from engine.config import Recipe, Settings
from engine.protocol import PrepareRole, RolePrepared, Welcome, WorkerReady

OnProgress = Callable[[str, int], None]  # (phase "step", "decode" or "sink", number), before it begins


@dataclass(frozen=True)
class Task:
    """A job as its scene needs it."""

    job_id: str
    recipe: Recipe
    settings: Settings
    portrait: Path
    voice_source: Path  # as it was brought
    voice: Path  # 16 kHz mono WAV, as used
    total_blocks: int
    adapters: tuple[str, ...] = ()  # files, in the order of the recipe's adapters


@dataclass(frozen=True)
class MadeFiles:
    """One block as it came out of the model. `latents` is a safetensors image, `frames` uint8 [12, H, W, 3]."""

    latents: bytes
    latents_sha256: str  # of the values
    frames: np.ndarray
    stage_ms: dict[str, float] = field(default_factory=dict)
    peak_bytes: int = 0  # these three: see `BlockDone`
    predicted_bytes: int = 0
    placement: str = ""


class Scene(Protocol):
    """One job in the making: its conditions are ready, its context is mapped."""

    width: int
    height: int
    context_ms: float  # until the context was there

    @property
    def context_blocks(self) -> int | None:
        """Blocks that the context has behind it; None when it was not begun."""

    def begin(self) -> None:
        """Fill the context for block 0."""

    def rebuild(self, latents: Sequence[Callable[[], bytes]]) -> None:
        """Fill the context as well as the durable latents (one loader per block from 0 on) allow."""

    def make(self, block: int, on_progress: OnProgress) -> MadeFiles:
        """Make the block; the context's state stays that before it until `flip`."""

    def begin_next(self, block: int, on_progress: OnProgress) -> None:
        """Compute what can be computed of a block while the one before it is not accepted yet; `make` goes on from there."""

    def flip(self, blocks_done: int) -> None:
        """The context's state is now that after `blocks_done` blocks."""

    def close(self, *, is_kept: bool) -> None:
        """Forget the job here; `is_kept`: it will go on later, so its context is still worth holding."""


class Maker(Protocol):
    """The program behind the shell."""

    name: str

    def warm_up(self, welcome: Welcome) -> WorkerReady:
        """Load and try everything. Raises EngineError when this worker can never work."""

    def open(self, task: Task) -> Scene:
        """Prepare a job. Raises EngineError."""

    def prepare_role(self, order: PrepareRole) -> RolePrepared:
        """Make a role's conditions ready. Raises EngineError."""
