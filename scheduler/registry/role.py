"""A role: what its file says together with the assets that were checked and kept. Versions are kept by the store."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.config import AdapterUse
from scheduler.prompts.styles import StyleBook
from scheduler.prompts.variables import Value, Variable
from scheduler.registry.roles_file import RoleDraft


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role with checked assets. `version` is the store's number (0: not stored yet) and no part of the body.

    `pauses`: (start, end) of silences in the voice, seconds; image size in pixels; `warnings` of the asset checks.
    """

    name: str
    prompt_template: str
    priority: int
    portrait_sha256: str
    voice_sha256: str
    voice_seconds: float
    image_width: int
    image_height: int
    book: StyleBook
    title: str = ""
    style: str | None = None
    preset: str = "standard"
    team: str = ""
    owner: str = ""
    variables: Mapping[str, Variable] = field(default_factory=dict)
    defaults: Mapping[str, Value] = field(default_factory=dict)
    share_with: tuple[str, ...] = ()
    never_with: tuple[str, ...] = ()
    adapters: tuple[AdapterUse, ...] = ()
    start_within_s: float | None = None
    finish_factor: float | None = None
    pauses: tuple[tuple[float, float], ...] = ()
    warnings: tuple[str, ...] = ()
    version: int = 0

    @classmethod
    def from_draft(
        cls,
        draft: RoleDraft,
        *,
        portrait_sha256: str,
        voice_sha256: str,
        voice_seconds: float,
        image_width: int,
        image_height: int,
        adapters: tuple[AdapterUse, ...] = (),
        pauses: tuple[tuple[float, float], ...] = (),
        warnings: tuple[str, ...] = (),
    ) -> Role:
        """The role of a draft whose assets were checked and kept."""
        names = {item.name for item in dataclasses.fields(cls)} & {item.name for item in dataclasses.fields(draft)} - {"adapters"}
        return cls(
            **{name: getattr(draft, name) for name in names},
            portrait_sha256=portrait_sha256, voice_sha256=voice_sha256, voice_seconds=voice_seconds,
            image_width=image_width, image_height=image_height, adapters=adapters, warnings=tuple(warnings),
            pauses=tuple((start, end) for start, end in pauses),
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Plain data: the body of a version. Equal roles have equal bodies."""
        data = {item.name: getattr(self, item.name) for item in dataclasses.fields(self) if item.name != "version"}
        return {
            **data,
            "book": self.book.to_json(),
            "variables": {name: variable.to_json() for name, variable in self.variables.items()},
            "defaults": dict(self.defaults),
            "share_with": list(self.share_with),
            "never_with": list(self.never_with),
            "adapters": [dataclasses.asdict(use) for use in self.adapters],
            "pauses": [list(pause) for pause in self.pauses],
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], version: int = 0) -> Role:
        """Inverse of `to_json`; a field of a newer program is ignored, a missing one without default is a TypeError."""
        known = {item.name for item in dataclasses.fields(cls)}
        values = {name: value for name, value in data.items() if name in known}
        values["book"] = StyleBook.from_json(data["book"])
        values["variables"] = {name: Variable.from_json(name, value) for name, value in data["variables"].items()}
        for name in ("share_with", "never_with", "warnings"):
            values[name] = tuple(data.get(name, ()))
        values["adapters"] = tuple(AdapterUse(**use) for use in data.get("adapters", ()))
        values["pauses"] = tuple((float(start), float(end)) for start, end in data.get("pauses", ()))
        return cls(**{**values, "version": version})
