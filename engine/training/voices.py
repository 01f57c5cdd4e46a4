"""Speech-like sound from formulas, with the articulation that made it: harmonics shaped by formants, consonant noise,
pauses, melody. Nobody speaks here, and no recording is needed.

A timeline of sounds is drawn per voice on the host (`draw_script`); sound is made for all voices at once on any device.
Shapes: B voices, N samples at 16 kHz, C control points at 200 per second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.catalog import SPEECH_RATE

CONTROL_RATE = 200
_HOP = SPEECH_RATE // CONTROL_RATE
_HARMONICS = 36
_TWO_PI = 2 * torch.pi

# Formants in Hz; openness of the jaw, width of the lips, teeth, tongue.
_VOWELS = {
    "a": ((750, 1150, 2500), (1.0, 0.1, 0.1, 0.6)), "e": ((500, 1850, 2500), (0.55, 0.5, 0.3, 0.5)),
    "i": ((290, 2250, 3000), (0.25, 0.9, 0.5, 0.4)), "o": ((540, 850, 2450), (0.55, -0.7, 0.0, 0.1)),
    "u": ((310, 780, 2300), (0.22, -1.0, 0.0, 0.0)), "6": ((520, 1450, 2500), (0.4, 0.0, 0.1, 0.4)),
    "E": ((650, 1700, 2450), (0.8, 0.45, 0.3, 0.5)),
}  # fmt: skip
# voice and noise levels, centre and width of the noise in Hz, articulation
_CONSONANTS = {
    "m": (0.35, 0.0, 1000, 800, (0.0, 0.0, 0.0, 0.0)), "n": (0.38, 0.0, 1000, 800, (0.14, 0.1, 0.2, 0.6)),
    "l": (0.5, 0.0, 1000, 800, (0.28, 0.1, 0.2, 0.8)), "r": (0.5, 0.0, 1000, 800, (0.25, -0.3, 0.1, 0.3)),
    "w": (0.5, 0.0, 1000, 800, (0.12, -1.0, 0.0, 0.0)), "j": (0.5, 0.0, 1000, 800, (0.2, 0.8, 0.3, 0.4)),
    "s": (0.0, 0.5, 6000, 1500, (0.12, 0.4, 0.9, 0.0)), "S": (0.0, 0.5, 3300, 1100, (0.16, -0.5, 0.8, 0.0)),
    "f": (0.0, 0.16, 5200, 2600, (0.08, 0.1, 0.7, 0.0)), "z": (0.25, 0.3, 5800, 1500, (0.12, 0.4, 0.9, 0.0)),
    "v": (0.3, 0.1, 4500, 2500, (0.08, 0.1, 0.7, 0.0)), "h": (0.0, 0.12, 1600, 1400, (0.3, 0.0, 0.1, 0.3)),
    "p": (0.0, 0.0, 900, 900, (0.0, 0.0, 0.0, 0.0)), "b": (0.06, 0.0, 900, 900, (0.0, 0.0, 0.0, 0.0)),
    "t": (0.0, 0.0, 4300, 1500, (0.12, 0.1, 0.5, 0.3)), "d": (0.06, 0.0, 3600, 1500, (0.12, 0.1, 0.4, 0.4)),
    "k": (0.0, 0.0, 2100, 900, (0.2, 0.0, 0.1, 0.1)), "g": (0.06, 0.0, 1900, 900, (0.2, 0.0, 0.1, 0.1)),
}  # fmt: skip
_BURSTS = "ptkbdg"
_TRACKS = ("pitch", "voice", "noise", "noise_at", "noise_wide", "f1", "f2", "f3", "opening", "width", "teeth", "tongue")


@dataclass(frozen=True)
class Voices:
    """`sound` [B, N] about -0.7..0.7 and `articulation` [B, 4, C]: opening, width, teeth, tongue as they were meant."""

    sound: Tensor
    articulation: Tensor


def draw_script(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Control tracks float32 [12, C] of one speaker saying syllables that mean nothing, with pauses."""
    points = round(seconds * CONTROL_RATE)
    speaker = _Speaker(rng)
    parts: list[np.ndarray] = [speaker.rest(rng.uniform(0.05, 0.4))]
    while sum(part.shape[1] for part in parts) < points:
        parts += speaker.phrase()
    return np.concatenate(parts, axis=1)[:, :points]


def speak(scripts: Tensor, noise: torch.Generator) -> Voices:
    """Sound of scripts [B, 12, C]; `noise` lives on their device."""
    tracks = dict(zip(_TRACKS, _smooth(scripts).unbind(1), strict=True))
    samples = scripts.shape[2] * _HOP
    voiced = _harmonics(tracks, samples)
    hiss = _hiss(tracks, samples, noise)
    sound = voiced + hiss
    loudest = sound.abs().amax(dim=1, keepdim=True).clamp(min=1e-4)
    articulation = torch.stack([tracks[name] for name in _TRACKS[-4:]], dim=1)
    return Voices(0.7 * sound / loudest, articulation)


