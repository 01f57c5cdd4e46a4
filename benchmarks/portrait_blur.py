"""How much of its sharpness a portrait keeps under one more pixel of blur, by how blurred it is already: where is the mark?

`python -m benchmarks.portrait_blur` blurs the example portraits by known amounts and prints, by the blur in pixels of the size at
which they are shown, the least, the median and the most that they keep. Seconds; nothing is written.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from pathlib import Path

from PIL import Image, ImageFilter

from engine.media.probe import MAX_KEPT_SHARPNESS, kept_sharpness

PORTRAITS = Path(__file__).resolve().parents[1] / "examples" / "images"
RADII = (0, 0.5, 1, 1.5, 2, 2.4, 3, 4, 6, 8, 12)  # pixels of the file, whose shorter side is 640
SIDES = range(64, 641, 64)


def main() -> None:
    """Measure and print."""
    kept: dict[float, list[float]] = defaultdict(list)
    for path in sorted(PORTRAITS.glob("*.png")):
        with Image.open(path) as file:
            picture = file.convert("RGB")
        for radius in RADII:
            grey = (picture.filter(ImageFilter.GaussianBlur(radius)) if radius else picture).convert("L")
            for side in SIDES:
                kept[round(radius * side / min(picture.size), 1)].append(kept_sharpness(grey, side))
    print(f"blur px  pictures  least  median   most   at {MAX_KEPT_SHARPNESS} or above")
    for pixels, found in sorted(kept.items()):
        above = sum(one >= MAX_KEPT_SHARPNESS for one in found)
        line = f"{min(found):6.2f} {statistics.median(found):7.2f} {max(found):6.2f}"
        print(f"{pixels:7.1f} {len(found):9} {line}   {above}")


if __name__ == "__main__":
    main()
