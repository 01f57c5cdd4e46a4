"""Everything that a diagnosis looks at, read once: the job's row and story, its files as they are now, the model's files."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.regular_file import open_regular
from scheduler.assets import AssetKind, AssetLibrary, Checked, Health, Refused
from scheduler.audit import AuditEntry
from scheduler.core.job import FINAL_STATES, JobState
from scheduler.core.quality import QualityPolicy
from scheduler.core.tags import Tag
from scheduler.diagnosis.input_words import Words
from scheduler.doctor.model_files import checked_model, weight_files
from scheduler.doctor.subject import Subject
from scheduler.refusal_words import in_chinese, told_apart
from scheduler.registry import Role
from scheduler.store import Reader

READ_UNASKED_BYTES = 2 << 30  # a model of this size is read through in seconds; a larger one only where that is asked for


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A file of the recipe. `verdict`: what the check measured, now or on arrival; None where nobody knows any more.

    `problem`: why it cannot be used, `remedy`: what the check says to do about it; both None where it can be.
    """

    name: str
    kind: AssetKind
    sha256: str
    health: Health
    verdict: Mapping[str, Any] | None
    problem: Words | None = None
    remedy: Words | None = None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """`model`: the answer of `weights check`, with `is_deep` and `bytes`; None where no model's files lie here. Nothing of it
    names a folder of this machine.

    `asked`: the settings of the submission where the job has others now. `video`: the finished file, None where there is none.
    """

    job: Mapping[str, Any]
    recipe: Mapping[str, Any]
    asked: Mapping[str, Any] | None
    story: tuple[AuditEntry, ...]
    block_count: int
    heals: Mapping[str, Mapping[str, Any]]
    role: Role | None
    role_now: Role | None
    assets: tuple[Asset, ...]
    model: Mapping[str, Any] | None
    video: Health | Literal["unread"] | None
    scores: Mapping[str, Any] | None
    policy: QualityPolicy

    @property
    def is_done(self) -> bool:
        """It has a finished video."""
        return bool(self.job["state"] == JobState.SUCCEEDED)

    @property
    def has_failed(self) -> bool:
        """It ended without a video, and the house says why."""
        state = self.job["state"]
        return state in (JobState.FAILED, JobState.REJECTED) or (state == JobState.CANCELLED and bool(self.job["error_code"]))

    @property
    def is_over(self) -> bool:
        """Nothing more will be made of it."""
        return self.job["state"] in FINAL_STATES

    @property
    def is_scripted(self) -> bool:
        """Made by the scripted engine, which draws test pictures and knows no weights."""
        return self.recipe.get("made_with", {}).get("device") == "fake"

    def rows(self, *tags: Tag) -> list[AuditEntry]:
        """The story's rows of these tags, oldest first."""
        return [row for row in self.story if row["action"] in tags]


def gather(reader: Reader, data_dir: Path, row: Mapping[str, Any], *, is_deep: bool = False) -> Evidence:
    """Look at everything of one job. `is_deep`: read all bytes of the model's files, however large. Starts checking processes."""
    recipe = json.loads(row["recipe"])
    story = tuple(reader.story(row["id"]))
    return Evidence(
        job=row, recipe=recipe, asked=json.loads(row["asked"]) if row["asked"] else None, story=story,
        block_count=len(reader.blocks(row["id"])),
        heals=_heals(reader, story, row["submitted_at"]),
        role=reader.load_role(row["role"], row["role_version"]), role_now=reader.load_role(row["role"]),
        assets=_assets(reader, AssetLibrary(data_dir), recipe),
        model=_model(Subject(data_dir=data_dir.absolute(), model=recipe["model"]), is_deep),
        video=_video(data_dir, row), scores=reader.quality(row["id"]),
        policy=reader.quality_policy(),
    )  # fmt: skip


