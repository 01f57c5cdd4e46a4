"""Where transitions lie: in the silences of the speech, so that no word is cut and none is talked over.

With the parts' own sound a transition covers the pause that ends one part and the pause that begins the next: they overlap as
far as both are silent, and where there is not enough silence some is put in, with the last and the first picture held. With one
track over everything nothing may move, since the lips are in time with it: each part keeps its place, the transition goes to
the nearest pause of the track, and pictures are held there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.catalog import FPS
from engine.media.film import Joint
from engine.media.listening import Heard
from engine.media.transitions import CUT

TRANSITION_FRAMES = 12  # mixed pictures: 0.48 s, and half a second and a little from the last whole picture to the first
REACH_FRAMES = FPS  # so far from the joint a pause of the track may lie
_EDGE_S = 0.02  # a pause that comes so near to an end reaches it


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A joint and what was found there: `silence_s` seconds of silence, `held` pictures put in because it was too short."""

    joint: Joint
    silence_s: float
    is_in_silence: bool
    held: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The line of time: where parts start, where transitions lie (the last may be the film's end), how long all is."""

    starts: tuple[int, ...]
    placed: tuple[Placed, ...]
    frames: int


def plan_by_parts(lengths: list[int], sounds: list[Heard], kinds: list[str]) -> Plan:
    """For the parts' own sound. `lengths` in pictures, a kind for each joint, and one for the end (CUT: none)."""
    starts, placed = [0], []
    for index, kind in enumerate(kinds[:-1]):
        end = starts[-1] + lengths[index]
        before, after = quiet_end(sounds[index], lengths[index]), quiet_start(sounds[index + 1], lengths[index + 1])
        joint, overlap = _between(kind, end, before, after)
        starts.append(end - overlap)
        placed.append(_placed(joint, before + after, held=max(0, -overlap)))
    frames = starts[-1] + lengths[-1]
    if kinds[-1] != CUT:
        silence = quiet_end(sounds[-1], lengths[-1])
        held = max(0, TRANSITION_FRAMES - silence)
        frames += held
        joint = Joint(kind=kinds[-1], at=frames - TRANSITION_FRAMES, frames=TRANSITION_FRAMES)
        placed.append(_placed(joint, silence, held=held))
    return Plan(starts=tuple(starts), placed=tuple(placed), frames=frames)


def plan_by_track(lengths: list[int], track: Heard, kinds: list[str]) -> Plan:
    """For one track over all parts, which keep their places. As `plan_by_parts`."""
    starts, placed = [0], []
    pauses = _in_frames(track, sum(lengths))
    for index, kind in enumerate(kinds[:-1]):
        starts.append(starts[-1] + lengths[index])
        low, high = starts[-1] - lengths[index] // 2, starts[-1] + lengths[index + 1] // 2
        placed.append(_near(kind, starts[-1], low, high, pauses))
    frames = starts[-1] + lengths[-1]
    if kinds[-1] != CUT:
        low = max(starts[-1] + lengths[-1] // 2, frames - TRANSITION_FRAMES)
        placed.append(_near(kinds[-1], frames, low, frames, pauses))
    return Plan(starts=tuple(starts), placed=tuple(placed), frames=frames)


def quiet_start(sound: Heard, frames: int) -> int:
    """How many pictures long a part is silent at its beginning, at most half of it."""
    quiet = max((end for start, end in sound.pauses if start <= _EDGE_S), default=0.0)
    return min(math.floor(quiet * FPS + 1e-6), frames // 2)


def quiet_end(sound: Heard, frames: int) -> int:
    """The same at its end."""
    quiet = max((sound.seconds - start for start, end in sound.pauses if end >= sound.seconds - _EDGE_S), default=0.0)
    return min(math.floor(quiet * FPS + 1e-6), frames // 2)


def _between(kind: str, end: int, before: int, after: int) -> tuple[Joint, int]:
    """The joint of a part that ends at `end`, and by how many pictures the two overlap (less than none: so many are put in)."""
    if kind == CUT:
        return Joint(kind=kind, at=end, frames=0), 0
    # Both are silent where they overlap, and what is left of the silence has room for the transition.
    overlap = min(before, after, TRANSITION_FRAMES, before + after - TRANSITION_FRAMES)
    middle = end - (overlap + TRANSITION_FRAMES) // 2
    at = max(end - before, min(middle, end - overlap + after - TRANSITION_FRAMES))
    return Joint(kind=kind, at=at, frames=TRANSITION_FRAMES), overlap


def _placed(joint: Joint, silence: int, held: int) -> Placed:
    return Placed(joint=joint, silence_s=silence / FPS, is_in_silence=silence >= joint.frames, held=held)


def _near(kind: str, joint_at: int, low: int, high: int, pauses: list[tuple[int, int]]) -> Placed:
    """A transition between `low` and `high` in the nearest pause that holds it, else in the nearest one, else at the joint."""
    frames = 0 if kind == CUT else min(TRANSITION_FRAMES, high - low)
    if not frames:
        here = next((end - start for start, end in pauses if start <= joint_at <= end), 0)
        return _placed(Joint(kind=CUT, at=joint_at, frames=0), here, held=0)
    found = []
    for start, end in pauses:
        has_room = end - start >= frames
        at = max(start, min(joint_at - frames // 2, end - frames)) if has_room else (start + end - frames) // 2
        at = max(low, min(at, high - frames))
        heard = max(0, min(end, at + frames) - max(start, at))
        distance = abs(at + frames // 2 - joint_at)
        if heard and distance <= REACH_FRAMES:
            found.append((-heard, distance, at, end - start))
    missing, _, at, silence = min(found, default=(0, 0, max(low, min(joint_at - frames // 2, high - frames)), 0))
    joint = Joint(kind=kind, at=at, frames=frames)
    return Placed(joint=joint, silence_s=silence / FPS, is_in_silence=-missing >= frames, held=0)


def _in_frames(track: Heard, frames: int) -> list[tuple[int, int]]:
    """The track's pauses in whole pictures; where it ends before the film, the rest is silence, too."""
    pauses = list(track.pauses)
    last = pauses.pop()[0] if pauses and pauses[-1][1] >= track.seconds - _EDGE_S else track.seconds
    pauses.append((last, max(track.seconds, frames / FPS)))
    return [(math.ceil(start * FPS - 1e-6), math.floor(end * FPS + 1e-6)) for start, end in pauses]
