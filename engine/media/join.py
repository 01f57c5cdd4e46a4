"""Several parts become one fast-start mp4 without re-encoding.

A part is a finished mp4 file, or a stream header (`init.mp4`) with the fragments that follow it in the list. The
pictures of all parts follow each other without a gap. Sound packets have a fixed length, so a part's sound ends up to
21 ms off its last picture: at each joint it is cut to the packet that ends nearest, measured against the beginning of
the whole video, so the error neither grows nor exceeds half a packet (11 ms).
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.container import InputContainer, OutputContainer

from engine.errors import MediaError
from engine.media.boxes import box_types
from engine.media.chain import FileChain
from engine.media.durable import whole_file
from engine.media.fragment import VIDEO_TIMESCALE

FILE_OPTIONS = {
    "movflags": "+faststart",
    "fflags": "+bitexact",
    "movie_timescale": "48000",
    "video_track_timescale": str(VIDEO_TIMESCALE),
}


@dataclass(frozen=True, kw_only=True)
class JoinedVideo:
    """A finished video: `frames` pictures, `seconds` long, `bytes` on disk."""

    path: Path
    frames: int
    seconds: float
    bytes: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "path": str(self.path), "frames": self.frames, "seconds": self.seconds, "bytes": self.bytes, "sha256": self.sha256,
        }  # fmt: skip


def join(parts: list[Path], target: Path) -> JoinedVideo:
    """Write `parts`, in order, as `target`, durably (.part → fsync → rename).

    Raises MediaError naming the odd part when one cannot be read or differs from the first in size or codec; DiskFull.
    """
    streams = _streams(parts)
    with whole_file(target) as part:
        with av.open(str(part.resolve()), "w", format="mp4", options=FILE_OPTIONS) as output:
            frames, seconds = _Joiner(output).add_all(streams)
        size = part.stat().st_size
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    return JoinedVideo(path=target, frames=frames, seconds=float(seconds), bytes=size, sha256=digest)


def difference(parts: list[Path]) -> str | None:
    """A sentence that names the first file that cannot be joined to those before it as it is; None where all are alike.

    Raises MediaError for a file that cannot be read.
    """
    first: tuple[Path, dict[str, Any]] | None = None
    for part in parts:
        with _opened([part]) as source:
            try:
                shape = _shape(part, source)
            except MediaError as error:
                return error.detail
            if source.streams.video[0].codec_context.has_b_frames:
                return f"{part} holds reordered pictures (B-frames)."
        first = first or (part, shape)
        odd = _odd_one(part, shape, *first)
        if odd is not None:
            return odd
    return None


def _streams(parts: list[Path]) -> list[list[Path]]:
    """Groups the parts: each file with an `ftyp` box begins a stream, each with a `moof` first continues it."""
    streams: list[list[Path]] = []
    for part in parts:
        types = box_types(part)
        if "ftyp" in types:
            if "moov" not in types:
                raise MediaError(f"{part} has no header (moov): it was not finished.", hint="Make this part again.")
            streams.append([part])
        elif types[0] in ("styp", "moof") and streams:
            streams[-1].append(part)
        else:
            raise MediaError(f"{part} is a fragment without a header before it.", hint="Begin with init.mp4.")
    if not streams:
        raise MediaError("There is nothing to join.", hint="Name at least one part.")
    return streams


class _Joiner:
    """Copies one stream after the other into the output, moving their times. All times are in seconds, exact."""

    def __init__(self, output: OutputContainer) -> None:
        self._output = output
        self._first: Path | None = None
        self._shape: dict[str, Any] = {}
        self._start = Fraction(0)  # where the current part's pictures begin in the output
        self._frames = 0
        self._sound_end: Fraction | None = None  # where the sound written so far ends
        self._pending: deque[av.Packet] = deque()  # sound that may have to give way at the next joint

    def add_all(self, streams: list[list[Path]]) -> tuple[int, Fraction]:
        """Copies everything; returns the number of pictures and the length."""
        for files in streams:
            with _opened(files) as source:
                try:
                    self._add(files[0], source)
                except (av.error.InvalidDataError, av.error.EOFError) as error:
                    raise MediaError(f"{files[0]} cannot be read: {error}.", hint="Make this part again.") from error
        self._release_sound(before=self._start)
        return self._frames, self._start

    def _add(self, name: Path, source: InputContainer) -> None:
        self._check(name, source)
        origin: Fraction | None = None  # the part's first picture, in the part's own time
        end = self._start
        early: list[av.Packet] = []  # sound that lies in the file before the first picture
        shift: Fraction | None = None  # from the part's own time to the output's, for sound
        for packet in source.demux():
            if packet.pts is None or packet.time_base is None:
                continue  # the demuxer's flush packet
            if packet.stream.type == "video":
                if origin is None:
                    origin = _time(packet)
                end = max(end, self._put_picture(name, packet, self._start - origin))
                self._release_sound(before=end, is_whole=True)
            else:
                early.append(packet)
            if origin is not None:
                for sound in early:
                    shift = self._take_sound(sound, self._start - origin, shift)
                early.clear()
        if origin is None:
            raise MediaError(f"{name} holds no picture.", hint="Leave it out.")
        self._start = end

    def _put_picture(self, name: Path, packet: av.Packet, shift: Fraction) -> Fraction:
        """Copies a picture; returns when it ends in the output."""
        if packet.pts != packet.dts:
            raise MediaError(
                f"{name} holds reordered pictures (B-frames), which cannot be joined.", hint="Encode without."
            )
        begin = _time(packet) + shift
        end = begin + _length(packet)
        packet.pts = packet.dts = round(begin * VIDEO_TIMESCALE)
        packet.time_base = Fraction(1, VIDEO_TIMESCALE)
        packet.stream = self._output.streams.video[0]
        self._output.mux(packet)
        self._frames += 1
        return end

    def _take_sound(self, packet: av.Packet, picture_shift: Fraction, shift: Fraction | None) -> Fraction | None:
        """Queues a sound packet; returns the shift of the part's sound, None while nothing of it was taken.

        The part's first packet settles the joint: the sound before it ends at the nearest packet, and the part's sound
        goes on right there. Only a hole of more than half a packet stays a hole.
        """
        length = _length(packet)
        if shift is None:
            begin = _time(packet) + picture_shift
            self._release_sound(before=begin - length / 2)
            self._pending.clear()
            if begin < 0 or (self._sound_end is not None and self._sound_end - begin > length / 2):
                return None
            is_close = self._sound_end is not None and begin - self._sound_end <= length / 2
            shift = picture_shift + (self._sound_end - begin if is_close and self._sound_end is not None else 0)
        rate = packet.time_base.denominator
        packet.pts = packet.dts = round((_time(packet) + shift) * rate)
        self._pending.append(packet)
        return shift

    def _release_sound(self, before: Fraction, *, is_whole: bool = False) -> None:
        """Writes queued sound that begins before this time; with `is_whole` only what also ends by then."""
        while self._pending:
            packet = self._pending[0]
            begin, length = _time(packet), _length(packet)
            if begin >= before or (is_whole and begin + length > before):
                return
            self._pending.popleft()
            packet.stream = self._output.streams.audio[0]
            self._sound_end = begin + length
            self._output.mux(packet)

    def _check(self, name: Path, source: InputContainer) -> None:
        """The first part opens the output's streams; every other must be like it."""
        shape = _shape(name, source)
        if self._first is None:
            self._first, self._shape = name, shape
            for stream in (*source.streams.video, *source.streams.audio):
                self._output.add_stream_from_template(stream)
            return
        odd = _odd_one(name, shape, self._first, self._shape)
        if odd is not None:
            raise MediaError(odd, hint="Join only parts of equal settings.")


