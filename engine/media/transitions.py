"""How one picture gives way to another. Everything in whole numbers, so that the same pictures give the same bytes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.media.film_pictures import BLACK, planes

CUT = "cut"


def mixed(kind: str, before: np.ndarray, after: np.ndarray, step: int, steps: int) -> np.ndarray:
    """The picture `step` of `steps` on the way from one to the other (0: the one, `steps`: the other); see `film_pictures`."""
    picture = np.empty_like(before)
    MIXES[kind](picture, before, after, step, steps)
    return picture


def _fade(target: np.ndarray, before: np.ndarray, after: np.ndarray, step: int, steps: int) -> None:
    sums = before.astype(np.uint16) * np.uint16(steps - step) + after.astype(np.uint16) * np.uint16(step)
    target[:] = (sums + np.uint16(steps // 2)) // np.uint16(steps)


def _fade_black(target: np.ndarray, before: np.ndarray, after: np.ndarray, step: int, steps: int) -> None:
    is_going = 2 * step <= steps
    left = steps - 2 * step if is_going else 2 * step - steps
    for out, seen, black in zip(planes(target), planes(before if is_going else after), BLACK, strict=True):
        _fade(out, np.full_like(seen, black), seen, left, steps)


def _moving(put: Callable[[np.ndarray, np.ndarray, np.ndarray, int], None]) -> Mix:
    """A transition with an upright edge, which has come so many columns far: even places, whole ones in the colours."""

    def mix(target: np.ndarray, before: np.ndarray, after: np.ndarray, step: int, steps: int) -> None:
        for out, one, other in zip(planes(target), planes(before), planes(after), strict=True):
            chroma_columns = target.shape[1] // 2 * step // steps
            put(out, one, other, chroma_columns * (2 if out.shape[1] == target.shape[1] else 1))

    return mix


def _slide_left(out: np.ndarray, before: np.ndarray, after: np.ndarray, moved: int) -> None:
    edge = out.shape[1] - moved
    out[:, :edge], out[:, edge:] = before[:, moved:], after[:, :moved]


def _slide_right(out: np.ndarray, before: np.ndarray, after: np.ndarray, moved: int) -> None:
    edge = out.shape[1] - moved
    out[:, :moved], out[:, moved:] = after[:, edge:], before[:, :edge]


def _wipe_left(out: np.ndarray, before: np.ndarray, after: np.ndarray, moved: int) -> None:
    edge = out.shape[1] - moved
    out[:, :edge], out[:, edge:] = before[:, :edge], after[:, edge:]


def _wipe_right(out: np.ndarray, before: np.ndarray, after: np.ndarray, moved: int) -> None:
    out[:, :moved], out[:, moved:] = after[:, :moved], before[:, moved:]


Mix = Callable[[np.ndarray, np.ndarray, np.ndarray, int, int], None]  # (target, before, after, step, steps)
MIXES: dict[str, Mix] = {
    "fade": _fade,
    "fade_black": _fade_black,
    "slide_left": _moving(_slide_left),
    "slide_right": _moving(_slide_right),
    "wipe_left": _moving(_wipe_left),
    "wipe_right": _moving(_wipe_right),
}
NAMES = (CUT, *MIXES)
