"""Who is drawn: shapes, colours and choices of many people at once, and the prompt that names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

SKINS = (
    (255, 224, 196),
    (246, 205, 170),
    (228, 180, 140),
    (198, 146, 106),
    (156, 106, 74),
    (112, 74, 52),
    (84, 56, 42),
)
HAIRS = {
    "black": (38, 32, 36), "brown": (92, 58, 40), "chestnut": (130, 72, 42), "blond": (222, 180, 104),
    "red": (176, 78, 40), "grey": (158, 158, 164), "white": (226, 224, 222), "blue": (64, 92, 160),
}  # fmt: skip
EYES = {"brown": (92, 58, 34), "green": (72, 128, 84), "blue": (68, 116, 176), "grey": (110, 124, 136)}
CLOTHS = {
    "red": (196, 64, 62), "blue": (58, 96, 172), "green": (62, 128, 92), "yellow": (232, 186, 72), "white": (238, 238, 234),
    "black": (50, 50, 58), "purple": (124, 84, 156), "teal": (46, 134, 140), "orange": (226, 126, 58), "pink": (226, 142, 158),
}  # fmt: skip
SCENES = {
    "a plain room": (206, 216, 226), "an office": (214, 204, 190), "a classroom": (66, 96, 84), "a garden": (176, 208, 170),
    "a studio": (74, 78, 96), "a bright window": (222, 232, 240),
}  # fmt: skip
HAIR_STYLES = ("short", "side-parted", "long", "curly", "bobbed", "tied-up", "no")
GARMENTS = ("sweater", "shirt", "suit", "hoodie")
GLASSES = (None, "round glasses", "square glasses")
BEARDS = (None, "stubble", "a full beard", "a moustache")
MOODS = {"serious": -0.06, "friendly": 0.35, "smiling": 0.9}
ENERGIES = {"calm": 0.55, "": 1.0, "lively": 1.4}
CAPTAIN = 1  # value of `hat`; nobody in the endless crowd wears one, an adapter can teach it


@dataclass(frozen=True, kw_only=True)
class Identity:
    """B people. Choices are whole numbers, colours [B, 3] in 0..1, everything else about 1 or signed small; [B] each."""

    size: Tensor
    face_width: Tensor
    face_height: Tensor
    jaw: Tensor
    eye_size: Tensor
    eye_gap: Tensor
    eye_height: Tensor
    brow_weight: Tensor
    brow_tilt: Tensor
    nose: Tensor
    mouth_width: Tensor
    mouth_height: Tensor
    lips: Tensor
    hairline: Tensor
    shoulders: Tensor
    mood: Tensor
    age: Tensor
    energy: Tensor
    light: Tensor  # from the left (-1) or right (1)
    hair_style: Tensor
    garment: Tensor
    glasses: Tensor
    beard: Tensor
    scene: Tensor
    hat: Tensor
    has_earrings: Tensor
    skin: Tensor
    hair: Tensor
    eye: Tensor
    cloth: Tensor
    under: Tensor
    backdrop: Tensor
    lip: Tensor

    def to(self, device: torch.device | str) -> Identity:
        """On another device."""
        return Identity(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def take(self, index: Sequence[int] | Tensor) -> Identity:
        """Some of these people."""
        where = torch.as_tensor(index)
        return Identity(**{f.name: getattr(self, f.name)[where.to(getattr(self, f.name).device)] for f in fields(self)})

    def but(self, **changes: float | tuple[float, float, float]) -> Identity:
        """The same people with some fields set to one value for all."""
        values = {}
        for name, value in changes.items():
            old: Tensor = getattr(self, name)
            if isinstance(value, tuple):
                values[name] = torch.stack([torch.full_like(old[:, 0], part) for part in value], dim=1)
            else:
                values[name] = torch.full_like(old, value)
        return replace(self, **values)

    @property
    def count(self) -> int:
        """How many people."""
        return self.size.shape[0]


@dataclass(frozen=True)
class People:
    """Identities and, in the same order, the prompt that names each."""

    identity: Identity
    prompts: list[str]

    def take(self, places: np.ndarray) -> People:
        """Some of them, in this order."""
        return People(self.identity.take(places.tolist()), [self.prompts[int(place)] for place in places])

    def then(self, other: People) -> People:
        """These and the other's."""
        ours, theirs = self.identity, other.identity
        joined = {f.name: torch.cat([getattr(ours, f.name), getattr(theirs, f.name)]) for f in fields(Identity)}
        return People(Identity(**joined), self.prompts + other.prompts)


def draw_people(rng: np.random.Generator, count: int) -> People:
    """`count` people, drawn by `rng` alone: the same generator state gives the same people."""
    drawn = [_person(rng) for _ in range(count)]
    columns = {
        f.name: torch.tensor(np.array([numbers[f.name] for numbers, _ in drawn], dtype=np.float32))
        for f in fields(Identity)
    }
    return People(Identity(**columns), [prompt for _, prompt in drawn])


