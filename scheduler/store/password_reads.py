"""Reading passwords: the hash for the one who checks it, for everybody else only that there is one."""

from __future__ import annotations

from scheduler.store.reads import Reads, Row
from scheduler.store.sql import passwords as sql


class PasswordReads(Reads):
    """What people sign in with."""

    def password(self, user: str) -> Row | None:
        """user, hash, changed_at; or None."""
        return self._row(sql.SELECT_PASSWORD, (user,))

    def password_holders(self) -> dict[str, float]:
        """Person → when the password was set (seconds since 1970), of all who have one."""
        return {row["user"]: row["changed_at"] for row in self._rows(sql.SELECT_HOLDERS)}
