"""Statements about single facts and device readings."""

from __future__ import annotations

DEVICES = "devices"  # the fact that names what the workers compute on
PERSONAL_KEY = "audit_personal_key"  # a fact that is no reader's business
SET_FACT = """
INSERT INTO facts (name, value, at) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at"""
SELECT_FACT = "SELECT name, value, at FROM facts WHERE name = ?"
SELECT_FACTS = "SELECT name, value, at FROM facts ORDER BY name"

INSERT_SAMPLE = "INSERT INTO samples (at, device, body) VALUES (?, ?, ?) ON CONFLICT (at, device) DO NOTHING"
SELECT_SAMPLES = "SELECT at, device, body FROM samples WHERE at >= ? ORDER BY at, device LIMIT ?"
SELECT_SAMPLES_OF = "SELECT at, device, body FROM samples WHERE at >= ? AND device = ? ORDER BY at LIMIT ?"
SELECT_LATEST_SAMPLES = """
SELECT at, device, body FROM samples WHERE at >= (SELECT max(at) FROM samples) - ? ORDER BY at, device"""
# Of each device and full minute before the limit the first reading stays.
THIN_SAMPLES = """
DELETE FROM samples WHERE at >= ? AND at < ? AND (at, device) NOT IN (
  SELECT min(at), device FROM samples WHERE at >= ? AND at < ? GROUP BY device, CAST(at / 60 AS INTEGER))"""
