"""`python -m benchmarks.parking`: what it costs a job that its context has to leave the device, and comes back.

A real vault process, and in this one a worker's way to it; a network with random weights makes blocks in contexts that the
vault owns. Another client takes so much of the device that there is room for two contexts, later for one. Prints JSON:

    ahead        a resting context is copied to host memory while another job plays: seconds until all of it is there, where host
                 memory has to be taken (`first_s`) and where it was (`next_s`); blocks alone, beside the taking, and during which
                 a copy was made
    let_go       a new context opened where a copied one has to leave, beside one opened where there is room
    bring        a parked context opened where there is room; with GiB per second, device memory taken and mapped included
    on_demand    opened where the other one, which was in use until now, has to be parked first; host memory was taken ahead
    replay       the way without parking: the context filled anew from durable latents, which makes other bits
    is_exact     whether every job made blocks after a way through host memory, all of them those of a job that never left

Exit status 1 when it is not. Without a GPU, `--shape pocket` runs on memory files.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.catalog import BLOCK_FRAMES, SHAPES
from engine.config import Settings
from engine.model.context import Context
from engine.model.random_weights import random_conditions, random_engine
from engine.protocol import DropCaches
from engine.threads import let_threads_sleep
from engine.vault.client import VaultClient
from engine.vault.device_client import DeviceClient
from engine.worker.device_memory import CudaMapper, FileMapper, SharedDevice

GIB = 2**30
SIZES = {"14b": ("live-avatar-14b", "704*384", 640, 384), "pocket": ("pocket", "192*128", 192, 128)}
FIRST_BLOCKS = 5  # until the ring is full and every step is recorded
COPY_LIMIT_S = 120.0
SPARE = 0.4  # of a context, beside those for which there is room


class Studio:
    """The network, the vault's memory, and jobs of one and the same recipe."""

    def __init__(self, socket_path: Path, shape_name: str, files_bytes: int | None, blocks: int) -> None:
        """`blocks`: the most that a job will make."""
        name, size, width, height = SIZES[shape_name]
        self.is_cuda, self._files_bytes, self._socket = files_bytes is None, files_bytes, str(socket_path)
        device = "cuda" if self.is_cuda else "cpu"
        shape = dataclasses.replace(SHAPES[name], dtype="bfloat16") if self.is_cuda else SHAPES[name]
        self.engine = random_engine(shape, device, "fp8" if self.is_cuda else "plain")
        self.settings = Settings(size=size, steps=4 if self.is_cuda else 3, seed=7)
        self.given = random_conditions(shape, width, height, device, BLOCK_FRAMES * blocks)
        self.layout = self.engine.layout(width, height, self.settings.steps)
        self.device, self._hog = self._client("worker:bench"), self._client("worker:hog")
        self.looker = VaultClient(self._socket, "looker")
        self.latents: dict[str, list[Tensor]] = {}
        self._before: dict[str, int] = {}  # blocks of a job before it came back from host memory first

    def _client(self, owner: str) -> SharedDevice:
        mapper = CudaMapper() if self.is_cuda else FileMapper()
        return SharedDevice(DeviceClient(VaultClient(self._socket, owner)), mapper)

    def leave_room_for(self, contexts: int) -> None:
        """Another client takes the rest of the device. Only where no job has a context there."""
        self._hog.close_context("hog")
        self.looker.drop_context("hog")
        room = int((contexts + SPARE) * self.layout.total_bytes)
        if self._files_bytes is None:
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
            free = torch.cuda.mem_get_info()[0]
        else:
            free = self._files_bytes
        self._hog.open_context("hog", max(1, free - room), "hog", 0)

    def open(self, job: str) -> tuple[Context, float]:
        """(its context, milliseconds until it is there)."""
        self._settle()
        if job in self.looker.status().parked_contexts:
            self._before.setdefault(job, len(self.latents[job]))
        start = time.perf_counter()
        buffer = self.device.open_context(job, self.layout.total_bytes, "layout", 0)
        self._settle()
        return Context(self.layout, buffer), (time.perf_counter() - start) * 1e3

    def play(self, job: str, context: Context, blocks: int) -> list[float]:
        """Milliseconds of the job's next blocks; their latents are kept."""
        times = []
        if not context.is_begun:
            self.engine.begin(context, self.given, self.settings)
        for block in range(context.blocks_done, context.blocks_done + blocks):
            start = time.perf_counter()
            made = self.engine.make_block(context, self.given, self.settings, block)
            context.flip(block + 1)
            self.latents.setdefault(job, []).append(made.latents.cpu())
            times.append((time.perf_counter() - start) * 1e3)
        return times

    def is_as(self, job: str, other: str) -> bool:
        """Whether the job's blocks so far are those of the other one."""
        pairs = zip(self.latents[job], self.latents[other], strict=False)
        return all(torch.equal(one, two) for one, two in pairs)

    def blocks_after_the_way(self, job: str) -> int:
        """How many blocks the job made since it came back from host memory first."""
        return len(self.latents[job]) - self._before.get(job, len(self.latents[job]))

    def close(self, job: str, *, is_kept: bool = True) -> None:
        """The job rests, or has ended."""
        self._settle()
        self.device.close_context(job)
        if not is_kept:
            self.looker.drop_context(job)

    @contextmanager
    def copying(self, size: int) -> Iterator[list[float]]:
        """Seconds until host memory has so many bytes of contexts, as soon as it has; waited for at the end."""
        start, found = time.perf_counter(), []

        def look() -> None:
            while self.looker.status().copied_bytes < size:
                if time.perf_counter() - start > COPY_LIMIT_S:
                    return
                time.sleep(0.005)
            found.append(time.perf_counter() - start)

        watcher = threading.Thread(target=look)
        watcher.start()
        yield found
        watcher.join()
        if not found:
            raise TimeoutError(f"{size} bytes were not copied in {COPY_LIMIT_S:.0f} s: {self.looker.status()}")

    def wait_for_spare(self, size: int) -> None:
        """Until so much host memory was taken ahead of need."""
        start = time.perf_counter()
        while (status := self.looker.status()).park_bytes - status.copied_bytes < size:
            if time.perf_counter() - start > COPY_LIMIT_S:
                raise TimeoutError(f"{size} bytes were not taken in {COPY_LIMIT_S:.0f} s: {status}")
            time.sleep(0.01)

    def _settle(self) -> None:
        if self.is_cuda:
            torch.cuda.synchronize()


