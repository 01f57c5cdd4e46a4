"""Reading a recording from people as 16 kHz mono, chunk by chunk, whatever its header claims.

The kind is told from the file's first bytes and pinned: playlists and all else that names other files is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.container import InputContainer

from engine.catalog import SPEECH_RATE
from engine.errors import MediaError
from engine.media.untrusted import opened_file

MAX_VOICE_BYTES = 4 * 2**30
MAX_VOICE_SECONDS = 6 * 3600
MAX_CHANNELS = 8
RATES = range(8_000, 192_001)  # Hz

_WAV_CODECS = {1: "PCM", 3: "float", 6: "A-law", 7: "µ-law", 0xFFFE: "extensible"}
_BAD_HEADER_HINT = "Export the recording again as WAV, 16 kHz or more, mono, 16 bit."
_KINDS_HINT = "Bring WAV (best), FLAC, MP3, Ogg or M4A."


class Sound:
    """An open recording. `format`, `rate` (Hz) and `channels` are the file's own; `chunks` gives 16 kHz mono."""

    def __init__(self, path: Path, container: InputContainer, kind: str) -> None:
        self.path = path
        self.format = kind
        self._container = container
        streams = container.streams.audio
        if not streams:
            raise MediaError(f"{path} holds no sound.", hint=_KINDS_HINT, problem="no_sound")
        self._stream = streams[0]
        context = self._stream.codec_context
        self.rate, self.channels = context.sample_rate or 0, context.layout.nb_channels or context.channels
        if self.rate not in RATES:
            raise MediaError(f"{path} claims {self.rate} samples per second.", hint=_BAD_HEADER_HINT, problem="bad_sound_header")
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise MediaError(f"{path} claims {self.channels} channels.", hint=_BAD_HEADER_HINT, problem="bad_sound_header")

    def chunks(self) -> Iterator[np.ndarray]:
        """float32 [n] pieces at 16 kHz mono, -1 … 1. Raises MediaError: decoding fails, the file ends too early."""
        for chunk in self.resampled(SPEECH_RATE, "mono"):
            yield chunk[0]

    def resampled(self, rate: int, layout: str) -> Iterator[np.ndarray]:
        """float32 [channels, n] pieces at `rate` Hz in a layout such as "stereo"; else as `chunks`."""
        resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
        count = decoded = 0
        try:
            for frame in self._container.decode(self._stream):
                decoded += frame.samples
                for out in resampler.resample(frame):
                    count += out.samples
                    if count > MAX_VOICE_SECONDS * rate:
                        raise MediaError(
                            f"{self.path} is longer than {MAX_VOICE_SECONDS // 3600} hours.", hint="Cut it.",
                            problem="too_long", hours=MAX_VOICE_SECONDS // 3600,
                        )  # fmt: skip
                    yield clean(out.to_ndarray())
            for out in resampler.resample(None) if decoded else ():
                count += out.samples
                yield clean(out.to_ndarray())
        except (av.FFmpegError, ValueError) as error:
            if isinstance(error, MediaError):
                raise
            said = f"{self.path} cannot be decoded: {error}."
            raise MediaError(said, hint=_BAD_HEADER_HINT, problem="bad_sound_header") from error
        if not count:
            raise MediaError(f"{self.path} holds no sound.", hint="Record or export it again.", problem="no_sound")
        self._check_length(decoded / self.rate)

    def _check_length(self, seconds: float) -> None:
        """A file that ends before the length in its own header was cut off on its way."""
        if self.format not in ("flac", "mp4") or self._stream.duration is None or self._stream.time_base is None:
            return  # WAV was checked by its header; MP3 and Ogg only estimate their length
        promised = float(self._stream.duration * self._stream.time_base)
        if seconds < promised - 0.25:
            raise MediaError(
                f"{self.path} is cut off: {seconds:.2f} of {promised:.2f} seconds are there.", hint="Upload it again.",
                problem="cut_off", seconds=round(seconds, 2), promised=round(promised, 2),
            )  # fmt: skip


def clean(samples: np.ndarray) -> np.ndarray:
    """Float recordings may hold anything; what is no number is silence."""
    return np.clip(np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0), -1, 1)


@contextmanager
def opened_sound(path: Path) -> Iterator[Sound]:
    """The recording at `path`, checked as far as its header goes. Raises MediaError."""
    with opened_file(path, MAX_VOICE_BYTES) as (file, size):
        kind = _kind(file.read(12))
        if kind is None:
            raise MediaError(f"{path} is no recording of a known kind.", hint=_KINDS_HINT, problem="no_recording")
        if kind == "wav":
            _check_wav(path, file, size)
        file.seek(0)
        try:
            container = av.open(file, "r", format=kind, metadata_errors="replace", io_open=_refuse)
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(f"{path} cannot be read: {error}.", hint=_BAD_HEADER_HINT, problem="bad_sound_header") from error
        with container:
            yield Sound(path, container, kind)


def _refuse(url: str, flags: int, options: dict[str, str]) -> BinaryIO:
    raise MediaError(f"a recording that refers to another file ({url}) is not read.", problem="refers_elsewhere")


def _kind(head: bytes) -> str | None:
    """The demuxer for a file that begins so; None for everything that is not offered."""
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return "ogg"
    if head[4:8] == b"ftyp":
        return "mp4"
    is_mp3 = head[:3] == b"ID3" or (head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xE6 == 0xE2)
    return "mp3" if is_mp3 else None


def _check_wav(path: Path, file: BinaryIO, size: int) -> None:
    """Compares the header's claims with each other and with the file. Raises MediaError for the first untrue one."""
    at, fmt = 12, b""
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            raise MediaError(f"{path} ends before its sound begins.", hint=_BAD_HEADER_HINT, problem="bad_sound_header")
        name, length = struct.unpack("<4sI", head)
        if name == b"data":
            break
        if at + 8 + length > size:
            raise MediaError(f"{path} is cut off in its header.", hint=_BAD_HEADER_HINT, problem="bad_sound_header")
        if name == b"fmt ":
            fmt = file.read(min(length, 64))
        at += 8 + length + length % 2
    if len(fmt) < 16:
        raise MediaError(f"{path} does not say how its sound is stored.", hint=_BAD_HEADER_HINT, problem="bad_sound_header")
    codec, channels, rate, byte_rate, frame_bytes, bits = struct.unpack("<HHIIHH", fmt[:16])
    problems = {
        f"an unknown coding ({codec})": codec not in _WAV_CODECS,
        f"{channels} channels": not 1 <= channels <= MAX_CHANNELS,
        f"{rate} samples per second": rate not in RATES,
        f"{bits} bits per sample": bits not in (8, 16, 24, 32, 64),
        f"{frame_bytes} bytes for {channels} samples of {bits} bits": frame_bytes * 8 != channels * bits,
        f"{byte_rate} bytes per second, which is not {rate} times {frame_bytes}": byte_rate != rate * frame_bytes,
        f"{length} bytes of sound where {size - at - 8} are": length > size - at - 8,
        "no sound": length == 0,
    }
    for problem, is_so in problems.items():
        if is_so:
            raise MediaError(f"{path} claims {problem}.", hint=_BAD_HEADER_HINT, problem="bad_sound_header")
