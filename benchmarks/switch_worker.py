"""`python -m benchmarks.switch_worker --json`: how long the worker takes from a wish for a role to the role on stage.

The worker's own code, in one process and without a vault: `prepare_role` as `POST /switch_role` asks for it, and `open` and
`begin` of a job, until the device could start its first step. A role that comes from host memory is still on its way then: its
switch is what the first block takes longer than that of a ready role, and that role's own time on stage. Weights are random and
the text encoder is a stand-in that answers at once (its own time is in `benchmarks.switch`). Roles have a portrait and a prompt
each. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import wave
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.switch import GOALS_MS, quantile
from engine import protocol
from engine.config import Recipe, Settings
from engine.model.hashes import hash_file
from engine.model.pocket import publish
from engine.model.random_directory import checked
from engine.worker.greenroom import GreenroomMaker, GreenroomScene
from engine.worker.host_roles import HostRoles
from engine.worker.maker import Task
from engine.worker.store import PlainStore

SHAPES = {"14b": ("live-avatar-14b", "704*384", (640, 384)), "pocket": ("pocket", "192*128", (192, 128))}
VOICE_S, SPEECH_RATE = 3.0, 16_000
KEPT_BYTES = 3 << 30  # of a role that is taken to host memory beside a playing job
BLOCKS = 12  # a ring's worth, that many alone, that many beside


class Cast:
    """Roles that differ in portrait and prompt."""

    def __init__(self, folder: Path, settings: Settings, size: tuple[int, int]) -> None:
        from PIL import Image

        self._folder, self._settings, self._image = folder, settings, Image
        self._picture = np.zeros((size[1], size[0], 3), np.uint8)
        self.voice = folder / "voice.wav"
        with wave.open(str(self.voice), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SPEECH_RATE)
            file.writeframes(
                np.random.default_rng(0).integers(-3000, 3000, int(VOICE_S * SPEECH_RATE), "<i2").tobytes()
            )

    def role(self, number: int) -> tuple[Path, Recipe]:
        """Another one for every number."""
        path = self._folder / f"portrait-{number}.png"
        self._image.fromarray(self._picture + np.uint8(number % 251)).save(path)
        recipe = Recipe(
            settings=asdict(self._settings), role=f"role {number}", role_version=1, prompt=f"Person {number} speaks.", context={},
            style=None, portrait_sha256=hash_file(path), voice_sha256=hash_file(self.voice), voice_seconds=VOICE_S,
        )  # fmt: skip
        return path, recipe


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of every sort of switch."""
    name, size_setting, size = SHAPES[options.shape]
    with tempfile.TemporaryDirectory(prefix="greenroom-switch-") as text:
        folder = Path(text)
        publish(folder / "model", {"model.json": checked(name, "fp8", 0).to_json().encode()})
        store = PlainStore()
        maker = GreenroomMaker(lambda _: store)
        maker.warm_up(
            protocol.Welcome(
                version=protocol.PROTOCOL_VERSION, worker_id="switch", slot=0, vault_socket="",
                model_dir=str(folder / "model"), threads=1,
            )
        )  # fmt: skip
        cast = Cast(folder, Settings(size=size_setting), size)
        roles = [cast.role(number) for number in range(options.roles)]
        first = [_asked(maker, *role) for role in roles]
        ready = [_asked(maker, *roles[number % len(roles)]) for number in range(options.switches)]
        on_stage = [_staged(maker, cast, f"job {n}", *roles[n % len(roles)]) for n in range(options.jobs)]
        kept = maker.ready_roles.on_host
        from_host: list[float] = []
        if kept is not None:
            kept.wait()
            in_place = [_first_block(maker, cast, f"ready {n}", *roles[n % len(roles)]) for n in range(options.jobs)]
            own_ms = statistics.median(on_stage) - statistics.median(in_place)
            for n in range(options.jobs):
                maker.ready_roles.give_way()  # as when a context needs their memory
                from_host.append(own_ms + _first_block(maker, cast, f"host {n}", *roles[n % len(roles)]))
        new = [_staged(maker, cast, f"new {n}", *cast.role(options.roles + n)) for n in range(options.jobs)]
        beside = None if kept is None else _beside_keeping(maker, cast, kept, *roles[0])
    tiers = {tier for tier, _ in ready}
    return {
        "date": time.strftime("%Y-%m-%d"), "torch": torch.__version__, "shape": options.shape,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu", "size": "x".join(map(str, size)),
        "roles": options.roles, "tiers_seen": sorted(tiers),
        "asked_for_the_first_time": _summary([ms for _, ms in first]),
        "asked_for_when_ready": {**_summary([ms for _, ms in ready]), "goal_p99_ms": GOALS_MS["gpu"]},
        "ready_role_on_stage": _summary(on_stage), "new_role_on_stage": _summary(new),
        "role_from_host_memory_on_stage": {**_summary(from_host), "goal_p99_ms": GOALS_MS["host"]} if from_host else None,
        "blocks_beside_keeping": beside,
        "is_reached": tiers == {"gpu"}
        and _summary([ms for _, ms in ready])["p99_ms"] <= GOALS_MS["gpu"]
        and not (from_host and _summary(from_host)["p99_ms"] > GOALS_MS["host"]),
        "command": "python -m benchmarks.switch_worker " + " ".join(sys.argv[1:]),
    }  # fmt: skip


