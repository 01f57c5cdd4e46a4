"""Makes the example portraits and voices: `python examples/draw_assets.py [--output FOLDER]`. Same bytes each time."""

from __future__ import annotations

import argparse
import wave
from pathlib import Path

import numpy as np
from people import SEEDS, draw
from PIL import Image
from voices import RATE, VOICES, speak

_STEP = 4  # of 256 shades: small files, no visible steps


def main() -> None:
    """Writes images/*.png and audios/*.wav."""
    parser = argparse.ArgumentParser(description="Make the example portraits and voices.")
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parent, help="default: this folder")
    output: Path = parser.parse_args().output
    images, audios = output / "images", output / "audios"
    for folder in (images, audios):
        folder.mkdir(parents=True, exist_ok=True)
    for name, seed in SEEDS.items():
        shades = np.rint(draw(seed) / _STEP) * _STEP
        Image.fromarray(np.minimum(shades, 255).astype(np.uint8)).save(images / f"{name}.png", optimize=True)
    for name, voice in VOICES.items():
        with wave.open(str(audios / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(speak(voice).tobytes())


if __name__ == "__main__":
    main()
