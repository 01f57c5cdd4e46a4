"""`python -m benchmarks.pocket [--model DIR]`: how fast the pocket model makes video on this machine's CPU.

End to end: frames are made, encoded into the fragments that a job leaves, and written. Without `--model` the weights are
random, which changes no time. `--candidates` compares other widths of the autoencoder and the transformer in one run, in
turn, so that a noisy machine treats all alike. `--decoders` compares the decoder that takes its last levels frame by frame
with one that takes a block's frames at once. `--waits` compares compute threads that spin while they wait with those that
sleep, as a worker's do: alone and beside as many busy programs as there are cores, by turns, in processes of their own.
Prints one JSON object per line, nothing else.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from engine.catalog import BLOCK_FRAMES, SHAPES, SPEECH_RATE, ModelShape
from engine.config import Settings
from engine.media.fragment import FragmentEncoder
from engine.model.block_engine import BlockEngine
from engine.model.context import Context
from engine.model.loading import load_engine
from engine.model.random_weights import random_conditions, random_engine
from engine.threads import WAITING

POCKET = SHAPES["pocket"]
SIZES = {"192*128": (192, 128), "384*256": (384, 256)}
VOICE_S = 120
TURNS = 3  # of both ways of waiting
WARM_BLOCKS = 5  # the ring is full and the sink renewed
CANDIDATES: dict[str, dict[str, Any]] = {
    "pocket": {},
    "vae 8, 1 2 4 4": {"vae_dim": 8, "vae_dim_mult": (1, 2, 4, 4)},
    "vae 12, 1 2 4 4": {"vae_dim": 12, "vae_dim_mult": (1, 2, 4, 4)},
    "vae 16, 1 2 4 4": {"vae_dim": 16, "vae_dim_mult": (1, 2, 4, 4)},
    "vae 16, 1 1 2 4": {"vae_dim": 16, "vae_dim_mult": (1, 1, 2, 4)},
    "transformer 192 x 6": {
        "dim": 192,
        "ffn_dim": 512,
        "num_heads": 6,
        "num_layers": 6,
        "audio_inject_layers": (0, 2, 4),
    },
}


class Film:
    """One engine with a running video."""

    def __init__(self, engine: BlockEngine, size: str, steps: int) -> None:
        width, height = SIZES[size]
        self.engine, self.settings = engine, Settings(size=size, steps=steps, seed=7)
        layout = engine.layout(width, height, steps)
        self.context = Context(layout, bytearray(layout.total_bytes))
        self.conditions = random_conditions(engine.shape, width, height, "cpu", BLOCK_FRAMES * 64)
        engine.begin(self.context, self.conditions, self.settings)
        self.folder = tempfile.TemporaryDirectory()
        self.encoder = _encoder(width, height, Path(self.folder.name))

    def block(self) -> dict[str, float]:
        """Make, encode and write the next block; milliseconds per stage."""
        block = self.context.blocks_done
        began, worked = time.perf_counter(), time.process_time()
        made = self.engine.make_block(self.context, self.conditions, self.settings, block)
        self.context.flip(block + 1)
        computed = time.perf_counter()
        (Path(self.folder.name) / f"{block}.m4s").write_bytes(self.encoder.encode(block, made.frames))
        done, cpu_s = time.perf_counter(), time.process_time() - worked
        return {**made.stage_ms, "encode": (done - computed) * 1e3, "block": (done - began) * 1e3, "cpu": cpu_s * 1e3}


def _encoder(width: int, height: int, folder: Path) -> FragmentEncoder:
    """As a worker has it, with a silent voice."""
    with wave.open(str(folder / "voice.wav"), "wb") as file:
        file.setparams((1, 2, SPEECH_RATE, 0, "NONE", ""))
        file.writeframes(bytes(2 * VOICE_S * SPEECH_RATE))
    return FragmentEncoder(width, height, folder / "voice.wav")


def measure(films: dict[str, Film], repeats: int) -> Iterator[dict[str, Any]]:
    """Medians per film; the films take turns."""
    for film in films.values():
        for _ in range(WARM_BLOCKS):
            film.block()
    times: dict[str, list[dict[str, float]]] = {name: [] for name in films}
    for _ in range(repeats):
        for name, film in films.items():
            times[name].append(film.block())
    for name, film in films.items():
        stages = {stage: round(statistics.median(t[stage] for t in times[name]), 1) for stage in times[name][0]}
        blocks = [t["block"] for t in times[name]]
        yield {
            "name": name, "size": film.settings.size, "steps": film.settings.steps, "threads": torch.get_num_threads(),
            "fps": round(BLOCK_FRAMES / statistics.median(blocks) * 1e3, 2),
            "block_ms_spread": [round(min(blocks), 1), round(max(blocks), 1)], "stage_ms": stages, "repeats": repeats,
            "parameters": _parameters(film.engine), "trained": film.engine.is_trained,
        }  # fmt: skip


def _parameters(engine: BlockEngine) -> dict[str, int]:
    both = {"transformer": engine.transformer, "vae": engine.vae}
    return {name: sum(p.numel() for p in module.parameters()) for name, module in both.items()}


def _engines(options: argparse.Namespace) -> dict[str, BlockEngine]:
    if options.decoders:
        both = {name: _engine(options) for name in ("pocket", "decoder at once")}
        vae = both["decoder at once"].vae
        object.__setattr__(vae, "_decode", lambda z, stream: vae.decoder(z, stream))
        return both
    if options.model is not None:
        return {"pocket": _engine(options)}
    chosen = CANDIDATES if options.candidates else {"pocket": {}}
    shapes: dict[str, ModelShape] = {name: dataclasses.replace(POCKET, **changes) for name, changes in chosen.items()}
    return {name: random_engine(shape, "cpu", "plain") for name, shape in shapes.items()}


def _engine(options: argparse.Namespace) -> BlockEngine:
    return load_engine(options.model) if options.model is not None else random_engine(POCKET, "cpu", "plain")


def compare_waits(arguments: list[str]) -> dict[str, Any]:
    """Frames per second of both ways of waiting, alone and in company."""
    words = [word for word in arguments if word != "--waits"]
    answer: dict[str, Any] = {}
    for name, busy in (("alone", 0), ("beside_busy_programs", os.cpu_count() or 1)):
        found: dict[str, list[float]] = {"spinning": [], "sleeping": []}
        others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
        try:
            for _ in range(TURNS):
                for way, flags in (("spinning", ["--spin"]), ("sleeping", [])):
                    command = [sys.executable, "-m", "benchmarks.pocket", *words, *flags]
                    env = {key: value for key, value in os.environ.items() if key not in WAITING}
                    line = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
                    found[way].append(json.loads(line.splitlines()[0])["fps"])
        finally:
            for other in others:
                other.kill()
                other.wait()
        ratio = statistics.median(found["sleeping"]) / statistics.median(found["spinning"])
        answer[name] = {"busy_programs": busy, **found, "sleeping_over_spinning": round(ratio, 2)}
    return answer


def main(arguments: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pocket", description=__doc__)
    parser.add_argument("--model", type=Path, help="a model directory; random weights without it")
    parser.add_argument("--size", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--steps", nargs="+", type=int, choices=(3, 4, 5), default=[4])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--candidates", action="store_true")
    parser.add_argument("--decoders", action="store_true")
    parser.add_argument("--waits", action="store_true")
    parser.add_argument("--spin", action="store_true", help="threads wait as the library lets them, not as a worker's do")
    options = parser.parse_args(arguments)
    if options.waits:
        print(json.dumps(compare_waits(arguments)))
        return 0
    if not options.spin and os.environ.keys().isdisjoint(WAITING):  # too late for this process: torch is here
        command = [sys.executable, "-m", "benchmarks.pocket", *arguments]
        os.execve(sys.executable, command, {**os.environ, **WAITING})
    torch.set_num_threads(options.threads)
    engines = _engines(options)
    about = {"machine": platform.machine(), "cpu": torch.backends.cpu.get_cpu_capability(), "torch": torch.__version__}
    for size in options.size:
        for steps in options.steps:
            films = {name: Film(engine, size, steps) for name, engine in engines.items()}
            for line in measure(films, options.repeats):
                print(json.dumps({**line, **about}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
