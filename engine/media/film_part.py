"""A video that becomes part of a longer one: looked through once, packet by packet, before anything is made of it.

The kind is told from the first bytes and pinned; what refers to other files is refused. Nothing is kept but numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from engine.catalog import FPS
from engine.errors import MediaError
from engine.media.sound import MAX_CHANNELS, RATES
from engine.media.untrusted import opened_file

MAX_VIDEO_BYTES = 64 * 2**30
MAX_VIDEO_SECONDS = 6 * 3600
SIDES = range(16, 4097)  # pixels
_CUT_OFF_S = Fraction(1, 4)  # a file that holds so much less than its header promises was cut off on its way
_PACKET_S = Fraction(1, 40)  # sound comes in packets: so far it may reach beyond the pictures without meaning anything
_KINDS_HINT = "Bring MP4, MOV, MKV or WebM."
_AGAIN_HINT = "Export it again, or make it again."


@dataclass(frozen=True, kw_only=True)
class FilmPart:
    """What is known of one video. Times in seconds, exact; `start` and `picture_s` as the file counts them."""

    path: Path
    kind: str  # "mp4" (MOV, too) or "matroska" (MKV, WebM)
    width: int  # pixels, as shown: upright, with square pixels
    height: int
    pixel_aspect: Fraction  # width of a pixel of the file in its heights
    turns: int  # quarters, against the clock, by which the file's pictures are turned before they are shown
    rate: float  # pictures per second, on average
    pictures: int  # in the file
    start: Fraction  # when the first picture or sound begins
    lead_s: Fraction  # how long there is sound before the first picture, which is shown meanwhile
    picture_s: Fraction  # from there to the end of the last picture
    sound_s: Fraction | None  # from there to the end of the sound; None: there is none
    channels: int  # of the sound; 0: there is none

    @property
    def frames(self) -> int:
        """Pictures at 25 per second, the last one held where the sound goes on."""
        shown = max(1, round(self.picture_s * FPS))
        if self.sound_s is None or self.sound_s <= Fraction(shown, FPS) + _PACKET_S:
            return shown
        return math.ceil((self.sound_s - _PACKET_S) * FPS)

    @property
    def held_frames(self) -> int:
        """How often the last picture is repeated because the sound goes on."""
        return self.frames - max(1, round(self.picture_s * FPS))


def look_at(path: Path) -> FilmPart:
    """Everything that can be told of a video without decoding more than its first picture. Raises MediaError."""
    with opened_video(path) as container:
        video, sound = video_of(path, container), sound_of(path, container)
        channels = sound.codec_context.layout.nb_channels if sound else 0
        kind = "matroska" if "matroska" in container.format.name else "mp4"
        aspect = video.codec_context.sample_aspect_ratio or Fraction(1)
        first = _first_picture(path, container, video)
        turns = round(first.rotation / 90) % 4
        width, height = _shown_size(path, first, aspect, turns)
    with opened_video(path) as container:  # again, since the decoder has taken packets away
        pictures, sounds = _spans(path, container)
    start, sound_s = pictures.begin, None
    if sounds is not None:
        start = pictures.begin if sounds.begin >= pictures.begin - _PACKET_S else sounds.begin
        sound_s = sounds.end - start
    picture_s = pictures.end - start
    if max(picture_s, sound_s or 0) > MAX_VIDEO_SECONDS:
        raise MediaError(f"{path} is longer than {MAX_VIDEO_SECONDS // 3600} hours.", hint="Cut it.")
    return FilmPart(
        path=path, kind=kind, width=width, height=height, pixel_aspect=aspect, turns=turns,
        rate=pictures.rate, pictures=pictures.packets,
        start=start, lead_s=pictures.begin - start, picture_s=picture_s, sound_s=sound_s,
        channels=0 if sounds is None else channels,
    )  # fmt: skip


@contextmanager
def opened_video(path: Path) -> Iterator[InputContainer]:
    """The video at `path`, checked as far as its first bytes go. Raises MediaError, for reading errors inside, too."""
    with opened_file(path, MAX_VIDEO_BYTES) as (file, _):
        kind = _kind(file.read(12))
        if kind is None:
            raise MediaError(f"{path} is no video of a known kind.", hint=_KINDS_HINT)
        file.seek(0)
        try:
            with av.open(file, "r", format=kind, metadata_errors="replace", io_open=_refuse) as container:
                yield container
        except MediaError:
            raise
        except (av.FFmpegError, ValueError) as error:
            # the reading alone is in here: what is written has a file of its own
            raise MediaError(f"{path} cannot be read: {error}.", hint=_AGAIN_HINT) from error


def video_of(path: Path, container: InputContainer) -> VideoStream:
    """The track of pictures; a cover is none. Raises MediaError."""
    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams or streams[0].codec_context is None:
        raise MediaError(f"{path} holds no picture that can be decoded.", hint="Leave it out, or export it as H.264.")
    streams[0].codec_context.thread_count = 1
    return streams[0]


def sound_of(path: Path, container: InputContainer) -> AudioStream | None:
    """The track of sound, None where there is none. Raises MediaError for one that claims the impossible."""
    if not container.streams.audio:
        return None
    stream = container.streams.audio[0]
    context = stream.codec_context
    if context is None or context.sample_rate not in RATES or not 1 <= context.layout.nb_channels <= MAX_CHANNELS:
        raise MediaError(f"{path} holds sound that cannot be decoded.", hint="Export it again, with AAC sound.")
    return stream


def _kind(head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        return "mp4"
    return "matroska" if head[:4] == b"\x1a\x45\xdf\xa3" else None


def _refuse(url: str, flags: int, options: dict[str, str]) -> BinaryIO:
    raise MediaError(f"a video that refers to another file ({url}) is not read.")


def _first_picture(path: Path, container: InputContainer, video: VideoStream) -> VideoFrame:
    width, height = video.codec_context.width, video.codec_context.height
    if width not in SIDES or height not in SIDES:
        raise MediaError(
            f"{path} claims {width}x{height} pixels.", hint=f"Bring sides of {SIDES.start} to {SIDES.stop - 1} pixels."
        )
    for frame in container.decode(video):
        return frame
    raise MediaError(f"{path} holds no picture.", hint="Leave it out.")


def _shown_size(path: Path, first: VideoFrame, aspect: Fraction, turns: int) -> tuple[int, int]:
    """Width and height of a picture as it is shown."""
    width, height = max(1, round(first.width * aspect)), first.height
    if turns % 2:
        width, height = height, width
    if width not in SIDES or height not in SIDES:
        raise MediaError(f"{path} claims to be shown at {width}x{height} pixels.", hint=_AGAIN_HINT)
    return width, height


@dataclass(frozen=True)
class _Span:
    """A track's packets: when the first and the last begin, when the last ends, how many there are."""

    begin: Fraction
    last: Fraction
    end: Fraction
    packets: int

    @property
    def rate(self) -> float:
        """Packets per second; how long the last one lasts is only guessed in some files, so it does not count."""
        return float((self.packets - 1) / (self.last - self.begin)) if self.last > self.begin else float(FPS)


