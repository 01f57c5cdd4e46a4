"""Videos that other programs made: other rates, containers and shapes, with two channels, with pictures or sound alone."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import MediaError
from engine.media.film_part import look_at
from engine.media.film_pictures import pictures_of, planes
from engine.media.film_sound import part_sound
from engine.media.one_video import make_one
from engine.media.stitch import stitch
from tests.integration.media_rig import write_wav
from tests.integration.stitch_rig import Seen, grey_video, words


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("foreign")


@pytest.fixture(scope="module")
def ours(folder: Path) -> Path:
    return grey_video(folder, "ours", 60, 4, [(0.4, 1.3)])


def foreign(
    path: Path, seconds: float = 2.0, rate: int = 25, size: tuple[int, int] = (128, 96), sound: np.ndarray | None = None,
    codec: str = "libx264", options: dict[str, str] | None = None,
) -> Path:  # fmt: skip
    """A video that becomes brighter by two greys per 40 ms, its upper left quarter black; `sound` [channels, n] at 48 kHz."""
    width, height = size
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=rate, options=options or {})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = None
        if sound is not None:
            audio = container.add_stream("aac", rate=48_000, layout="mono" if len(sound) == 1 else "stereo")
        for number in range(round(seconds * rate)):
            pixels = np.full((height, width, 3), 60 + 2 * (number * 25 // rate), np.uint8)
            pixels[: height // 2, : width // 2] = 0
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None and sound is not None:
            layout = "mono" if len(sound) == 1 else "stereo"
            piece = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound, np.float32), format="fltp", layout=layout)
            piece.sample_rate, piece.pts = 48_000, 0
            container.mux([*audio.encode(piece), *audio.encode(None)])
    return path


def tone(seconds: float, *levels: float) -> np.ndarray:
    """[channels, n] at 48 kHz."""
    wave = np.sin(2 * np.pi * 300 * np.arange(round(seconds * 48_000)) / 48_000)
    return np.stack([level * wave for level in levels])


@pytest.mark.parametrize("rate", [10, 24, 30, 50])
def test_other_rates_are_shown_at_25_in_time(folder: Path, ours: Path, rate: int) -> None:
    path = foreign(folder / f"rate{rate}.mp4", rate=rate)
    made = stitch([ours, path], folder / f"rate{rate}-out.mp4")
    assert made.video.frames == 48 + 50 and any(f"has {rate} pictures per second" in text for text in made.remarks)
    seen = Seen(made.video.path)
    wanted = [60 + 2 * (min(int((number + 0.5) / 25 * rate), 2 * rate - 1) * 25 // rate) for number in range(50)]
    assert [seen.greys[48 + number, 60:, 70:].mean() for number in range(50)] == pytest.approx(wanted, abs=4)


def test_reordered_pictures_come_in_their_order(folder: Path, ours: Path) -> None:
    path = foreign(folder / "b.mp4", options={"bf": "3"})
    made = make_one([ours, path], folder / "b-out.mp4")
    assert not made.is_copied and make_one([path, path], folder / "bb.mp4").reason.endswith("(B-frames).")
    levels = Seen(made.video.path).greys[48:, 60:, 70:].mean(axis=(1, 2))
    assert len(levels) == 50 and (np.diff(levels) > 0).all()


def test_webm_and_mkv_are_read(folder: Path, ours: Path) -> None:
    for name, codec in (("a.webm", "libvpx"), ("a.mkv", "libx264")):
        made = stitch([ours, foreign(folder / name, codec=codec)], folder / "kinds.mp4", ["fade"])
        assert abs(made.video.frames - (48 + 50 - 12)) <= 1


def test_picture_keeps_its_shape(folder: Path) -> None:
    """A square in another shape is padded with black on two sides, in the middle, and not stretched."""
    part = look_at(foreign(folder / "wide.mp4", size=(160, 80)))
    luma, blue, red = planes(next(pictures_of(part, 96, 96)))
    assert (luma[:22] < 18).all() and (luma[-22:] < 18).all() and luma[50:70, 60:].min() > 50
    assert np.abs(blue.astype(int) - 128).max() <= 2 and np.abs(red.astype(int) - 128).max() <= 2


def test_odd_sides_are_made_even(folder: Path) -> None:
    path = foreign(folder / "odd.webm", size=(129, 97), codec="libvpx")
    made = stitch([path], folder / "odd.mp4", ["fade"])
    assert (made.width, made.height) == (128, 96)


def test_two_channels_stay_two(folder: Path, ours: Path) -> None:
    path = foreign(folder / "stereo.mp4", sound=tone(2.0, 0.2, 0.05))
    seen = Seen(stitch([path, ours], folder / "stereo-out.mp4", keep_sound=True).video.path)
    left, right = (np.sqrt(np.mean(channel[24_000:72_000] ** 2)) for channel in seen.sound)
    assert (left, right) == pytest.approx((0.2 / 2**0.5, 0.05 / 2**0.5), rel=0.05)


def test_picture_is_held_where_sound_goes_on(folder: Path, ours: Path) -> None:
    path = foreign(folder / "longer.mp4", sound=tone(3.0, 0.2))
    made = stitch([path, ours], folder / "longer-out.mp4", ["fade"], keep_sound=True)
    assert any("its last picture is held" in text for text in made.remarks)
    seen = Seen(made.video.path)
    assert seen.level(2.8, 2.97) == pytest.approx(0.2 / 2**0.5, rel=0.05)
    assert seen.greys[60, 60:, 70:].mean() == pytest.approx(158, abs=3)


def test_video_without_sound_is_silent_and_takes_any_transition(folder: Path, ours: Path) -> None:
    made = stitch([foreign(folder / "mute.mp4"), ours], folder / "mute-out.mp4", ["slide_right"])
    assert any("has no sound" in text for text in made.remarks)
    seen = Seen(made.video.path)
    assert seen.level(0.1, 1.6) < 1e-4 and seen.level(2.0, 2.7) > 0.1


def test_sound_alone_is_no_video(folder: Path, ours: Path) -> None:
    write_wav(folder / "alone.wav", words(1, [(0.2, 0.8)]))
    with av.open(str(folder / "alone.mp4"), "w") as container:
        audio = container.add_stream("aac", rate=48_000, layout="mono")
        piece = av.AudioFrame.from_ndarray(tone(1.0, 0.2).astype(np.float32), format="fltp", layout="mono")
        piece.sample_rate, piece.pts = 48_000, 0
        container.mux([*audio.encode(piece), *audio.encode(None)])
    for name in ("alone.mp4", "alone.wav"):
        with pytest.raises(MediaError, match=rf"alone\.{name[-3:]} .*(no picture|no video)"):
            stitch([ours, folder / name], folder / "never.mp4")
    assert not list(folder.glob("never*"))


@pytest.mark.parametrize("lost_every", [0, 20, 5])
def test_packets_that_were_lost_one_by_one_do_not_bring_the_sound_forward(folder: Path, lost_every: int) -> None:
    sound = np.zeros((1, 168_000), np.float32)
    sound[:, 144_000:] = tone(0.5, 0.5)
    whole = foreign(folder / "whole.mp4", 3.5, sound=sound, options={"bf": "0"})
    path = folder / f"lost{lost_every}.mkv"
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        streams = {one.index: target.add_stream_from_template(one) for one in source.streams}
        heard = 0
        for packet in source.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "audio":
                heard += 1
                if lost_every and heard % lost_every == 0 and float(packet.pts * packet.time_base) < 2.9:
                    continue
            packet.stream = streams[packet.stream.index]
            target.mux(packet)
    wave = np.concatenate(list(part_sound(look_at(path), 1)), axis=1)[0]
    begins = float(np.flatnonzero(np.abs(wave) > 0.2)[0]) / 48_000
    assert begins == pytest.approx(3.0, abs=0.06)
