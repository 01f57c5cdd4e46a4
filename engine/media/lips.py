"""Do the lips move with the voice? How a mouth looks, frame by frame, against the loudness of the sound.

The head sways, so the mouth is followed: each frame is shifted, by parts of a pixel, to where eyes and nose fit those of
the first frames (least squares on gradients). What then changes in the mouth's box is described by its four largest
components. At every lag a linear rule predicts the envelope from them, learnt on three quarters of the time and tried on
the fourth, in turn: so a rule that only remembers scores nothing, and no model of a mouth is needed.
"""

from __future__ import annotations

import itertools

import numpy as np

from engine.catalog import FPS

MAX_LAG_S = 0.6
_REACH = 8.0  # pixels that a head may have moved, each way
_COMPONENTS, _FOLDS = 4, 4
_RIDGE = 1e-2
_MOVING_RATIO = 1.6  # drawn faces: 2.1 and more when they talk, 1.3 at most when they only nod
_STILL = 0.8  # grey levels: a mouth that changes less does not move
_SLOW_S = 1.6  # what changes more slowly than this is no speech
_MOUTH_SHARE = (0.26, 0.18)  # of the shorter side: width and height of a mouth's box, when it has to be looked for

Box = tuple[int, int, int, int]


def find_mouth(grey: np.ndarray) -> Box:
    """Where uint8 [N, H, W] moves most in the lower middle of the picture: left, top, right, bottom."""
    rows, columns = grey.shape[1:]
    energy = np.zeros((rows, columns), np.float64)
    for before, after in itertools.pairwise(grey):
        energy += np.abs(after.astype(np.int16) - before)
    short = min(rows, columns)
    wide, high = max(4, int(_MOUTH_SHARE[0] * short)), max(4, int(_MOUTH_SHARE[1] * short))
    total = np.pad(energy.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    window = total[high:, wide:] - total[:-high, wide:] - total[high:, :-wide] + total[:-high, :-wide]
    allowed = np.zeros_like(window, dtype=bool)
    middle = (columns - wide) // 2
    allowed[rows // 2 : int(0.85 * rows), max(0, middle - short // 10) : middle + short // 10 + 1] = True
    top, left = np.unravel_index(np.argmax(np.where(allowed, window, -1.0)), window.shape)
    return int(left), int(top), int(left) + wide, int(top) + high


def mouth_looks(grey: np.ndarray, box: Box) -> np.ndarray:
    """float [N, 4]: the mouth's look in each frame of uint8 [N, H, W], grey levels; all zeros where it does not move.

    A head that nods to a voice changes the box of a shut mouth as well. So the mouth counts as moving only when the box
    changes clearly more than the nose and cheeks above it, with some regard to how many edges each shows.
    """
    moves = _head_moves(grey, box)
    changes, edges = _changes(grey, box, moves)
    calm, calm_edges = _changes(grey, _above(box), moves)
    ratio = float(changes.std() / (calm.std() + 1e-6))
    is_moving = ratio * (calm_edges / edges) ** 0.5 > _MOVING_RATIO  # mean of the ratio as it is and per edge
    if not is_moving or np.abs(changes).max(axis=1).mean() < _STILL:
        return np.zeros((len(grey), _COMPONENTS))
    left, strength, _ = np.linalg.svd(changes, full_matrices=False)
    return left[:, :_COMPONENTS] * strength[:_COMPONENTS] / changes.shape[1] ** 0.5


def _above(box: Box) -> Box:
    """Nose and cheeks: as large as the mouth's box, above it."""
    left, top, right, bottom = box
    return left, max(0, 2 * top - bottom), right, max(4, top - 2)


def _changes(grey: np.ndarray, box: Box, moves: list[tuple[float, float]]) -> tuple[np.ndarray, float]:
    """(what changes as fast as speech in a followed box [N, pixels], mean slope of its edges)."""
    crops = np.stack([_crop(frame, box, move) for frame, move in zip(grey, moves, strict=True)])
    flat = crops.reshape(len(crops), -1)
    slopes = np.abs(np.stack(np.gradient(np.median(crops, axis=0)))).mean()
    return _spoken(flat - flat.mean(axis=0)), float(slopes) + 0.1


def lip_sync(looks: np.ndarray, envelope: np.ndarray) -> tuple[float | None, float | None]:
    """(offset in seconds, correlation at that offset) of looks [N, C] with an envelope [N].

    Positive: the mouth comes after the sound. None, None: nothing moves, nobody speaks, or there are too few frames.
    """
    reach = min(round(MAX_LAG_S * FPS), len(looks) // 4)
    voice = _spoken(envelope[:, None])[:, 0]
    if reach < 2 or float(np.abs(looks).max()) == 0.0 or voice.std() < 1e-6:
        return None, None
    scores = np.array([_told(looks, voice, lag) for lag in range(-reach, reach + 1)])
    best = int(np.argmax(scores))
    part = 0.0
    if 0 < best < len(scores) - 1:  # a parabola through the peak tells parts of a frame
        left, peak, right = scores[best - 1 : best + 2]
        bend = left - 2 * peak + right
        part = 0.0 if bend > -1e-9 else 0.5 * (left - right) / bend
    return (best - reach + float(np.clip(part, -0.5, 0.5))) / FPS, float(scores[best])


def _told(looks: np.ndarray, voice: np.ndarray, lag: int) -> float:
    """Correlation of the voice with what the looks tell of it, `lag` frames later, on time that was not learnt from."""
    a, b = (looks[lag:], voice[: len(voice) - lag]) if lag >= 0 else (looks[:lag], voice[-lag:])
    fold = np.arange(len(b)) * _FOLDS // len(b)
    told = np.zeros(len(b))
    for number in range(_FOLDS):
        known = fold != number
        centre = a[known].mean(axis=0)
        x, y = a[known] - centre, b[known] - b[known].mean()
        square = x.T @ x
        ridge = (_RIDGE * np.trace(square) / len(square) + 1e-12) * np.eye(len(square))
        told[~known] = (a[~known] - centre) @ np.linalg.solve(square + ridge, x.T @ y)
    size = float(np.linalg.norm(told - told.mean()) * np.linalg.norm(b - b.mean()))
    return float((told - told.mean()) @ (b - b.mean())) / size if size > 0 else 0.0


def _spoken(tracks: np.ndarray) -> np.ndarray:
    """[N, C] smoothed over three frames, without what changes slowly."""
    near = np.pad(tracks, ((1, 1), (0, 0)), mode="edge")
    smooth = 0.25 * near[:-2] + 0.5 * near[1:-1] + 0.25 * near[2:]
    width = min(len(tracks), round(_SLOW_S * FPS)) // 2 * 2 + 1
    wide = np.pad(smooth, ((width // 2 + 1, width // 2), (0, 0)), mode="edge").cumsum(axis=0)
    return smooth - (wide[width:] - wide[:-width]) / width


def _head_moves(grey: np.ndarray, box: Box) -> list[tuple[float, float]]:
    """(right, down) by which each frame's face has moved since the first frames."""
    left, top, right, bottom = box
    wide, high = right - left, bottom - top
    face = (left - wide // 3, max(4, top - int(2.2 * high)), right + wide // 3, max(8, top - high // 8))  # no lips in it
    wanted = np.median([_crop(frame, face, (0.0, 0.0)) for frame in grey[:5]], axis=0)
    down, across = np.gradient(wanted)
    slopes = np.stack([across.ravel(), down.ravel()], axis=1)
    solve = np.linalg.inv(slopes.T @ slopes + 1e-3 * np.eye(2)) @ slopes.T
    move, moves = np.zeros(2), []
    for frame in grey:
        for _ in range(6):
            step = solve @ (_crop(frame, face, (move[0], move[1])) - wanted).ravel()
            move = np.clip(move - step, -_REACH, _REACH)
            if np.abs(step).max() < 0.02:
                break
        moves.append((float(move[0]), float(move[1])))
    return moves


def _crop(frame: np.ndarray, box: Box, move: tuple[float, float]) -> np.ndarray:
    """float32 piece of a frame, moved by parts of pixels; what lies outside repeats the edge."""
    left, top, right, bottom = box
    rows = np.clip(np.arange(top, bottom) + move[1], 0, frame.shape[0] - 1.001)
    columns = np.clip(np.arange(left, right) + move[0], 0, frame.shape[1] - 1.001)
    y, x = rows.astype(int), columns.astype(int)
    down, across = (rows - y)[:, None].astype(np.float32), (columns - x)[None].astype(np.float32)
    wide = frame[np.ix_(np.append(y, y[-1] + 1), np.append(x, x[-1] + 1))].astype(np.float32)
    if len(y) == y[-1] - y[0] + 1 and len(x) == x[-1] - x[0] + 1:  # neighbours all: one look-up serves four corners
        upper = wide[:-1, :-1] * (1 - across) + wide[:-1, 1:] * across
        lower = wide[1:, :-1] * (1 - across) + wide[1:, 1:] * across
        return upper * (1 - down) + lower * down
    f = frame.astype(np.float32)
    upper = f[np.ix_(y, x)] * (1 - across) + f[np.ix_(y, x + 1)] * across
    lower = f[np.ix_(y + 1, x)] * (1 - across) + f[np.ix_(y + 1, x + 1)] * across
    return upper * (1 - down) + lower * down
