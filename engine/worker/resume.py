"""Where a job goes on, decided from three numbers (docs/architecture.md, "A killed block is simply made again")."""

from __future__ import annotations

from dataclasses import dataclass

FRESH, EXACT, CONTINUOUS = "fresh", "exact", "continuous"


@dataclass(frozen=True)
class Resume:
    """`kind` is fresh, exact or continuous; `start` is the first block that is made (again) from now on."""

    kind: str
    start: int


def decide_resume(*, context_blocks: int | None, records: int) -> Resume:
    """Decide from the context's counter (None: no context, or not begun) and the number of durable blocks from 0 on.

    The context is one block behind the records when its worker died between record and flip: that block is made again,
    with the same bits. A context that is ahead of the records cannot go back (its rings have been rewritten), and one that
    is farther behind is old: other workers, or another setting, have gone on since, and their blocks stay. Both are rebuilt
    from the durable latents like a lost one; without any durable block the job begins anew.
    """
    if context_blocks is not None and records - context_blocks in (0, 1):
        return Resume(EXACT, context_blocks)
    if records == 0:
        return Resume(FRESH, 0)
    return Resume(CONTINUOUS, records)
