"""How long workers prepare before a job's first block: by whether the role changes."""

from __future__ import annotations

GAIN = 0.1


class Preparing:
    """Running means, learnt from the time between a lease and its start."""

    def __init__(self) -> None:
        self._means: dict[bool, float] = {True: 0.1, False: 0.0}
        self._roles: dict[int, str] = {}
        self._leases: dict[str, tuple[float, bool]] = {}
        self._last_blocks: dict[str, float] = {}
        self.close_s = 0.1  # from the last block to the end

    def leased(self, at: float, job_id: str, slot: int, role: str) -> None:
        """A slot was given to a job of this role."""
        self._leases[job_id] = (at, self._roles.get(slot) != role)
        self._roles[slot] = role

    def started(self, at: float, job_id: str) -> None:
        """It begins; a cold start pulls little, being rare."""
        lease = self._leases.pop(job_id, None)
        if lease is not None:
            is_switch = lease[1]
            self._means[is_switch] += GAIN * (min(10.0, at - lease[0]) - self._means[is_switch])

    def block_done(self, at: float, job_id: str) -> None:
        """Perhaps its last."""
        self._last_blocks[job_id] = at

    def ended(self, at: float, job_id: str, is_success: bool) -> None:
        """It is over; what came after the last block was closing the video."""
        last = self._last_blocks.pop(job_id, None)
        self._leases.pop(job_id, None)
        if is_success and last is not None:
            self.close_s += GAIN * (min(10.0, at - last) - self.close_s)

    def role_on(self, slot: int) -> str:
        """What the slot played last."""
        return self._roles.get(slot, "")

    def seconds(self, *, is_switch: bool) -> float:
        """What to expect."""
        return self._means[is_switch]
