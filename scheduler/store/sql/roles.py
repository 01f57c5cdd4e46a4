"""Statements about roles and assets."""

from __future__ import annotations

INSERT_VERSION = "INSERT INTO roles (name, version, sha256, body, created_at) VALUES (?, ?, ?, ?, ?)"
SET_CURRENT = """
INSERT INTO current_roles (name, version, is_available, problem) VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET
  version = excluded.version, is_available = excluded.is_available, problem = excluded.problem"""
SET_AVAILABILITY = "UPDATE current_roles SET is_available = ?, problem = ? WHERE name = ?"

_CURRENT = """
SELECT c.name, c.version, c.is_available, c.problem, r.sha256, r.body, r.created_at
FROM current_roles AS c JOIN roles AS r ON r.name = c.name AND r.version = c.version"""
SELECT_CURRENT = f"{_CURRENT} ORDER BY c.name"
SELECT_CURRENT_BY_NAME = f"{_CURRENT} WHERE c.name = ?"
SELECT_VERSION = "SELECT name, version, sha256, body, created_at FROM roles WHERE name = ? AND version = ?"
SELECT_VERSIONS = "SELECT name, version, sha256, body, created_at FROM roles WHERE name = ? ORDER BY version DESC"
SELECT_LAST_VERSION = "SELECT version, sha256 FROM roles WHERE name = ? ORDER BY version DESC LIMIT 1"

INSERT_ASSET = "INSERT INTO assets (sha256, kind, bytes, verdict, added_at) VALUES (?, ?, ?, ?, ?)"
SET_VERDICT = "UPDATE assets SET verdict = ? WHERE sha256 = ?"
SELECT_ASSET = "SELECT sha256, kind, bytes, verdict, added_at FROM assets WHERE sha256 = ?"
SELECT_ASSETS = "SELECT sha256, kind, bytes, verdict, added_at FROM assets ORDER BY added_at DESC, sha256"
