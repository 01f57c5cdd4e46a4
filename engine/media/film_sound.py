"""The sound of a video or a recording at 48 kHz, in pieces as long as a picture, laid out by the times that the file gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame

from engine.catalog import FPS
from engine.errors import MediaError
from engine.media.film_part import FilmPart, opened_video, sound_of
from engine.media.sound import clean, opened_sound
from engine.media.voice_track import TRACK_RATE

PIECE = TRACK_RATE // FPS  # samples of one picture's time
LAYOUTS = {1: "mono", 2: "stereo"}
_HOLE = TRACK_RATE // 25  # samples: a smaller difference between two packets' times is their rounding


def part_sound(part: FilmPart, channels: int) -> Iterator[np.ndarray]:
    """Exactly `part.frames` pieces float32 [channels, 1920], silence where there is none. Raises MediaError."""
    chunks = _part_chunks(part, channels) if part.channels else iter(())
    yield from in_pieces(chunks, part.frames, channels)


def track_sound(path: Path, frames: int, channels: int) -> Iterator[np.ndarray]:
    """Exactly `frames` pieces float32 [channels, 1920] of a recording, silence after its end. Raises MediaError."""
    with opened_sound(path) as sound:
        yield from in_pieces(sound.resampled(TRACK_RATE, LAYOUTS[channels]), frames, channels)


def in_pieces(chunks: Iterable[np.ndarray], count: int, channels: int) -> Iterator[np.ndarray]:
    """Chunks float32 [channels, n] as exactly `count` pieces [channels, 1920]: cut off, or silence added."""
    left = np.zeros((channels, 0), np.float32)
    made = 0
    for chunk in chunks:
        left = np.concatenate([left, chunk], axis=1)
        whole = left.shape[1] // PIECE
        for index in range(min(whole, count - made)):
            yield left[:, index * PIECE : (index + 1) * PIECE]
        made += whole
        if made >= count:
            return
        left = left[:, whole * PIECE :]
    for _ in range(count - made):
        yield np.pad(left, ((0, 0), (0, PIECE - left.shape[1])))
        left = left[:, :0]


def _part_chunks(part: FilmPart, channels: int) -> Iterator[np.ndarray]:
    """float32 [channels, n]; a hole between two packets is silence, what is there twice is left out once."""
    given = 0  # samples so far
    resampler: av.AudioResampler | None = None
    due: Fraction | None = None  # when the next frame begins if there is no hole
    for frame in _frames(part):
        assert frame.pts is not None and frame.time_base is not None and frame.sample_rate
        begin = frame.pts * frame.time_base - part.start
        if due is None or abs(begin - due) * TRACK_RATE > _HOLE:  # lost packets add up until they are one
            due = begin
            for chunk in _flushed(resampler):
                given += chunk.shape[1]
                yield chunk
            resampler = av.AudioResampler(format="fltp", layout=LAYOUTS[channels], rate=TRACK_RATE)
            missing = round(begin * TRACK_RATE) - given
            if missing > 0:
                given += missing
                yield from _silence(missing, channels)
            skipped = max(0, -missing)
        due += Fraction(frame.samples, frame.sample_rate)
        assert resampler is not None
        frame.pts = None  # the resampler would fill holes by itself, or complain of them
        for out in resampler.resample(frame):
            chunk = clean(out.to_ndarray())[:, skipped:]
            skipped = max(0, skipped - out.samples)
            given += chunk.shape[1]
            yield chunk
    yield from _flushed(resampler)


def _silence(samples: int, channels: int) -> Iterator[np.ndarray]:
    """In chunks of at most a second: a hole may be hours long."""
    for begin in range(0, samples, TRACK_RATE):
        yield np.zeros((channels, min(TRACK_RATE, samples - begin)), np.float32)


def _flushed(resampler: av.AudioResampler | None) -> Iterator[np.ndarray]:
    """What the resampler still holds back."""
    if resampler is not None:
        for out in resampler.resample(None):
            yield clean(out.to_ndarray())


def _frames(part: FilmPart) -> Iterator[AudioFrame]:
    with opened_video(part.path) as container:
        stream = sound_of(part.path, container)
        if stream is None:
            raise MediaError(f"{part.path} has lost its sound while it was read.", hint="Leave the file alone meanwhile.")
        for frame in container.decode(stream):
            if frame.pts is not None:
                yield frame
