"""Writing learnt block times: measurements with their own time, no log rows."""

from __future__ import annotations

from scheduler.core.block_times import BlockKey, BlockTime
from scheduler.store.sql import healing as sql
from scheduler.store.transaction import Transactional


class HealingWrites(Transactional):
    """Block times."""

    def keep_block_time(self, key: BlockKey, time: BlockTime, at: float) -> None:
        """Keep an estimate; the one before it is overwritten."""
        values = (key.model, key.size, key.steps, key.device, time.typical_s, time.spread_s, time.slowest_s, time.count, at)
        self._write(sql.KEEP_BLOCK_TIME, values)
