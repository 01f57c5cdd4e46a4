"""Generation settings and the recipe: checked at once, never changed after. No torch.

The flags are those of the model's own command line (requirements C4); an illegal combination is refused with the legal one
named, and a flag of a mode that is not built yet is refused with a sentence, never ignored.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from engine.catalog import BLOCK_FRAMES, CLIP_FRAMES, FPS, PRESETS, SIZES, Preset
from engine.errors import SettingsError

RECIPE_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a video is made. `size` is an area budget; `clips` None means that the voice decides the length."""

    size: str
    steps: int = 4
    infer_frames: int = CLIP_FRAMES
    clips: int | None = None
    seed: int = 420
    solver: str = "euler"
    guide_scale: float = 0.0
    online_decode: bool = True

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise SettingsError(
                f"size {self.size!r} is not offered.", field="size", hint=f"Choose one of {', '.join(SIZES)}.", sizes=list(SIZES)
            )
        if not _is_int(self.steps) or not 3 <= self.steps <= 5:
            raise SettingsError(f"steps is {self.steps!r}.", field="steps", hint="Use 3, 4 or 5.")
        if not _is_int(self.infer_frames) or not 0 < self.infer_frames <= 480:
            raise SettingsError(f"infer_frames is {self.infer_frames!r}.", field="infer_frames", hint="Use 12, 24, 36 or 48.")
        if self.infer_frames % BLOCK_FRAMES:
            raise SettingsError(
                f"infer_frames {self.infer_frames} is not a multiple of {BLOCK_FRAMES}.", field="infer_frames",
                hint=f"Use {round_up_infer_frames(self.infer_frames)}.",
            )  # fmt: skip
        if self.clips is not None and (not _is_int(self.clips) or not 1 <= self.clips <= 100_000):
            raise SettingsError(f"num_clip is {self.clips!r}.", field="num_clip", hint="Use a number from 1 to 100000.")
        if not _is_int(self.seed) or not 0 <= self.seed < 2**63:
            raise SettingsError(f"seed is {self.seed!r}.", field="seed", hint="Use a whole number of at least 0.")
        if self.solver == "unipc":
            raise SettingsError(
                "sample_solver unipc: the distilled causal model takes Euler steps only.", field="sample_solver",
                hint="Use euler.",
            )  # fmt: skip
        if self.solver != "euler":
            raise SettingsError(f"sample_solver {self.solver!r} is unknown.", field="sample_solver", hint="Use euler.")
        if self.guide_scale not in (0, 0.0):
            raise SettingsError(
                "sample_guide_scale: the distilled model runs without guidance.", field="sample_guide_scale", hint="Use 0.",
            )  # fmt: skip

    @classmethod
    def from_preset(cls, name: str, **overrides: Any) -> Settings:
        """Settings of a preset with some replaced; None replaces nothing."""
        preset = preset_named(name)
        chosen: dict[str, Any] = {
            "size": preset.size, "steps": preset.steps, "infer_frames": preset.infer_frames, "clips": preset.clips,
        }  # fmt: skip
        unknown = set(overrides) - {f.name for f in fields(cls)}
        if unknown:
            raise SettingsError(f"unknown setting {sorted(unknown)[0]!r}.", field=sorted(unknown)[0], problem="unknown")
        chosen.update({name: value for name, value in overrides.items() if value is not None})
        return cls(**chosen)

    @property
    def max_blocks(self) -> int | None:
        """Blocks that `clips` allows; None when the voice decides."""
        return None if self.clips is None else self.clips * self.infer_frames // BLOCK_FRAMES


