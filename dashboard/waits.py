"""Waits that grow with each failure: whoever guesses passwords soon waits longer than the guessing is worth."""

from __future__ import annotations

import ipaddress
import threading
import time
from dataclasses import dataclass

FORGET_S = 3600.0  # quiet for this long: as if nothing had been
MAX_KEYS = 10_000


@dataclass
class _Tries:
    failures: int
    until: float
    at: float


class GrowingWait:
    """The first `free` tries of a key may follow each other; then 1, 2, 4 … seconds pass before the next, at most `most_s`.

    A try counts as a failure from its beginning on, so a hundred at once are no more than one after the other.
    Threads may share one. Times in seconds of a steady clock.
    """

    def __init__(self, free: int, most_s: float) -> None:
        self._free, self._most_s = free, most_s
        self._tries: dict[str, _Tries] = {}
        self._lock = threading.Lock()

    def take(self, key: str, now: float | None = None) -> float:
        """0: try now, which counts. Else the seconds to wait; a try that has to wait counts for nothing."""
        at = time.monotonic() if now is None else now
        with self._lock:
            found = self._tries.get(key)
            if found is None or at - found.at > FORGET_S:
                self._make_room(at)
                found = self._tries[key] = _Tries(0, at, at)
            if at < found.until:
                return found.until - at
            found.failures += 1
            found.at, found.until = at, at + self._wait_s(found.failures)
            return 0.0

    def failures(self, key: str) -> int:
        """How many tries failed in a row."""
        with self._lock:
            return self._tries[key].failures if key in self._tries else 0

    def forgive(self, key: str) -> None:
        """All is forgotten: the key was right."""
        with self._lock:
            self._tries.pop(key, None)

    def give_back(self, key: str) -> None:
        """The last try was no failure; the ones before it stay."""
        with self._lock:
            if (found := self._tries.get(key)) is not None:
                found.failures, found.until = max(0, found.failures - 1), 0.0

    def _wait_s(self, failures: int) -> float:
        beyond = failures - self._free
        return 0.0 if beyond <= 0 else min(2.0 ** min(beyond - 1, 60), self._most_s)

    def _make_room(self, at: float) -> None:
        """Memory stays bounded: what is long quiet goes, then what was tried least."""
        if len(self._tries) < MAX_KEYS:
            return
        for key in [key for key, tries in self._tries.items() if at - tries.at > FORGET_S]:
            del self._tries[key]
        if len(self._tries) >= MAX_KEYS:
            fewest = sorted(self._tries, key=lambda key: (self._tries[key].failures, self._tries[key].at))
            for key in fewest[: MAX_KEYS // 10]:
                del self._tries[key]


def network_of(address: str) -> str:
    """Who counts as one caller: an IPv4 address, or the /64 that one household or machine has of IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(found)
