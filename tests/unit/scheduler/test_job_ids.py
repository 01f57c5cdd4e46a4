"""Ids of jobs: sorted by time, and nobody's twice, however many are made at one moment."""

from __future__ import annotations

import secrets
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from scheduler.commands.jobs import free_id, new_job_id
from scheduler.ledger import Turn
from tests.unit.scheduler.store_rig import AT, accept, writer


def test_later_ids_sort_after_earlier_ones() -> None:
    assert new_job_id(AT) < new_job_id(AT + 0.001) < new_job_id(AT + 1_000_000)


def test_id_that_somebody_has_is_not_given_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with writer(tmp_path) as store:
        taken = accept(store, id=f"{new_job_id(AT)[:-4]}0000")
        chances = iter([bytes(4), b"\0\0\0\1"])
        monkeypatch.setattr(secrets, "token_bytes", lambda count: next(chances))
        assert free_id(cast(Turn, SimpleNamespace(store=store, at=AT))) == f"{taken[:-4]}0001"
