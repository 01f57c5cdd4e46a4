"""Four voices by formant synthesis: a buzz and some noise, shaped by four resonances that move from sound to sound.

They say invented syllables; what counts is that they open and close the mouth, change pitch and pause as speech does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RATE = 16_000
_HOP = 32  # samples between two settings of the resonances, 2 ms

# Centres of the four resonances in Hz.
VOWELS = {
    "a": (750, 1250, 2550, 3500), "e": (480, 1900, 2550, 3500), "i": (290, 2250, 2950, 3600),
    "o": (480, 860, 2450, 3400), "u": (320, 800, 2300, 3350), "@": (520, 1450, 2500, 3450),
}  # fmt: skip
# Consonants: resonances, loudness of the buzz, loudness of the noise, seconds.
CONSONANTS = {
    "m": ((270, 1000, 2200, 3300), 0.42, 0.0, 0.075), "n": ((270, 1500, 2500, 3300), 0.42, 0.0, 0.065),
    "l": ((350, 1100, 2700, 3400), 0.5, 0.0, 0.06), "r": ((420, 1250, 1700, 3200), 0.5, 0.0, 0.06),
    "v": ((300, 1100, 2300, 3400), 0.3, 0.05, 0.06), "s": ((400, 1800, 2700, 3900), 0.0, 0.16, 0.1),
    "f": ((350, 1200, 2400, 3500), 0.0, 0.06, 0.09), "h": ((500, 1500, 2500, 3500), 0.0, 0.07, 0.06),
    "t": ((400, 1800, 2700, 3700), 0.0, 0.0, 0.055), "k": ((350, 1600, 2300, 3500), 0.0, 0.0, 0.06),
    "d": ((300, 1700, 2600, 3500), 0.12, 0.0, 0.05), "b": ((280, 900, 2300, 3400), 0.12, 0.0, 0.055),
}  # fmt: skip
_BURSTS = {"t": 0.3, "k": 0.24, "d": 0.12, "b": 0.08}


@dataclass(frozen=True, kw_only=True)
class Voice:
    """A voice and what it says: syllables apart by spaces, "," a short and "." a long pause, in `seconds`."""

    text: str
    seconds: float
    pitch: float  # Hz, in the middle of a sentence
    tract: float  # length of resonances relative to a grown man's: 1.15 sounds like a woman, 1.25 younger
    breath: float
    seed: int


VOICES = {
    "teacher": Voice(text="ve lo me na ri, so ta lu mi ne. ka re vi do la me, su ne ma ri to",
                     seconds=4.3, pitch=196, tract=1.14, breath=0.012, seed=11),
    "student": Voice(text="he ba lo ti, mu ne sa ri do. fe la ki me",
                     seconds=3.2, pitch=128, tract=1.03, breath=0.016, seed=23),
    "assistant": Voice(text="si na ve lu me, ta ri ho ne", seconds=2.6, pitch=222, tract=1.2, breath=0.014, seed=37),
    "presenter": Voice(text="da ro me, bu la ti ve no", seconds=2.2, pitch=104, tract=0.97, breath=0.01, seed=51),
}  # fmt: skip


@dataclass(frozen=True)
class _Target:
    """What the vocal tract does for a while; the tract glides from one target to the next."""

    formants: tuple[float, ...]
    buzz: float
    noise: float
    seconds: float
    burst: float = 0.0


def speak(voice: Voice) -> np.ndarray:
    """int16 [seconds * 16000]: the same for ever, since its noise has a fixed seed."""
    targets = _targets(voice)
    length = round(voice.seconds * RATE)
    frames = length // _HOP
    formants, buzz, noise, burst = _tracks(targets, frames, voice.seconds)
    pitch = _pitch(voice, buzz, frames)
    random = np.random.RandomState(voice.seed)
    source = _source(pitch, buzz, noise, burst, voice.breath, random)
    sound = _resonate(source, formants * voice.tract)
    sound = np.concatenate([sound, np.zeros(length - len(sound))])
    sound /= np.abs(sound).max()
    floor = random.uniform(-1, 1, length) * 0.0006  # a quiet room, not a dead line
    return np.rint((sound * 0.6 + floor) * 32767).astype("<i2")


def _targets(voice: Voice) -> list[_Target]:
    rest = VOWELS["@"]
    targets = [_Target(rest, 0, 0, 0.16)]
    for word in voice.text.replace(",", " ,").replace(".", " .").split():
        if word in ",.":
            targets.append(_Target(rest, 0, 0, 0.24 if word == "," else 0.36))
            continue
        formants, buzz, noise, seconds = CONSONANTS[word[0]]
        targets.append(_Target(formants, buzz, noise, seconds, _BURSTS.get(word[0], 0.0)))
        targets.append(_Target(VOWELS[word[1]], 1.0, 0, 0.13))
    targets.append(_Target(rest, 0, 0, 0.2))
    return targets


def _tracks(targets: list[_Target], frames: int, seconds: float) -> tuple[np.ndarray, ...]:
    """Resonances [frames, 4] and loudness of buzz, noise and burst [frames], stretched to the voice's length."""
    stretch = seconds / sum(target.seconds for target in targets)
    ends = np.cumsum([target.seconds * stretch for target in targets])
    time = (np.arange(frames) + 0.5) * _HOP / RATE
    index = np.minimum(np.searchsorted(ends, time), len(targets) - 1)
    formants = np.array([target.formants for target in targets], float)[index]
    buzz, noise = (np.array([getattr(target, name) for target in targets])[index] for name in ("buzz", "noise"))
    burst = np.zeros(frames)
    for end, target in zip(ends, targets, strict=True):
        at = int(end * RATE / _HOP)
        burst[max(at - 3, 0) : at + 3] += target.burst  # the stop opens
    return _glide(formants, 19), _glide(buzz[:, None], 11)[:, 0], _glide(noise[:, None], 9)[:, 0], burst


