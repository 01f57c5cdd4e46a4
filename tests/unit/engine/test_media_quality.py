"""The measures of a talking video, on videos damaged by a known amount. The errors found here stand in docs/pocket.md."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from engine.catalog import BLOCK_FRAMES, SPEECH_RATE
from engine.errors import MediaError
from engine.media.fragment import FragmentEncoder
from engine.media.lips import find_mouth
from engine.media.quality import Quality, loudness, main, measure, measure_video, read_frames
from engine.media.seams import find_seams
from engine.training.clips import Cast, Casting
from engine.training.faces import mouth_box
from engine.training.takes import to_bytes
from tests.integration.media_rig import write_wav

torch.set_num_threads(1)
FRAMES, WIDTH, HEIGHT = 125, 192, 128


@dataclass(frozen=True)
class Clip:
    """A drawn video with everything that is known of it."""

    frames: np.ndarray
    sound: np.ndarray
    portrait: np.ndarray
    mouth: tuple[int, int, int, int]

    def quality(self, frames: np.ndarray | None = None, sound: np.ndarray | None = None) -> Quality:
        """Measured, with frames or sound replaced."""
        shown, heard = self.frames if frames is None else frames, self.sound if sound is None else sound
        return measure(shown, heard, self.portrait, self.mouth)


def _clips(cast: Cast) -> list[Clip]:
    frames, stills = to_bytes(cast.frames(0, FRAMES, WIDTH, HEIGHT)), to_bytes(cast.portraits(WIDTH, HEIGHT))
    boxes = mouth_box(cast.who, WIDTH, HEIGHT)
    return [Clip(frames[i], cast.sound[i].numpy(), stills[i], boxes[i]) for i in range(cast.who.count)]


@pytest.fixture(scope="module")
def cast() -> Cast:
    return Casting(5, "cpu").draw(1, 3, FRAMES)


@pytest.fixture(scope="module")
def clips(cast: Cast) -> list[Clip]:
    return _clips(cast)


def test_a_true_video_is_in_sync_and_without_blame(clips: list[Clip]) -> None:
    for clip in clips:
        found = clip.quality()
        assert found.lip_offset_s is not None and abs(found.lip_offset_s) < 0.03
        assert found.lip_correlation is not None and found.lip_correlation > 0.7
        assert found.blurred_ratio == 0.0 and found.frozen_ratio < 0.03 and found.flicker < 0.001
        assert found.identity_drift < 0.05


@pytest.mark.parametrize("shift_s", [-0.5, -0.3, -0.2, -0.1, 0.1, 0.2, 0.3, 0.5])
def test_shifted_sound_is_measured_within_three_hundredths(clips: list[Clip], shift_s: float) -> None:
    samples = round(abs(shift_s) * SPEECH_RATE)
    for clip in clips:
        late = np.concatenate([np.zeros(samples, np.float32), clip.sound[:-samples]])
        found = clip.quality(sound=late if shift_s > 0 else clip.sound[samples:])
        assert found.lip_offset_s is not None
        assert abs(found.lip_offset_s + shift_s) < 0.03  # late sound: the mouth comes too early


def test_a_head_that_nods_with_a_shut_mouth_does_not_talk(cast: Cast) -> None:
    still = torch.zeros_like(cast.motion.opening)
    silent = replace(cast, motion=replace(cast.motion, opening=still, width=still, teeth=still, tongue=still))
    for clip in _clips(silent):
        assert clip.quality().lip_correlation is None


def test_somebody_elses_voice_is_told_apart(clips: list[Clip]) -> None:
    for clip, other in zip(clips, [*clips[1:], clips[0]], strict=True):
        found, right = clip.quality(sound=other.sound), clip.quality()
        assert found.lip_correlation is not None and right.lip_correlation is not None
        assert found.lip_correlation < right.lip_correlation - 0.2


def test_without_a_box_the_mouth_is_found(clips: list[Clip]) -> None:
    for clip in clips:
        grey = np.rint(clip.frames @ np.array((0.299, 0.587, 0.114))).astype(np.uint8)
        left, top, right, bottom = find_mouth(grey)
        middle_x, middle_y = (clip.mouth[0] + clip.mouth[2]) / 2, (clip.mouth[1] + clip.mouth[3]) / 2
        assert left < middle_x < right and top < middle_y < bottom
        found = measure(clip.frames, clip.sound)
        assert found.lip_offset_s is not None and abs(found.lip_offset_s) < 0.04


@pytest.mark.parametrize("sigma", [1.2, 2.0])
def test_every_blurred_frame_is_counted(clips: list[Clip], sigma: float) -> None:
    for clip in clips[:2]:
        damaged = clip.frames.copy()
        for place in range(0, FRAMES, 10):
            damaged[place] = np.asarray(Image.fromarray(damaged[place]).filter(ImageFilter.GaussianBlur(sigma)))
        assert abs(clip.quality(damaged).blurred_ratio - 0.1) < 0.01


def test_repeated_frames_are_a_freeze_of_that_length(clips: list[Clip]) -> None:
    for clip in clips:
        damaged, before = clip.frames.copy(), clip.quality().frozen_ratio
        damaged[40:53] = damaged[40]
        found = clip.quality(damaged)
        assert 0.48 <= found.longest_freeze_s <= 0.56
        assert abs(found.frozen_ratio - before - 12 / (FRAMES - 1)) < 0.015


def test_flicker_of_four_grey_levels_is_measured(clips: list[Clip]) -> None:
    damaged = clips[0].frames.astype(np.int16)
    damaged[::2] += 4
    found = clips[0].quality(np.clip(damaged, 0, 255).astype(np.uint8))
    assert abs(found.flicker - 4 / 255) < 0.002


def test_a_swapped_face_is_no_drift_of_the_same(clips: list[Clip]) -> None:
    for clip, other in zip(clips, [*clips[1:], clips[0]], strict=True):
        swapped = np.concatenate([clip.frames[:60], other.frames[60:]])
        assert clip.quality(swapped).identity_drift > 2.5 * clip.quality().identity_drift
        assert clip.quality(swapped).identity_drift > 0.1


def test_loudness_leaves_silence_out() -> None:
    tone = 0.5 * np.sin(np.arange(2 * SPEECH_RATE) * 0.3).astype(np.float32)
    level = 20 * np.log10(0.5 / 2**0.5)
    assert abs(loudness(tone) - level) < 0.1
    assert abs(loudness(np.concatenate([tone, np.zeros(6 * SPEECH_RATE, np.float32)])) - level) < 0.3
    assert abs(loudness(0.1 * tone) - (level - 20)) < 0.1


def test_an_encoded_video_measures_like_its_frames(clips: list[Clip], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip, path = clips[1], tmp_path / "video.mp4"
    with av.open(str(path), "w") as container:
        video, audio = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=SPEECH_RATE)
        video.width, video.height, video.pix_fmt, video.options = WIDTH, HEIGHT, "yuv420p", {"crf": "16"}
        for frame in clip.frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(video.encode(None))
        samples = av.AudioFrame.from_ndarray(clip.sound[None].astype(np.float32), format="fltp", layout="mono")
        samples.rate, samples.pts = SPEECH_RATE, 0
        container.mux(audio.encode(samples))
        container.mux(audio.encode(None))
    found = measure_video(path, clip.portrait, clip.mouth)
    assert found.seconds == FRAMES / 25
    assert found.lip_offset_s is not None and abs(found.lip_offset_s) < 0.04
    assert found.blurred_ratio == 0.0
    assert main([str(path)]) == 0 and '"lip_correlation"' in capsys.readouterr().out


@pytest.mark.parametrize("jolt", [1, 2, 4])
def test_jolts_between_blocks_are_measured_within_a_tenth_of_their_size(jolt: int) -> None:
    noise = np.random.default_rng(3).integers(-1, 2, (96, 64, 96, 1)).cumsum(0) // 8  # whole levels now and then
    calm = (128 + noise).repeat(3, axis=3)
    turns = np.where(np.arange(96) // BLOCK_FRAMES % 2, jolt, 0)[:, None, None, None]
    before, after = (find_seams(video.astype(np.uint8)) for video in (calm, calm + 16 * turns))
    assert before.between_blocks == pytest.approx(before.within_blocks, rel=0.1)
    assert after.within_blocks == pytest.approx(before.within_blocks, rel=0.01)
    assert after.between_blocks == pytest.approx(16 * jolt, rel=0.1)


def test_blocks_cannot_be_seen_in_what_is_played(clips: list[Clip], tmp_path: Path) -> None:
    voice, video = tmp_path / "voice.wav", tmp_path / "video.mp4"
    for clip in clips:
        frames = clip.frames[: 9 * BLOCK_FRAMES]
        write_wav(voice, clip.sound)
        encoder = FragmentEncoder(WIDTH, HEIGHT, voice)
        blocks = (encoder.encode(k, frames[BLOCK_FRAMES * k :][:BLOCK_FRAMES]) for k in range(9))
        video.write_bytes(encoder.init_bytes + b"".join(blocks))
        made, played = find_seams(frames), find_seams(read_frames(video))
        # what the encoder does for the eye by default adds 0.54 to 0.63 grey levels here
        assert played.between_blocks - played.within_blocks < made.between_blocks - made.within_blocks + 0.35


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="2 frames"):
        measure(np.zeros((2, 64, 64, 3), np.uint8), None)
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video at all")
    with pytest.raises(MediaError, match="cannot be read"):
        measure_video(bad)
    with pytest.raises(MediaError, match="two blocks"):
        find_seams(np.zeros((12, 64, 64, 3), np.uint8))
