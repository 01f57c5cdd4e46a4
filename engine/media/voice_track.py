"""The voice as AAC packets, block by block.

A packet holds 1024 samples at 48 kHz (21.3 ms); packet *n* starts at sample *n* · 1024, so two blocks hold 45 packets.
The encoder runs at constant quality and is started a few packets early for every block: after that run-up its packets
are byte for byte those of one encoder that ran from the beginning (a test shows it), so a block needs no state and no
other block, and memory stays flat however long the voice is. The packet before the first one is not kept (a stream
without edit list cannot start before zero), so the first 21 ms of a voice fade in.
"""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream

from engine.catalog import BLOCK_FRAMES, FPS, SPEECH_RATE
from engine.errors import MediaError

TRACK_RATE = 48_000  # Hz
PACKET_SAMPLES = 1024
RUN_UP_PACKETS = 12
AAC_OPTIONS = {"aac_coder": "fast", "flags": "+qscale+bitexact", "global_quality": "118"}  # 118 = 1 in lambda units

_UP = TRACK_RATE // SPEECH_RATE
_HALF_TAPS = 16  # source samples on each side of the interpolated one


def packets_of_block(block: int) -> range:
    """Numbers of the packets that start within the block's 0.48 s."""
    samples = TRACK_RATE * BLOCK_FRAMES // FPS
    first = -(-block * samples // PACKET_SAMPLES)
    return range(first, -(-(block + 1) * samples // PACKET_SAMPLES))


class VoiceTrack:
    """A job's voice (16 kHz mono s16 WAV) behind packet numbers; silence before its start and after its end.

    Raises MediaError when the file is not such a WAV.
    """

    def __init__(self, voice: Path) -> None:
        self._path = voice
        try:
            with wave.open(str(voice), "rb") as file:
                shape = (file.getnchannels(), file.getsampwidth(), file.getframerate())
                self._samples = file.getnframes()
        except (wave.Error, EOFError, OSError) as error:
            raise MediaError(f"{voice} is not a WAV file: {error}.") from error
        if shape != (1, 2, SPEECH_RATE):
            raise MediaError(
                f"{voice} is not 16 kHz, mono, 16 bit.", hint="Write it with engine.media.voice.write_voice."
            )

    def encode(self, stream: AudioStream, packets: range) -> list[av.Packet]:
        """The packets of these numbers, made with the stream's fresh encoder, timed in samples of 48 kHz."""
        first = packets.start - RUN_UP_PACKETS
        # The encoder answers one packet late and looks one further ahead.
        sound = self._sound(first * PACKET_SAMPLES, (packets.stop + 2 - first) * PACKET_SAMPLES)
        made: list[av.Packet] = []
        for number, samples in enumerate(sound.reshape(-1, PACKET_SAMPLES), start=first):
            frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = TRACK_RATE, number * PACKET_SAMPLES, Fraction(1, TRACK_RATE)
            made += stream.encode(frame)
        wanted = [packet for packet in made if packet.pts is not None and packet.pts // PACKET_SAMPLES in packets]
        assert len(wanted) == len(packets), (len(wanted), packets)
        return wanted

    def _sound(self, first: int, count: int) -> np.ndarray:
        """float32 [count] at 48 kHz, from track sample `first` on, interpolated by a windowed sinc.

        Tap by tap, not by a dot product: each sample is summed in the same order wherever the window lies.
        """
        start, skipped = divmod(first, _UP)
        length = -(-(skipped + count) // _UP)
        source = self._read(start - _HALF_TAPS, length + 2 * _HALF_TAPS)
        sound = np.zeros((length, _UP), np.float32)
        for phase in range(_UP):
            for tap, weight in enumerate(_TAPS[phase]):
                sound[:, phase] += weight * source[tap : tap + length]
        return sound.reshape(-1)[skipped : skipped + count]

    def _read(self, start: int, count: int) -> np.ndarray:
        """float32 [count] at 16 kHz from sample `start` on (which may be negative)."""
        sound = np.zeros(count, np.float32)
        begin, end = max(start, 0), min(start + count, self._samples)
        if begin < end:
            with wave.open(str(self._path), "rb") as file:
                file.setpos(begin)
                data = file.readframes(end - begin)
            found = np.frombuffer(data, "<i2")
            sound[begin - start : begin - start + len(found)] = found / np.float32(32768)
        return sound


def _taps() -> np.ndarray:
    """float32 [3, 33]: weights of the source samples n-16 … n+16 for the track samples 3n, 3n+1, 3n+2."""
    distance = np.arange(-_HALF_TAPS, _HALF_TAPS + 1)[None] - np.arange(_UP)[:, None] / _UP
    window = np.where(np.abs(distance) < _HALF_TAPS, np.cos(np.pi * distance / (2 * _HALF_TAPS)) ** 2, 0)
    taps = np.sinc(distance) * window
    return (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)


_TAPS = _taps()
