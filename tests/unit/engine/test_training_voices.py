"""Synthesised voices, and the one rule by which faces move to sound."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.catalog import SPEECH_RATE
from engine.training.espeak import pack, read_wav, sentence, unpack
from engine.training.listening import motion_of
from engine.training.motion import Motion
from engine.training.voices import Voices, draw_script, speak

torch.set_num_threads(1)
SECONDS = 6.0
FRAMES = 150


@pytest.fixture(scope="module")
def voices() -> Voices:
    rng = np.random.default_rng(1)
    scripts = np.stack([draw_script(rng, SECONDS) for _ in range(6)])
    return speak(torch.from_numpy(scripts), torch.Generator().manual_seed(0))


def _motion(sound: torch.Tensor, *, energy: float = 1.0, is_start: bool = False) -> Motion:
    count = sound.shape[0]
    idle = torch.rand(count, 6, generator=torch.Generator().manual_seed(2))
    return motion_of(
        sound, FRAMES, energy=torch.full((count,), energy), idle=idle, is_start=torch.full((count,), is_start)
    )


def _match(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(np.corrcoef(a.flatten(), b.flatten())[0, 1])


def test_the_rule_finds_the_mouth_that_made_the_sound(voices: Voices) -> None:
    truth = F.interpolate(voices.articulation, size=FRAMES, mode="linear")
    heard = _motion(voices.sound)
    assert _match(heard.opening, truth[:, 0]) > 0.8
    assert _match(heard.width, truth[:, 1]) > 0.6
    assert _match(heard.teeth, truth[:, 2]) > 0.75


def test_the_mouth_is_not_late(voices: Voices) -> None:
    truth = F.interpolate(voices.articulation, size=FRAMES, mode="linear")[:, 0, 4:-4]
    heard = _motion(voices.sound).opening
    scores = {lag: _match(heard[:, 4 + lag : FRAMES - 4 + lag], truth) for lag in range(-3, 4)}
    assert max(scores, key=lambda lag: scores[lag]) == 0


@pytest.mark.parametrize("level", [0.0, 1e-4, 1e-3])
def test_a_quiet_room_keeps_the_mouth_shut(level: float) -> None:
    noise = level * torch.randn(2, int(SECONDS * SPEECH_RATE), generator=torch.Generator().manual_seed(1))
    assert _motion(noise).opening.max() < 0.02


def test_the_level_of_a_recording_does_not_matter(voices: Voices) -> None:
    assert (_motion(voices.sound).opening - _motion(0.3 * voices.sound).opening).abs().max() < 0.02


def test_a_video_begins_at_its_portrait(voices: Voices) -> None:
    begun = _motion(voices.sound, is_start=True)
    for track in (begun.right, begun.down, begun.roll, begun.brow):
        assert track[:, 0].abs().max() < 1e-6
        assert track.abs().max() > 0.01


def test_lively_people_move_more(voices: Voices) -> None:
    calm, lively = _motion(voices.sound, energy=0.5), _motion(voices.sound, energy=1.5)
    assert torch.allclose(3 * calm.down, lively.down, atol=1e-6)
    assert torch.equal(calm.opening, lively.opening)


def test_people_blink_when_a_phrase_has_ended() -> None:
    tone = torch.sin(torch.arange(3 * SPEECH_RATE) * 0.09)[None]
    sound = torch.cat([tone, torch.zeros(1, 3 * SPEECH_RATE)], dim=1)
    assert _motion(sound).blink[0, 75:90].max() == 1.0


def test_recordings_survive_eight_bits() -> None:
    wave = 0.7 * np.sin(np.arange(16_000) * 0.05).astype(np.float32)
    assert np.abs(unpack(pack(wave)) - wave).max() < 0.03
    assert unpack(pack(np.zeros(4, np.float32))).max() < 0.001


def test_a_recording_of_another_rate_becomes_sixteen_kilohertz() -> None:
    import io
    import wave

    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(22_050)
        out.writeframes((8000 * np.sin(np.arange(22_050) * 2 * np.pi * 440 / 22_050)).astype("<i2").tobytes())
    samples = read_wav(file.getvalue())
    assert len(samples) == SPEECH_RATE
    assert abs(int(np.argmax(np.abs(np.fft.rfft(samples)))) - 440) <= 1


def test_sentences_are_drawn_from_the_seed() -> None:
    assert sentence(np.random.default_rng(1)) == sentence(np.random.default_rng(1)) != sentence(np.random.default_rng(2))
