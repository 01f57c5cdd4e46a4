"""What people may bring, as data: bytes and seconds of a file, bytes per person, and how long an unused file stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from scheduler.core.policy import PolicyError

SECTION = "uploads"
_BOUNDS: dict[str, tuple[float, float]] = {
    "portrait_bytes": (1024, 64 << 20), "voice_bytes": (1024, 4 << 30), "voice_s": (1, 6 * 3600),
    "quota_bytes": (0, 1 << 50), "keep_unused_s": (60, 365 * 86_400),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class UploadsPolicy:
    """Bounds of portraits and voices that people bring. The upper ends of what may be written here are the checker's own."""

    portrait_bytes: int = 32 << 20
    voice_bytes: int = 512 << 20
    voice_s: int = 3600
    quota_bytes: int = 2 << 30  # of all files that one person has here
    keep_unused_s: int = 86_400  # a file that no job was made with is removed so long after it was last brought

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> UploadsPolicy:
        """From plain data; what is absent is the default. Raises PolicyError naming field and way out."""
        if not isinstance(data, Mapping):
            hint = "Write the bounds below it, indented."
            raise PolicyError(f"{SECTION} is not a map.", field=SECTION, hint=hint, problem="no_entries_map")
        known = [item.name for item in fields(cls)]
        for name, value in data.items():
            field = f"{SECTION}.{name}"
            if name not in known:
                message, hint = f"{SECTION} has no {name!r}.", f"Known: {', '.join(known)}."
                raise PolicyError(message, field=field, hint=hint, problem="unknown_key", key=str(name)[:40], known=known)
            least, most = _BOUNDS[name]
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                hint = f"Use a whole number from {least} to {most}."
                raise PolicyError(
                    f"{name} is {value!r}.", field=field, hint=hint, problem="no_whole",
                    found=str(value)[:40], low=least, high=most,
                )  # fmt: skip
        return cls(**data)

    def to_mapping(self) -> dict[str, int]:
        """Plain data; `from_mapping` is its inverse."""
        return asdict(self)

    def most_bytes(self, kind: str) -> int:
        """How large a file of this kind ("portrait", "voice") may be."""
        return self.portrait_bytes if kind == "portrait" else self.voice_bytes
