"""Several videos written as one: a line of time counted in pictures, and what is seen and heard at each of them.

One picture and its 40 ms of sound at a time: memory does not depend on the length.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.bitstream import BitStreamFilterContext

from engine.catalog import FPS
from engine.media.durable import whole_file
from engine.media.film_part import FilmPart
from engine.media.film_pictures import black, pictures_of
from engine.media.film_sound import LAYOUTS, PIECE, part_sound, track_sound
from engine.media.fragment import add_tracks
from engine.media.join import FILE_OPTIONS, JoinedVideo
from engine.media.transitions import CUT, mixed
from engine.media.voice_track import TRACK_RATE

FADE_S = 0.005  # of the sound at each joint: too short to be heard, long enough for no click
Progress = Callable[[int, int], None]  # (pictures done, of how many)


def no_progress(done: int, of: int) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, kw_only=True)
class Joint:
    """How a part gives way to the next: from picture `at` on `frames` mixed pictures (0: a cut), then the next part's."""

    kind: str
    at: int
    frames: int


@dataclass(frozen=True, kw_only=True)
class Track:
    """One recording as the sound of a whole film; after so many samples (48 kHz) it falls silent."""

    path: Path
    gain: float
    samples: int


@dataclass(frozen=True, kw_only=True)
class Film:
    """What is to be written. `starts[i]` is the picture at which part *i* begins; parts may overlap, never three at once.

    `gains` are factors of the parts' sounds, which `track` replaces. There is a joint after every part but the last,
    and after that one, too, where the film ends in black.
    """

    parts: tuple[FilmPart, ...]
    starts: tuple[int, ...]
    joints: tuple[Joint, ...]
    frames: int
    width: int
    height: int
    gains: tuple[float, ...]
    track: Track | None = None
    channels: int = 1


def plain_film(parts: tuple[FilmPart, ...]) -> Film:
    """The parts as they are, one after the other, cut to cut, in the first one's size."""
    starts = [0]
    for part in parts:
        starts.append(starts[-1] + part.frames)
    joints = tuple(Joint(kind=CUT, at=start, frames=0) for start in starts[1:-1])
    width, height = film_size(parts)
    return Film(
        parts=parts, starts=tuple(starts[:-1]), joints=joints, frames=starts[-1], width=width, height=height,
        gains=(1.0,) * len(parts), channels=film_channels(parts),
    )  # fmt: skip


def film_size(parts: tuple[FilmPart, ...]) -> tuple[int, int]:
    """The first part's width and height, made even."""
    return parts[0].width // 2 * 2, parts[0].height // 2 * 2


def film_channels(parts: tuple[FilmPart, ...]) -> int:
    """Two where any part has more than one."""
    return 2 if any(part.channels > 1 for part in parts) else 1


def write_film(film: Film, target: Path, progress: Progress = no_progress) -> JoinedVideo:
    """Encode a film as `target` (mp4), durably. Raises MediaError where a part cannot be read to its end, DiskFull, OSError."""
    with whole_file(target) as part:
        with av.open(str(part.resolve()), "w", format="mp4", options=FILE_OPTIONS) as output:
            video, audio = add_tracks(output, film.width, film.height, LAYOUTS[film.channels])
            output.start_encoding()
            without_sei = BitStreamFilterContext("filter_units=remove_types=6", video)

            def put(packets: list[av.Packet]) -> None:
                for packet in packets:
                    for out in without_sei.filter(packet):
                        out.stream = video
                        output.mux(out)

            for number, (picture, sound) in enumerate(zip(_seen(film), _heard(film), strict=True)):
                frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                put(video.encode(frame))
                piece = av.AudioFrame.from_ndarray(sound, format="fltp", layout=LAYOUTS[film.channels])
                piece.sample_rate, piece.pts, piece.time_base = TRACK_RATE, number * PIECE, Fraction(1, TRACK_RATE)
                output.mux(audio.encode(piece))
                progress(number + 1, film.frames)
            put(video.encode(None))
            output.mux(audio.encode(None))
        size = part.stat().st_size
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    return JoinedVideo(path=target, frames=film.frames, seconds=film.frames / FPS, bytes=size, sha256=digest)