def measure(studio: Studio, blocks: int, repeats: int, tell: Callable[..., None]) -> dict[str, Any]:
    """All rows. `tell`: says what is known already, for whoever cannot wait to the end."""
    size = studio.layout.total_bytes
    studio.leave_room_for(2)
    context, _ = studio.open("in peace")
    studio.play("in peace", context, _most_blocks(blocks, repeats))
    del context
    studio.close("in peace", is_kept=False)
    tell("a job in peace was made")

    first, fresh_ms = studio.open("first")
    alone = studio.play("first", first, FIRST_BLOCKS + blocks)[FIRST_BLOCKS:]
    del first
    studio.close("first")
    for job, made in (("second", FIRST_BLOCKS), ("first", 1)):
        context, _ = studio.open(job)
        studio.play(job, context, made)
        del context
        studio.close(job)
    second, _ = studio.open("second")
    studio.looker.tell(DropCaches())  # what was taken ahead is given back: the copy of the first one is to take it anew
    beside: list[float] = []
    with studio.copying(size) as copied:
        while not beside or (not copied and len(beside) < 3 * blocks):
            beside += studio.play("second", second, 1)
    del second
    studio.close("second")
    tell("ahead", first_s=copied, alone_ms=alone, beside_ms=beside)

    let_go_ms, bring_ms, again, beside_copy = [], [], [], []
    for _ in range(repeats):
        _, milliseconds = studio.open("third")  # for which a copied one leaves
        let_go_ms.append(milliseconds)
        studio.close("third", is_kept=False)
        (job,) = studio.looker.status().parked_contexts
        context, milliseconds = studio.open(job)
        bring_ms.append(milliseconds)
        with studio.copying(size) as seconds:  # of the other one, which rests now: there is no room for a third
            beside_copy += studio.play(job, context, 1)
        again += seconds
        del context
        studio.close(job)
    tell("let go and brought", let_go_ms=let_go_ms, bring_ms=bring_ms, next_s=again, beside_copy_ms=beside_copy)
    for job in ("first", "second"):
        studio.looker.drop_context(job)

    studio.leave_room_for(1)
    for job in ("one", "other"):  # the other one's way in is the first one's way out
        context, _ = studio.open(job)
        studio.play(job, context, 1)
        del context
        studio.close(job)
    on_demand = []
    for number in range(2 * repeats):
        job = ("one", "other")[number % 2]
        studio.wait_for_spare(size)  # as it would be, had the other job played for a while
        context, milliseconds = studio.open(job)
        on_demand.append(milliseconds)
        studio.play(job, context, 1)
        del context
        studio.close(job)
    tell("on demand", on_demand_ms=on_demand)
    for job in ("one", "other"):
        studio.looker.drop_context(job)
    context, _ = studio.open("anew")
    replay_ms = [_clock(lambda: _rebuild(studio, context)) for _ in range(3)]
    jobs = ("first", "second", "one", "other")
    return {
        "context_gib": round(size / GIB, 3),
        "ahead": {
            "first_s": round(copied[0], 2), "next_s": round(statistics.median(again), 2),
            "block_alone_ms": _median(alone), "block_beside_taking_ms": _median(beside), "blocks_beside_taking": len(beside),
            "block_beside_copy_ms": _median(beside_copy), "worst_beside_copy_ms": round(max(beside_copy), 1),
        },
        "let_go_ms": _median(let_go_ms), "fresh_ms": round(fresh_ms, 1),
        "bring_ms": _median(bring_ms), "bring_gib_per_s": round(size / GIB / (statistics.median(bring_ms) / 1e3), 1),
        "on_demand": {"p50_ms": _median(on_demand), "worst_ms": round(max(on_demand), 1), "times": len(on_demand)},
        "replay_ms": _median(replay_ms),
        "is_exact": all(studio.blocks_after_the_way(job) and studio.is_as(job, "in peace") for job in jobs),
        "blocks_after_the_way": {job: studio.blocks_after_the_way(job) for job in jobs},
    }  # fmt: skip


