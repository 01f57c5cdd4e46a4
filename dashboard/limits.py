"""How fast one caller may go: a token bucket per key, forgotten when full again."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass


@dataclass
class _Bucket:
    tokens: float
    at: float


class RateLimit:
    """At most `rate` per second on average, at most `burst` at once. Threads may share one."""

    def __init__(self, rate: float, burst: float, max_keys: int = 10_000) -> None:
        self._rate, self._burst, self._max_keys = rate, burst, max_keys
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()

    def take(self, key: str, now: float | None = None) -> bool:
        """May this key act now? `now` in seconds of a steady clock."""
        at = time.monotonic() if now is None else now
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is None:
                if len(self._buckets) >= self._max_keys:
                    self._forget(at)
                bucket = self._buckets[key] = _Bucket(self._burst, at)
            bucket.tokens = min(self._burst, bucket.tokens + (at - bucket.at) * self._rate)
            bucket.at = at
            if bucket.tokens < 1:
                return False
            bucket.tokens -= 1
            return True

    def _forget(self, at: float) -> None:
        """Drop every key whose bucket is full again; if none is, all of them: memory stays bounded."""
        full = [k for k, b in self._buckets.items() if b.tokens + (at - b.at) * self._rate >= self._burst]
        for key in full or list(self._buckets):
            del self._buckets[key]
