"""The parts of a session become one video: copied where they are alike, else encoded again in the first one's size."""

from __future__ import annotations

import errno
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.catalog import FPS
from engine.errors import MediaError
from engine.media.film import Progress, film_size, no_progress, plain_film, write_film
from engine.media.film_part import FilmPart, look_at
from engine.media.join import JoinedVideo, difference, join


@dataclass(frozen=True, kw_only=True)
class PartPlace:
    """Where a part lies in the video: `start_s` seconds after its beginning, `frames` pictures long."""

    path: Path
    start_s: float
    frames: int


@dataclass(frozen=True, kw_only=True)
class OneVideo:
    """The finished video; `reason` says in one sentence why it was copied or encoded again."""

    video: JoinedVideo
    width: int
    height: int
    is_copied: bool
    reason: str
    parts: tuple[PartPlace, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data: that of `JoinedVideo`, and what is said of the parts."""
        return {
            **self.video.to_json(), "width": self.width, "height": self.height, "is_copied": self.is_copied,
            "reason": self.reason, "parts": [{**asdict(part), "path": str(part.path)} for part in self.parts],
        }  # fmt: skip


def make_one(parts: list[Path], target: Path, progress: Progress = no_progress) -> OneVideo:
    """Write `parts` (finished videos), in order, as `target` (mp4), durably. Loudness stays as it is.

    The pictures are cut where the parts meet, the sound there is without a click. Parts of another size are scaled and
    padded, others than 25 pictures per second are shown at 25. Raises MediaError naming the odd part, DiskFull, OSError.
    """
    refuse_as_target(parts, target)
    looked = looked_at(parts)
    why = why_not_copied(looked)
    film = plain_film(looked)
    if why is None:
        video = join(parts, target)
        places = _copied_places(looked)
        reason = "The parts are alike, so they were copied as they are."
    else:
        video = write_film(film, target, progress)
        places = tuple(
            PartPlace(path=part.path, start_s=start / FPS, frames=part.frames)
            for part, start in zip(looked, film.starts, strict=True)
        )
        reason = f"Encoded again: {why}"
    width, height = film_size(looked)
    return OneVideo(video=video, width=width, height=height, is_copied=why is None, reason=reason, parts=places)


def refuse_as_target(parts: list[Path], target: Path) -> None:
    """Raises MediaError for a target that is one of the parts or a folder, OSError where it could not be written."""
    if not parts:
        raise MediaError("There is nothing to join.", hint="Name at least one part.")
    if target.is_dir():
        raise MediaError(f"{target} is a folder.", hint="Name a file.")
    for part in parts:
        if target.exists() and part.exists() and target.samefile(part):
            raise MediaError(f"{target} is one of the parts, which would be lost.", hint="Name another file to write.")
    folder = next(folder for folder in target.absolute().parents if folder.exists())
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def looked_at(parts: list[Path]) -> tuple[FilmPart, ...]:
    """What is known of each; a file that is named twice is looked at once."""
    known = {path: look_at(path) for path in dict.fromkeys(parts)}
    return tuple(known[path] for path in parts)


def why_not_copied(parts: tuple[FilmPart, ...]) -> str | None:
    """A sentence that says why these cannot be copied into one video as they are; None where they can."""
    for part in parts:
        if part.kind != "mp4":
            return f"{part.path} is no MP4."
        if part.lead_s:
            return f"the sound of {part.path} begins before its pictures."
        if part.held_frames:
            return f"the sound of {part.path} is longer than its pictures."
        if abs(part.rate - FPS) > 0.01:
            return f"{part.path} has {part.rate:.4g} pictures per second, not {FPS}."
    return difference([part.path for part in parts])


def _copied_places(parts: tuple[FilmPart, ...]) -> tuple[PartPlace, ...]:
    places = []
    start = 0.0
    for part in parts:
        places.append(PartPlace(path=part.path, start_s=round(start, 6), frames=part.pictures))
        start += float(part.picture_s)
    return tuple(places)
