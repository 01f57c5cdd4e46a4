"""Writing users, login links and tokens, each with its log row. Secrets come in as hashes."""

from __future__ import annotations

from scheduler.audit.entry import ActorLike
from scheduler.store.errors import StoreConflict
from scheduler.store.sql import people as sql
from scheduler.store.transaction import Transactional


class PeopleWrites(Transactional):
    """Who may come in."""

    def put_user(self, name: str, group: str, team: str, actor: ActorLike, at: float) -> int | None:
        """Create a user or change group and team; a change of group ends the user's sessions.

        Returns the log row's seq; None where everything was so already.
        """
        stored = self._connection.execute(sql.SELECT_USER, (name,)).fetchone()
        if stored is not None and (stored["group"], stored["team"]) == (group, team):
            return None
        tag = "user:created" if stored is None else "user:changed"
        seq = self.record(tag, f"user:{name}", {"group": group, "team": team}, actor, at)
        if stored is None:
            self._write(sql.INSERT_USER, (name, group, team, at))
            return seq
        self._write(sql.UPDATE_USER, (group, team, name))
        if stored["group"] != group:
            self._write(sql.END_SESSIONS, (name,))
        return seq

    def end_sessions(self, name: str, actor: ActorLike, at: float) -> int:
        """Make every session of the user invalid. Returns the log row's seq; StoreConflict `unknown_user`."""
        seq = self.record("session:ended", f"user:{name}", {}, actor, at)
        if self._write(sql.END_SESSIONS, (name,)).rowcount == 0:
            raise StoreConflict("unknown_user", f"There is no user {name}.")
        return seq

    def insert_login_link(self, token_sha256: str, user: str, expires_at: float, actor: ActorLike, at: float) -> int:
        """Keep a one-time login link by its token's hash. Returns the log row's seq."""
        self._need_user(user)
        seq = self.record("login:created", f"user:{user}", {"expires_at": expires_at}, actor, at)
        self._write(sql.INSERT_LOGIN_LINK, (token_sha256, user, expires_at))
        return seq

    def redeem_login_link(self, token_sha256: str, actor: ActorLike, at: float) -> str | None:
        """The user's name when the link is unused and not expired, and it is used up; else None and nothing changes."""
        rows = self._write(sql.REDEEM_LOGIN_LINK, (at, token_sha256, at)).fetchall()
        if not rows:
            return None
        user = str(rows[0]["user"])
        self.record("login:redeemed", f"user:{user}", {}, actor, at)
        return user

    def insert_token(self, token_sha256: str, user: str, label: str, actor: ActorLike, at: float) -> int:
        """Keep an access token by its hash. Returns the log row's seq."""
        self._need_user(user)
        seq = self.record("token:created", f"user:{user}", {"label": label}, actor, at)
        self._write(sql.INSERT_TOKEN, (token_sha256, user, label, at))
        return seq

    def revoke_tokens(self, label: str, actor: ActorLike, at: float) -> int:
        """End every live token of this label, each with its log row; returns how many there were."""
        rows = self._write(sql.REVOKE_TOKENS, (at, label)).fetchall()
        for row in rows:
            self.record("token:revoked", f"user:{row['user']}", {"label": label}, actor, at)
        return len(rows)

    def _need_user(self, name: str) -> None:
        if self._connection.execute(sql.SELECT_USER, (name,)).fetchone() is None:
            raise StoreConflict("unknown_user", f"There is no user {name}.", hint="Create the user first.")
