"""Learnt block times: a robust running estimate per model, size, steps and device, and the deadlines that follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

MEMORY = 64  # an estimate forgets what is older than about so many blocks
CLIP = 4.0  # a block counts at most as so many spreads away from what is typical: one stall must not move a deadline
FIRST_SPREAD = 0.25  # of the first block, until more are known


@dataclass(frozen=True, slots=True)
class BlockKey:
    """What a block's time depends on. `size` is the real one, "384x256"; `device` as the worker names it."""

    model: str
    size: str
    steps: int
    device: str


@dataclass(frozen=True, slots=True)
class BlockTime:
    """Seconds per block: what is typical, how far blocks stray from it (mean absolute), the slowest seen, how many."""

    typical_s: float
    spread_s: float
    slowest_s: float
    count: int

    @classmethod
    def first(cls, seconds: float) -> BlockTime:
        """After one block."""
        return cls(seconds, seconds * FIRST_SPREAD, seconds, 1)

    def after(self, seconds: float) -> BlockTime:
        """After one more block: a running mean of clipped deviations, so that outliers pull little."""
        gain = 1.0 / min(self.count + 1, MEMORY)
        reach = CLIP * max(self.spread_s, 0.02 * self.typical_s)
        off = min(reach, max(-reach, seconds - self.typical_s))
        return replace(
            self, typical_s=self.typical_s + gain * off, spread_s=self.spread_s + gain * (abs(off) - self.spread_s),
            slowest_s=max(self.slowest_s, seconds), count=self.count + 1,
        )  # fmt: skip

    def deadline_s(self, factor: float, floor_s: float) -> float:
        """When a block that stands still counts as hung: `factor` times the predicted block, never below the floor."""
        return max(floor_s, factor * (self.typical_s + self.spread_s))


class BlockTimes:
    """All estimates. One owner feeds it; `learn` returns what has to be stored."""

    def __init__(self, known: Iterable[tuple[BlockKey, BlockTime]] = ()) -> None:
        self._times = dict(known)

    def learn(self, key: BlockKey, seconds: float) -> BlockTime:
        """Take one measured block in."""
        before = self._times.get(key)
        now = BlockTime.first(seconds) if before is None else before.after(seconds)
        self._times[key] = now
        return now

    def of(self, key: BlockKey) -> BlockTime | None:
        """The estimate of exactly this key."""
        return self._times.get(key)

    def known(self) -> list[tuple[BlockKey, BlockTime]]:
        """All estimates, by key."""
        return list(self._times.items())

    def predict(self, key: BlockKey) -> BlockTime | None:
        """The estimate, or that of other steps on the same device in proportion; None when nothing alike was measured.

        In proportion it promises too little for fewer steps and too much for more: decoding does not grow with the steps.
        """
        if (exact := self._times.get(key)) is not None:
            return exact
        alike = [
            (abs(other.steps - key.steps), other.steps, time)
            for other, time in self._times.items()
            if (other.model, other.size, other.device) == (key.model, key.size, key.device)
        ]
        if not alike:
            return None
        _, steps, time = min(alike, key=lambda entry: entry[:2])
        share = key.steps / steps
        return BlockTime(time.typical_s * share, time.spread_s * share, time.slowest_s * share, 0)


@dataclass(frozen=True)
class Pace:
    """What a video's blocks are predicted to take where the workers compute: one answer for quotas, previews and pages."""

    times: BlockTimes
    devices: Sequence[str]

    def block_ms(self, recipe: Mapping[str, Any], width: int, height: int) -> int | None:
        """Milliseconds per block on the slowest of the devices; None: such blocks were measured on none."""
        size, steps = f"{width}x{height}", int(recipe["settings"]["steps"])
        keys = (BlockKey(model=recipe["model"], size=size, steps=steps, device=device) for device in self.devices)
        found = [time.typical_s for key in keys if (time := self.times.predict(key)) is not None]
        return max(1, round(max(found) * 1000)) if found else None

    def gpu_seconds(self, recipe: Mapping[str, Any], width: int, height: int, blocks: int) -> float | None:
        """GPU seconds of so many blocks, to a tenth; None: never measured."""
        pace_ms = self.block_ms(recipe, width, height)
        return None if pace_ms is None else round(blocks * pace_ms / 1000, 1)
