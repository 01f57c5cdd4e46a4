"""What a check found: problems make the weights unusable, warnings need attention, notes are good to know."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from engine.errors import WeightsError

REFUSED = "refused"  # the code of what only a sentence tells


class Verdict(IntEnum):
    """Exit codes."""

    COMPLETE = 0
    NEEDS_ATTENTION = 10
    UNUSABLE = 11
    CANNOT_TELL = 12


@dataclass(frozen=True)
class Finding:
    """One thing about one file, and what to do; `code` and `data` say the same to programs and other languages."""

    file: str
    what: str
    remedy: str
    code: str
    data: Mapping[str, Any]


@dataclass
class Findings:
    """Everything about one directory or file."""

    place: Path
    kind: str
    problems: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    tensors: dict[str, dict[str, int]] = field(default_factory=dict)
    is_unreadable: bool = False
    weights_sha256: str | None = None  # what recipes call these weights, where a manifest names them all
    is_trained: bool | None = None

    @contextlib.contextmanager
    def about(self, file: Path | str) -> Iterator[None]:
        """What goes wrong inside is a problem of this file; the check goes on behind it."""
        try:
            yield
        except WeightsError as error:
            self.problem(file, error.detail, error.hint, error.data.get("problem", REFUSED))
        except PermissionError as error:
            self.is_unreadable = True
            self.problem(file, f"cannot be read: {error.strerror}.", "Give yourself the right to read it.", "no_right")
        except OSError as error:
            remedy = "Look at the disk, then fetch this file again."
            self.problem(file, f"cannot be read: {error.strerror}.", remedy, "unreadable", reason=error.strerror)

    def problem(self, file: Path | str, what: str, remedy: str, code: str, **data: Any) -> None:
        """Note a problem, once. The file's name is not said twice. `code`: what is wrong, `data`: its figures and names."""
        name = self.name(file)
        for said in (f"{file} ", f"{name} ", f"{file}: ", f"{name}: ", f"{self.place} "):
            what = what.removeprefix(said)
        finding = Finding(name, what, remedy, code, data)
        if finding not in self.problems:
            self.problems.append(finding)
        if name in self.files:
            self.files[name]["state"] = "bad"

    def warning(self, file: Path | str, what: str, remedy: str, code: str, **data: Any) -> None:
        """Usable, but somebody should look."""
        self.warnings.append(Finding(self.name(file), what, remedy, code, data))

    def file(self, path: Path) -> bool:
        """Put a file on the list; False (and a problem) when it is not there."""
        is_there = path.is_file()
        state = {"bytes": path.stat().st_size, "state": "ok"} if is_there else {"bytes": 0, "state": "missing"}
        self.files[self.name(path)] = state
        return is_there

    def name(self, file: Path | str) -> str:
        """As people see it: relative to the place."""
        path = Path(file)
        root = self.place if self.place.is_dir() else self.place.parent
        return str(path.relative_to(root)) if path.is_relative_to(root) and path != root else str(file)

    @property
    def verdict(self) -> Verdict:
        """All of it in one word."""
        if self.problems:
            return Verdict.CANNOT_TELL if self.is_unreadable else Verdict.UNUSABLE
        return Verdict.NEEDS_ATTENTION if self.warnings else Verdict.COMPLETE

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "directory": str(self.place), "kind": self.kind, "verdict": self.verdict.name.lower(),
            "complete": not self.problems, "tensors": self.tensors,
            "weights_sha256": self.weights_sha256, "trained": self.is_trained,
            "problems": [dataclasses.asdict(finding) for finding in self.problems],
            "warnings": [dataclasses.asdict(finding) for finding in self.warnings], "notes": self.notes,
            "files": [{"file": name, **state} for name, state in self.files.items()],
        }  # fmt: skip
