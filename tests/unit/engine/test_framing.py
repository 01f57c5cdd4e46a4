"""The cut that a form shows is the cut that the model gets."""

from __future__ import annotations

import numpy as np
import pytest

from engine.config import fit_size, framed
from engine.model.conditions import fit_portrait


@pytest.mark.parametrize(("width", "height"), [(640, 800), (960, 640), (512, 512), (700, 600), (333, 1000)])
def test_shown_cut_is_the_cut_that_is_made(width: int, height: int) -> None:
    video = fit_size("192*128", width, height)
    made = fit_portrait(np.full((height, width, 3), 255, np.uint8), *video)
    scaled_width, scaled_height, left, top = framed(width, height, *video)
    shown = np.zeros((video[1], video[0]), bool)
    shown[max(0, -top) : scaled_height - top, max(0, -left) : scaled_width - left] = True
    assert np.array_equal(made.mean(0).numpy() > 0, shown), "white where the portrait reaches, black elsewhere"