def _spans(path: Path, container: InputContainer) -> tuple[_Span, _Span | None]:
    """Of the pictures, and of the sound where there is any. Raises MediaError for none and for a file that was cut off."""
    video, sound = video_of(path, container), sound_of(path, container)
    usual = 1 / video.average_rate if video.average_rate else Fraction(0)
    spans: dict[int, _Span] = {}
    for packet in container.demux([stream for stream in (video, sound) if stream is not None]):
        if packet.pts is None or packet.time_base is None or packet.is_discard:
            continue
        begin = packet.pts * packet.time_base
        end = begin + (packet.duration * packet.time_base if packet.duration else usual)
        span = spans.get(packet.stream.index, _Span(begin, begin, end, 0))
        spans[packet.stream.index] = _Span(
            min(span.begin, begin), max(span.last, begin), max(span.end, end), span.packets + 1
        )
    if video.index not in spans:
        raise MediaError(f"{path} holds no picture.", hint="Leave it out.")
    _check_length(path, container, spans)
    return spans[video.index], None if sound is None else spans.get(sound.index)


def _check_length(path: Path, container: InputContainer, spans: dict[int, _Span]) -> None:
    found = max(span.end for span in spans.values())
    lengths = [
        (stream.start_time or 0) * stream.time_base + stream.duration * stream.time_base
        for stream in (*container.streams.video, *container.streams.audio)
        if stream.index in spans and stream.duration is not None and stream.time_base is not None
    ]
    whole = Fraction(container.duration, av.time_base) if container.duration is not None else Fraction(0)
    promised = max(lengths, default=whole)
    if found < promised - _CUT_OFF_S:
        raise MediaError(
            f"{path} is cut off: {float(found):.2f} of {float(promised):.2f} seconds are there.", hint="Copy it again."
        )
