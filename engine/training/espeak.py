"""`python -m engine.training.espeak FILE`: sentences spoken by other synthesisers, as a second source of voices.

espeak-ng (Debian: `apt-get install espeak-ng`) is for training; flite is for evaluation only, so that what is judged was
never heard in training. The sentences are ours. The file holds 8-bit µ-law samples at 16 kHz: a minute is a megabyte.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np

from engine.catalog import SPEECH_RATE
from engine.errors import MediaError

VARIANTS = (
    "en-us",
    "en-gb",
    "en-us+f2",
    "en-gb+f3",
    "en-us+m3",
    "en-us+f4",
    "en-gb+m5",
    "de",
    "es+f2",
    "cmn",
    "fr+f3",
    "it",
)
_TIMEOUT_S = 30
_MU = 255.0

_OPENINGS = (
    "Good morning and welcome back", "Today we look at something new", "Let me show you how this works",
    "Here is a question for you", "Before we begin, one small thing", "Thank you for coming along",
    "I would like to tell you a story", "Imagine a quiet street in the rain", "Please open the window a little",
    "Have you ever wondered why the sky is blue", "We are nearly there now", "This part is easier than it looks",
)  # fmt: skip
_MIDDLES = (
    "the first step is to measure what you have", "nobody needs to remember every number",
    "a small team can move a heavy table", "people often mistake speed for progress", "my favourite tool is a sharp pencil",
    "every river finds its own way to the sea", "we shall compare both of them side by side",
    "the baker puts warm bread on the wooden shelf", "five brave boys push the boat over the beach",
    "she sells fresh fish and chips near the harbour", "the moon moves slowly behind the mountain",
    "our machine keeps its promise even in the dark",
)  # fmt: skip
_ENDINGS = (
    "and that is all for now.", "so let us try it together!", "but more about that tomorrow.", "would you agree?",
    "then we can go home.", "and it only takes a minute.", "because it simply works.", "wherever you happen to be.",
)  # fmt: skip


def sentence(rng: np.random.Generator) -> str:
    """An English sentence of our own words."""
    return f"{rng.choice(_OPENINGS)}; {rng.choice(_MIDDLES)}, {rng.choice(_ENDINGS)}"


def speak_espeak(text: str, variant: str, words_per_minute: int, pitch: int) -> np.ndarray:
    """float32 [N] at 16 kHz spoken by espeak-ng. Raises MediaError when it is not installed or fails."""
    return _run("espeak-ng", ["-v", variant, "-s", str(words_per_minute), "-p", str(pitch), "-w", "{file}", text])


def speak_flite(text: str, voice: str = "slt") -> np.ndarray:
    """float32 [N] at 16 kHz spoken by flite, for evaluation. Raises MediaError when it is not installed or fails."""
    return _run("flite", ["-voice", voice, "-t", text, "-o", "{file}"])


def _run(program: str, words: list[str]) -> np.ndarray:
    path = shutil.which(program)
    if path is None:
        raise MediaError(f"{program} is not installed.", hint=f"Debian: apt-get install {program}.")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "voice.wav"
        command = [path, *(word.replace("{file}", str(target)) for word in words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
        if done.returncode or not target.is_file():
            raise MediaError(f"{program} failed: {done.stderr.strip()[-300:]}")
        return read_wav(target.read_bytes())


def read_wav(data: bytes) -> np.ndarray:
    """float32 [N] at 16 kHz of a 16-bit mono WAV of any rate, by linear interpolation with a running mean before it."""
    with wave.open(io.BytesIO(data)) as file:
        rate, count = file.getframerate(), file.getnframes()
        samples = np.frombuffer(file.readframes(count), "<i2")[:: file.getnchannels()].astype(np.float32) / 32768
    if rate == SPEECH_RATE:
        return samples
    width = max(1, round(rate / SPEECH_RATE))
    smooth = np.convolve(samples, np.ones(width, np.float32) / width, mode="same")
    at = np.arange(int(len(samples) * SPEECH_RATE / rate)) * (rate / SPEECH_RATE)
    return np.interp(at, np.arange(len(smooth)), smooth).astype(np.float32)


def pack(samples: np.ndarray) -> np.ndarray:
    """float32 -1..1 -> uint8 µ-law."""
    bent = np.sign(samples) * np.log1p(_MU * np.abs(samples)) / np.log1p(_MU)
    return np.clip(np.rint((bent + 1) * 127.5), 0, 255).astype(np.uint8)


def unpack(codes: np.ndarray) -> np.ndarray:
    """uint8 µ-law -> float32 -1..1."""
    bent = codes.astype(np.float32) / 127.5 - 1
    return (np.sign(bent) * np.expm1(np.abs(bent) * np.log1p(_MU)) / _MU).astype(np.float32)


def record(minutes: float, seed: int) -> np.ndarray:
    """µ-law samples of so many minutes of sentences in changing voices, with pauses."""
    rng = np.random.default_rng(seed)
    wanted = round(minutes * 60 * SPEECH_RATE)
    parts: list[np.ndarray] = []
    count = 0
    while count < wanted:
        variant = str(rng.choice(VARIANTS))
        spoken = speak_espeak(sentence(rng), variant, int(rng.integers(130, 200)), int(rng.integers(25, 75)))
        spoken = 0.7 * spoken / max(1e-3, float(np.abs(spoken).max()))
        part = np.concatenate([spoken, np.zeros(int(rng.uniform(0.1, 1.2) * SPEECH_RATE), np.float32)])
        parts.append(pack(part))
        count += len(part)
    return np.concatenate(parts)[:wanted]


def load_recordings(path: Path) -> np.ndarray:
    """µ-law samples of a file that `record` filled. Raises MediaError."""
    try:
        with np.load(path, allow_pickle=False) as file:
            codes: np.ndarray = file["mulaw"]
    except (OSError, ValueError, KeyError) as error:
        raise MediaError(f"{path}: {error}", hint="Make it with python -m engine.training.espeak FILE.") from error
    if codes.dtype != np.uint8 or codes.ndim != 1 or len(codes) < 10 * SPEECH_RATE:
        raise MediaError(f"{path} holds {codes.dtype} {list(codes.shape)}, not at least ten seconds of µ-law samples.")
    return codes


def main(arguments: list[str]) -> int:
    """Command line; exit status 69 where espeak-ng is missing."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.espeak", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        codes = record(options.minutes, options.seed)
    except MediaError as error:
        print(f"{error} {error.hint}".strip(), file=sys.stderr)
        return 69
    with options.file.open("wb") as file:
        np.savez(file, mulaw=codes)
    print(f"{options.file}: {len(codes) / SPEECH_RATE / 60:.1f} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