class _Speaker:
    """Draws one person's phrases: pitch, pace, size of the vocal tract."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.pitch = rng.uniform(90, 240)
        self.tract = 1.0 + 0.2 * (self.pitch - 90) / 150 + rng.normal(0, 0.03)
        self.pace = rng.uniform(0.8, 1.25)
        self.breath = rng.uniform(0.4, 1.2)
        self.tune = self.pitch

    def rest(self, seconds: float) -> np.ndarray:
        """Silence with the mouth shut."""
        return self._sound(seconds, 0.0, 0.0, 1000, 800, (500, 1500, 2500), (0, 0, 0, 0))

    def phrase(self) -> list[np.ndarray]:
        """Some words, falling in pitch, and a pause."""
        parts: list[np.ndarray] = []
        words = int(self.rng.integers(1, 6))
        for word in range(words):
            syllables = int(self.rng.integers(1, 4))
            stressed = int(self.rng.integers(syllables))
            for syllable in range(syllables):
                fall = 1.08 - 0.2 * (word + syllable / syllables) / words
                self.tune = self.pitch * fall * (1.14 if syllable == stressed else 1.0) * self.rng.uniform(0.97, 1.03)
                parts += self._syllable(1.25 if syllable == stressed else 0.9)
        long = self.rng.random() < 0.35
        return [*parts, self.rest(self.rng.uniform(0.35, 1.1) if long else self.rng.uniform(0.06, 0.25))]

    def _syllable(self, stress: float) -> list[np.ndarray]:
        rng = self.rng
        formants, shape = _VOWELS[str(rng.choice(list(_VOWELS)))]
        onset = [self._consonant(str(rng.choice(list(_CONSONANTS))), formants)] if rng.random() < 0.88 else []
        level = 0.8 * stress * rng.uniform(0.8, 1.1)
        vowel = self._sound(rng.uniform(0.07, 0.17) * stress, level, 0.01, 2500, 2000, formants, shape)
        coda = [self._consonant(str(rng.choice(list("mnlrsfSt"))), formants)] if rng.random() < 0.3 else []
        return [*(part for parts in onset for part in parts), vowel, *(part for parts in coda for part in parts)]

    def _consonant(self, name: str, formants: tuple[int, ...]) -> list[np.ndarray]:
        voice, hiss, at, wide, shape = _CONSONANTS[name]
        low = (280, 1100, 2300) if name in "mnlrwjbdgvz" else formants
        body = self._sound(self.rng.uniform(0.05, 0.1), voice, hiss * self.breath, at, wide, low, shape)
        if name not in _BURSTS:
            return [body]
        return [body, self._sound(0.02, 0.1, 0.45, at, wide, formants, shape)]

    def _sound(
        self,
        seconds: float,
        voice: float,
        hiss: float,
        at: float,
        wide: float,
        formants: tuple[int, ...],
        shape: tuple[float, ...],
    ) -> np.ndarray:
        points = max(2, round(seconds / self.pace * CONTROL_RATE))
        tract = [f * self.tract for f in formants]
        column = np.array([self.tune, voice, hiss, at, wide, *tract, *shape], dtype=np.float32)
        return np.repeat(column[:, None], points, axis=1)


def _smooth(scripts: Tensor) -> Tensor:
    """Sounds run into each other; levels faster (10 ms) than the mouth (35 ms)."""
    fast, slow = _blurred(scripts, 2.0), _blurred(scripts, 7.0)
    return torch.cat([slow[:, :1], fast[:, 1:5], slow[:, 5:]], dim=1)


def _blurred(tracks: Tensor, sigma: float) -> Tensor:
    """[B, K, C] with a Gaussian over time."""
    reach = round(3 * sigma)
    place = torch.arange(-reach, reach + 1, device=tracks.device, dtype=tracks.dtype)
    kernel = torch.exp(-0.5 * (place / sigma).square())
    kernel = (kernel / kernel.sum()).view(1, 1, -1)
    flat = F.pad(tracks.flatten(0, 1).unsqueeze(1), (reach, reach), mode="replicate")
    return F.conv1d(flat, kernel).view_as(tracks)


def _harmonics(tracks: dict[str, Tensor], samples: int) -> Tensor:
    """The voiced part [B, N]: harmonics of the pitch, each as loud as the formants let it be."""
    pitch = _to_samples(tracks["pitch"], samples)
    phase = _TWO_PI * torch.cumsum(pitch.double() / SPEECH_RATE, dim=1).remainder(1.0).float()
    sound = torch.zeros_like(pitch)
    for number in range(1, _HARMONICS + 1):
        at = number * tracks["pitch"]
        gain = tracks["voice"] * _resonance(at, tracks) * (1.0 + at / 500.0).reciprocal()
        gain = gain * (at < 0.47 * SPEECH_RATE).to(gain.dtype)
        sound = sound + _to_samples(gain, samples) * torch.sin(number * phase)
    return sound


def _resonance(at: Tensor, tracks: dict[str, Tensor]) -> Tensor:
    """Three resonances side by side, and a little of everything."""
    total = torch.full_like(at, 0.04)
    for name, wide, gain in (("f1", 90.0, 1.0), ("f2", 120.0, 0.7), ("f3", 170.0, 0.35)):
        total = total + gain / (1.0 + ((at - tracks[name]) / wide).square())
    return total


def _hiss(tracks: dict[str, Tensor], samples: int, generator: torch.Generator) -> Tensor:
    """Noise [B, N] whose band and level follow the tracks."""
    count, device = tracks["noise"].shape[0], tracks["noise"].device
    white = torch.randn(count, samples, generator=generator, device=device)
    window = torch.hann_window(400, device=device)
    spectrum = torch.stft(white, 400, _HOP, window=window, return_complex=True, pad_mode="constant")
    bins = torch.linspace(0, SPEECH_RATE / 2, spectrum.shape[1], device=device).view(1, -1, 1)
    frames = spectrum.shape[2]
    at, wide, level = (_stretch(tracks[name], frames).unsqueeze(1) for name in ("noise_at", "noise_wide", "noise"))
    shaped = spectrum * (level * torch.exp(-0.5 * ((bins - at) / wide).square()) + 0.0015)
    return 0.5 * torch.istft(shaped, 400, _HOP, window=window, length=samples)


def _to_samples(track: Tensor, samples: int) -> Tensor:
    return _stretch(track, samples)


def _stretch(track: Tensor, length: int) -> Tensor:
    return F.interpolate(track.unsqueeze(1), size=length, mode="linear", align_corners=False)[:, 0]
