"""Writing passwords, as hashes, each change with its audit row."""

from __future__ import annotations

from scheduler.audit.entry import ActorLike
from scheduler.core.tags import Tag
from scheduler.store.sql import passwords as sql
from scheduler.store.sql import people
from scheduler.store.transaction import Transactional


class PasswordWrites(Transactional):
    """What people sign in with. Nothing here ever sees a password: hashes come in."""

    def put_password(self, user: str, password_hash: str, replaces: float | None, actor: ActorLike, at: float) -> int:
        """Keep the hash of a person's password; `replaces`: when the one it follows was set (None: there is none).

        A change ends every session of the person. Returns the log row's seq; StoreConflict `password_changed` when
        somebody was faster.
        """
        self._need_transaction()
        old = self._connection.execute(sql.SELECT_PASSWORD, (user,)).fetchone()
        if (None if old is None else old["changed_at"]) != replaces:
            raise self.conflict("password_changed", f"The password of {user} was changed meanwhile.", f"user:{user}")
        if old is not None:
            self.record("session:ended", f"user:{user}", {"cause": "password"}, actor, at)
            self._write(people.END_SESSIONS, (user,))
        seq = self.record(Tag.PASSWORD_CHOSEN, f"user:{user}", {"is_first": old is None}, actor, at)
        self._write(sql.PUT_PASSWORD, {"user": user, "hash": password_hash, "at": at})
        return seq

    def remove_password(self, user: str, actor: ActorLike, at: float) -> bool:
        """Take a person's password away, with its log row; False when there is none."""
        self._need_transaction()
        if self._connection.execute(sql.SELECT_PASSWORD, (user,)).fetchone() is None:
            return False
        self.record(Tag.PASSWORD_REMOVED, f"user:{user}", {}, actor, at)
        self._write(sql.DELETE_PASSWORD, (user,))
        return True
