"""The jobs that are in the house already, as work that a plan has to share the slots with."""

from __future__ import annotations

import dataclasses
import json

from scheduler.core.job import OWNED_STATES
from scheduler.plan.pace import Setting, pace_of
from scheduler.plan.studio import OpenWork, Studio
from scheduler.store import Reader

MOST = 500


def with_open_work(studio: Studio, reader: Reader) -> tuple[Studio, int]:
    """(the studio with its open jobs, how many were left out because nobody knows their pace). Who has a slot comes first."""
    found, unknown = [], 0
    page = reader.jobs(state="open", sort="ordinal", per_page=MOST)
    for row in sorted(page.rows, key=lambda row: row["state"] not in OWNED_STATES):
        steps = json.loads(row["recipe"])["settings"]["steps"]
        pace = None
        if row["width"] is not None:
            pace = pace_of(studio, Setting(width=row["width"], height=row["height"], steps=steps))
        left = row["total_blocks"] - row["blocks_done"]
        if pace is None:
            unknown += 1
        elif left > 0:
            found.append(
                OpenWork(
                    id=row["id"], user=row["user"], team=row["team"], role=row["role"], priority=row["priority"],
                    submitted_at=row["submitted_at"], blocks_left=left, block_s=pace.block_s, start_at=row["start_at"],
                    follows=row["follows"],
                )
            )  # fmt: skip
    return dataclasses.replace(studio, open_jobs=tuple(found)), unknown + page.total - len(page.rows)
