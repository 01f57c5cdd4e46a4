"""Reading users, login links and tokens; links and tokens are found by the SHA-256 of their secret."""

from __future__ import annotations

from scheduler.store.reads import Reads, Row
from scheduler.store.sql import people as sql


class PeopleReads(Reads):
    """Who may come in. Whether a link or token still counts is for the caller to decide, with its own clock."""

    def user(self, name: str) -> Row | None:
        """name, group, team, session_version, created_at; or None."""
        return self._row(sql.SELECT_USER, (name,))

    def users(self) -> list[Row]:
        """All users by name."""
        return self._rows(sql.SELECT_USERS)

    def login_link(self, token_sha256: str) -> Row | None:
        """token_sha256, user, expires_at, used_at; or None."""
        return self._row(sql.SELECT_LOGIN_LINK, (token_sha256,))

    def token(self, token_sha256: str) -> Row | None:
        """token_sha256, user, label, created_at, revoked_at; or None."""
        return self._row(sql.SELECT_TOKEN, (token_sha256,))

    def tokens_of(self, user: str) -> list[Row]:
        """The user's tokens, oldest first."""
        return self._rows(sql.SELECT_TOKENS_OF, (user,))
