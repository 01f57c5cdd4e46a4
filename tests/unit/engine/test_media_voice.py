"""The voice as a job uses it: its length, its pauses, its place on the disk."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from engine.errors import DiskFull, MediaError
from engine.media.durable import write_whole
from engine.media.voice import cut_point, find_pauses, read_voice, write_voice

RATE = 16_000


def recording(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def ramp(seconds: float) -> np.ndarray:
    return np.arange(round(seconds * RATE)) % 20_000 - 10_000


def written(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_shorter_voice_is_the_beginning_of_the_source(tmp_path: Path) -> None:
    source = recording(tmp_path / "source.wav", ramp(2))
    write_voice(source, tmp_path / "deep" / "voice.wav", 0.75)
    assert np.array_equal(written(tmp_path / "deep" / "voice.wav"), ramp(2)[: RATE * 3 // 4])


def test_loop_repeats_and_pad_adds_silence(tmp_path: Path) -> None:
    source = recording(tmp_path / "source.wav", ramp(0.5))
    write_voice(source, tmp_path / "loop.wav", 1.2, "loop")
    assert np.array_equal(written(tmp_path / "loop.wav"), np.tile(ramp(0.5), 3)[: round(1.2 * RATE)])
    write_voice(source, tmp_path / "pad.wav", 3.1, "pad")
    padded = written(tmp_path / "pad.wav")
    assert len(padded) == round(3.1 * RATE)
    assert np.array_equal(padded[: RATE // 2], ramp(0.5)) and not padded[RATE // 2 :].any()


def test_last_block_may_reach_beyond_the_voice_but_no_further(tmp_path: Path) -> None:
    source = recording(tmp_path / "source.wav", ramp(1))
    write_voice(source, tmp_path / "voice.wav", 1.44)
    assert len(written(tmp_path / "voice.wav")) == round(1.44 * RATE)
    with pytest.raises(MediaError, match=r"lasts 1\.00 s, 1\.60 s are needed") as refusal:
        write_voice(source, tmp_path / "more.wav", 1.6)
    assert "loop" in refusal.value.hint
    assert list(tmp_path.glob("more*")) == []


def test_other_rates_are_converted(tmp_path: Path) -> None:
    time = np.arange(48_000) / 48_000
    source = recording(tmp_path / "source.wav", 20_000 * np.sin(2 * np.pi * 440 * time), rate=48_000)
    write_voice(source, tmp_path / "voice.wav", 1.0)
    spectrum = np.abs(np.fft.rfft(read_voice(tmp_path / "voice.wav")))
    assert abs(int(spectrum.argmax()) - 440) <= 1


def test_written_voice_is_the_same_every_time(tmp_path: Path) -> None:
    source = recording(tmp_path / "source.wav", ramp(1), rate=44_100)
    for name in ("a", "b"):
        write_voice(source, tmp_path / name, 2.0, "loop")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_bad_source_or_length_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(MediaError):
        write_voice(tmp_path / "text.wav", tmp_path / "voice.wav", 1.0)
    with pytest.raises(MediaError, match="too short to be repeated"):
        write_voice(recording(tmp_path / "blip.wav", ramp(0.01)), tmp_path / "voice.wav", 1.0, "loop")
    for seconds in (0, -1.0):
        with pytest.raises(ValueError, match="cannot write"):
            write_voice(recording(tmp_path / "ok.wav", ramp(1)), tmp_path / "voice.wav", seconds)
    assert list(tmp_path.glob("voice.wav*")) == []


def test_full_disk_is_said_and_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "000001.m4s"
    target.write_bytes(b"old")
    (tmp_path / "000001.m4s.part").symlink_to("/dev/full")
    with pytest.raises(DiskFull):
        write_whole(target, b"new")
    assert target.read_bytes() == b"old"
    write_whole(target, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["000001.m4s"] and target.read_bytes() == b"new"


def voiced(spans: list[tuple[float, float]], seconds: float, noise: float) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    sound = noise * np.random.default_rng(0).standard_normal(len(time))
    for start, end in spans:
        sound += np.where((time >= start) & (time < end), 0.3 * np.sin(2 * np.pi * 200 * time), 0)
    return sound.astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 0.001, 0.03])
def test_pauses_are_found_in_quiet_and_noisy_rooms(noise: float) -> None:
    sound = voiced([(0.5, 1.5), (1.6, 2.5), (3.0, 4.0)], 4.4, noise)
    assert find_pauses(sound) == [
        (pytest.approx(0, abs=0.02), pytest.approx(0.5, abs=0.02)),
        (pytest.approx(2.5, abs=0.02), pytest.approx(3.0, abs=0.02)),
        (pytest.approx(4.0, abs=0.02), pytest.approx(4.4, abs=0.02)),
    ]


def test_no_pause_in_steady_sound_one_long_pause_in_silence() -> None:
    assert find_pauses(voiced([(0, 2)], 2, 0.001)) == []
    assert find_pauses(np.zeros(2 * RATE, np.float32)) == [(0.0, pytest.approx(2.0))]
    assert find_pauses(np.zeros(0, np.float32)) == []


def test_cut_is_at_the_latest_pause_that_is_not_too_late() -> None:
    pauses = [(0.0, 0.3), (1.2, 1.5), (2.5, 3.0)]
    assert cut_point(pauses, 2.6) == 2.5
    assert cut_point(pauses, 2.5) == 2.5
    assert cut_point(pauses, 2.4) == 1.2
    assert cut_point(pauses, 1.0) == 1.0  # cutting at the very beginning would leave nothing
    assert cut_point([], 7.0) == 7.0
