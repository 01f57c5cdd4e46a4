"""Statements about users, login links and tokens. Secrets are stored as hashes only."""

from __future__ import annotations

INSERT_USER = """INSERT INTO users (name, "group", team, created_at) VALUES (?, ?, ?, ?)"""
UPDATE_USER = """UPDATE users SET "group" = ?, team = ? WHERE name = ?"""
END_SESSIONS = "UPDATE users SET session_version = session_version + 1 WHERE name = ?"
SELECT_USER = """SELECT name, "group", team, session_version, created_at FROM users WHERE name = ?"""
SELECT_GROUP = """SELECT "group" FROM users WHERE name = ?"""
SELECT_USERS = """SELECT name, "group", team, session_version, created_at FROM users ORDER BY name"""

INSERT_LOGIN_LINK = "INSERT INTO login_links (token_sha256, user, expires_at) VALUES (?, ?, ?)"
REDEEM_LOGIN_LINK = """
UPDATE login_links SET used_at = ? WHERE token_sha256 = ? AND used_at IS NULL AND expires_at > ? RETURNING user"""
SELECT_LOGIN_LINK = "SELECT token_sha256, user, expires_at, used_at FROM login_links WHERE token_sha256 = ?"

INSERT_TOKEN = "INSERT INTO tokens (token_sha256, user, label, created_at) VALUES (?, ?, ?, ?)"
REVOKE_TOKENS = "UPDATE tokens SET revoked_at = ? WHERE label = ? AND revoked_at IS NULL RETURNING user"
_TOKEN = "SELECT token_sha256, user, label, created_at, revoked_at FROM tokens"
SELECT_TOKEN = f"{_TOKEN} WHERE token_sha256 = ?"
SELECT_TOKENS_OF = f"{_TOKEN} WHERE user = ? ORDER BY created_at"
REVOKE_TOKENS = "UPDATE tokens SET revoked_at = ? WHERE label = ? AND revoked_at IS NULL RETURNING user"