def _glide(track: np.ndarray, frames: int) -> np.ndarray:
    """A running mean with a bell's weights over float [N, C]."""
    weights = np.hanning(frames + 2)[1:-1]
    padded = np.pad(track, ((frames // 2, frames // 2), (0, 0)), mode="edge")
    parts = [weight * padded[i : i + len(track)] for i, weight in enumerate(weights)]
    return np.sum(parts, axis=0) / weights.sum()


def _pitch(voice: Voice, buzz: np.ndarray, frames: int) -> np.ndarray:
    """Hz per frame: falls through the sentence, rises with each syllable, trembles a little."""
    time = np.arange(frames) * _HOP / RATE
    fall = 1.1 - 0.22 * (time / voice.seconds)
    melody = 0.05 * np.sin(2 * np.pi * 0.9 * time + voice.seed) + 0.012 * np.sin(2 * np.pi * 5.2 * time)
    return voice.pitch * (fall + melody + 0.05 * buzz)


def _source(
    pitch: np.ndarray,
    buzz: np.ndarray,
    noise: np.ndarray,
    burst: np.ndarray,
    breath: float,
    random: np.random.RandomState,
) -> np.ndarray:
    """float [frames * 32]: harmonics that fall by 12 dB per octave, and noise."""
    count = len(pitch) * _HOP
    place = np.arange(count) / _HOP
    hertz, voiced, hiss, click = (
        np.interp(place, np.arange(len(pitch)), track) for track in (pitch, buzz, noise, burst)
    )
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    sound = np.zeros(count)
    for harmonic in range(1, int(3800 / pitch.min()) + 1):
        audible = np.clip((4200 - harmonic * hertz) / 400, 0, 1)
        sound += audible * np.sin(harmonic * phase) / harmonic**1.15
    white = random.uniform(-1, 1, count)
    bright = np.diff(white, prepend=0.0)  # fricatives are mostly treble
    return sound * voiced + bright * (hiss + click) * 2.2 + white * voiced * breath * 4


def _resonate(source: np.ndarray, formants: np.ndarray) -> np.ndarray:
    """Sum of four moving resonances (second order each) over float [N]; formants [N / 32, 4] in Hz."""
    result = np.zeros(len(source))
    signal = source.tolist()
    for number, (bandwidth, gain) in enumerate(((70, 1.0), (90, 0.75), (130, 0.42), (200, 0.22))):
        decay = float(np.exp(-np.pi * bandwidth / RATE))
        feedback = (2 * decay * np.cos(2 * np.pi * np.minimum(formants[:, number], 7000) / RATE)).tolist()
        one = two = 0.0
        output: list[float] = []
        for frame, a in enumerate(feedback):
            for x in signal[frame * _HOP : (frame + 1) * _HOP]:
                one, two = (1 - decay) * x + a * one - decay * decay * two, one
                output.append(one)
        result += gain * (-1) ** number * np.array(output)
    return result