def _heals(reader: Reader, story: Iterable[AuditEntry], since: float) -> dict[str, Mapping[str, Any]]:
    """Heals that the story names, by their id: what the fault was, and which reading showed it."""
    named = {row["body"].get("heal") for row in story} - {None}
    return {heal["id"]: heal for heal in reader.heals(1000, since) if heal["id"] in named} if named else {}


def _assets(reader: Reader, library: AssetLibrary, recipe: Mapping[str, Any]) -> tuple[Asset, ...]:
    """Portrait, voice, adapters: hashed again, and measured again where the verdict of their arrival does not say enough."""
    wanted: list[tuple[str, AssetKind, str]] = [
        ("portrait", "portrait", recipe["portrait_sha256"]), ("voice", "voice", recipe["voice_sha256"]),
        *((use["name"], "adapter", use["sha256"]) for use in recipe.get("adapters", ())),
    ]  # fmt: skip
    stored = {sha256: asset["verdict"] for _, _, sha256 in wanted if (asset := reader.asset(sha256)) is not None}
    health = {sha256: library.verify(sha256) for _, _, sha256 in wanted}

    def known(kind: AssetKind, sha256: str) -> Mapping[str, Any] | None:
        verdict = stored.get(sha256)
        return None if kind == "portrait" and "sharp_side" not in (verdict or {}) else verdict

    healthy = [(kind, library.path_of(sha256)) for _, kind, sha256 in wanted if health[sha256] == "healthy"]
    answers = {answer.path: answer for answer in asyncio.run(library.check(healthy, known))}
    return tuple(
        _asset(name, kind, sha256, health[sha256], answers.get(library.path_of(sha256)), stored.get(sha256))
        for name, kind, sha256 in wanted
    )


def _asset(
    name: str, kind: AssetKind, sha256: str, health: Health, answer: Checked | Refused | None, stored: Mapping[str, Any] | None
) -> Asset:
    verdict = answer.verdict if isinstance(answer, Checked) else stored
    problem, remedy = _told(answer, name) if isinstance(answer, Refused) else (None, None)
    return Asset(name=name, kind=kind, sha256=sha256, health=health, verdict=verdict, problem=problem, remedy=remedy)


def _told(refused: Refused, name: str) -> tuple[Words, Words]:
    """What is wrong with a file, and the way out; Chinese goes by the code of the check."""
    english = _placeless(refused.message, str(refused.path), name).rstrip(".")
    what, way_out = told_apart(in_chinese(refused.code, None, refused.data) or "")
    return {"en": english, "zh": what or english}, {"en": refused.hint, "zh": way_out}


def _placeless(answer: Any, place: str, name: str) -> Any:
    """The same with a folder or file of this machine named by `name`: who reads it may be anywhere."""
    if isinstance(answer, dict):
        return {key: _placeless(value, place, name) for key, value in answer.items()}
    if isinstance(answer, list):
        return [_placeless(value, place, name) for value in answer]
    return answer.replace(place, name) if isinstance(answer, str) else answer


def _model(subject: Subject, is_deep: bool) -> dict[str, Any] | None:
    try:
        if not subject.model_dir.is_dir():
            return None
        size = sum(path.stat().st_size for path in weight_files(subject))
    except OSError as error:
        words = {"message": f"{error.strerror}", "code": "unreadable", "data": {"reason": error.strerror}}
        return {"verdict": "cannot_tell", **words, "is_deep": False, "bytes": 0}
    is_deep = is_deep or size <= READ_UNASKED_BYTES
    answer = _placeless(checked_model(subject.model_dir, is_deep=is_deep), str(subject.model_dir), f"models/{subject.model}")
    return {**answer, "is_deep": is_deep, "bytes": size}


def _video(data_dir: Path, row: Mapping[str, Any]) -> Health | Literal["unread"] | None:
    if not row["video_path"]:
        return None
    try:
        with open_regular(data_dir / row["video_path"]) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "unread"
    return "healthy" if found == row["video_sha256"] else "damaged"
