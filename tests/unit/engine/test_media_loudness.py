"""Loudness as ITU-R BS.1770 has it: its own reference tone, its gates, and FFmpeg's meter beside ours."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import av.filter
import numpy as np
import pytest

from engine.media.loudness import LoudnessMeter

RATE = 48_000


def tone(seconds: float, level_db: float, hertz: float = 997.0, phase: float = 0.0) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return (10 ** (level_db / 20) * np.sin(2 * np.pi * hertz * time + phase)).astype(np.float32)


def measured(sound: np.ndarray, chunk: int = 1920) -> tuple[float | None, float | None]:
    sound = np.atleast_2d(sound)
    meter = LoudnessMeter(len(sound))
    for at in range(0, sound.shape[1], chunk):
        meter.add(sound[:, at : at + chunk])
    return meter.finish()


def speechlike(seconds: float, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    gate = np.clip(np.sin(2 * np.pi * 2.3 * time) * 3, 0, 1) * (np.sin(2 * np.pi * 0.3 * time) > -0.4)
    voice = sum(np.sin(2 * np.pi * 140 * k * time + k) / k for k in range(1, 30))
    return ((0.1 * voice + 0.02 * random.standard_normal(len(time))) * gate).astype(np.float32)


def ffmpeg(sound: np.ndarray) -> tuple[float, float]:
    """Loudness and true peak that FFmpeg's ebur128 filter tells of [channels, n]."""
    layout = "mono" if len(sound) == 1 else "stereo"
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=RATE, format="fltp", layout=layout, time_base=Fraction(1, RATE))
    meter = graph.add("ebur128", "metadata=1:peak=true")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    loudness, peak = -70.0, -200.0
    for frame in _frames(sound, layout):
        source.push(frame)
        while True:
            try:
                out = sink.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                break
            loudness = float(out.metadata["lavfi.r128.I"])
            peak = max(float(value) for key, value in out.metadata.items() if "true_peaks_ch" in key)
    return loudness, 20 * float(np.log10(peak))


def _frames(sound: np.ndarray, layout: str) -> Iterator[av.AudioFrame]:
    for at in range(0, sound.shape[1], 4800):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[:, at : at + 4800]), format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
        yield frame


def test_reference_tone_has_the_loudness_that_the_recommendation_gives() -> None:
    """A sine of 997 Hz at full scale in one channel reads -3.01."""
    loudness, peak = measured(tone(5, 0.0))
    assert loudness == pytest.approx(-3.01, abs=0.02) and peak == pytest.approx(0, abs=0.02)
    assert measured(np.stack([tone(5, -23), tone(5, -23)]))[0] == pytest.approx(-23.0, abs=0.03)


def test_pauses_do_not_make_a_voice_quieter() -> None:
    """The gates leave out what is silent and what is 10 LU below the rest."""
    loud = tone(10, -20)
    alone, with_silence = measured(loud)[0], measured(np.concatenate([loud, np.zeros(20 * RATE, np.float32)]))[0]
    with_murmur = measured(np.concatenate([loud, tone(20, -45)]))[0]
    assert alone is not None
    assert with_silence == pytest.approx(alone, abs=0.15) and with_murmur == pytest.approx(alone, abs=0.15)


def test_chunks_of_any_length_give_the_same() -> None:
    sound = speechlike(3.37, 1)
    assert measured(sound, 977) == measured(sound, 200_000)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_reads_as_another_meter_does(seed: int) -> None:
    sound = speechlike(12, seed)[None] * (0.3 + 0.3 * seed)
    if seed == 2:
        sound = np.stack([sound[0], 0.5 * speechlike(12, 7)])
    loudness, peak = measured(sound)
    other_loudness, other_peak = ffmpeg(sound)
    assert loudness == pytest.approx(other_loudness, abs=0.15) and peak == pytest.approx(other_peak, abs=0.3)


def test_peak_between_the_samples_is_found() -> None:
    """A quarter of the rate at 45 degrees: every sample lies 3 dB below the wave."""
    sound = tone(1, -6, RATE / 4, np.pi / 4)
    assert np.abs(sound).max() == pytest.approx(10 ** (-9.01 / 20), abs=0.001)
    assert measured(sound)[1] == pytest.approx(-6, abs=0.2)


def test_silence_and_nothing_have_no_loudness() -> None:
    assert measured(np.zeros(RATE, np.float32)) == (None, None)
    assert measured(np.zeros(0, np.float32)) == (None, None)
    assert measured(tone(2, -90))[0] is None


def test_short_sound_is_measured_whole() -> None:
    assert measured(tone(0.25, -20))[0] == pytest.approx(-23.01, abs=0.5)
