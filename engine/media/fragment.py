"""One block of a job as one fragment of a playable stream: `init.mp4`, then `000000.m4s`, `000001.m4s`, …

Every fragment is a closed group of pictures with its own fresh encoder, so its bytes depend on its frames, its number
and the voice alone: a block that is made again gives the same bytes, and the stream may end after any fragment.
"""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation
from av.video.stream import VideoStream

from engine.catalog import BLOCK_FRAMES, FPS
from engine.media.voice_track import AAC_OPTIONS, TRACK_RATE, VoiceTrack, packets_of_block

VIDEO_TIMESCALE = 12_800  # ticks per second: 512 per frame
PICTURE_OPTIONS = {
    "preset": "veryfast",
    "crf": "16",
    "flags": "+bitexact",
    "x264-params": f"keyint={BLOCK_FRAMES}:min-keyint={BLOCK_FRAMES}:scenecut=0:bframes=0:open-gop=0"
    # Every block begins with a whole picture, and that must not be seen: where the pictures before it are left coarse, which
    # these three do for the eye's sake, each beginning is a jolt (docs/pocket.md, "Seams"). Fine whole pictures cost less
    # than a finer everything.
    ":mbtree=0:aq-mode=0:no-psy=1:ipratio=2.0"
    # Without it x264 picks code by processor and alignment, and now and then other bytes come out for the same frames.
    ":cpu-independent=1",
}
_MP4 = {
    # cmaf: decode times come from the packets, so a fragment knows its place without its predecessors
    "movflags": "empty_moov+cmaf+default_base_moof+frag_discont+skip_trailer",
    "fflags": "+bitexact",
    "video_track_timescale": str(VIDEO_TIMESCALE),
    "movie_timescale": str(VIDEO_TIMESCALE),
}


class FragmentEncoder:
    """Encodes a job's blocks with the job's voice (16 kHz mono WAV, see `engine.media.voice.write_voice`).

    `init_bytes` is the stream's header (H.264 bt709 yuv420p and AAC 48 kHz mono), equal for equal sizes.
    Raises MediaError when the voice is not usable, ValueError for an odd or empty size.
    """

    def __init__(self, width: int, height: int, voice: Path) -> None:
        if width <= 0 or height <= 0 or width % 2 or height % 2:
            raise ValueError(f"H.264 in yuv420p needs even sides, not {width}x{height}")
        self.width, self.height = width, height
        self._voice = VoiceTrack(voice)
        buffer = io.BytesIO()
        container, _, _ = self._open(buffer, block=0)
        self.init_bytes: bytes = buffer.getvalue()
        container.close()

    def encode(self, block: int, frames: np.ndarray) -> bytes:
        """One moof and mdat: `frames` uint8 [12, H, W, 3] RGB, shown from block · 0.48 s on, and that time's voice.

        Raises ValueError for frames of another shape or type.
        """
        expected = (BLOCK_FRAMES, self.height, self.width, 3)
        if frames.dtype != np.uint8 or frames.shape != expected:
            raise ValueError(f"frames are {frames.dtype} {frames.shape}, not uint8 {expected}")
        buffer = io.BytesIO()
        container, video, audio = self._open(buffer, block)
        for packet in _picture_packets(video, block * BLOCK_FRAMES, frames):
            container.mux(packet)
        for packet in self._voice.encode(audio, packets_of_block(block)):
            packet.stream = audio
            container.mux(packet)
        container.close()
        data = buffer.getvalue()
        assert data.startswith(self.init_bytes), "the encoder's header changed between blocks"
        return data[len(self.init_bytes) :]

    def _open(self, buffer: io.BytesIO, block: int) -> tuple[OutputContainer, VideoStream, AudioStream]:
        container = av.open(buffer, "w", format="mp4", options={**_MP4, "fragment_index": str(block + 1)})
        video, audio = add_tracks(container, self.width, self.height, "mono")
        container.start_encoding()
        return container, video, audio


def add_tracks(container: OutputContainer, width: int, height: int, layout: str) -> tuple[VideoStream, AudioStream]:
    """Pictures (H.264 bt709 yuv420p, 25 per second) and sound (AAC 48 kHz, "mono" or "stereo") as all our videos have them."""
    video = container.add_stream("libx264", rate=FPS, options=PICTURE_OPTIONS)
    video.width, video.height, video.pix_fmt = width, height, "yuv420p"
    context = video.codec_context
    context.time_base = Fraction(1, FPS)
    context.thread_count = 1  # the bytes must not depend on the number of cores
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
    audio = container.add_stream("aac", rate=TRACK_RATE, layout=layout, options=AAC_OPTIONS)
    return video, audio


def _picture_packets(video: VideoStream, first: int, frames: np.ndarray) -> list[av.Packet]:
    """Encoded pictures, the first an IDR, without the encoder's 700-byte signature in each block."""
    packets: list[av.Packet] = []
    for number, pixels in enumerate(frames, start=first):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT,
            threads=1,
        )
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        packets += video.encode(frame)
    packets += video.encode(None)
    without_sei = BitStreamFilterContext("filter_units=remove_types=6", video)
    kept = [out for packet in packets for out in without_sei.filter(packet)]
    for packet in kept:
        packet.stream = video
    return kept