def _person(rng: np.random.Generator) -> tuple[dict[str, object], str]:
    is_woman, is_old = rng.random() < 0.5, rng.random() < 0.22
    skin = int(rng.integers(len(SKINS)))
    style = int(rng.choice(len(HAIR_STYLES), p=_hair_odds(is_woman)))
    hair_name = _hair_colour(rng, skin, is_old)
    eye_name = "brown" if skin > 3 or rng.random() < 0.4 else str(rng.choice(list(EYES)))
    cloth_name, scene_name = str(rng.choice(list(CLOTHS))), str(rng.choice(list(SCENES)))
    mood_name, energy_name = str(rng.choice(list(MOODS))), str(rng.choice(list(ENERGIES), p=(0.2, 0.6, 0.2)))
    garment, glasses = int(rng.integers(len(GARMENTS))), int(rng.choice(3, p=(0.66, 0.17, 0.17)))
    beard = 0 if is_woman else int(rng.choice(4, p=(0.5, 0.18, 0.2, 0.12)))
    tone = np.array(SKINS[skin]) / 255
    numbers: dict[str, object] = {
        **_proportions(rng, is_woman),
        "mood": MOODS[mood_name] + rng.normal(0, 0.08), "age": float(is_old), "energy": ENERGIES[energy_name],
        "light": rng.choice((-1.0, 1.0)), "hair_style": style, "garment": garment, "glasses": glasses, "beard": beard,
        "scene": list(SCENES).index(scene_name), "hat": 0, "has_earrings": float(is_woman and rng.random() < 0.35),
        "skin": _tint(rng, tone, 0.02), "eye": _rgb(EYES[eye_name]),
        "hair": np.clip(_rgb(HAIRS[hair_name]) * rng.uniform(0.85, 1.15), 0, 1),
        "cloth": _tint(rng, _rgb(CLOTHS[cloth_name]), 0.03), "under": _tint(rng, np.array((0.93, 0.93, 0.91)), 0.03),
        "backdrop": _tint(rng, _rgb(SCENES[scene_name]), 0.04),
        "lip": np.clip(tone * (0.86, 0.6, 0.58) + (0.05 if is_woman else 0.0, 0, 0.01), 0, 1),
    }  # fmt: skip
    who = ("an old " if is_old else "a young ") + ("woman" if is_woman else "man")
    with_hair = "no hair" if style == 6 else f"{HAIR_STYLES[style]} {hair_name} hair"
    extras = [x for x in (GLASSES[glasses], BEARDS[beard]) if x]
    prompt = f"{who}, {with_hair}, {eye_name} eyes, {cloth_name} {GARMENTS[garment]}, {scene_name}, {mood_name}"
    return numbers, ", ".join([prompt, *([energy_name] if energy_name else []), *extras])


def _proportions(rng: np.random.Generator, is_woman: bool) -> dict[str, object]:
    def about(middle: float, spread: float) -> float:
        return middle + spread * float(np.clip(rng.normal(), -2, 2))

    return {
        "size": about(1.14, 0.04), "face_width": about(0.43 if is_woman else 0.455, 0.02),
        "face_height": about(0.57, 0.022), "jaw": about(0.30 if is_woman else 0.2, 0.05),
        "eye_size": about(1.08 if is_woman else 0.98, 0.06), "eye_gap": about(0.188, 0.01),
        "eye_height": about(-0.03, 0.015), "brow_weight": about(0.017 if is_woman else 0.025, 0.003),
        "brow_tilt": about(0.0, 0.08), "nose": about(1.0, 0.12), "mouth_width": about(0.168, 0.01),
        "mouth_height": about(0.315, 0.014), "lips": about(1.15 if is_woman else 0.9, 0.1),
        "hairline": about(0.0, 0.03), "shoulders": about(0.86 if is_woman else 0.97, 0.04),
    }  # fmt: skip


def _hair_odds(is_woman: bool) -> tuple[float, ...]:
    return (0.06, 0.1, 0.3, 0.14, 0.2, 0.2, 0.0) if is_woman else (0.4, 0.28, 0.03, 0.14, 0.0, 0.0, 0.15)


def _hair_colour(rng: np.random.Generator, skin: int, is_old: bool) -> str:
    if is_old:
        return str(rng.choice(("grey", "white")))
    if skin > 3:
        return str(rng.choice(("black", "brown", "black")))
    return str(rng.choice(("black", "brown", "chestnut", "blond", "red", "blue"), p=(0.22, 0.26, 0.18, 0.2, 0.1, 0.04)))


def _rgb(colour: tuple[int, int, int]) -> np.ndarray:
    return np.array(colour, dtype=np.float32) / 255


def _tint(rng: np.random.Generator, colour: np.ndarray, spread: float) -> np.ndarray:
    return np.clip(colour + rng.normal(0, spread, 3), 0, 1)
