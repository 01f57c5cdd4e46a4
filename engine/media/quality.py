"""How good a talking video is, measured from its frames and its sound: lips, sharpness, freezes, flicker, drift, loudness.

`python -m engine.media.quality VIDEO [--portrait PICTURE]` prints one JSON object. No torch; memory stays flat: frames are
kept small and grey, at most three minutes of them, and the last two seconds however long the video is.

What each number means, and how far it can be trusted, is in docs/pocket.md; tests measure it on videos damaged on purpose.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np

from engine.catalog import FPS, SPEECH_RATE
from engine.errors import MediaError
from engine.media.lips import find_mouth, lip_sync, mouth_looks
from engine.media.picture import read_portrait

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels

MAX_MEASURED_S = 180
_SHORT_SIDE = 128  # pixels of the small frames' shorter side, at most
_DRIFT_FRAMES = 2 * FPS
_BLUR_RATIO = 0.62  # a frame with less of the portrait's sharpness than this is blurred
_STILL_LEVEL = 0.35  # grey levels of 255: a repeated frame changes less, encoding noise included
_QUIET_DB = -70.0


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Measures of one video. Ratios are 0..1, levels relative to white, times in seconds; None: cannot be told."""

    seconds: float
    lip_offset_s: float | None  # positive: the mouth comes after the sound
    lip_correlation: float | None  # of the voice with what the mouth tells of it
    blurred_ratio: float
    frozen_ratio: float
    longest_freeze_s: float
    flicker: float
    identity_drift: float
    loudness_db: float | None

    def to_json(self) -> dict[str, float | None]:
        """Plain data, rounded."""
        return {name: None if value is None else round(value, 4) for name, value in asdict(self).items()}


def measure_video(path: Path, portrait: np.ndarray | None = None, mouth: Box | None = None) -> Quality:
    """Measure a video file. `portrait` uint8 [H, W, 3] gives the sharpness that frames should have; without it the
    video's own sharpest tenth does. `mouth` is a box in the video's pixels; without it it is looked for. Raises MediaError.
    """
    sound = read_sound(path)
    return measure(read_frames(path), sound, portrait, mouth)


def measure(
    frames: Iterable[np.ndarray], sound: np.ndarray | None, portrait: np.ndarray | None = None, mouth: Box | None = None
) -> Quality:
    """Measure frames uint8 [H, W, 3] at 25 per second and sound float32 [N] at 16 kHz. Raises MediaError for no frames."""
    seen = _Seen(frames)
    grey = seen.small
    envelope = None if sound is None else envelope_of(sound, len(grey))
    offset = correlation = None
    if envelope is not None and envelope.max() > 0:
        box = find_mouth(grey) if mouth is None else scaled_box(mouth, seen.scale)
        offset, correlation = lip_sync(mouth_looks(grey, box), envelope)
    frozen = _frozen(grey)
    return Quality(
        seconds=seen.count / FPS, lip_offset_s=offset, lip_correlation=correlation,
        blurred_ratio=_blurred_ratio(seen.sharpness, seen.wanted_sharpness(portrait)),
        frozen_ratio=float(frozen.mean()), longest_freeze_s=_longest(frozen) / FPS, flicker=_flicker(grey),
        identity_drift=_drift(seen.colours_first, list(seen.colours_last)),
        loudness_db=None if sound is None else loudness(sound),
    )  # fmt: skip


def envelope_of(sound: np.ndarray, frames: int) -> np.ndarray:
    """float32 [frames]: loudness of each video frame's sound, compressed as a mouth follows it; zeros after the end."""
    samples = SPEECH_RATE // FPS
    padded = np.zeros(frames * samples, np.float32)
    used = sound[: len(padded)]
    padded[: len(used)] = used
    level = np.sqrt(np.mean(padded.reshape(frames, samples) ** 2, axis=1))
    return np.sqrt(level).astype(np.float32)


