"""Statements about passwords, which are kept as hashes only."""

from __future__ import annotations

PUT_PASSWORD = """
INSERT INTO passwords (user, hash, changed_at) VALUES (:user, :hash, :at)
ON CONFLICT (user) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at"""
DELETE_PASSWORD = "DELETE FROM passwords WHERE user = ?"
SELECT_PASSWORD = "SELECT user, hash, changed_at FROM passwords WHERE user = ?"
SELECT_HOLDERS = "SELECT user, changed_at FROM passwords ORDER BY user"
