"""Drawn people: the same seed gives the same bits, what moves is what was told to move, prompts name what is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.training.clips import Casting
from engine.training.faces import draw_faces, mouth_box, portrait
from engine.training.identity import HAIR_STYLES, SCENES, People, draw_people
from engine.training.motion import Motion
from engine.training.roles import ROLES

torch.set_num_threads(1)
WIDTH, HEIGHT = 96, 64


@pytest.fixture(scope="module")
def crowd() -> People:
    return draw_people(np.random.default_rng(4), 24)


def test_the_same_seed_draws_the_same_bits() -> None:
    first, second = (Casting(3, "cpu").draw(7, 2, 6) for _ in range(2))
    assert torch.equal(first.sound, second.sound)
    assert torch.equal(first.frames(0, 6, WIDTH, HEIGHT), second.frames(0, 6, WIDTH, HEIGHT))
    assert not torch.equal(first.sound, Casting(3, "cpu").draw(8, 2, 6).sound)


def test_a_star_comes_in_half_of_the_clips_and_keeps_the_others_as_they_were() -> None:
    star = draw_people(np.random.default_rng(51), 1)
    alone, beside = (Casting(3, "cpu", star=seed).draw(7, 24, 3) for seed in (None, 51))
    is_star = [bool(torch.equal(tone, star.identity.skin[0])) for tone in beside.who.skin]
    assert 6 < sum(is_star) < 18
    others = [place for place, came in enumerate(is_star) if not came]
    assert torch.equal(beside.who.skin[others], alone.who.skin[others])


def test_a_portrait_is_the_neutral_frame_of_a_video(crowd: People) -> None:
    still = draw_faces(crowd.identity, Motion.neutral(24, 2), WIDTH, HEIGHT)
    assert torch.equal(still[:, 0], portrait(crowd.identity, WIDTH, HEIGHT))
    assert torch.equal(still[:, 0], still[:, 1])


def test_people_differ_from_each_other(crowd: People) -> None:
    pictures = portrait(crowd.identity, WIDTH, HEIGHT).flatten(1)
    distance = torch.cdist(pictures, pictures) / pictures.shape[1] ** 0.5
    assert distance[~torch.eye(24, dtype=torch.bool)].min() > 0.02


def test_an_opening_mouth_leaves_eyes_and_hair_alone(crowd: People) -> None:
    shut, who = Motion.neutral(24, 1), crowd.identity.but(beard=0.0)  # a beard hangs on the chin and on the cheeks
    opened = replace(shut, opening=torch.ones(24, 1))
    change = (draw_faces(who, opened, WIDTH, HEIGHT) - draw_faces(who, shut, WIDTH, HEIGHT)).abs()[:, 0].amax(1)
    for number, (left, top, right, bottom) in enumerate(mouth_box(crowd.identity, WIDTH, HEIGHT)):
        inside = change[number, top:bottom, left:right]
        assert inside.max() > 0.2, crowd.prompts[number]
        assert change[number, : top - 2].max() < 0.06, crowd.prompts[number]


@pytest.mark.parametrize("movement", ["width", "teeth", "tongue", "blink", "brow", "gaze", "right", "down", "roll"])
def test_every_movement_can_be_seen(crowd: People, movement: str) -> None:
    base = replace(Motion.neutral(24, 1), opening=torch.full((24, 1), 0.6))
    moved = replace(base, **{movement: torch.full((24, 1), 0.9 if movement not in ("right", "down", "roll") else 0.08)})
    change = draw_faces(crowd.identity, moved, WIDTH, HEIGHT) - draw_faces(crowd.identity, base, WIDTH, HEIGHT)
    assert (change.abs().flatten(1).amax(1) > 0.05).float().mean() > 0.9  # lids behind dark glasses or hair may hide


@pytest.mark.parametrize("size", [(64, 96), (64, 64), (96, 64)])
def test_faces_fit_every_format(crowd: People, size: tuple[int, int]) -> None:
    pictures = portrait(crowd.identity, *size)
    assert pictures.shape == (24, 3, size[1], size[0])
    assert float(pictures.min()) >= 0.0 and float(pictures.max()) <= 1.0
    for left, top, right, bottom in mouth_box(crowd.identity, *size):
        assert 0 <= left < right <= size[0] and size[1] * 0.4 < top < bottom <= size[1]


def test_a_prompt_names_what_is_drawn(crowd: People) -> None:
    who = crowd.identity
    for number, prompt in enumerate(crowd.prompts):
        style, scene = HAIR_STYLES[int(who.hair_style[number])], list(SCENES)[int(who.scene[number])]
        assert style in prompt and scene in prompt
        assert ("glasses" in prompt) == bool(who.glasses[number])
        assert ("old" in prompt.split(",")[0]) == bool(who.age[number])


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_role_changes_what_is_seen_and_not_the_portrait(role: str) -> None:
    cast = Casting(5, "cpu").draw(0, 2, 4)
    before = cast.portraits(WIDTH, HEIGHT)
    plain, styled = cast.frames(0, 4, WIDTH, HEIGHT), ROLES[role].frames(cast.who, cast.motion.frames(0, 4), WIDTH, HEIGHT)
    assert styled.shape == plain.shape and styled.abs().max() <= 1.0
    assert (styled - plain).abs().mean() > 0.03
    assert torch.equal(cast.portraits(WIDTH, HEIGHT), before)
