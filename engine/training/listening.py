"""How a face moves to a sound: one rule for every voice, synthesised or spoken, so that the truth is always known.

The mouth follows level, first and second resonance and hiss in the spectrum; lids, brows and head follow phrases. The
rule is plain signal processing, as a drawn face needs it, not phonetics. Shapes: B voices, N samples at 16 kHz, M
analysis frames at 100 per second, T video frames at 25 per second.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.catalog import FPS, SPEECH_RATE
from engine.training.motion import Motion

RATE = 100  # analysis frames per second
_HOP = SPEECH_RATE // RATE
_WINDOW = 400
_BINS = 512
_RAMP_FRAMES = 12  # a video that begins at its portrait moves its head from rest
_BLINK = (0.35, 1.0, 0.9, 0.45, 0.15)  # lids in the frames of a blink
_QUIET_FRAMES = 4  # so long after a phrase people blink
_QUIETEST_DB = 10.0  # a recording whose loud parts are below this (about -36 dB of full scale) holds no speech


@dataclass(frozen=True)
class Heard:
    """What the rule hears in a sound, each [B, M] in 0..1 but `front` (-1 dark, 1 bright vowel)."""

    loud: Tensor
    open_vowel: Tensor
    front: Tensor
    hiss: Tensor


def listen(sound: Tensor) -> Heard:
    """Analyse sounds [B, N]; levels are relative to the loud parts of each."""
    half = _WINDOW // 2
    padded = F.pad(sound, (half, half))
    spectrum = torch.stft(
        padded, _BINS, _HOP, _WINDOW, torch.hann_window(_WINDOW, device=sound.device), center=False, return_complex=True
    )
    power = spectrum.abs().square()  # [B, bins, M], frame m is centred at m/100 s less 5.6 ms
    bins = torch.linspace(0, SPEECH_RATE / 2, power.shape[1], device=sound.device)
    voiced, noise = _band(power, bins, 120, 1200), _band(power, bins, 2500, 7500)
    reference = _decibel(voiced + noise).quantile(0.9, dim=1, keepdim=True).clamp(min=_QUIETEST_DB)
    loud = ((_decibel(voiced) - reference + 24.0) / 21.0).clamp(0.0, 1.0)
    first, second = _centre(power, bins, 200, 1000), _centre(power, bins, 900, 2700)
    is_hiss = ((_decibel(noise) - _decibel(voiced) + 4.0) / 10.0).clamp(0.0, 1.0)
    audible = ((_decibel(noise) - reference + 27.0) / 14.0).clamp(0.0, 1.0)
    return Heard(
        loud, ((first - 370.0) / 330.0).clamp(0.0, 1.0), ((second - 1500.0) / 480.0).clamp(-1.0, 1.0), is_hiss * audible
    )


def motion_of(sound: Tensor, frames: int, *, energy: Tensor, idle: Tensor, is_start: Tensor) -> Motion:
    """Motion [B, T] to sounds [B, N].

    `energy` [B] scales head and brows, `idle` [B, 6] (0..1) sets the phases of small movements without a cause,
    `is_start` [B] bool marks videos that begin at their portrait.
    """
    heard = listen(sound)
    opening = heard.loud * (0.24 + 0.76 * heard.open_vowel)
    opening = torch.maximum(opening, 0.15 * heard.hiss)
    width = heard.front * heard.loud.sqrt() * (1.0 - heard.hiss) + 0.3 * heard.hiss
    teeth = (0.9 * heard.hiss + 0.5 * heard.loud * heard.front.clamp(min=0)).clamp(0.0, 1.0)
    tongue = heard.loud * (0.3 + 0.5 * heard.front.clamp(min=0))
    mouth = [_to_video(_blurred(track, 2.6), frames) for track in (opening, width, teeth, tongue)]
    lips = ((mouth[0] - 0.03) / 0.8).clamp(0.0, 1.0)

    still = _swing(frames, idle)
    moved = energy.unsqueeze(1) * torch.where(is_start.unsqueeze(1), _ramp(frames, sound.device), 1.0)
    phrase, word, beat = (_to_video(_blurred(heard.loud, sigma), frames) for sigma in (60.0, 22.0, 9.0))
    tone = _to_video(_blurred(heard.front * heard.loud, 45.0), frames)
    return Motion(
        opening=lips, width=mouth[1].clamp(-1.0, 1.0), teeth=mouth[2], tongue=mouth[3],
        blink=_blinks(_to_video(_blurred(heard.loud, 4.0), frames), idle),
        brow=(moved * 3.2 * (word - phrase)).clamp(-1.0, 1.0), gaze=0.35 * still[2] * moved,
        right=moved * (0.022 * still[0] + 0.07 * tone), down=moved * (0.007 * still[1] + 0.075 * (beat - phrase)),
        roll=moved * (0.012 * still[1] + 0.11 * tone + 0.05 * (word - phrase)),
    )  # fmt: skip


def _swing(frames: int, idle: Tensor) -> list[Tensor]:
    """Three slow swings [B, T] with periods of four to eight seconds."""
    seconds = torch.arange(frames, device=idle.device) / FPS
    phase = 2 * torch.pi * idle
    pace = 2 * torch.pi / (4.0 + 4.0 * idle)
    return [torch.sin(pace[:, i, None] * seconds + phase[:, i + 3, None]) for i in range(3)]


def _blinks(loud: Tensor, idle: Tensor) -> Tensor:
    """Lids [B, T]: shut when a phrase has ended, and now and then for no reason."""
    quiet = (loud < 0.12).float()
    padded = F.pad(quiet, (_QUIET_FRAMES, 0))
    run = padded.unfold(1, _QUIET_FRAMES + 1, 1)
    onset = run[..., 1:].prod(-1) * (1.0 - run[..., 0])
    onset[:, :_QUIET_FRAMES] = 0.0
    frames = torch.arange(loud.shape[1], device=loud.device)
    every = (90 + 60 * idle[:, :1]).round()
    onset = torch.maximum(onset, (frames == ((idle[:, 1:2] * every).round() + every * (frames // every))).float())
    kernel = torch.tensor(_BLINK, device=loud.device).view(1, 1, -1).flip(-1)
    return F.conv1d(F.pad(onset.unsqueeze(1), (len(_BLINK) - 1, 0)), kernel)[:, 0].clamp(0.0, 1.0)


def _ramp(frames: int, device: torch.device) -> Tensor:
    t = (torch.arange(frames, device=device) / _RAMP_FRAMES).clamp(max=1.0)
    return (t * t * (3 - 2 * t)).unsqueeze(0)


def _band(power: Tensor, bins: Tensor, low: float, high: float) -> Tensor:
    return power[:, (bins >= low) & (bins < high)].sum(dim=1)


def _centre(power: Tensor, bins: Tensor, low: float, high: float) -> Tensor:
    """Centre in Hz of the spectrum's amplitude between two frequencies."""
    inside = (bins >= low) & (bins < high)
    weight = power[:, inside].sqrt() + 1e-6
    return (weight * bins[inside].view(1, -1, 1)).sum(dim=1) / weight.sum(dim=1)


def _decibel(power: Tensor) -> Tensor:
    return 10 * torch.log10(power + 1e-7)


def _blurred(track: Tensor, sigma: float) -> Tensor:
    """[B, M] with a Gaussian of `sigma` hundredths of a second."""
    reach = round(3 * sigma)
    place = torch.arange(-reach, reach + 1, device=track.device, dtype=track.dtype)
    kernel = torch.exp(-0.5 * (place / sigma).square())
    kernel = (kernel / kernel.sum()).view(1, 1, -1)
    return F.conv1d(F.pad(track.unsqueeze(1), (reach, reach), mode="replicate"), kernel)[:, 0]


def _to_video(track: Tensor, frames: int) -> Tensor:
    """[B, M] at 100 per second -> [B, T]: the value in the middle of each video frame; the last one beyond the end."""
    place = (torch.arange(frames, device=track.device) + 0.5) * (RATE / FPS)
    low = place.floor().long().clamp(max=track.shape[1] - 1)
    high = (low + 1).clamp(max=track.shape[1] - 1)
    part = (place - place.floor()).to(track.dtype)
    return track[:, low] * (1 - part) + track[:, high] * part
