"""What the vault may hold where nobody says."""

from __future__ import annotations

from scheduler.probe import Reading
from scheduler.vault_limit import HOST_GIB, default_limit_gib

CARD = Reading("gpu0", {"memory_total_bytes": 80 << 30})
SMALL = Reading("gpu1", {"memory_total_bytes": 24 << 30})


def test_with_gpus_the_vault_may_hold_what_a_plan_may_fill_on_the_smallest_that_has_a_slot() -> None:
    assert default_limit_gib([CARD, SMALL], 1) == 76.0
    assert default_limit_gib([CARD, SMALL], 2) == 22.8


def test_without_a_gpu_or_its_size_the_vault_holds_a_few_gib() -> None:
    assert default_limit_gib([Reading("cpu", {"memory_total_bytes": 80 << 30})], 1) == HOST_GIB
    assert default_limit_gib([Reading("gpu0", {})], 1) == HOST_GIB