@dataclass(frozen=True, kw_only=True)
class AdapterUse:
    """A role's adapter: its file by content, the alpha it is scaled by, and how much it counts beside others."""

    name: str
    sha256: str
    alpha: float
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything needed to make an output again, bit for bit, on the same device kind and software (requirements C8)."""

    settings: dict[str, Any]
    role: str
    role_version: int
    prompt: str
    context: dict[str, Any]
    style: str | None
    portrait_sha256: str
    voice_sha256: str
    voice_seconds: float  # how much of the voice is used
    fill: str | None = None  # "loop" or "pad" where the video is longer than the voice
    adapters: tuple[AdapterUse, ...] = ()  # attached together; none: the generic character
    model: str = "pocket"
    weights_sha256: str = ""
    compat: str = "greenroom"
    degradations: tuple[str, ...] = ()
    made_with: dict[str, str] = field(default_factory=dict)  # device and software, filled in by the worker
    version: int = RECIPE_VERSION

    def to_json(self) -> dict[str, Any]:
        """Plain data for the store and the wire. Field by field: `asdict` looks into every value and takes ten times as long."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("settings", "context", "made_with"):
            plain[name] = dict(plain[name])
        plain["adapters"] = tuple(asdict(use) for use in self.adapters)
        return plain

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Recipe:
        """Inverse of `to_json`; raises SettingsError for a recipe of another version or with missing fields."""
        if data.get("version") != RECIPE_VERSION:
            raise SettingsError(f"recipe version {data.get('version')!r} is not {RECIPE_VERSION}.", field="version")
        known = {f.name for f in fields(cls)}
        values: dict[str, Any] = {name: value for name, value in data.items() if name in known}
        values["degradations"] = tuple(values.get("degradations", ()))
        try:
            values["adapters"] = tuple(AdapterUse(**use) for use in values.get("adapters", ()))
            return cls(**values)
        except TypeError as error:
            raise SettingsError(f"recipe: {error}", problem="recipe") from error

    def checked_settings(self) -> Settings:
        """The settings, checked."""
        return Settings(**self.settings)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def preset_named(name: str) -> Preset:
    """The preset, or SettingsError naming those that exist."""
    if name not in PRESETS:
        hint = f"Choose one of {', '.join(PRESETS)}."
        raise SettingsError(f"preset {name!r} is unknown.", field="preset", hint=hint, presets=list(PRESETS))
    return PRESETS[name]


def round_up_infer_frames(frames: int) -> int:
    """The next multiple of 12, as the published settings (32) are rounded to what the ring can hold (36)."""
    return max(1, math.ceil(frames / BLOCK_FRAMES)) * BLOCK_FRAMES


def blocks_for_seconds(seconds: float) -> int:
    """Blocks that cover a duration: the last one may reach beyond it. A rounding error of 1 ms does not cost a block."""
    return max(1, math.ceil((seconds - 1e-3) * FPS / BLOCK_FRAMES))


def fit_size(size: str, image_width: int, image_height: int) -> tuple[int, int]:
    """Real (width, height) for an image under an area budget: multiples of 64 (model fact sheet 5.3).

    Searches 100 scales from the largest down; each side is rounded up to 64; the first area within the budget wins.
    """
    width_key, height_key = (int(part) for part in size.split("*"))
    area = width_key * height_key
    if image_width * image_height > area:
        a, b, c = image_width * image_height, 63 * (image_width + image_height), 63**2 - area
        largest = math.sqrt(area / a)
        smallest = (-b + math.sqrt(b * b - 2 * a * c)) / (2 * a)  # "2ac" is the reference's own formula
    else:
        largest, smallest = 1.0, 0.1
    for i in range(100):
        scale = largest - (largest - smallest) * i / 100
        height = math.ceil(int(image_height * scale) / 64) * 64
        width = math.ceil(int(image_width * scale) / 64) * 64
        if 0 < width * height <= area:
            return width, height
    height = int(math.sqrt(area * image_height / image_width) // 64 * 64)
    width = int(math.sqrt(area * image_width / image_height) // 64 * 64)
    if width >= image_width or height >= image_height:
        width, height = image_width // 64 * 64, image_height // 64 * 64
    if width < 64 or height < 64:
        raise SettingsError(
            f"an image of {image_width}x{image_height} does not fit size {size}.", field="size",
            hint="Use a larger size, or a portrait that is less of a strip.", problem="no_fit",
            width=image_width, height=image_height, size=size,
        )  # fmt: skip
    return width, height


def framed(image_width: int, image_height: int, width: int, height: int) -> tuple[int, int, int, int]:
    """(width, height, left, top): the size that an image is scaled to, and where the cut of `width` x `height` begins in it.

    The shorter side becomes min(width, height), then the centre is cut out; a negative left or top is a black border
    (`engine.model.conditions.fit_portrait` does this to the pixels).
    """
    short = min(width, height)
    if image_width <= image_height:
        scaled = short, int(short * image_height / image_width)
    else:
        scaled = int(short * image_width / image_height), short
    return (*scaled, round((scaled[0] - width) / 2.0), round((scaled[1] - height) / 2.0))
