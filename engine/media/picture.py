"""Reading a picture from people: three kinds, one picture each, measured before it is decoded."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from engine.errors import MediaError
from engine.media.untrusted import opened_file

MAX_PICTURE_BYTES = 64 * 2**20
MAX_PIXELS = 40_000_000
MIN_SIDE = 64
MAX_ASPECT = 4
FORMATS = ("PNG", "JPEG", "WEBP")

# What Pillow's decoders are known to raise for a damaged file.
_DECODER_ERRORS = (
    OSError, ValueError, SyntaxError, EOFError, KeyError, IndexError, TypeError, AttributeError, OverflowError,
    ZeroDivisionError, struct.error, zlib.error, Image.DecompressionBombError, Warning,
)  # fmt: skip


def load_picture(path: Path) -> tuple[Image.Image, str]:
    """The decoded picture (RGB, upright) and its format. Raises MediaError.

    Transparency is laid on white, 16-bit pictures are reduced to 8.
    """
    with opened_file(path, MAX_PICTURE_BYTES) as (file, _):
        data = file.read()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow only warns of some bombs
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                _check_shape(path, picture)
                picture.verify()  # check sums, which decoding does not look at; the picture must be opened again
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                picture.load()
                kind = picture.format or ""
                upright = ImageOps.exif_transpose(picture)
                return _to_rgb(upright), "JPEG" if kind == "MPO" else kind
    except MediaError:
        raise
    except UnidentifiedImageError as error:
        hint = "Bring a PNG, JPEG or WEBP."
        raise MediaError(f"{path} is no picture of a known kind.", hint=hint, problem="no_picture") from error
    except Image.DecompressionBombError as error:
        raise MediaError(f"{path} has too many pixels.", hint="Bring at most 40 million.", problem="too_many_pixels") from error
    except _DECODER_ERRORS as error:
        hint = "Export or upload it again."
        raise MediaError(f"{path} is damaged or cut off: {error}.", hint=hint, problem="damaged_picture") from error


def read_portrait(path: Path) -> np.ndarray:
    """uint8 [H, W, 3] RGB, the camera's rotation applied. Raises MediaError."""
    return np.asarray(load_picture(path)[0])


def _check_shape(path: Path, picture: Image.Image) -> None:
    """Only the header has been read so far."""
    width, height = picture.size
    size = {"width": width, "height": height}
    if width * height > MAX_PIXELS:
        hint = "Bring at most 40 million pixels."
        raise MediaError(f"{path} has {width}x{height} pixels.", hint=hint, problem="too_many_pixels", **size)
    if min(width, height) < MIN_SIDE:
        raise MediaError(f"{path} has {width}x{height} pixels.", hint="Bring 512x512 or more.", problem="too_small", **size)
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise MediaError(f"{path} has {width}x{height} pixels, a strip.", hint="Cut it to the person.", problem="strip", **size)
    # A JPEG with several pictures (MPO) is what some phones write; its first picture is the photograph.
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
        raise MediaError(f"{path} is animated.", hint="Bring a still picture.", problem="animated")


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits per pixel; Pillow's own conversion would clip them
        grey = np.asarray(picture).astype(np.int64) >> 8
        return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        over = picture.convert("RGBA")
        white = Image.new("RGBA", over.size, "white")
        return Image.alpha_composite(white, over).convert("RGB")
    return picture.convert("RGB")
