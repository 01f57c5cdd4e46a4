"""Voices from people: what is measured, and headers that lie."""

from __future__ import annotations

import io
import socket
import struct
import threading
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import MediaError
from engine.media.probe import probe_voice
from engine.media.voice import read_voice

RATE = 16_000


def speech(seconds: float, rate: int = RATE, noise: float = 0.0005) -> np.ndarray:
    """float32: syllables of 0.15 s with gaps, a pause in the middle."""
    time = np.arange(round(seconds * rate)) / rate
    syllable = np.clip(np.sin(2 * np.pi * 3 * time), 0, 1) * (np.abs(time - seconds / 2) > 0.3)
    tone = np.sin(2 * np.pi * 150 * time) + 0.5 * np.sin(2 * np.pi * 900 * time)
    return (0.3 * syllable * tone + noise * np.random.default_rng(0).standard_normal(len(time))).astype(np.float32)


def wav(samples: np.ndarray, rate: int = RATE, channels: int = 1) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.repeat(samples, channels) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def header(
    *, channels: int = 1, rate: int = RATE, bits: int = 16, codec: int = 1, length: int = 3200, **lie: int
) -> bytes:
    """A WAV header that says so, in front of 3200 bytes of sound; `lie` replaces computed fields."""
    frame = lie.get("frame", channels * bits // 8)
    byte_rate = lie.get("byte_rate", rate * frame)
    fmt = struct.pack("<HHIIHH", codec, channels, rate, byte_rate % 2**32, frame % 2**16, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", length) + bytes(3200)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def encoded(kind: str, codec: str, samples: np.ndarray, rate: int = 48_000) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=rate, frame_size=1024)
        for piece in (*resampler.resample(frame), *resampler.resample(None), None):
            container.mux(stream.encode(piece))
    return buffer.getvalue()


def test_good_voice_gets_a_verdict_without_warnings(tmp_path: Path) -> None:
    path = tmp_path / "voice.wav"
    path.write_bytes(wav(speech(4)))
    verdict = probe_voice(path)
    assert (verdict["seconds"], verdict["rate"], verdict["channels"], verdict["format"]) == (4.0, RATE, 1, "wav")
    assert verdict["warnings"] == []
    assert any(start < 2 < end for start, end in verdict["pauses"])
    assert verdict["noise_db"] == pytest.approx(20 * np.log10(0.0005), abs=2)


def test_warnings_name_what_is_weak(tmp_path: Path) -> None:
    def warnings(data: bytes) -> list[str]:
        path = tmp_path / "voice.wav"
        path.write_bytes(data)
        return list(probe_voice(path)["warnings"])

    assert warnings(wav(speech(2, rate=8000), rate=8000)) == ["sampled below 16 kHz"]
    assert warnings(wav(speech(2), channels=2)) == ["several channels, mixed down"]
    assert warnings(wav(speech(4)[:12_000])) == ["shorter than 1 s"]
    assert warnings(wav(np.zeros(RATE * 2))) == ["silent"]
    assert warnings(wav(speech(2) * 0.02)) == ["quiet"]
    assert warnings(wav(speech(2, noise=0.05))) == ["noisy"]
    assert warnings(wav(np.clip(speech(2) * 9, -1, 1))) == ["clipped"]


@pytest.mark.parametrize(
    ("kind", "codec"), [("flac", "flac"), ("mp3", "libmp3lame"), ("ogg", "libopus"), ("mp4", "aac")]
)
def test_compressed_voices_are_read_as_16_khz_mono(tmp_path: Path, kind: str, codec: str) -> None:
    path = tmp_path / "voice.bin"
    path.write_bytes(encoded(kind, codec, speech(2, rate=48_000)))
    assert probe_voice(path)["format"] == kind
    sound = read_voice(path)
    assert sound.dtype == np.float32
    assert len(sound) == pytest.approx(2 * RATE, abs=0.15 * RATE)
    assert 0.2 < np.abs(sound).max() < 0.6


def test_reading_a_16_khz_wav_gives_its_samples(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, 5000).astype("<i2")
    path = tmp_path / "voice.wav"
    path.write_bytes(wav(samples / 32767))
    with wave.open(str(path)) as file:
        stored = np.frombuffer(file.readframes(5000), "<i2")
    assert np.array_equal(read_voice(path), stored / np.float32(32768))


def bad_voices() -> dict[str, bytes]:
    good = wav(speech(1))
    flac = encoded("flac", "flac", speech(2, rate=48_000))
    mp4 = encoded("mp4", "aac", speech(2, rate=48_000))
    return {
        "empty": b"",
        "text": b"this is not sound\n",
        "one byte": b"R",
        "RIFF alone": b"RIFF\x00\x00\x00\x00WAVE",
        "truncated WAV": good[:-100],
        "cut in its header": good[:30],
        "no sound": header(length=0),
        "length of 2 GiB": header(length=2**31),
        "65535 channels": header(channels=65535),
        "no channels": header(channels=0, frame=2),
        "rate 0": header(rate=0),
        "rate of 4 GHz": header(rate=2**32 - 1),
        "0 bits": header(bits=0),
        "frames that do not add up": header(frame=7),
        "bytes per second that do not add up": header(byte_rate=1),
        "unknown coding": header(codec=0x2000),
        "half a chunk": b"RIFF\x10\x00\x00\x00WAVEfmt \xff\xff\xff\x7f" + bytes(20),
        "truncated FLAC": flac[: len(flac) // 2],
        "truncated MP4": mp4[: len(mp4) // 2],
        "MP3 of noise": b"ID3\x04\x00\x00\x00\x00\x00\x00" + np.random.default_rng(1).bytes(2000),
        "Ogg of noise": b"OggS" + np.random.default_rng(2).bytes(2000),
        "RF64": b"RF64" + good[4:],
    }


@pytest.mark.parametrize("name", bad_voices())
def test_bad_voice_is_refused_with_a_sentence_and_a_hint(tmp_path: Path, name: str) -> None:
    path = tmp_path / "voice.wav"
    path.write_bytes(bad_voices()[name])
    with pytest.raises(MediaError, match=r"voice\.wav ") as refusal:
        probe_voice(path)
    assert refusal.value.hint


def test_playlists_are_refused_and_nothing_they_name_is_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(wav(speech(1)))
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        callers: list[object] = []

        def listen() -> None:
            try:
                callers.append(server.accept())
            except TimeoutError:
                return

        listener = threading.Thread(target=listen)
        listener.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/voice.wav"
        lists = {
            "a.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{address}\n#EXT-X-ENDLIST\n",
            "b.m3u8": f"#EXTM3U\n#EXTINF:5,\nfile://{secret}\n#EXT-X-ENDLIST\n",
            "c.wav": f"ffconcat version 1.0\nfile {secret}\n",
            "d.wav": f"ffconcat version 1.0\nfile {address}\n",
            "e.wav": f"v=0\nc=IN IP4 127.0.0.1\nm=audio {server.getsockname()[1]} RTP/AVP 0\n",
        }
        for name, text in lists.items():
            (tmp_path / name).write_text(text)
            with pytest.raises(MediaError, match="no recording of a known kind"):
                probe_voice(tmp_path / name)
        listener.join()
        assert callers == []


def test_float_recording_with_impossible_values_stays_within_bounds(tmp_path: Path) -> None:
    samples = np.tile(np.float32([np.nan, np.inf, -np.inf, 0.5, 1e30]), 800).tobytes()
    fmt = struct.pack("<HHIIHH", 3, 1, RATE, RATE * 4, 4, 32)
    body = b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", len(samples)) + samples
    path = tmp_path / "voice.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    sound = read_voice(path)
    assert np.isfinite(sound).all() and np.abs(sound).max() <= 1