def _most_blocks(blocks: int, repeats: int) -> int:
    """That a job makes in `measure`."""
    return FIRST_BLOCKS + 3 * blocks + 2 * repeats + 2


def _rebuild(studio: Studio, context: Context) -> None:
    place = studio.given["reference"].device
    latents = [latent.to(place) for latent in studio.latents["in peace"][:FIRST_BLOCKS]]
    studio.engine.rebuild(context, studio.given, studio.settings, latents)
    if studio.is_cuda:
        torch.cuda.synchronize()


def _clock(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def _median(times: list[float]) -> float:
    return round(statistics.median(times), 1)


def _tell(what: str, **figures: list[float]) -> None:
    rounded = {name: [round(value, 2) for value in values] for name, values in figures.items()}
    print(f"{time.strftime('%H:%M:%S')} {what} {json.dumps(rounded) if figures else ''}", file=sys.stderr, flush=True)


@contextmanager
def _vault(socket_path: Path, park_gib: float, files_bytes: int | None) -> Iterator[None]:
    argv = [sys.executable, "-m", "engine.vault", "--socket", str(socket_path), "--limit-gib", "4", "--park-gib", str(park_gib)]
    if files_bytes is not None:
        argv += ["--device-files-gib", str(files_bytes / GIB)]
    process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    try:
        for _ in range(400):
            if socket_path.exists() or process.poll() is not None:
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)


def main(arguments: list[str]) -> int:
    """Command line; exit status 1 when a block differs, 69 without a device."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parking", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shape", choices=SIZES, default="14b", help="14b needs a GPU")
    parser.add_argument("--blocks", type=int, default=8, help="blocks that are timed alone, and a third of the most beside")
    parser.add_argument("--repeats", type=int, default=3, help="turns on a device with room for one")
    parser.add_argument("--park-gib", type=float, default=60.0, help="most host memory for contexts")
    parser.add_argument("--json", action="store_true", help="for symmetry: the output is always JSON")
    options = parser.parse_args(arguments)
    if options.repeats < 2:
        parser.error(f"--repeats {options.repeats}: two jobs are let go by turns, so that takes 2 at least")
    if options.shape == "14b" and not torch.cuda.is_available():
        print("no CUDA device: --shape pocket runs on memory files", file=sys.stderr)
        return 69
    let_threads_sleep()
    files_bytes = None if options.shape == "14b" else GIB
    with tempfile.TemporaryDirectory(prefix="greenroom-parking-") as folder:
        socket_path = Path(folder) / "vault.sock"
        with _vault(socket_path, options.park_gib, files_bytes):
            studio = Studio(socket_path, options.shape, files_bytes, _most_blocks(options.blocks, options.repeats))
            result = measure(studio, options.blocks, options.repeats, _tell)
    result = {
        "date": time.strftime("%Y-%m-%d"), "torch": torch.__version__, "shape": options.shape,
        "device": torch.cuda.get_device_name() if files_bytes is None else "memory files",
        **result, "command": "python -m benchmarks.parking " + " ".join(sys.argv[1:]),
    }  # fmt: skip
    print(json.dumps(result, indent=1))
    return 0 if result["is_exact"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