def _asked(maker: GreenroomMaker, portrait: Path, recipe: Recipe) -> tuple[str, float]:
    """(tier, milliseconds) until the worker says that the role is ready, and the device is done."""
    order = protocol.PrepareRole("r", recipe.role, recipe.prompt, str(portrait), recipe.to_json())
    answer, milliseconds = _clock(lambda: maker.prepare_role(order))
    return answer.tier, milliseconds


def _staged(maker: GreenroomMaker, cast: Cast, job_id: str, portrait: Path, recipe: Recipe) -> float:
    """Milliseconds until the first step of a new job of the role could start; the voice is the same every time."""
    scene, milliseconds = _clock(lambda: _begun(maker, cast, job_id, portrait, recipe))
    scene.close(is_kept=False)
    return milliseconds


def _first_block(maker: GreenroomMaker, cast: Cast, job_id: str, portrait: Path, recipe: Recipe) -> float:
    """Milliseconds until the first block of a new job of the role is made."""

    def play() -> GreenroomScene:
        scene = _begun(maker, cast, job_id, portrait, recipe)
        scene.make(0, lambda _phase, _number: None)
        return scene

    scene, milliseconds = _clock(play)
    scene.close(is_kept=False)
    return milliseconds


def _begun(maker: GreenroomMaker, cast: Cast, job_id: str, portrait: Path, recipe: Recipe) -> GreenroomScene:
    scene = maker.open(
        Task(job_id, recipe, recipe.checked_settings(), portrait, cast.voice, cast.voice, round(VOICE_S / 0.48))
    )
    scene.begin()
    return scene


def _beside_keeping(
    maker: GreenroomMaker, cast: Cast, kept: HostRoles, portrait: Path, recipe: Recipe
) -> dict[str, dict[str, float]]:
    """Milliseconds of a playing job's blocks: alone, and while another role is taken to host memory in each."""
    scene = _begun(maker, cast, "playing", portrait, recipe)
    role = {f"ready.{n}": torch.zeros(KEPT_BYTES // 8, dtype=torch.uint8, device="cuda") for n in range(8)}
    times: dict[str, list[float]] = {"alone": [], "beside": []}
    for block in range(3 * BLOCKS):
        is_beside = block >= 2 * BLOCKS
        if is_beside:
            kept.keep(f"role {block}", role)
        _, milliseconds = _clock(lambda block=block: scene.make(block, lambda _phase, _number: None))  # type: ignore[misc]
        scene.flip(block + 1)
        kept.wait()
        if block >= BLOCKS:  # the first ones fill the ring
            times["beside" if is_beside else "alone"].append(milliseconds)
    scene.close(is_kept=False)
    return {name: _summary(values) for name, values in times.items()}


def _clock(work: Callable[[], Any]) -> tuple[Any, float]:
    _settle()
    start = time.perf_counter()
    result = work()
    _settle()
    return result, (time.perf_counter() - start) * 1e3


def _settle() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _summary(times: list[float]) -> dict[str, float]:
    return {
        "p50_ms": round(statistics.median(times), 2), "p99_ms": round(quantile(times, 0.99), 2),
        "worst_ms": round(max(times), 2), "count": len(times),
    }  # fmt: skip


def main(arguments: list[str]) -> int:
    """Command line; exit status 1 when the goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.switch_worker", description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="14b", help="14b needs a GPU")
    parser.add_argument("--roles", type=int, default=3, help="roles that take turns")
    parser.add_argument("--switches", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=20, help="jobs that are begun, of ready and of new roles")
    parser.add_argument("--json", action="store_true", help="for symmetry: the output is always JSON")
    options = parser.parse_args(arguments)
    if options.shape == "14b" and not torch.cuda.is_available():
        print("no CUDA device: --shape pocket runs on a CPU", file=sys.stderr)
        return 69
    measured = measure(options)
    print(json.dumps(measured, indent=1))
    return 0 if measured["is_reached"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
