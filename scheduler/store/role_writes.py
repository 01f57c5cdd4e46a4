"""Writing roles and assets: every version is kept, a removed role keeps its versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scheduler.audit.entry import ActorLike
from scheduler.canonical import canonical_json, canonical_sha256
from scheduler.core.role_problem import RoleProblem
from scheduler.registry import Role
from scheduler.store.errors import StoreConflict
from scheduler.store.sql import roles as sql
from scheduler.store.transaction import Transactional


@dataclass(frozen=True, slots=True)
class RolesChange:
    """What loading roles changed. Names, sorted; `versions`: the current version of every role that was loaded."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    versions: Mapping[str, int]


class RoleWrites(Transactional):
    """Roles, their versions and availability, and the assets they use."""

    def put_role(self, role: Role, actor: ActorLike, at: float) -> int:
        """Make this the current version, available; returns its number.

        An equal body makes no new version and no log row.
        """
        body = role.to_json()
        digest = canonical_sha256(body)
        subject = f"role:{role.name}"
        last = self._connection.execute(sql.SELECT_LAST_VERSION, (role.name,)).fetchone()
        current = self._connection.execute(sql.SELECT_CURRENT_BY_NAME, (role.name,)).fetchone()
        if last is not None and last["sha256"] == digest:
            version = int(last["version"])
            if current is not None and current["is_available"] and current["version"] == version:
                self._need_transaction()
                return version
        else:
            version = int(last["version"]) + 1 if last else 1
            self._write(sql.INSERT_VERSION, (role.name, version, digest, canonical_json(body), at))
        tag = "role:changed" if current is not None else "role:loaded"
        self.record(tag, subject, {"version": version, "sha256": digest}, actor, at)
        self._write(sql.SET_CURRENT, (role.name, version, 1, None))
        return version

    def replace_roles(self, roles: Iterable[Role], actor: ActorLike, at: float) -> RolesChange:
        """Make these the studio's roles; roles not among them become unavailable, their versions stay."""
        before = {row["name"]: row for row in self._connection.execute(sql.SELECT_CURRENT)}
        versions = {role.name: self.put_role(role, actor, at) for role in roles}
        for name in sorted(set(before) - set(versions)):
            if before[name]["is_available"]:
                self.remove_role(name, actor, at)
        known = sorted(versions)
        return RolesChange(
            added=tuple(name for name in known if name not in before),
            changed=tuple(name for name in known if name in before and _differs(before[name], versions[name])),
            unchanged=tuple(name for name in known if name in before and not _differs(before[name], versions[name])),
            removed=tuple(sorted(name for name in set(before) - set(versions) if before[name]["is_available"])),
            versions=versions,
        )

    def remove_role(self, name: str, actor: ActorLike, at: float) -> int:
        """The role takes no new jobs. Returns the log row's seq; StoreConflict `unknown_role`."""
        seq = self.record("role:removed", f"role:{name}", {}, actor, at)
        self._availability(name, False, RoleProblem.REMOVED)
        return seq

    def set_role_availability(
        self, name: str, is_available: bool, problem: str | None, actor: ActorLike, at: float
    ) -> int:
        """Say that a role can or cannot be used and why. Returns the log row's seq; StoreConflict `unknown_role`."""
        body = {"is_available": is_available, **({"problem": problem} if problem else {})}
        outcome = "success" if is_available else "failure"
        seq = self.record("role:changed", f"role:{name}", body, actor, at, outcome=outcome)
        self._availability(name, is_available, problem)
        return seq

    def insert_asset(self, sha256: str, kind: str, bytes: int, verdict: Mapping[str, Any], at: float) -> bool:
        """Remember a checked asset by its content hash; False when it is known, which then has the newer verdict.

        StoreConflict `asset_differs` for another kind.
        """
        self._need_transaction()
        stored = self._connection.execute(sql.SELECT_ASSET, (sha256,)).fetchone()
        found = canonical_json(dict(verdict))
        if stored is None:
            self._write(sql.INSERT_ASSET, (sha256, kind, bytes, found, at))
            return True
        if (stored["kind"], stored["bytes"]) != (kind, bytes):
            raise StoreConflict(
                "asset_differs", f"Asset {sha256} is known as a {stored['kind']} of {stored['bytes']} bytes."
            )
        if stored["verdict"] != found:
            self._write(sql.SET_VERDICT, (found, sha256))
        return False

    def _availability(self, name: str, is_available: bool, problem: str | None) -> None:
        if self._write(sql.SET_AVAILABILITY, (int(is_available), problem, name)).rowcount == 0:
            raise self.conflict("unknown_role", f"There is no role {name}.", f"role:{name}")


def _differs(before: Mapping[str, Any], version: int) -> bool:
    return before["version"] != version or not before["is_available"]