def loudness(sound: np.ndarray) -> float:
    """Level in dB of full scale of what is spoken: the loudest four fifths in pieces of 0.4 s, silence left out."""
    size = int(0.4 * SPEECH_RATE)
    if len(sound) < size:
        return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64)) + 1e-12)) if len(sound) else _QUIET_DB
    pieces = sound[: len(sound) // size * size].reshape(-1, size)
    power = np.mean(np.square(pieces, dtype=np.float64), axis=1)
    heard = power[power > 10 ** (_QUIET_DB / 10)]
    if not len(heard):
        return _QUIET_DB
    return float(10 * np.log10(np.mean(np.sort(heard)[len(heard) // 5 :])))


def sharpness(grey: np.ndarray) -> float:
    """How steep a picture's edges are: the strongest hundredth of second differences of float [H, W], 0..255."""
    bend = np.abs(grey[1:-1, 2:] + grey[1:-1, :-2] + grey[2:, 1:-1] + grey[:-2, 1:-1] - 4 * grey[1:-1, 1:-1])
    return float(np.percentile(bend, 98))


def scaled_box(box: Box, scale: int) -> Box:
    """A box in a picture that is smaller by a whole factor."""
    left, top, right, bottom = box
    return left // scale, top // scale, max(left // scale + 2, -(-right // scale)), max(top // scale + 2, -(-bottom // scale))


class _Seen:
    """One pass over the frames: sharpness of each, small grey copies, colours of the first and last two seconds."""

    def __init__(self, frames: Iterable[np.ndarray]) -> None:
        small: list[np.ndarray] = []
        sharp: list[float] = []
        self.colours_first: list[np.ndarray] = []
        self.colours_last: deque[np.ndarray] = deque(maxlen=_DRIFT_FRAMES)
        self.count, self.scale, self.shape = 0, 1, (0, 0)
        for frame in frames:
            if not self.count:
                self.shape = frame.shape[:2]
                self.scale = max(1, min(self.shape) // _SHORT_SIDE)
            self.count += 1
            colour = _reduced(frame, self.scale)
            self.colours_last.append(colour)
            if len(self.colours_first) < _DRIFT_FRAMES:
                self.colours_first.append(colour)
            if self.count <= MAX_MEASURED_S * FPS:
                sharp.append(sharpness(_grey(frame)))
                small.append(np.rint(_grey(colour)).astype(np.uint8))
        if self.count < 3:
            raise MediaError(f"a video of {self.count} frames cannot be measured.")
        self.small, self.sharpness = np.stack(small), np.array(sharp)

    def wanted_sharpness(self, portrait: np.ndarray | None) -> float:
        """The portrait's sharpness at the video's size, else that of the video's sharpest tenth."""
        if portrait is None:
            return float(np.percentile(self.sharpness, 90))
        return sharpness(_grey(_fitted(portrait, self.shape)))


def _fitted(portrait: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The portrait as the model is given it: shorter side scaled, centre cut out."""
    from PIL import Image

    height, width = shape
    rows, columns = portrait.shape[:2]
    factor = min(width, height) / min(rows, columns)
    size = max(width, round(columns * factor)), max(height, round(rows * factor))
    image = Image.fromarray(portrait).resize(size, Image.Resampling.BILINEAR)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return np.asarray(image.crop((left, top, left + width, top + height)))


def _blurred_ratio(found: np.ndarray, wanted: float) -> float:
    return float(np.mean(found < _BLUR_RATIO * wanted))


def _frozen(grey: np.ndarray) -> np.ndarray:
    """bool [N - 1]: nothing has changed since the frame before, not even in one eighth of the picture."""
    change = np.abs(np.diff(grey.astype(np.int16), axis=0)).astype(np.float32)
    rows, columns = change.shape[1] // 8 * 8, change.shape[2] // 8 * 8
    cells = change[:, :rows, :columns].reshape(len(change), 8, rows // 8, 8, columns // 8).mean(axis=(2, 4))
    return cells.max(axis=(1, 2)) < _STILL_LEVEL


def _longest(flags: np.ndarray) -> int:
    best = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        best = max(best, run)
    return best


def _flicker(grey: np.ndarray) -> float:
    """Root mean square of how much the picture's edge is brighter or darker than the frames before and after."""
    rows, columns = max(2, grey.shape[1] // 10), max(2, grey.shape[2] // 10)
    sides = (grey[:, :rows], grey[:, :, :columns], grey[:, :, -columns:])
    level = np.mean([side.mean(axis=(1, 2)) for side in sides], axis=0) / 255
    jump = level[1:-1] - 0.5 * (level[:-2] + level[2:])
    return float(np.sqrt(np.mean(jump**2)))


def _drift(first: list[np.ndarray], last: list[np.ndarray]) -> float:
    """Root mean square difference, in the picture's middle, of the mean frames of the first and last two seconds.

    Small movements of the head blur into the means; the two are compared at a sixteenth of the size, where a shift of
    some pixels does not count as another person.
    """
    a, b = (np.mean([frame.astype(np.float32) for frame in frames], axis=0) for frames in (first, last))
    step = max(1, min(a.shape[:2]) // 16)
    small_a, small_b = _reduced(a, step) / 255, _reduced(b, step) / 255
    rows, columns = small_a.shape[:2]
    side = max(0, (columns - rows) // 2)
    middle = slice(side, columns - side)
    return float(np.sqrt(np.mean((small_a[:, middle] - small_b[:, middle]) ** 2)))


def _reduced(frame: np.ndarray, factor: int) -> np.ndarray:
    """Mean over squares of `factor` pixels; float32 where anything is averaged."""
    if factor == 1:
        return frame
    rows, columns = frame.shape[0] // factor * factor, frame.shape[1] // factor * factor
    cut = frame[:rows, :columns].astype(np.float32)
    return cut.reshape(rows // factor, factor, columns // factor, factor, -1).mean(axis=(1, 3))


def _grey(frame: np.ndarray) -> np.ndarray:
    return frame.astype(np.float32) @ np.array((0.299, 0.587, 0.114), np.float32)


def read_frames(path: Path, rate: int = 0, seconds: float = float("inf")) -> Iterator[np.ndarray]:
    """Frames uint8 [H, W, 3] of a video; with a `rate` repeated or left out so that there are so many per second.

    Raises MediaError.
    """
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise MediaError(f"{path} holds no video.")
            count = 0
            for frame in container.decode(container.streams.video[0]):
                due = count + 1 if not rate or frame.time is None else int(frame.time * rate + 0.5) + 1
                picture = frame.to_ndarray(format="rgb24") if due > count else None
                while picture is not None and count < due:
                    if rate and count >= seconds * rate:
                        return
                    yield picture
                    count += 1
    except av.FFmpegError as error:
        raise MediaError(f"{path} cannot be read: {error}.") from error


def read_sound(path: Path) -> np.ndarray | None:
    """float32 [N] at 16 kHz mono; None where there is none. Raises MediaError."""
    pieces: list[np.ndarray] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                return None
            resampler = av.AudioResampler(format="flt", layout="mono", rate=SPEECH_RATE)
            for frame in container.decode(container.streams.audio[0]):
                pieces += [out.to_ndarray()[0] for out in resampler.resample(frame)]
            pieces += [out.to_ndarray()[0] for out in resampler.resample(None)]
    except av.FFmpegError as error:
        raise MediaError(f"{path} cannot be read: {error}.") from error
    return np.concatenate(pieces) if pieces else None


def main(arguments: list[str]) -> int:
    """Command line; exit status 1 for a file that cannot be measured."""
    parser = argparse.ArgumentParser(prog="python -m engine.media.quality", description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--portrait", type=Path)
    options = parser.parse_args(arguments)
    try:
        portrait = None if options.portrait is None else read_portrait(options.portrait)
        print(json.dumps(measure_video(options.video, portrait).to_json()))
    except MediaError as error:
        print(f"{error} {error.hint}".strip(), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
