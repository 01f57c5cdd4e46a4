"""Portraits from people: what is measured, and what is refused before it can do harm."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.errors import MediaError
from engine.media.probe import probe_portrait, read_portrait


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """Something with light, dark and edges, evenly lit."""
    rows, columns = np.mgrid[:height, :width]
    checks = ((rows // 16 + columns // 16) % 2) * 120 + 60
    return Image.fromarray(np.stack([checks, checks, (rows + seed) % 200], axis=2).astype(np.uint8))


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize(("suffix", "kind"), [("png", "PNG"), ("jpg", "JPEG"), ("webp", "WEBP")])
def test_good_portrait_gets_a_verdict_without_warnings(tmp_path: Path, suffix: str, kind: str) -> None:
    verdict = probe_portrait(saved(tmp_path / f"p.{suffix}", picture(600, 800)))
    assert (verdict["width"], verdict["height"], verdict["format"]) == (600, 800, kind)
    assert verdict["warnings"] == []
    assert verdict["face"] == "not measured"


def test_warnings_name_what_is_weak(tmp_path: Path) -> None:
    pixels = np.asarray(picture(500, 800)).astype(float)
    light = np.where(np.arange(500) < 250, 1.0, 0.3)[None, :, None]
    assert probe_portrait(saved(tmp_path / "a.png", Image.fromarray((pixels * light).astype(np.uint8))))["warnings"] == [
        "smaller than 512x512", "uneven light",
    ]  # fmt: skip
    assert probe_portrait(saved(tmp_path / "b.png", Image.new("RGB", (600, 600), (20, 20, 20))))["warnings"] == [
        "dark", "little contrast", "blurred",
    ]  # fmt: skip
    assert "overexposed" in probe_portrait(saved(tmp_path / "c.png", Image.new("RGB", (600, 600), "white")))["warnings"]


def test_camera_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter
    path = saved(tmp_path / "turned.jpg", picture(600, 800), exif=exif)
    assert read_portrait(path).shape == (600, 800, 3)
    assert (probe_portrait(path)["width"], probe_portrait(path)["height"]) == (800, 600)


def test_transparency_grey_palette_and_16_bits_become_rgb(tmp_path: Path) -> None:
    clear = read_portrait(saved(tmp_path / "clear.png", Image.new("RGBA", (64, 64), (255, 0, 0, 0))))
    assert clear.shape == (64, 64, 3) and clear.dtype == np.uint8 and (clear == 255).all()
    deep = Image.fromarray(np.full((64, 64), 0x8000, np.uint16))
    assert (read_portrait(saved(tmp_path / "deep.png", deep)) == 0x80).all()
    for mode in ("L", "P", "CMYK", "LA"):
        path = saved(tmp_path / (f"{mode}.jpg" if mode == "CMYK" else f"{mode}.png"), picture(64, 64).convert(mode))
        assert read_portrait(path).shape == (64, 64, 3)


def huge_png(width: int, height: int) -> bytes:
    """A valid PNG of black pixels, 1000 times smaller than its picture."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + width // 8)) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [6400, 13_000, 40_000])
def test_picture_bomb_is_refused_by_its_header(tmp_path: Path, side: int) -> None:
    """Below, between and above Pillow's own two limits."""
    path = tmp_path / "bomb.png"
    path.write_bytes(huge_png(side, side))
    with pytest.raises(MediaError, match="pixels"):
        probe_portrait(path)


def bad_pictures() -> dict[str, bytes]:
    png, jpeg, gif, animated, webp = (io.BytesIO() for _ in range(5))
    picture(200, 200).save(png, "PNG")
    picture(200, 200).save(jpeg, "JPEG")
    picture(200, 200).save(gif, "GIF")
    frames = [picture(200, 200, seed) for seed in (0, 50)]
    frames[0].save(animated, "PNG", save_all=True, append_images=frames[1:])
    frames[0].save(webp, "WEBP", save_all=True, append_images=frames[1:])
    tiny, strip = io.BytesIO(), io.BytesIO()
    picture(10, 10).save(tiny, "PNG")
    picture(1000, 100).save(strip, "PNG")
    flipped = bytearray(png.getvalue())
    flipped[len(flipped) // 2] ^= 0xFF
    return {
        "empty": b"",
        "text": b"I am a picture, honestly.\n",
        "truncated PNG": png.getvalue()[: len(png.getvalue()) // 2],
        "truncated JPEG": jpeg.getvalue()[: len(jpeg.getvalue()) // 2],
        "header only": png.getvalue()[:33],
        "damaged PNG": bytes(flipped),
        "GIF": gif.getvalue(),
        "animated PNG": animated.getvalue(),
        "animated WEBP": webp.getvalue(),
        "tiny": tiny.getvalue(),
        "strip": strip.getvalue(),
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 900 900\nshowpage\n",
    }


@pytest.mark.parametrize("name", bad_pictures())
def test_bad_picture_is_refused_with_a_sentence_and_a_hint(tmp_path: Path, name: str) -> None:
    path = tmp_path / "portrait.png"
    path.write_bytes(bad_pictures()[name])
    with pytest.raises(MediaError, match=r"portrait\.png .*\.") as refusal:
        probe_portrait(path)
    assert refusal.value.hint
    with pytest.raises(MediaError):
        read_portrait(path)


def test_missing_file_folder_pipe_and_device_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "gone.png", tmp_path, tmp_path / "pipe", Path("/dev/zero"), Path("a\0b")):
        with pytest.raises(MediaError):
            read_portrait(path)
