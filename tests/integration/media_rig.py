"""Pictures and voices whose place in time can be read back from a finished video."""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from engine.catalog import BLOCK_FRAMES, SPEECH_RATE
from engine.media.fragment import FragmentEncoder

WIDTH, HEIGHT = 128, 96
BITS = 8


def numbered_frames(block: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """uint8 [12, H, W, 3]: each picture shows its number within the job as eight black or white bars, on a gradient."""
    rows = np.linspace(40, 90, height).astype(np.uint8)[:, None, None]
    frames = np.broadcast_to(rows, (BLOCK_FRAMES, height, width, 3)).copy()
    bar = width // BITS
    for index in range(BLOCK_FRAMES):
        for bit in range(BITS):
            is_set = (block * BLOCK_FRAMES + index) >> bit & 1
            frames[index, height // 4 : height // 2, bit * bar : (bit + 1) * bar] = 235 if is_set else 16
    return frames


def number_in(picture: np.ndarray) -> int:
    """Inverse of `numbered_frames` for one decoded picture uint8 [H, W, 3]."""
    height, width, _ = picture.shape
    bar = width // BITS
    band = picture[height // 4 + 4 : height // 2 - 4].mean(axis=(0, 2))
    return sum(1 << bit for bit in range(BITS) if band[bit * bar + 4 : (bit + 1) * bar - 4].mean() > 128)


def write_wav(path: Path, samples: np.ndarray, rate: int = SPEECH_RATE, channels: int = 1) -> Path:
    """A 16-bit WAV of float -1 … 1."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def click_track(seconds: float, clicks: Sequence[float]) -> np.ndarray:
    """float32 [seconds * 16000]: 10 ms of 1 kHz at each of these times."""
    sound = np.zeros(round(seconds * SPEECH_RATE), np.float32)
    click = 0.8 * np.sin(2 * np.pi * 1000 * np.arange(160) / SPEECH_RATE).astype(np.float32)
    for time in clicks:
        at = round(time * SPEECH_RATE)
        sound[at : at + 160] = click[: len(sound) - at]
    return sound


def talk(seconds: float, seed: int = 0) -> np.ndarray:
    """float32: something as changeable as speech, for an encoder: bursts of tones and noise with pauses."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * SPEECH_RATE)) / SPEECH_RATE
    tone = sum(np.sin(2 * np.pi * 130 * k * time + k) / k for k in range(1, 20))
    gate = np.sin(2 * np.pi * 3.1 * time) * np.sin(2 * np.pi * 0.7 * time + 1) > 0.1
    noise = random.standard_normal(len(time)) * (np.sin(2 * np.pi * 1.7 * time) > 0.7)
    return (0.15 * tone * gate + 0.1 * noise + 0.001 * random.standard_normal(len(time))).astype(np.float32)


class Stream:
    """A job's files: `init.mp4` and numbered fragments in a folder."""

    def __init__(
        self, folder: Path, voice: Path, blocks: Sequence[int], width: int = WIDTH, height: int = HEIGHT
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        encoder = FragmentEncoder(width, height, voice)
        self.init = folder / "init.mp4"
        self.init.write_bytes(encoder.init_bytes)
        self.fragments: list[Path] = []
        for block in blocks:
            fragment = folder / f"{block:06d}.m4s"
            fragment.write_bytes(encoder.encode(block, numbered_frames(block, width, height)))
            self.fragments.append(fragment)

    @property
    def parts(self) -> list[Path]:
        """What `join` takes."""
        return [self.init, *self.fragments]

    @property
    def data(self) -> bytes:
        """What a browser would be sent."""
        return b"".join(part.read_bytes() for part in self.parts)


class Decoded:
    """A video as a player sees it: numbers and times of the pictures, key frames, and sound laid out by its times."""

    def __init__(self, data: bytes) -> None:
        self.numbers: list[int] = []
        self.times: list[Fraction] = []
        self.is_key: list[bool] = []
        with av.open(io.BytesIO(data), format="mp4") as container:
            stream = container.streams.video[0]
            self.width, self.height = stream.codec_context.width, stream.codec_context.height
            for frame in container.decode(stream):
                assert frame.pts is not None and frame.time_base is not None
                self.numbers.append(number_in(frame.to_ndarray(format="rgb24")))
                self.times.append(frame.pts * frame.time_base)
                self.is_key.append(bool(frame.key_frame))
        self.sound_times: list[Fraction] = []
        pieces: list[tuple[int, np.ndarray]] = []
        with av.open(io.BytesIO(data), format="mp4") as container:
            audio = container.streams.audio[0]
            self.rate = audio.codec_context.sample_rate
            for sound in container.decode(audio):
                assert sound.pts is not None and sound.time_base is not None
                self.sound_times.append(sound.pts * sound.time_base)
                pieces.append((round(sound.pts * sound.time_base * self.rate), sound.to_ndarray()[0]))
        self.sound = np.zeros(max(at + len(piece) for at, piece in pieces), np.float32)
        for at, piece in pieces:
            self.sound[at : at + len(piece)] = piece

    def click_times(self) -> list[float]:
        """Where the clicks of a `click_track` are heard, in seconds: the best match with the click itself."""
        click = np.sin(2 * np.pi * 1000 * np.arange(self.rate // 100) / self.rate)
        match = np.correlate(self.sound, click, "valid")
        strong = np.flatnonzero(match > 0.5 * match.max())
        groups = np.split(strong, np.flatnonzero(np.diff(strong) > self.rate // 20) + 1)
        return [float(group[np.argmax(match[group])]) / self.rate for group in groups]


def boxes(data: bytes) -> list[str]:
    """Types of the outermost mp4 boxes."""
    found, at = [], 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        found.append(name.decode())
        at += size
    return found
