"""One process on which roles take turns, for `benchmarks.schemes`; it does what its input says, line by line.

`begin N` ends what plays and brings role N on stage until its first block could be started, `make` makes that block, `trim` gives
back what allocators hold for later. Each line is answered with one of JSON. Nothing but the scheme differs:

    anew    the model resident; of the roles only the one on stage is in memory, another one's prompt, portrait, voice and adapter
            are computed from its files
    kept    the model resident, and beside it what was computed of every role; its adapter is attached to the resident weights
    ours    the studio's worker as it is, without the daemon and the vault around it
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from engine import protocol
from engine.adapters import Adapter, Fitted
from engine.config import Recipe, fit_size
from engine.media.probe import read_portrait
from engine.media.voice import read_voice
from engine.model.block_engine import BlockEngine, Conditions
from engine.model.context import Context
from engine.model.loading import load_engine
from engine.model.random_directory import RandomModel
from engine.model.weights import map_file, tensors_of
from engine.worker.device import choose_device, make_deterministic
from engine.worker.greenroom import GreenroomMaker, GreenroomScene
from engine.worker.maker import Task
from engine.worker.random_model import load_random
from engine.worker.store import PlainStore

WAYS = ("anew", "kept", "ours")
THREADS = 1
VOICE_BLOCK_S = 0.48


@dataclass(frozen=True)
class Role:
    """What the files say of it."""

    recipe: Recipe
    portrait: Path
    voice: Path
    adapter: Path

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Role:
        """As `benchmarks.schemes` writes it."""
        return cls(Recipe.from_json(data["recipe"]), *(Path(data[name]) for name in ("portrait", "voice", "adapter")))


class Stage(Protocol):
    """Where one role plays at a time."""

    def begin(self, number: int) -> None:
        """Until the first block of this role could be started."""

    def make(self) -> str:
        """Make it; the sha256 of its latents."""


class Bare:
    """The engine without a worker: no check of hashes, no trial at its start, one context for all. So a rival is not slowed down
    by what it does not need."""

    def __init__(self, model_dir: Path, roles: list[Role], *, is_kept: bool) -> None:
        """`is_kept`: what was computed of a role stays when another one comes."""
        self._device, self._roles, self._is_kept = choose_device(), roles, is_kept
        make_deterministic(self._device, THREADS)
        self._engine = _load(model_dir, self._device)
        self._computed: dict[int, tuple[Fitted, Conditions]] = {}
        self._on_stage: int | None = None
        settings = roles[0].recipe.checked_settings()
        picture = read_portrait(roles[0].portrait)
        self._width, self._height = fit_size(settings.size, picture.shape[1], picture.shape[0])
        layout = self._engine.layout(self._width, self._height, settings.steps, settings.infer_frames)
        self._context = Context(layout, torch.zeros(layout.total_bytes, dtype=torch.uint8, device=self._device))

    def begin(self, number: int) -> None:
        """Compute what is not there, attach the adapter, fill the context."""
        if number not in self._computed:
            if not self._is_kept:
                self._computed.clear()
            self._computed[number] = self._compute(self._roles[number])
        fitted, conditions = self._computed[number]
        if number != self._on_stage:
            self._engine.attach(fitted)
        self._engine.begin(self._context, conditions, self._roles[number].recipe.checked_settings())
        self._on_stage = number

    def make(self) -> str:
        """Make the first block."""
        assert self._on_stage is not None, "begin comes first"
        settings = self._roles[self._on_stage].recipe.checked_settings()
        made = self._engine.make_block(self._context, self._computed[self._on_stage][1], settings, 0)
        latents = made.latents.detach().cpu().contiguous()
        return hashlib.sha256(latents.view(torch.uint8).numpy().tobytes()).hexdigest()

    def _compute(self, role: Role) -> tuple[Fitted, Conditions]:
        (use,) = role.recipe.adapters
        tensors = tensors_of(map_file(role.adapter), use.name)
        fitted = self._engine.fit([Adapter.of(tensors, use.alpha, use.name, use.weight)])
        seen = self._engine.prepare(role.recipe.prompt, read_portrait(role.portrait), self._width, self._height)
        return fitted, seen | self._engine.hear(read_voice(role.voice))


class Worker:
    """The studio's worker, which keeps roles ready."""

    def __init__(self, model_dir: Path, roles: list[Role]) -> None:
        store = PlainStore()
        self._maker, self._roles = GreenroomMaker(lambda _: store), roles
        self._scene: GreenroomScene | None = None
        self._jobs = 0
        self._maker.warm_up(
            protocol.Welcome(
                version=protocol.PROTOCOL_VERSION, worker_id="schemes", slot=0, vault_socket="",
                model_dir=str(model_dir), threads=THREADS,
            )
        )  # fmt: skip

    def begin(self, number: int) -> None:
        """Another job: the one before ends, its context goes."""
        if self._scene is not None:
            self._scene.close(is_kept=False)
            self._scene = None
        role, self._jobs = self._roles[number], self._jobs + 1
        blocks = max(1, round(role.recipe.voice_seconds / VOICE_BLOCK_S))
        self._scene = self._maker.open(
            Task(f"job {self._jobs}", role.recipe, role.recipe.checked_settings(), role.portrait, role.voice, role.voice, blocks,
                 (str(role.adapter),))
        )  # fmt: skip
        self._scene.begin()

    def make(self) -> str:
        """Make the first block."""
        assert self._scene is not None, "begin comes first"
        return self._scene.make(0, lambda _phase, _number: None).latents_sha256


def open_stage(way: str, model_dir: Path, roles: list[Role]) -> Stage:
    """The model loaded; no role is known yet."""
    return Worker(model_dir, roles) if way == "ours" else Bare(model_dir, roles, is_kept=way == "kept")


def _load(model_dir: Path, device: str) -> BlockEngine:
    if (random := RandomModel.read(model_dir)) is not None:
        return load_random(random, device, None).engine
    return load_engine(model_dir, lambda path, sha256: (map_file(Path(path)), sha256 or ""), device)


def _clocked(work: Callable[[], Any]) -> tuple[Any, float]:
    """(result, seconds) until the device is done."""
    start = time.perf_counter()
    result = work()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return result, time.perf_counter() - start


def _trim() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    elif hasattr(library := ctypes.CDLL(None), "malloc_trim"):  # of glibc
        library.malloc_trim(0)


def main(arguments: list[str]) -> int:
    """Until the input ends."""
    parser = argparse.ArgumentParser(prog="benchmarks.schemes_stage", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("model_dir", type=Path)
    parser.add_argument("roles", type=Path, help="JSON, as benchmarks.schemes writes it")
    options = parser.parse_args(arguments)
    roles = [Role.from_json(role) for role in json.loads(options.roles.read_text(encoding="utf-8"))]
    stage = open_stage(options.way, options.model_dir, roles)
    for line in sys.stdin:
        order, *rest = line.split()
        answer: dict[str, Any] = {}
        if order == "begin":
            _, answer["begin_s"] = _clocked(lambda: stage.begin(int(rest[0])))  # noqa: B023 - called at once
        elif order == "make":
            answer["latents_sha256"], answer["block_s"] = _clocked(stage.make)
        else:
            _trim()
        print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
