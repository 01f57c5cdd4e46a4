"""How long something has been so: the memory of sensors. Nothing here is stored; a restart looks anew."""

from __future__ import annotations


class Sensors:
    """Conditions that hold without a break, by name and device, and which device serves which slots."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], float] = {}
        self.slots_of: dict[str, tuple[int, ...]] = {}
        self.throttled: dict[str, bool] = {}
        self.load_ratio: dict[str, float] = {}
        self.xid_at: dict[str, float] = {}  # when a device last reported an error that a restart cures
        self.without_context: set[str] = set()  # queued jobs whose context was dropped to make room

    def lasts(self, name: str, device: str, is_so: bool, at: float) -> float | None:
        """Seconds for which it has been so, 0 when it began just now; None when it is not so."""
        key = (name, device)
        if not is_so:
            self._since.pop(key, None)
            return None
        return at - self._since.setdefault(key, at)

    def lasted(self, name: str, device: str, at: float) -> float | None:
        """The same without a new look."""
        since = self._since.get((name, device))
        return None if since is None else at - since

    def devices_of(self, slot: int) -> list[str]:
        """Devices whose readings matter to a slot."""
        return [device for device, slots in self.slots_of.items() if slot in slots]
