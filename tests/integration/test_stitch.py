"""Stitching: what is seen and heard at every transition, to the picture, and no word is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import MediaError
from engine.media.join import join
from engine.media.listening import listen, listen_to_track
from engine.media.stitch import stitch
from tests.integration.media_rig import write_wav
from tests.integration.stitch_rig import RATE, Seen, grey_video, words

DARK, LIGHT = 60, 180
STEP_OF_TONE = 0.3 * 2 * np.pi * 440 / 48_000  # what a word of 440 Hz steps by itself


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stitch")


@pytest.fixture(scope="module")
def dark(folder: Path) -> Path:
    """2.4 s; a word from 0.6 to 1.6 s, so 0.8 s of silence at its end."""
    return grey_video(folder, "dark", DARK, 5, [(0.6, 1.6)])


@pytest.fixture(scope="module")
def light(folder: Path) -> Path:
    """2.88 s; a word from 0.8 to 2.2 s."""
    return grey_video(folder, "light", LIGHT, 6, [(0.8, 2.2)])


@pytest.fixture(scope="module")
def full(folder: Path) -> Path:
    """1.92 s of one word from edge to edge (and a pause in the middle, so that it is known for a word)."""
    return grey_video(folder, "full", LIGHT, 4, [(0.0, 0.8), (1.1, 1.92)])


def test_fade_overlaps_where_both_are_silent(dark: Path, light: Path, folder: Path) -> None:
    made = stitch([dark, light], folder / "fade.mp4", ["fade"])
    (joint,) = made.joints
    assert (made.video.frames, joint["at_s"], joint["seconds"]) == (60 + 72 - 12, 48 / 25, 12 / 25)
    assert joint["is_in_silence"] and joint["held_s"] == 0
    seen = Seen(made.video.path)
    assert len(seen.greys) == 120
    expected = [DARK] * 48 + [DARK + (LIGHT - DARK) * step / 13 for step in range(1, 13)] + [LIGHT] * 60
    assert [seen.middle(number) for number in range(120)] == pytest.approx(expected, abs=3)
    assert [seen.level(0.65, 1.55), seen.level(1.92 + 0.85, 1.92 + 2.15)] == pytest.approx([0.3 / 2**0.5] * 2, rel=0.03)
    assert seen.level(1.65, 1.92 + 0.75) < 0.003


def test_slides_move_both_pictures(dark: Path, light: Path, folder: Path) -> None:
    for name, is_from_right in (("slide_left", True), ("slide_right", False)):
        seen = Seen(stitch([dark, light], folder / f"{name}.mp4", [name]).video.path)
        for step in (3, 6, 10):
            row = seen.greys[48 + step - 1, 40]
            edge = 2 * (64 * step // 13)
            new, old = (row[128 - edge :], row[: 128 - edge]) if is_from_right else (row[:edge], row[edge:])
            assert new[4:-4].min() > LIGHT - 8 and old[4:-4].max() < DARK + 8
        assert seen.middle(47) == pytest.approx(DARK, abs=2) and seen.middle(60) == pytest.approx(LIGHT, abs=2)


def test_where_speech_runs_to_the_edge_silence_is_put_in_and_no_word_is_lost(full: Path, dark: Path, folder: Path) -> None:
    made = stitch([full, full], folder / "edge.mp4", ["fade"])
    (joint,) = made.joints
    assert not joint["is_in_silence"] and (joint["silence_s"], joint["held_s"]) == (0, 0.48)
    assert made.video.frames == 48 + 12 + 48 and any("Joint 1 has only 0.00 s of silence" in text for text in made.remarks)
    seen = Seen(made.video.path)
    word = 0.3 / 2**0.5
    assert [seen.level(1.15, 1.9), seen.level(1.92 + 0.5, 3.2)] == pytest.approx([word] * 2, rel=0.03)
    assert seen.level(1.96, 1.92 + 0.45) < 0.003
    assert seen.biggest_step(0, 4.32) < 2 * STEP_OF_TONE


def test_short_silence_on_one_side_is_used_and_only_the_rest_put_in(dark: Path, full: Path, folder: Path) -> None:
    """0.8 s are silent before the joint: the transition lies there, over the first picture of the next, which is held."""
    made = stitch([dark, full], folder / "oneside.mp4", ["fade"])
    (joint,) = made.joints
    assert joint["is_in_silence"] and (joint["at_s"], made.video.frames) == (48 / 25, 60 + 48)
    seen = Seen(made.video.path)
    assert seen.middle(47) == pytest.approx(DARK, abs=2) and seen.middle(60) == pytest.approx(LIGHT, abs=2)
    assert seen.level(2.45, 3.1) == pytest.approx(0.3 / 2**0.5, rel=0.03)


def test_last_name_says_how_the_video_ends(dark: Path, light: Path, folder: Path) -> None:
    made = stitch([dark, light], folder / "end.mp4", ["cut", "fade"])
    assert made.video.frames == 60 + 72 and [joint["kind"] for joint in made.joints] == ["cut", "fade"]
    seen = Seen(made.video.path)
    assert seen.middle(59) == pytest.approx(DARK, abs=2) and seen.middle(60) == pytest.approx(LIGHT, abs=2)
    assert seen.middle(119) == pytest.approx(LIGHT, abs=2) and seen.middle(131) == pytest.approx(0, abs=2)
    falling = [seen.middle(number) for number in range(119, 132)]
    assert falling == pytest.approx([LIGHT * (1 - step / 12) for step in range(13)], abs=6)


@pytest.mark.parametrize("taller", [0, 32])
def test_hard_cut_of_two_words_has_no_click(folder: Path, taller: int) -> None:
    parts = [grey_video(folder, f"swing{n}", 90, 2, [(-1, 2)], 0.5, (128, 96 + taller * n), 100.0) for n in range(2)]
    made = stitch(parts, folder / "swing.mp4", ["cut"], keep_sound=True)
    assert any("has to be faded there" in text for text in made.remarks)
    seen = Seen(made.video.path)
    assert seen.level(0.8, 0.9) > 0.3 and seen.biggest_step(0.9, 1.0) < 0.03


def test_sounds_are_brought_to_one_loudness(folder: Path, dark: Path) -> None:
    quiet = grey_video(folder, "quiet", LIGHT, 6, [(0.8, 2.2)], level=0.03)
    made = stitch([dark, quiet], folder / "even.mp4", ["fade"])
    assert [part["gain_db"] for part in made.parts] == pytest.approx([-10, 10], abs=0.6)
    sound = Seen(made.video.path).sound
    before, after = (listen([sound[:, at]], 1) for at in (slice(0, 2 * RATE), slice(2 * RATE + RATE // 2, None)))
    assert before.loudness is not None and before.loudness == pytest.approx(after.loudness, abs=0.5)
    assert max(before.true_peak_db or 0, after.true_peak_db or 0) < -0.9
    kept = stitch([dark, quiet], folder / "kept.mp4", ["fade"], keep_sound=True)
    assert [part["gain_db"] for part in kept.parts] == [0, 0]


def test_nothing_is_encoded_again_where_nothing_changes(dark: Path, light: Path, folder: Path) -> None:
    made = stitch([dark, light], folder / "same.mp4")
    assert made.is_copied and made.video.path.read_bytes() == join([dark, light], folder / "joined.mp4").path.read_bytes()


def test_same_inputs_give_the_same_bytes(dark: Path, light: Path, folder: Path) -> None:
    names = ["fade_black", "wipe_left"]
    made = [stitch([dark, light], folder / name, names).video for name in ("a.mp4", "b.mp4")]
    assert made[0].sha256 == made[1].sha256


def test_track_replaces_the_sound_and_transitions_go_to_its_pauses(dark: Path, light: Path, folder: Path) -> None:
    track = write_wav(folder / "master.wav", words(5.28, [(0.1, 2.0), (2.7, 5.2)], 0.2, 300))
    made = stitch([dark, light], folder / "track.mp4", ["fade"], track)
    (joint,) = made.joints
    assert made.video.frames == 132 and joint["is_in_silence"]
    assert joint["at_s"] >= 2.0 and joint["at_s"] + joint["seconds"] <= 2.7
    seen = Seen(made.video.path)
    assert [seen.level(0.2, 1.9), seen.level(2.8, 5.1)] == pytest.approx([0.2 / 2**0.5] * 2, rel=0.03)
    assert seen.level(2.05, 2.65) < 0.003
    assert seen.middle(49) == pytest.approx(DARK, abs=2) and seen.middle(68) == pytest.approx(LIGHT, abs=2)


def test_track_that_is_longer_ends_in_a_pause_or_is_refused(dark: Path, light: Path, folder: Path) -> None:
    track = write_wav(folder / "long.wav", words(8, [(0.1, 2.0), (2.5, 4.6), (5.1, 7.9)], 0.2))
    made = stitch([dark, light], folder / "long.mp4", ["cut"], track)
    assert made.video.frames == 132 and any("not heard" in text for text in made.remarks)
    seen = Seen(made.video.path)
    assert seen.level(2.6, 4.5) > 0.1 and seen.level(4.85, 5.28) < 0.003
    talk = write_wav(folder / "talk.wav", words(20, [(0, 0.3), (0.6, 20)], 0.2))
    with pytest.raises(MediaError, match="a word would be cut"):
        stitch([dark, light, light], folder / "never.mp4", ["cut"], talk)
    assert not list(folder.glob("never*"))


def test_track_that_is_shorter_leaves_silence(dark: Path, light: Path, folder: Path) -> None:
    track = write_wav(folder / "short.wav", words(3, [(0.1, 3.5)], 0.2))
    made = stitch([dark, light], folder / "short.mp4", ["fade"], track)
    assert any("2.28 s shorter" in text for text in made.remarks) and listen_to_track(track).seconds == 3
    seen = Seen(made.video.path)
    assert seen.level(3.05, 5.2) < 0.001 and seen.biggest_step(2.9, 3.1) < 0.03


def test_inputs_of_another_size_or_without_sound_are_fitted_in(dark: Path, folder: Path) -> None:
    tall = grey_video(folder, "tall", LIGHT, 4, [(0.5, 1.4)], size=(96, 128))
    made = stitch([dark, tall, dark], folder / "fitted.mp4", ["fade"])
    assert (made.width, made.height) == (128, 96) and any("96x128: scaled and padded" in text for text in made.remarks)
    seen = Seen(made.video.path)
    assert seen.greys[75, :, :24].max() < 4 and seen.middle(75) == pytest.approx(LIGHT, abs=3)