class _Reel:
    """A part's pictures by number; the first and the last are held before its beginning and after its end."""

    def __init__(self, pictures: Iterator[np.ndarray]) -> None:
        self._pictures = pictures
        self._number = 0
        self._picture = next(pictures)

    def at(self, number: int) -> np.ndarray:
        """The picture of this number; numbers may only grow."""
        while self._number < number:
            following = next(self._pictures, None)
            if following is None:
                break
            self._number, self._picture = self._number + 1, following
        return self._picture


def _seen(film: Film) -> Iterator[np.ndarray]:
    """Every picture of the film."""
    dark = black(film.width, film.height)
    reels = [_Reel(pictures_of(film.parts[0], film.width, film.height))]  # of the part that is seen, and the next one
    seen = 0
    for number in range(film.frames):
        joint = film.joints[seen] if seen < len(film.joints) else None
        if joint and number >= joint.at and len(reels) == 1:
            is_last = seen + 1 == len(film.parts)
            reels.append(_Reel(iter([dark]) if is_last else pictures_of(film.parts[seen + 1], film.width, film.height)))
        if joint and number >= joint.at + joint.frames:
            del reels[0]
            seen += 1
            joint = None
        picture = reels[0].at(number - film.starts[seen]) if seen < len(film.parts) else dark
        if joint and number >= joint.at:
            is_last = seen + 1 == len(film.parts)
            other = dark if is_last else reels[1].at(number - film.starts[seen + 1])
            # in between lie only mixed pictures; the last one of a film is black altogether
            picture = mixed(joint.kind, picture, other, number - joint.at + 1, joint.frames + (0 if is_last else 1))
        yield picture


def _heard(film: Film) -> Iterator[np.ndarray]:
    """float32 [channels, 1920] for every picture of the film, never beyond full scale."""
    pieces = _parts_heard(film) if film.track is None else _track_heard(film, film.track)
    for piece in pieces:
        yield np.clip(piece, -1, 1).astype(np.float32)


def _track_heard(film: Film, track: Track) -> Iterator[np.ndarray]:
    fade = round(FADE_S * TRACK_RATE)
    for number, piece in enumerate(track_sound(track.path, film.frames, film.channels)):
        yield piece * track.gain * _envelope(number, track.samples, fade, fade)


def _parts_heard(film: Film) -> Iterator[np.ndarray]:
    sounds: dict[int, Iterator[np.ndarray]] = {}
    following = 0
    for number in range(film.frames):
        if following < len(film.parts) and number == film.starts[following]:
            sounds[following] = _faded(film, following)
            following += 1
        total = np.zeros((film.channels, PIECE), np.float64)
        for index, sound in list(sounds.items()):
            piece = next(sound, None)
            if piece is None:
                del sounds[index]
            else:
                total += piece
        yield total


def _faded(film: Film, index: int) -> Iterator[np.ndarray]:
    """A part's sound with its gain: where it overlaps with another's the two are cross-faded, at other edges shortly faded."""
    part, start = film.parts[index], film.starts[index]
    before = film.starts[index - 1] + film.parts[index - 1].frames - start if index else 0
    after = start + part.frames - film.starts[index + 1] if index + 1 < len(film.parts) else 0
    shortest = round(FADE_S * TRACK_RATE)
    fade_in, fade_out = max(before * PIECE, shortest), max(after * PIECE, shortest)
    for number, piece in enumerate(part_sound(part, film.channels)):
        yield piece * film.gains[index] * _envelope(number, part.frames * PIECE, fade_in, fade_out)


def _envelope(number: int, samples: int, fade_in: int, fade_out: int) -> np.ndarray:
    """float64 [1920] for the piece of this number in so many samples of sound: equal power, so that two make one loudness."""
    at = number * PIECE + np.arange(PIECE) + 0.5
    inside = np.minimum(at / fade_in, (samples - at) / fade_out)
    return np.sin(np.pi / 2 * np.clip(inside, 0, 1))
