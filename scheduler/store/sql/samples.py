"""Statements about device readings added up by the minute, and who held the memory in it."""

from __future__ import annotations

# A missing sensor adds nothing. The larger of two values of which one may be missing: each stands in for the other.
ADD_TO_MINUTE = """
INSERT INTO sample_minutes (
  device, minute, readings, memory_readings, memory_sum_bytes, memory_peak_bytes, memory_total_bytes, levels,
  load_readings, load_sum, load_peak, temperature_peak_c, throttle, errors)
VALUES (
  :device, :minute, 1, :memory_used_bytes IS NOT NULL, coalesce(:memory_used_bytes, 0), :memory_used_bytes,
  :memory_total_bytes, CASE WHEN :level IS NULL THEN '{}' ELSE json_object(CAST(:level AS TEXT), 1) END,
  :load IS NOT NULL, coalesce(:load, 0), :load, :temperature_c, :throttle, :errors)
ON CONFLICT (device, minute) DO UPDATE SET
  readings = readings + 1,
  memory_readings = memory_readings + excluded.memory_readings,
  memory_sum_bytes = memory_sum_bytes + excluded.memory_sum_bytes,
  memory_peak_bytes = max(coalesce(memory_peak_bytes, excluded.memory_peak_bytes),
                          coalesce(excluded.memory_peak_bytes, memory_peak_bytes)),
  memory_total_bytes = coalesce(excluded.memory_total_bytes, memory_total_bytes),
  levels = CASE WHEN :level IS NULL THEN levels
    ELSE json_set(levels, '$."' || :level || '"', coalesce(json_extract(levels, '$."' || :level || '"'), 0) + 1) END,
  load_readings = load_readings + excluded.load_readings,
  load_sum = load_sum + excluded.load_sum,
  load_peak = max(coalesce(load_peak, excluded.load_peak), coalesce(excluded.load_peak, load_peak)),
  temperature_peak_c = max(coalesce(temperature_peak_c, excluded.temperature_peak_c),
                           coalesce(excluded.temperature_peak_c, temperature_peak_c)),
  throttle = throttle | excluded.throttle,
  errors = errors + excluded.errors"""
ADD_SHARE = """
INSERT INTO memory_shares (device, minute, owner, peak_bytes) VALUES (?, ?, ?, ?)
ON CONFLICT (device, minute, owner) DO UPDATE SET peak_bytes = max(peak_bytes, excluded.peak_bytes)"""

FORGET_MINUTES = "DELETE FROM sample_minutes WHERE minute < ?"
FORGET_SHARES = "DELETE FROM memory_shares WHERE minute < ?"
FORGET_SAMPLES = "DELETE FROM samples WHERE at < ?"

SELECT_MINUTES = "SELECT * FROM sample_minutes WHERE minute >= ? AND minute < ? ORDER BY device, minute"
SELECT_MINUTE_STEPS = """
SELECT device, minute / :step * :step * 60 AS at, max(memory_peak_bytes) AS memory_peak_bytes,
  max(memory_total_bytes) AS memory_total_bytes, sum(load_sum) / nullif(sum(load_readings), 0) AS load,
  max(temperature_peak_c) AS temperature_peak_c
FROM sample_minutes WHERE minute >= :since AND minute < :until GROUP BY device, minute / :step ORDER BY device, minute"""
SELECT_THROTTLED = """
SELECT device, minute * 60 AS at, throttle, errors FROM sample_minutes
WHERE minute >= ? AND minute < ? AND (throttle & ? OR errors) ORDER BY minute, device"""
SELECT_SHARES = """
SELECT device, owner, minute / :step * :step * 60 AS at, max(peak_bytes) AS peak_bytes FROM memory_shares
WHERE minute >= :since AND minute < :until GROUP BY device, owner, minute / :step ORDER BY device, owner, minute"""
SELECT_RANGE = """
SELECT min(at) AS at, device, body FROM samples WHERE at >= ? AND at < ?
GROUP BY device, CAST(at / ? AS INTEGER) ORDER BY device, at"""
SELECT_FIRST_MINUTE = "SELECT min(minute) FROM sample_minutes"
