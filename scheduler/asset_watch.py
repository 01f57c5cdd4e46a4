"""Are the roles' files still there? A role whose portrait, voice or adapter is gone takes no work until it is back.

Presence and size only, once a minute: a file that was cut short is none. Contents are read again by the day's check
(`--validate`), which takes longer.
"""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from scheduler.assets import AssetLibrary
from scheduler.core import events
from scheduler.core.role_problem import MISSING
from scheduler.ledger import Ledger, Turn
from scheduler.registry import Role
from scheduler.store import open_reader


class AssetWatch:
    """Looks, and tells the core what has changed. The log has a row for each role that lost a file or has it back."""

    def __init__(self, ledger: Ledger, data_dir: Path) -> None:
        self._ledger, self._data_dir = ledger, data_dir
        self._library = AssetLibrary(data_dir)
        self._told: dict[str, str] | None = None  # role → what it lacks; None before the first look

    async def look(self) -> None:
        """Once. A role that was removed is nobody's concern; one that lacked a file before a restart is remembered."""
        roles, sizes, lacking_before = await asyncio.to_thread(self._current)
        missing = await asyncio.to_thread(self._lacking, roles, sizes)
        if self._told is None:
            self._told = {}
            back = lacking_before - missing.keys()
        else:
            back = self._told.keys() - missing.keys()
        news = {name: thing for name, thing in missing.items() if self._told.get(name) != thing}
        changed = [role for role in roles if role.name in news or role.name in back]
        if changed:
            self._ledger.post(lambda turn: _tell(turn, changed, missing))
        self._told = missing

    def _lacking(self, roles: Iterable[Role], sizes: Mapping[str, int]) -> dict[str, str]:
        """Role → the first of its files that is not whole in the library: "portrait", "voice" or "adapter"."""
        return {
            role.name: thing for role in roles
            if (thing := next((thing for thing, sha256 in files_of(role) if not self._is_whole(sha256, sizes)), None))
        }  # fmt: skip

    def _is_whole(self, sha256: str, sizes: Mapping[str, int]) -> bool:
        """Whether the file is there, as long as it was when it was taken in."""
        try:
            found = self._library.path_of(sha256).stat()
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == sizes.get(sha256, found.st_size)

    def _current(self) -> tuple[list[Role], dict[str, int], set[str]]:
        """Roles that are available or only lack a file, bytes of the files that they need, and the names of the latter roles."""
        with closing(open_reader(self._data_dir)) as reader:
            rows = [row for row in reader.roles() if row["is_available"] or row["problem"] in MISSING.values()]
            roles = [Role.from_json(row["body"], version=int(row["version"])) for row in rows]
            needed = {sha256 for role in roles for _, sha256 in files_of(role)}
            sizes = {sha256: int(row["bytes"]) for sha256 in needed if (row := reader.asset(sha256)) is not None}
        return roles, sizes, {row["name"] for row in rows if not row["is_available"]}


def files_of(role: Role) -> Iterator[tuple[str, str]]:
    """(what it is, its sha256) of every file that a role's videos need."""
    yield "portrait", role.portrait_sha256
    yield "voice", role.voice_sha256
    for adapter in role.adapters:
        yield "adapter", adapter.sha256


def _tell(turn: Turn, roles: Iterable[Role], missing: dict[str, str]) -> None:
    for role in roles:
        thing = missing.get(role.name)
        problem = None if thing is None else MISSING[thing]
        turn.has_changed = True
        turn.store.set_role_availability(role.name, thing is None, problem, turn.actor, turn.at)
        turn.apply(
            events.RoleChanged(
                at=turn.at, role=role.name, is_available=thing is None, never_with=role.never_with,
                share_with=role.share_with, missing=thing or "",
            )
        )
