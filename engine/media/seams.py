"""Whether a video's blocks can be seen: how much changes from one block to the next, and from frame to frame within them.

`python -m engine.media.seams VIDEO…` prints one JSON object per video. A block is made from noise of its own, and its fragment
begins with a whole picture of its own; either may show as a jolt twice a second. tests measure it on videos with known jolts.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from engine.catalog import BLOCK_FRAMES
from engine.errors import MediaError
from engine.media.quality import read_frames

_LUMA = np.array((0.299, 0.587, 0.114), np.float32)


@dataclass(frozen=True, kw_only=True)
class Seams:
    """Mean change of a pixel from one frame to the next, in grey levels of 255."""

    between_blocks: float
    within_blocks: float

    def to_json(self) -> dict[str, float]:
        """Plain data, rounded."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


def find_seams(frames: Iterable[np.ndarray]) -> Seams:
    """Of frames uint8 [H, W, 3], the first of which begins a block. Raises MediaError for less than two blocks."""
    changes: list[float] = []
    before: np.ndarray | None = None
    for frame in frames:
        grey = frame.astype(np.float32) @ _LUMA
        if before is not None:
            changes.append(float(np.abs(grey - before).mean()))
        before = grey
    if len(changes) < BLOCK_FRAMES:
        raise MediaError("a video of less than two blocks has no seam.")
    of_frame = np.arange(1, len(changes) + 1)  # the later frame of each pair
    is_seam = of_frame % BLOCK_FRAMES == 0
    change = np.array(changes)
    return Seams(between_blocks=float(change[is_seam].mean()), within_blocks=float(change[~is_seam].mean()))


def main(arguments: list[str]) -> int:
    """Command line; exit status 1 for a file that cannot be measured."""
    parser = argparse.ArgumentParser(prog="python -m engine.media.seams", description=__doc__)
    parser.add_argument("video", type=Path, nargs="+")
    for video in parser.parse_args(arguments).video:
        try:
            print(json.dumps({"video": str(video), **find_seams(read_frames(video)).to_json()}))
        except MediaError as error:
            print(f"{video}: {error} {error.hint}".strip(), file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
