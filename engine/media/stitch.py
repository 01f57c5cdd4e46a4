"""Videos stitched into one: transitions in the silences, one loudness or one track, encoded again only where that is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.catalog import FPS
from engine.errors import MediaError, SettingsError
from engine.media.even_loudness import EVEN_LU, PEAK_DB, even_gains
from engine.media.film import Film, Progress, Track, film_channels, film_size, no_progress, write_film
from engine.media.film_part import FilmPart
from engine.media.join import JoinedVideo, join
from engine.media.listening import Heard, listen_to_part, listen_to_track
from engine.media.one_video import looked_at, refuse_as_target, why_not_copied
from engine.media.stitch_plan import Placed, Plan, plan_by_parts, plan_by_track, quiet_end
from engine.media.transitions import CUT, NAMES
from engine.media.voice_track import TRACK_RATE

_CUT_BACK_S = 5.0  # so much of the film at most is left without sound to end a longer track in a pause
_INTO_PAUSE_S = 0.2  # the track goes on so far into that pause


@dataclass(frozen=True, kw_only=True)
class Stitched:
    """The finished video, and all that a person may want to know of how it came about."""

    video: JoinedVideo
    width: int
    height: int
    is_copied: bool
    parts: tuple[dict[str, Any], ...]  # path, start_s, seconds, loudness_lufs, gain_db
    joints: tuple[dict[str, Any], ...]  # kind, at_s, seconds, is_in_silence, silence_s, held_s
    remarks: tuple[str, ...]  # whole sentences

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **self.video.to_json(), "width": self.width, "height": self.height, "is_copied": self.is_copied,
            "parts": list(self.parts), "joints": list(self.joints), "remarks": list(self.remarks),
        }  # fmt: skip


def kinds_for(names: Sequence[str], parts: int) -> list[str]:
    """A kind for each of the joints and one for the end, of what was asked for. Raises SettingsError.

    No name: cuts. As many names as joints: those. One more: the last says how the video ends. One name: for all joints.
    """
    for name in names:
        if name not in NAMES:
            raise SettingsError(f"there is no transition {name!r}.", field="transitions", hint=f"Known: {', '.join(NAMES)}.")
    joints = parts - 1
    if not names:
        return [CUT] * parts
    if len(names) == parts:
        return list(names)
    if len(names) == joints:
        return [*names, CUT]
    if len(names) == 1:
        return [names[0]] * joints + [CUT]
    raise SettingsError(
        f"{len(names)} transitions were named for {parts} videos.", field="transitions",
        hint=f"Name one for all, {joints} (one for each joint), or {parts} (the last says how the video ends).",
    )  # fmt: skip


def stitch(
    inputs: list[Path], target: Path, transitions: Sequence[str] = (), audio_track: Path | None = None, *,
    keep_sound: bool = False, progress: Progress = no_progress,
) -> Stitched:  # fmt: skip
    """Write `inputs`, in order, as `target` (mp4), durably.

    With `keep_sound` no loudness is changed. Raises SettingsError for transitions that do not fit, MediaError naming the
    file that cannot be used, DiskFull, OSError for a target that cannot be written.
    """
    if target.suffix.lower() != ".mp4":
        raise SettingsError(f"{target} is not written: videos are MP4.", field="output", hint="End the name in .mp4.")
    refuse_as_target(inputs if audio_track is None else [*inputs, audio_track], target)
    kinds = kinds_for(transitions, len(inputs))
    parts = looked_at(inputs)
    remarks = _remarks_on_pictures(parts)
    if audio_track is None:
        channels = film_channels(parts)
        heard = {part.path: listen_to_part(part, channels) for part in parts}
        sounds = [heard[part.path] for part in parts]
        gains = [0.0] * len(parts) if keep_sound else even_gains(sounds)
        remarks += _remarks_on_sounds(parts, sounds, gains)
        plan = plan_by_parts([part.frames for part in parts], sounds, kinds)
        track = None
    else:
        sound = listen_to_track(audio_track)
        channels, sounds, gains = sound.channels, [], [0.0] * len(parts)
        plan = plan_by_track([part.frames for part in parts], sound, kinds)
        track, said = _track(audio_track, sound, plan, keep_sound)
        remarks += said
    why = _why_encoded(parts, sounds, kinds, gains, track)
    width, height = film_size(parts)
    if why is None:
        video = join(inputs, target)
        remarks.append("Nothing was encoded again: the videos are alike, and nothing about them had to change.")
    else:
        film = Film(
            parts=parts, starts=plan.starts, joints=tuple(placed.joint for placed in plan.placed), frames=plan.frames,
            width=width, height=height, gains=tuple(_factor(gain) for gain in gains), track=track, channels=channels,
        )  # fmt: skip
        video = write_film(film, target, progress)
        remarks.append(f"Encoded again: {why}")
    return Stitched(
        video=video, width=width, height=height, is_copied=why is None,
        parts=tuple(_told_part(part, start, gain, sounds, index)
                    for index, (part, start, gain) in enumerate(zip(parts, plan.starts, gains, strict=True))),
        joints=tuple(_told_joint(placed) for placed in plan.placed), remarks=tuple(remarks + _remarks_on_joints(plan, track)),
    )  # fmt: skip


def _why_encoded(
    parts: tuple[FilmPart, ...], sounds: list[Heard], kinds: list[str], gains: list[float], track: Track | None
) -> str | None:
    if track is not None:
        return "the sound is another."
    if any(kind != CUT for kind in kinds):
        return "transitions are made of new pictures."
    if any(gains):
        return f"the sounds differ by more than {EVEN_LU} LU (--keep_sound leaves them as they are)."
    for part, sound in zip(parts[:-1], sounds[:-1], strict=True):
        if not quiet_end(sound, part.frames):
            return f"the sound of {part.path} runs to its end, and has to be faded there: copied packets would click."
    return why_not_copied(parts)


def _track(path: Path, sound: Heard, plan: Plan, keep_sound: bool) -> tuple[Track, list[str]]:
    """The track as the film uses it, and what is to be said about it. Raises MediaError where it cannot be ended in a pause."""
    remarks = []
    film_s = plan.frames / FPS
    samples = sound.samples
    if sound.seconds < film_s - 0.5 / FPS:
        remarks.append(f"{path} is {film_s - sound.seconds:.2f} s shorter than the pictures: they end in silence.")
    elif sound.seconds > film_s:
        end_s = _end_in_pause(path, sound, film_s)
        samples = round(end_s * TRACK_RATE)
        if sound.seconds - film_s > 0.5 / FPS:
            remarks.append(
                f"{path} is {sound.seconds - film_s:.2f} s longer than the pictures: it ends in the pause at {end_s:.2f} s, "
                f"and its last {sound.seconds - end_s:.2f} s are not heard."
            )
    gain = 0.0
    if sound.true_peak_db is not None and not keep_sound:
        gain = min(0.0, PEAK_DB - sound.true_peak_db)
    if gain:
        remarks.append(f"{path} was lowered by {-gain:.1f} dB, so that no peak is clipped.")
    return Track(path=path, gain=_factor(gain), samples=samples), remarks


def _end_in_pause(path: Path, sound: Heard, film_s: float) -> float:
    """When a longer track ends: with the film where it pauses then, else in the last pause before."""
    if sound.seconds - film_s <= 0.5 / FPS:
        return film_s
    ends = [min(film_s, end, start + _INTO_PAUSE_S) for start, end in sound.pauses if start <= film_s]
    if any(start <= film_s <= end for start, end in sound.pauses):
        return film_s
    if not ends or ends[-1] < film_s - _CUT_BACK_S:
        raise MediaError(
            f"{path} is {sound.seconds - film_s:.2f} s longer than the pictures, and does not pause in the "
            f"{_CUT_BACK_S:g} s before they end at {film_s:.2f} s: a word would be cut.",
            hint="Cut the track, or bring more pictures.",
        )
    return ends[-1]


def _remarks_on_pictures(parts: tuple[FilmPart, ...]) -> list[str]:
    width, height = film_size(parts)
    remarks = []
    for part in dict.fromkeys(parts):
        if (part.width, part.height) != (width, height):
            remarks.append(f"{part.path} is {part.width}x{part.height}: scaled and padded to {width}x{height}, not stretched.")
        if abs(part.rate - FPS) > 0.01:
            remarks.append(f"{part.path} has {part.rate:.4g} pictures per second: it is shown at {FPS}.")
    return remarks


def _remarks_on_sounds(parts: tuple[FilmPart, ...], sounds: list[Heard], gains: list[float]) -> list[str]:
    remarks = []
    after = [sound.loudness + gain for sound, gain in zip(sounds, gains, strict=True) if sound.loudness is not None]
    said = set()
    for part, sound, gain in zip(parts, sounds, gains, strict=True):
        if part.path in said:
            continue
        said.add(part.path)
        if not part.channels:
            remarks.append(f"{part.path} has no sound: it is silent.")
        if part.held_frames:
            remarks.append(f"The sound of {part.path} goes on for {part.held_frames / FPS:.2f} s: its last picture is held.")
        if any(gains) and sound.loudness is not None and max(after) - (sound.loudness + gain) > EVEN_LU:
            remarks.append(
                f"{part.path} stays {max(after) - sound.loudness - gain:.1f} LU quieter than the loudest: its peaks, or the "
                "noise beneath it, stand in the way."
            )
    return remarks


def _remarks_on_joints(plan: Plan, track: Track | None) -> list[str]:
    remarks = []
    for number, placed in enumerate(plan.placed, start=1):
        if placed.joint.frames and not placed.is_in_silence:
            where = "The end" if number == len(plan.starts) else f"Joint {number}"
            if track is None:
                remarks.append(f"{where} has only {placed.silence_s:.2f} s of silence: {placed.held / FPS:.2f} s were put in.")
            else:
                remarks.append(f"{where}: the track speaks there; the pictures change while it does, no word is touched.")
    return remarks


def _told_part(part: FilmPart, start: int, gain: float, sounds: list[Heard], index: int) -> dict[str, Any]:
    loudness = sounds[index].loudness if sounds else None
    return {
        "path": str(part.path), "start_s": start / FPS, "seconds": part.frames / FPS,
        "loudness_lufs": None if loudness is None else round(loudness, 2), "gain_db": round(gain, 2),
    }  # fmt: skip


def _told_joint(placed: Placed) -> dict[str, Any]:
    return {
        "kind": placed.joint.kind, "at_s": placed.joint.at / FPS, "seconds": placed.joint.frames / FPS,
        "is_in_silence": placed.is_in_silence, "silence_s": placed.silence_s, "held_s": placed.held / FPS,
    }  # fmt: skip


def _factor(gain_db: float) -> float:
    return float(10 ** (gain_db / 20))
