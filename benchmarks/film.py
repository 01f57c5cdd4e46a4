"""Blocks made, encoded and written as a film: the device computes the next block while a thread encodes this one."""

from __future__ import annotations

import tempfile
import time
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import numpy as np

from engine.catalog import BLOCK_SECONDS
from engine.config import Settings
from engine.model.block_engine import BlockEngine, Conditions
from engine.model.context import Context

SPEECH_RATE = 16_000


class Film:
    """A context's blocks as fragments on the disk, each encoded with its voice, as the worker's are."""

    def __init__(self, engine: BlockEngine, context: Context, conditions: Conditions, settings: Settings) -> None:
        """Raises ModuleNotFoundError where PyAV is not installed."""
        from engine.media.fragment import FragmentEncoder

        self._engine, self._given = engine, (context, conditions, settings)
        self._context = context
        self._folder = tempfile.TemporaryDirectory(prefix="greenroom-film-")
        voice = Path(self._folder.name) / "voice.wav"
        _write_voice(voice, conditions["speech"].shape[-1] / 25 + BLOCK_SECONDS)
        self._encoder = FragmentEncoder(context.layout.width, context.layout.height, voice)
        self._thread = ThreadPoolExecutor(1)
        self.encode_ms: list[float] = []

    def __enter__(self) -> Film:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._thread.shutdown()
        self._folder.cleanup()

    def make(self, count: int) -> list[float]:
        """Seconds from one written block to the next, `count` of them."""
        times, last = [], time.perf_counter()
        for _ in range(count):
            block = self._context.blocks_done
            made = self._engine.make_block(*self._given, block)
            writing = self._thread.submit(self._write, block, made.frames)
            self._engine.denoise_block(*self._given, block + 1)
            writing.result()
            self._context.flip(block + 1)
            now = time.perf_counter()
            times.append(now - last)
            last = now
        return times

    def _write(self, block: int, frames: np.ndarray) -> None:
        start = time.perf_counter()
        fragment = self._encoder.encode(block, frames)
        (Path(self._folder.name) / f"{block:06}.m4s").write_bytes(fragment)
        self.encode_ms.append((time.perf_counter() - start) * 1e3)


def _write_voice(path: Path, seconds: float) -> None:
    draws = np.random.default_rng(0)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SPEECH_RATE)
        file.writeframes((draws.normal(0, 3000, int(seconds * SPEECH_RATE))).astype("<i2").tobytes())
