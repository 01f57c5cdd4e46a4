"""Portraits, voices and adapters: checked by a throw-away process, kept under the hash of their content.

The daemon never decodes a file from people itself: `python -m engine.media probe` does, under resource limits, in a
process group of its own that is killed when it takes too long. However that process ends, there is a reason to show.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import engine
from engine.regular_file import open_regular
from scheduler.errors import SchedulerError

AssetKind = Literal["portrait", "voice", "adapter"]
Health = Literal["healthy", "missing", "damaged"]
Known = Callable[[AssetKind, str], Mapping[str, Any] | None]  # kind and sha256 → the verdict of an earlier check

CHECK_TIMEOUT_S = 90.0
_KINDS: tuple[AssetKind, ...] = ("portrait", "voice", "adapter")
_CHUNK_BYTES = 2**20
_LINE_BYTES = 2**24  # hours of voice have many pauses


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A file that can be used. `verdict` is what the probe measured, with its warnings."""

    kind: AssetKind
    path: Path
    sha256: str
    bytes: int
    verdict: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A file that cannot be used, and what to do about it."""

    kind: AssetKind
    path: Path
    code: str  # "bad_media", "check_timed_out", "check_crashed"
    message: str
    hint: str
    data: dict[str, Any] = field(default_factory=dict)  # which `problem` it is, and figures


class AssetLibrary:
    """The folder `assets/` of a data directory: one file per content, named by its sha256."""

    def __init__(self, data_dir: Path, *, check_timeout_s: float = CHECK_TIMEOUT_S) -> None:
        self._root = data_dir / "assets"
        self._check_timeout_s = check_timeout_s

    async def check(self, files: list[tuple[AssetKind, Path]], known: Known | None = None) -> list[Checked | Refused]:
        """One answer per file, in order. One process per kind; what it left unanswered is tried again, each alone.

        A file whose content has a verdict already (`known`) is read for its hash, and not decoded.
        """
        answers = {} if known is None else await _known_ones(files, known)
        for kind in _KINDS:
            paths = list(dict.fromkeys(path for its, path in files if its == kind and (its, path) not in answers))
            answered, _ = await self._probe(kind, paths) if paths else ({}, "")
            for path in paths:
                answer, ending = answered.get(path), ""
                if answer is None:
                    alone, ending = await self._probe(kind, [path])
                    answer = alone.get(path)
                answers[kind, path] = answer or _unanswered(kind, path, ending)
        return [answers[file] for file in files]

    def keep(self, path: Path, sha256: str) -> Path:
        """Copy a checked file into the library, durably; a file that is there already stays as it is.

        Raises SchedulerError "asset_changed" (409) when the content is no longer the one that was checked, and
        "asset_missing" (404) when the file is gone; OSError where the disk refuses.
        """
        target = self.path_of(sha256)
        if self.verify(sha256) == "healthy":
            os.utime(target)  # somebody is about to use it: what was touched lately is never cleared away
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{sha256}.{secrets.token_hex(4)}.part")  # the same content may come twice at a time
        try:
            if _copy(path, part) != sha256:
                raise SchedulerError(409, "asset_changed", f"{path} changed while it was checked.", hint="Try again.")
            part.replace(target)
            _sync(target.parent)
            _sync(self._root)
        except FileNotFoundError as error:
            raise SchedulerError(404, "asset_missing", f"{path} is gone.", hint="Bring it again.") from error
        finally:
            part.unlink(missing_ok=True)
        return target

    def path_of(self, sha256: str) -> Path:
        """Where the content with this hash lies, or would lie. Raises ValueError for what is no sha256."""
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError(f"{sha256!r} is not a sha256")
        return self._root / sha256[:2] / sha256

    def remove(self, sha256: str, *, before: float) -> bool:
        """Remove a content that was last touched before a time (seconds since 1970); false where it stays or is not there."""
        target = self.path_of(sha256)
        try:
            if target.stat().st_mtime >= before:
                return False
            target.unlink()
        except FileNotFoundError:
            return False
        return True

    def hashes(self) -> Iterator[str]:
        """Every content that lies here."""
        for path in self._root.glob("[0-9a-f][0-9a-f]/*"):
            if len(path.name) == 64:
                yield path.name

    def verify(self, sha256: str) -> Health:
        """Reads the content again and compares its hash."""
        try:
            with open_regular(self.path_of(sha256)) as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return "missing"
        except OSError:
            return "damaged"  # the disk gives an error instead of the content, or it is a pipe or a folder
        return "healthy" if found == sha256 else "damaged"

    async def _probe(self, kind: AssetKind, paths: list[Path]) -> tuple[dict[Path, Checked | Refused], str]:
        """Answers of one process, and how it ended when it did not end well: "timed_out" or "crashed"."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "engine.media", "probe", "--kind", kind, "--", *map(str, paths)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,
            limit=_LINE_BYTES,
        )
        assert process.stdout is not None
        answers: dict[Path, Checked | Refused] = {}
        by_name = {str(path): path for path in paths}
        try:
            async with asyncio.timeout(self._check_timeout_s):
                async for line in process.stdout:
                    answer = json.loads(line)
                    if answer.get("path") in by_name:
                        path = by_name[answer["path"]]
                        answers[path] = _read_answer(kind, path, answer)
                await process.wait()
        except TimeoutError:
            return answers, "timed_out"
        finally:
            if process.returncode is None:  # too late, or our caller was cancelled
                with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        return answers, "crashed"


async def _known_ones(files: list[tuple[AssetKind, Path]], known: Known) -> dict[tuple[AssetKind, Path], Checked | Refused]:
    found: dict[tuple[AssetKind, Path], Checked | Refused] = {}
    for kind, path in dict.fromkeys(files):
        content = await asyncio.to_thread(_content_of, path)
        if content is not None and (verdict := known(kind, content[0])) is not None:
            found[kind, path] = Checked(kind=kind, path=path, sha256=content[0], bytes=content[1], verdict=dict(verdict))
    return found


def _content_of(path: Path) -> tuple[str, int] | None:
    """sha256 and bytes; None for what cannot be read, and for what is no file."""
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
    except OSError:
        return None


def _read_answer(kind: AssetKind, path: Path, answer: dict[str, Any]) -> Checked | Refused:
    if "error" in answer:
        error = answer["error"]
        said = {name: error[name] for name in ("code", "message", "hint")}
        return Refused(kind=kind, path=path, **said, data=error.get("data") or {})
    return Checked(kind=kind, path=path, sha256=answer["sha256"], bytes=answer["bytes"], verdict=answer["verdict"])


def _unanswered(kind: AssetKind, path: Path, ending: str) -> Refused:
    reason = "took too long to read" if ending == "timed_out" else "ended the process that read it"
    return Refused(
        kind=kind,
        path=path,
        code=f"check_{ending}",
        message=f"{path} {reason}; it may be damaged.",
        hint="Export it again as PNG (portrait) or WAV (voice).",
    )


def _environment() -> dict[str, str]:
    """What the probe needs to start; nothing of the daemon's own, which may hold secrets."""
    package = Path(engine.__file__).resolve().parent.parent
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"}


def _copy(source: Path, target: Path) -> str:
    """Copies, flushes to the disk, and returns the sha256 of what was written."""
    digest = hashlib.sha256()
    with open_regular(source) as read, target.open("wb") as write:
        while chunk := read.read(_CHUNK_BYTES):
            digest.update(chunk)
            write.write(chunk)
        write.flush()
        os.fsync(write.fileno())
    return digest.hexdigest()


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
