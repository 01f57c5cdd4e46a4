"""Where a job goes on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.worker.resume import Resume, decide_resume


@pytest.mark.parametrize(
    ("context_blocks", "records", "expected"),
    [
        (None, 0, Resume("fresh", 0)),
        (0, 0, Resume("exact", 0)),  # begun, then killed in the first block
        (5, 5, Resume("exact", 5)),
        (4, 5, Resume("exact", 4)),  # killed between record and flip: block 4 is made again
        (None, 5, Resume("continuous", 5)),  # the vault died
        (6, 5, Resume("continuous", 5)),  # a record was lost: the context cannot go back
        (6, 0, Resume("fresh", 0)),
        (3, 5, Resume("continuous", 5)),  # an old one: the blocks since then were made with another context
        (0, 2, Resume("continuous", 2)),
    ],
)
def test_three_numbers_decide_where_to_go_on(context_blocks: int | None, records: int, expected: Resume) -> None:
    assert decide_resume(context_blocks=context_blocks, records=records) == expected


@given(st.none() | st.integers(0, 9), st.integers(0, 9))
def test_no_block_is_skipped_and_exact_is_never_claimed_without_a_context(context: int | None, records: int) -> None:
    resume = decide_resume(context_blocks=context, records=records)
    assert 0 <= resume.start <= records, "every block before the start is durable"
    assert (resume.kind == "exact") == (context is not None and context == resume.start and records - context in (0, 1))
    assert resume.kind != "fresh" or resume.start == 0
