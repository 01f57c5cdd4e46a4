"""Reading batches: the jobs that were submitted under the key of one."""

from __future__ import annotations

from scheduler.store.reads import Reads, Row

SELECT_BATCH = """
SELECT substr(k.key, length(:prefix) + 18) AS name, j.id, j.user, j.role, j.state, j.priority, j.blocks_done, j.total_blocks,
  j.submitted_at, j.started_at, j.finished_at, j.frames, j.video_path, j.error_code, j.error_message, j.error_hint
FROM idempotency_keys AS k JOIN jobs AS j ON j.id = k.job_id
WHERE k.actor = :actor AND k.key > :prefix AND k.key < :after ORDER BY j.ordinal"""


class BatchReads(Reads):
    """Batches. A row has the item's `name` and light columns of its job."""

    def batch(self, actor: str, key: str) -> list[Row]:
        """The jobs of an actor's batch, in the order of acceptance; empty where there is none."""
        return self._rows(SELECT_BATCH, {"actor": actor, "prefix": f"batch:{key}:", "after": f"batch:{key};"})
