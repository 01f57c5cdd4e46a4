"""How fast one caller may go (a token bucket per key, forgotten when full again), and how much at once (seats)."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
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


class Seats:
    """At most `total` at once, of which one key has at most `per_key`. Threads may share one."""

    def __init__(self, total: int, per_key: int) -> None:
        self._total, self._per_key = total, per_key
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, key: str) -> Callable[[], None] | None:
        """A seat: call the answer, once or more often, to leave it. None when there is none."""
        with self._lock:
            if self._taken.total() >= self._total or self._taken[key] >= self._per_key:
                return None
            self._taken[key] += 1
        is_left = threading.Lock()  # acquired by the first call and never released

        def leave() -> None:
            if is_left.acquire(blocking=False):
                with self._lock:
                    self._taken[key] -= 1
                    self._taken += Counter()  # drops keys without a seat

        return leave

    def __len__(self) -> int:
        """How many are taken."""
        with self._lock:
            return self._taken.total()
