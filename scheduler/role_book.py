"""The roles as the daemon knows them now, and how a new registry is taken up without touching running jobs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scheduler.assets import AssetLibrary, Checked, Known
from scheduler.canonical import text_sha256
from scheduler.core import events
from scheduler.core.role_problem import MISSING, RoleProblem, sentence
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.ledger import Ledger, Turn
from scheduler.registry import Role, RoleDraft, RolesError, load_roles
from scheduler.role_assets import check_drafts, role_of
from scheduler.room import refusal_of
from scheduler.spawn import parent_identity
from scheduler.store import Store

_CHECKED_UNDER = "roles_checked_under"  # which launcher's daemon looked into the files last


@dataclass(frozen=True)
class Loaded:
    """What a load did."""

    names: list[str]
    changed: list[str]
    removed: list[str]
    warnings: list[str]


class RoleBook:
    """Current roles by name. Filled from the store at the start; every version stays in the store."""

    def __init__(self, data_dir: Path, store: Store) -> None:
        self._store = store
        self._data_dir = data_dir
        self._library = AssetLibrary(data_dir)
        self._turn = asyncio.Lock()  # one registry at a time: the last to come is the one that stays
        self._roles: dict[str, Role] = {}
        self._problems: dict[str, str] = {}
        self._read()

    def _read(self) -> None:
        rows = self._store.roles()
        roles = {row["name"]: self._store.load_role(row["name"]) for row in rows}
        self._roles = {name: role for name, role in roles.items() if role is not None}
        self._problems = {row["name"]: row["problem"] or "" for row in rows if not row["is_available"]}

    def get(self, name: str) -> Role:
        """A role that takes new jobs. SchedulerError: 404 unknown, 409 not available."""
        role = self._roles.get(name)
        if role is None or self._problems.get(name) == RoleProblem.REMOVED:
            known = ", ".join(sorted(set(self._roles) - set(self._problems))) or "none is loaded"
            raise SchedulerError(404, "unknown_role", f"There is no role {name!r}.", field="role", hint=f"Roles: {known}.")
        if name in self._problems and self._problems[name] not in MISSING.values():  # for want of a file jobs wait
            message = f"The role {name} cannot be used: {sentence(self._problems[name])}"
            raise SchedulerError(409, "role_unavailable", message, field="role")
        return role

    def find(self, name: str) -> Role | None:
        """The role's current version, available or not."""
        return self._roles.get(name)

    def version(self, name: str, version: int) -> Role:
        """A version of a role, also an old one or one of a removed role. SchedulerError 404."""
        role = self._store.load_role(name, version)
        if role is None:
            raise SchedulerError(404, "unknown_role", f"There is no version {version} of the role {name!r}.", field="role")
        return role

    def unavailable(self) -> list[str]:
        """Roles that take no new jobs."""
        return sorted(self._problems)

    def never_with(self) -> dict[str, tuple[str, ...]]:
        """Which roles exclude which."""
        return {name: role.never_with for name, role in self._roles.items()}

    def share_with(self) -> dict[str, tuple[str, ...]]:
        """Which roles say with whom they share sessions."""
        return {name: role.share_with for name, role in self._roles.items() if role.share_with}

    def is_loaded(self, text: str, base_dir: Path) -> bool:
        """Whether this very registry was the last to be loaded."""
        facts = self._store.fact("roles_sha256"), self._store.fact("roles_base_dir")
        return facts == (text_sha256(text), str(base_dir))

    async def load(
        self, text: str, base_dir: Path | None, ledger: Ledger, actor: Actor, *, is_again: bool = False
    ) -> Loaded:
        """Take up a registry: parse, check its files in a throw-away process, keep them, commit. All or nothing.

        `base_dir`: the folder of the file names in it; None for that of the registry loaded last. `is_again`: contents that
        were checked since this house was started are not decoded again, so that a daemon that comes back leaves the
        processors to the videos that play.
        SchedulerError 422 `bad_roles` names line and way out of every problem found; 507 or 503 where the disk refuses.
        """
        async with self._turn:
            return await self._load(text, base_dir, ledger, actor, is_again)

    async def _load(self, text: str, base_dir: Path | None, ledger: Ledger, actor: Actor, is_again: bool) -> Loaded:
        if base_dir is None:
            known = self._store.fact("roles_base_dir")
            base_dir = Path(known) if known else None
        drafts = _parse(text, base_dir)
        was_checked = is_again and self._store.fact(_CHECKED_UNDER) == parent_identity()
        roles, warnings = await self._complete(drafts, self._verdict if was_checked else None)

        def act(turn: Turn) -> Loaded:
            turn.has_changed = True
            for _, checked in roles:
                for asset in checked:
                    turn.store.insert_asset(asset.sha256, asset.kind, asset.bytes, asset.verdict, turn.at)
            change = turn.store.replace_roles([role for role, _ in roles], turn.actor, turn.at)
            news = {*change.added, *change.changed}
            for role in (role for role, _ in roles if role.name in news):
                turn.apply(
                    events.RoleChanged(
                        at=turn.at, role=role.name, is_available=True, never_with=role.never_with, share_with=role.share_with
                    )
                )
            for name in change.removed:
                turn.apply(events.RoleChanged(at=turn.at, role=name, is_available=False))
            turn.store.set_fact("roles_base_dir", str(base_dir), turn.at)
            turn.store.set_fact("roles_sha256", text_sha256(text), turn.at)
            turn.store.set_fact(_CHECKED_UNDER, parent_identity(), turn.at)
            return Loaded(sorted(change.versions), [*change.added, *change.changed], list(change.removed), warnings)

        loaded = await ledger.do(act, actor)
        self._read()
        return loaded

    def _verdict(self, kind: str, sha256: str) -> dict[str, Any] | None:
        """What the last check found of a content of the roles that were loaded last; None of others, which may have been
        checked long ago, by another version of the house."""
        contents = set[str]()
        for name, role in self._roles.items():
            if self._problems.get(name) != RoleProblem.REMOVED:
                contents |= {role.portrait_sha256, role.voice_sha256, *(use.sha256 for use in role.adapters)}
        asset = self._store.asset(sha256) if sha256 in contents else None
        return asset["verdict"] if asset is not None and asset["kind"] == kind else None

    async def _complete(
        self, drafts: list[RoleDraft], known: Known | None
    ) -> tuple[list[tuple[Role, list[Checked]]], list[str]]:
        files, problems, warnings = await check_drafts(self._library, drafts, known)
        if problems:
            raise RolesError(problems)
        for asset in (asset for of_role in files for asset in of_role):
            try:
                await asyncio.to_thread(self._library.keep, asset.path, asset.sha256)
            except OSError as error:
                raise refusal_of(self._data_dir, error) from error
        return [(role_of(draft, found), found) for draft, found in zip(drafts, files, strict=True)], warnings


def _parse(text: str, base_dir: Path | None) -> list[RoleDraft]:
    if base_dir is None:
        raise SchedulerError(422, "bad_request", "The folder that the file names are relative to is not known.", field="base_dir")
    return load_roles(text, base_dir)

