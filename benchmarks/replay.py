"""`python -m benchmarks.replay [--model DIR]`: how near a video stays to itself after its context was lost, by blocks replayed.

A video is made in peace. Then its context is taken away at each of `--at` blocks and filled again from the latents, once with
each of `--replayed` blocks passing the network (`BlockEngine.rebuild`), and the next blocks are compared with the same blocks
of the video made in peace. Without `--model` it is the pocket model with its trained weights; on a CPU, with the examples'
roles, one video each. Prints JSON, one row per number of replayed blocks; of all places and videos the median and the worst:

    latents_off         difference of the latents, relative to their size, block after block
    grey_levels_off     mean difference of the frames' numbers, of 255
    numbers_off_share   share of the frames' numbers that differ by more than `TOLERATED` grey levels
    seam_ratio          step from the last frame before to the first one after, over that of the video made in peace
    rebuild_s           processor seconds that filling the context again took
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.catalog import BLOCK_FRAMES, FPS, SPEECH_RATE
from engine.config import Settings, fit_size
from engine.media.picture import load_picture
from engine.media.voice import read_voice
from engine.model.block_engine import BlockEngine, Conditions
from engine.model.context import Context
from engine.model.loading import load_engine
from engine.model.pocket import write_trained

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
ROLES = ("assistant", "presenter", "student", "teacher")
TOLERATED = 2  # grey levels
EDGES: dict[str, Callable[[Sequence[float]], float]] = {"median": statistics.median, "worst": max}
AFTER = 5  # blocks: until the ring knows again all that it ever did


@dataclass
class Video:
    """What a video is made of, and its blocks: latents [16, 3, h, w] and frames uint8 [12, H, W, 3]."""

    engine: BlockEngine
    conditions: Conditions
    settings: Settings
    width: int
    height: int
    latents: list[Tensor] = field(default_factory=list)
    frames: list[np.ndarray] = field(default_factory=list)

    def context(self) -> Context:
        """An empty one."""
        layout = self.engine.layout(self.width, self.height, self.settings.steps)
        return Context(layout, bytearray(layout.total_bytes))

    def make(self, context: Context, count: int) -> tuple[list[Tensor], list[np.ndarray]]:
        """The next blocks of a context."""
        latents, frames = [], []
        for block in range(context.blocks_done, context.blocks_done + count):
            made = self.engine.make_block(context, self.conditions, self.settings, block)
            context.flip(block + 1)
            latents.append(made.latents)
            frames.append(made.frames)
        return latents, frames


def video_in_peace(engine: BlockEngine, role: str, settings: Settings, blocks: int) -> Video:
    """So many blocks of an example's role, its voice repeated as often as it takes."""
    picture = np.asarray(load_picture(EXAMPLES / "images" / f"{role}.png")[0])
    width, height = fit_size(settings.size, picture.shape[1], picture.shape[0])
    samples = blocks * BLOCK_FRAMES * SPEECH_RATE // FPS
    voice = np.resize(read_voice(EXAMPLES / "audios" / f"{role}.wav"), samples)
    conditions = engine.prepare(f"A {role} speaks, looking into the camera", picture, width, height) | engine.hear(voice)
    video = Video(engine, conditions, settings, width, height)
    context = video.context()
    engine.begin(context, video.conditions, settings)
    video.latents, video.frames = video.make(context, blocks)
    return video


def resumed(video: Video, at: int, replayed: int) -> dict[str, Any]:
    """The video goes on behind block `at` - 1 in a context that was filled again."""
    context, began = video.context(), time.process_time()
    video.engine.rebuild(context, video.conditions, video.settings, video.latents[:at], replayed)
    rebuild_s = time.process_time() - began
    latents, frames = video.make(context, AFTER)
    pairs = list(zip(latents, video.latents[at:], strict=False))
    apart = [np.abs(a.astype(int) - b) for a, b in zip(frames, video.frames[at:], strict=False)]
    before, (after, peaceful) = video.frames[at - 1][-1], (frames[0][0], video.frames[at][0])
    return {
        "latents_off": [float((a - b).norm() / b.norm()) for a, b in pairs],
        "grey_levels_off": [float(one.mean()) for one in apart],
        "numbers_off_share": [float((one > TOLERATED).mean()) for one in apart],
        "seam_ratio": _step(before, after) / _step(before, peaceful), "rebuild_s": rebuild_s,
    }  # fmt: skip


def row_of(replayed: int, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Median and worst of all places, block by block."""
    row: dict[str, Any] = {"replayed": replayed, "places": len(found)}
    for name in ("latents_off", "grey_levels_off", "numbers_off_share"):
        blocks = list(zip(*(one[name] for one in found), strict=True))
        row[name] = {word: [round(of(values), 4) for values in blocks] for word, of in EDGES.items()}
    for name in ("seam_ratio", "rebuild_s"):
        row[name] = {word: round(of([one[name] for one in found]), 3) for word, of in EDGES.items()}
    return row


def _step(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b).mean())


def main(arguments: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.replay", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, help="a model directory; else the pocket model")
    parser.add_argument("--size", default="192*128")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--at", type=int, nargs="+", default=[6, 10, 13], help="blocks made before the context is lost")
    parser.add_argument("--replayed", type=int, nargs="+", default=[1, 2, 3, 4], help="blocks that pass the network again")
    parser.add_argument("--roles", nargs="+", choices=ROLES, default=list(ROLES))
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    settings = Settings(size=chosen.size, steps=chosen.steps, seed=chosen.seed)
    with tempfile.TemporaryDirectory() as folder:
        model = chosen.model or Path(folder) / "pocket"
        if chosen.model is None:
            write_trained(model)
        engine, found = load_engine(model), dict[int, list[dict[str, Any]]]()
        for role in chosen.roles:
            print(f"replay: {role}", file=sys.stderr, flush=True)
            video = video_in_peace(engine, role, settings, max(chosen.at) + AFTER)
            for replayed, at in itertools.product(chosen.replayed, chosen.at):
                found.setdefault(replayed, []).append(resumed(video, at, replayed))
    print(json.dumps({
        "benchmark": "replay", "model": engine.weights_sha256[:12], "size": chosen.size,
        "steps": chosen.steps, "seed": chosen.seed, "at": chosen.at, "roles": chosen.roles,
        "rows": [row_of(replayed, ones) for replayed, ones in found.items()], "machine": platform.machine(),
        "cores": os.cpu_count(), "torch": torch.__version__, "load_average": round(os.getloadavg()[0], 1),
        "date": time.strftime("%Y-%m-%d"),
    }, indent=2))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
