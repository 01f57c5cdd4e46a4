"""The pictures of a video, one after the other at 25 per second, in the size of another: scaled and padded, never stretched.

A picture is uint8 [H*3/2, W], yuv420p in BT.709: what the encoder takes. Pictures of that kind and size are not touched.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from engine.catalog import FPS
from engine.errors import MediaError
from engine.media.film_part import FilmPart, opened_video, video_of

BLACK = (16, 128, 128)  # of the three planes
_HD_LINES = 720  # from here on pictures that do not say so are BT.709, below BT.601, as players guess
_UNSAID = 2  # AVCOL_SPC_UNSPECIFIED


def planes(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Views of brightness [H, W] and of the two colours [H/2, W/2] of one picture."""
    rows, width = picture.shape
    height = rows * 2 // 3
    flat, count = picture.reshape(-1), width * height
    luma = flat[:count].reshape(height, width)
    blue, red = flat[count:].reshape(2, height // 2, width // 2)
    return luma, blue, red


def black(width: int, height: int) -> np.ndarray:
    """A black picture."""
    picture = np.empty((height * 3 // 2, width), np.uint8)
    for plane, level in zip(planes(picture), BLACK, strict=True):
        plane[:] = level
    return picture


def pictures_of(part: FilmPart, width: int, height: int) -> Iterator[np.ndarray]:
    """Exactly `part.frames` pictures of this (even) size. Raises MediaError where one cannot be decoded."""
    made = 0
    for frame, until in _shown(part):
        picture = _fitted(part, frame, width, height)
        while made < until:
            yield picture
            made += 1
    if not made:
        raise MediaError(f"{part.path} holds no picture that can be decoded.", hint="Leave it out.")
    while made < part.frames:
        yield picture
        made += 1


def _shown(part: FilmPart) -> Iterator[tuple[VideoFrame, int]]:
    """Frames that are seen at 25 per second: each with the number of the picture that is the first of the next one."""
    before: VideoFrame | None = None
    shown = 0
    for frame, begin in _decoded(part):
        until = min(part.frames, max(0, math.ceil(begin * FPS - Fraction(1, 2))))  # a picture shows what is there at its middle
        if before is not None and until > shown:
            yield before, until
            shown = until
        before = frame
        if shown == part.frames:
            return
    if before is not None:
        yield before, part.frames


def _decoded(part: FilmPart) -> Iterator[tuple[VideoFrame, Fraction]]:
    """Every frame with its time in the part."""
    with opened_video(part.path) as container:
        for frame in container.decode(video_of(part.path, container)):
            if frame.pts is not None and frame.time_base is not None:
                yield frame, frame.pts * frame.time_base - part.start


def _fitted(part: FilmPart, frame: VideoFrame, width: int, height: int) -> np.ndarray:
    """uint8 [H*3/2, W]: the frame upright, as large as fits, on black."""
    shown_width, shown_height = frame.width * part.pixel_aspect, Fraction(frame.height)
    if part.turns % 2:
        shown_width, shown_height = shown_height, shown_width
    factor = min(width / shown_width, height / shown_height)
    inner = [max(2, 2 * round(side * factor / 2)) for side in (shown_width, shown_height)]
    wide, high = reversed(inner) if part.turns % 2 else inner
    space = Colorspace.ITU709 if frame.height >= _HD_LINES else Colorspace.ITU601
    try:
        scaled = frame.reformat(
            width=wide, height=high, format="yuv420p", threads=1,
            src_colorspace=space if frame.colorspace == _UNSAID else None,
            dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT,
        ).to_ndarray()  # fmt: skip
    except (av.FFmpegError, ValueError) as error:
        said = f"{part.path} holds a picture in {frame.format.name} that cannot be converted: {error}."
        raise MediaError(said, hint="Export it as H.264.") from error
    if not part.turns and scaled.shape == (height * 3 // 2, width):
        return scaled
    picture = black(width, height)
    for target, source in zip(planes(picture), planes(scaled), strict=True):
        upright = np.rot90(source, part.turns)
        rows, columns = upright.shape
        # even places in the brightness are whole places in the colours
        scale = 2 if target.shape[0] == height else 1
        top, left = ((height - inner[1]) // 4) * scale, ((width - inner[0]) // 4) * scale
        target[top : top + rows, left : left + columns] = upright
    return picture
