"""Portraits of the example roles: people drawn as the pocket model was taught them, in the format that it met most."""

from __future__ import annotations

import numpy as np

from engine.training.faces import portrait
from engine.training.identity import draw_people
from engine.training.roles import ROLES

STARS = {name: style.star for name, style in ROLES.items() if style.star is not None}  # whom each adapter met most
SEEDS = {"teacher": 149, "student": 275, "assistant": 269, "presenter": 328, **STARS}
WIDTH, HEIGHT = 960, 640


def draw(seed: int) -> np.ndarray:
    """uint8 [640, 960, 3]."""
    people = draw_people(np.random.default_rng(seed), 1)
    return (portrait(people.identity, WIDTH, HEIGHT)[0].permute(1, 2, 0) * 255).round().byte().numpy()
