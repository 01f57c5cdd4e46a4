"""What can be said of a portrait or a voice before anything is made with it: measured, with reasons, no more.

Warnings advise, they refuse nothing; what cannot be used at all raises MediaError. Whether a face looks straight into
the camera is not measured (there is no face model here), and the verdict says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from engine.catalog import SPEECH_RATE
from engine.media.pauses import SILENCE_DB, levels, pauses_in
from engine.media.picture import load_picture, read_portrait
from engine.media.sound import opened_sound

__all__ = ["probe_portrait", "probe_voice", "read_portrait"]

MIN_PORTRAIT_SIDE = 512
MAX_LIGHT_DIFFERENCE = 0.35
MIN_BRIGHTNESS, MAX_BRIGHTNESS = 0.2, 0.85
MIN_CONTRAST = 0.08
MIN_SHARPNESS = 0.002
MIN_VOICE_SECONDS = 1.0
MIN_SIGNAL_TO_NOISE_DB = 20.0
MIN_LOUDNESS_DB = -35.0
MAX_CLIPPED_RATIO = 0.001
MAX_KEPT_SHARPNESS = 0.66  # what keeps more under a blur of one pixel was blurred before: docs/diagnosis.md has the figures
_SHOWN_SIDES = 64, 704  # pixels of a video's shorter side: the step between sizes, and the largest
_MEASURED_SIDE = 512  # pictures are measured at about this size, so that a number means the same for all


def probe_portrait(path: Path) -> dict[str, Any]:
    """The portrait's verdict; raises MediaError where there is none.

    width, height, format; brightness, contrast, light_difference, sharpness (0 … 1); sharp_side, the shorter side in pixels
    up to which a video of it can be sharp; face; warnings (sentences).
    """
    picture, kind = load_picture(path)
    width, height = picture.size
    small = picture.convert("L").reduce(max(1, round(min(width, height) / _MEASURED_SIDE)))
    light = np.asarray(small, np.float32) / 255
    brightness, contrast = float(light.mean()), float(light.std())
    difference, sharpness = _light_difference(light), _sharpness(light)
    warnings = {
        f"smaller than {MIN_PORTRAIT_SIDE}x{MIN_PORTRAIT_SIDE}": min(width, height) < MIN_PORTRAIT_SIDE,
        "uneven light": difference > MAX_LIGHT_DIFFERENCE,
        "dark": brightness < MIN_BRIGHTNESS,
        "overexposed": brightness > MAX_BRIGHTNESS,
        "little contrast": contrast < MIN_CONTRAST,
        "blurred": sharpness < MIN_SHARPNESS,
    }
    return {
        "width": width,
        "height": height,
        "format": kind,
        "brightness": round(brightness, 3),
        "contrast": round(contrast, 3),
        "light_difference": round(difference, 3),
        "sharpness": round(sharpness, 4),
        "sharp_side": _sharp_side(picture.convert("L")),
        "face": "not measured",
        "warnings": [text for text, is_so in warnings.items() if is_so],
    }


def _light_difference(light: np.ndarray) -> float:
    """0 … 1: how much brighter one half of the middle is than the other, relative to the brighter; float [H, W]."""
    height, width = light.shape
    middle = light[height // 5 : height * 4 // 5, width // 4 : width * 3 // 4]
    half = middle.shape[1] // 2
    left, right = float(middle[:, :half].mean()), float(middle[:, -half:].mean())
    return abs(left - right) / max(left, right, 1e-6)


def _sharpness(light: np.ndarray) -> float:
    """0 … 1: the strongest hundredth of the steps between neighbours that a blur would have flattened; float [H, W]."""
    bend = np.abs(light[1:-1, 2:] + light[1:-1, :-2] + light[2:, 1:-1] + light[:-2, 1:-1] - 4 * light[1:-1, 1:-1])
    return float(np.percentile(bend, 99)) / 4


def _sharp_side(grey: Image.Image) -> int:
    """The largest shorter side, in pixels, at which the picture is sharp, as at all smaller ones: noise cannot hide a blur there.

    Its own shorter side where it is sharp at every size that a video can have; 0 where it is blurred at all of them.
    """
    step, largest = _SHOWN_SIDES
    own, sharp = min(grey.size), 0
    for side in (*range(step, min(own, largest), step), min(own, largest)):
        if kept_sharpness(grey, side) >= MAX_KEPT_SHARPNESS:
            return sharp
        sharp = side
    return own


def kept_sharpness(grey: Image.Image, side: int) -> float:
    """0 … 1: how much of its sharpness a picture, shown at this shorter side, keeps under a blur of one pixel. A sharp one
    loses most of it, a blurred one has little to lose; 1 where there is none."""
    own = min(grey.size)
    size = (max(side, round(grey.width * side / own)), max(side, round(grey.height * side / own)))
    shown = grey.resize(size, Image.Resampling.BILINEAR)
    softer = shown.filter(ImageFilter.GaussianBlur(1))
    before, after = (_sharpness(np.asarray(one, np.float32) / 255) for one in (shown, softer))
    return after / before if before else 1.0


def probe_voice(path: Path) -> dict[str, Any]:
    """The voice's verdict; raises MediaError where there is none.

    seconds, rate (Hz), channels, format; loudness_db, noise_db (of full scale), signal_to_noise_db, clipped_ratio;
    pauses ([start, end] in seconds); warnings (sentences). Noise is the level of the quietest twentieth, an estimate.
    """
    pieces: list[np.ndarray] = []
    count = clipped = 0
    rest = np.zeros(0, np.float32)
    with opened_sound(path) as sound:
        for chunk in sound.chunks():
            count += len(chunk)
            clipped += int(np.count_nonzero(np.abs(chunk) >= 0.999))
            rest = np.concatenate([rest, chunk])
            whole = len(rest) // SPEECH_RATE * SPEECH_RATE
            if whole:
                pieces.append(levels(rest[:whole]))
                rest = rest[whole:]
        rate, channels, kind = sound.rate, sound.channels, sound.format
    level = np.concatenate([*pieces, levels(rest)])
    noise, speech = (float(value) for value in np.percentile(level, [5, 95]))
    seconds = count / SPEECH_RATE
    warnings = {
        "sampled below 16 kHz": rate < SPEECH_RATE,
        f"shorter than {MIN_VOICE_SECONDS:g} s": seconds < MIN_VOICE_SECONDS,
        "several channels, mixed down": channels > 1,
        "silent": speech <= SILENCE_DB + 10,
        "quiet": SILENCE_DB + 10 < speech < MIN_LOUDNESS_DB,
        "noisy": SILENCE_DB + 10 < speech < noise + MIN_SIGNAL_TO_NOISE_DB,
        "clipped": clipped > MAX_CLIPPED_RATIO * count,
    }
    return {
        "seconds": round(seconds, 3),
        "rate": rate,
        "channels": channels,
        "format": kind,
        "loudness_db": round(speech, 1),
        "noise_db": round(noise, 1),
        "signal_to_noise_db": round(speech - noise, 1),
        "clipped_ratio": round(clipped / count, 5),
        "pauses": [[round(start, 2), round(end, 2)] for start, end in pauses_in(level)],
        "warnings": [text for text, is_so in warnings.items() if is_so],
    }
