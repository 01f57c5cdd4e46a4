"""Portraits for the roles with adapters: people as the pocket model has learnt them, in the format that it learnt most."""

from __future__ import annotations

import numpy as np

PEOPLE = {"captain": 51, "pencil": 49, "dusk": 48}  # role -> seed
WIDTH, HEIGHT = 960, 640


def draw(seed: int) -> np.ndarray:
    """uint8 [640, 960, 3]."""
    from engine.training.faces import portrait
    from engine.training.identity import draw_people

    people = draw_people(np.random.default_rng(seed), 1)
    return (portrait(people.identity, WIDTH, HEIGHT)[0].permute(1, 2, 0) * 255).round().byte().numpy()