def _odd_one(name: Path, shape: dict[str, Any], first: Path, wanted: dict[str, Any]) -> str | None:
    """A sentence that says in what `name` differs from the first part."""
    for key, value in shape.items():
        if value != wanted[key]:
            says = f": {value}, not {wanted[key]}" if isinstance(value, str) else ""
            return f"{name} differs from {first} in {key}{says}."
    return None


def _time(packet: av.Packet) -> Fraction:
    assert packet.pts is not None and packet.time_base is not None
    return packet.pts * packet.time_base


def _length(packet: av.Packet) -> Fraction:
    assert packet.duration is not None and packet.time_base is not None
    return packet.duration * packet.time_base


def _shape(name: Path, source: InputContainer) -> dict[str, Any]:
    """What must be equal for packets of two files to be decoded by one decoder."""
    if len(source.streams.video) != 1 or len(source.streams.audio) > 1:
        raise MediaError(f"{name} must hold one video track and at most one sound track.", hint="Leave it out.")
    video = source.streams.video[0].codec_context
    shape: dict[str, Any] = {
        "size": f"{video.width}x{video.height}",
        "video codec": video.name,
        "pixel format": video.pix_fmt or "none",
        "encoder settings": video.extradata,
        "sound": "none",
        "sound settings": None,
    }
    for stream in source.streams.audio:
        audio = stream.codec_context
        shape["sound"] = f"{audio.name} {audio.sample_rate} Hz {audio.layout.name}"
        shape["sound settings"] = audio.extradata
    return shape


@contextmanager
def _opened(files: list[Path]) -> Iterator[InputContainer]:
    """The stream that these files form, read as one."""
    with FileChain(files) as chain:
        try:
            source = av.open(chain, "r", format="mp4", metadata_errors="replace", io_open=_refuse)
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(f"{files[0]} cannot be read: {error}.", hint="Make this part again.") from error
        with source:
            yield source


def _refuse(url: str, flags: int, options: dict[str, str]) -> BinaryIO:
    raise MediaError(f"a video that refers to another file ({url}) is not read.")
