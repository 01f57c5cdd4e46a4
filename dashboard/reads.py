"""The web's read-only look at the store: opened when there is one, and again when the daemon made a new one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scheduler.clock import house_now
from scheduler.core.explain import Explanation, Situation, explain
from scheduler.core.job import Job
from scheduler.core.policy import Policy
from scheduler.store.views import ViewReader, open_views

Row = dict[str, Any]
ERROR_LIMIT = 5
PLAN_CHECKED = "plan:checked"
HEAL_ACTIONS = ("heal:recovered", "job:recovered", "worker:quarantined", "worker:released", "disk:recovered")


class Reads:
    """What pages ask. Everything not shaped here is asked of `store` itself."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._reader: ViewReader | None = None
        self._file: tuple[int, int] | None = None
        self._lock = threading.Lock()

    @property
    def store(self) -> ViewReader:
        """The reader. Raises StoreFailed `no_store` while there is none."""
        try:
            stat = (self.data_dir / "greenroom.db").stat()
            now = (stat.st_dev, stat.st_ino)
        except FileNotFoundError:
            now = None
        with self._lock:
            if self._reader is None or now != self._file:
                self._reader, self._file = open_views(self.data_dir), now
            return self._reader

    def close(self) -> None:
        """Close this thread's connection."""
        if self._reader is not None:
            self._reader.close()

    # ---- what the feed asks

    def last_seq(self) -> int:
        """Newest audit seq."""
        return self.store.last_seq()

    def audit_after(self, seq: int, limit: int) -> list[Row]:
        """Audit rows after `seq`, oldest first."""
        return [dict(entry) for entry in self.store.audit_after(seq, limit)]

    def jobs_by_id(self, ids: list[str]) -> list[Row]:
        """Light rows of these jobs."""
        return self.store.cards(ids)

    def running(self) -> list[Row]:
        """Light rows of the jobs that a worker holds, by slot."""
        return self.store.running_cards()

    def ordered(self) -> list[Job]:
        """All queued jobs, best first."""
        return self.store.queued(house_now())

    def in_order(self, jobs: Iterable[Job]) -> list[Job]:
        """The queued ones of these, best first, by the rules in force."""
        return self.store.in_order(jobs, house_now())

    # ---- people

    def user(self, name: str) -> Row | None:
        """name, group, team, session_version; or None."""
        return self.store.user(name)

    def user_of_token(self, token_sha256: str) -> Row | None:
        """The person of a living API token, or None."""
        token = self.store.token(token_sha256)
        return None if token is None or token["revoked_at"] is not None else self.store.user(token["user"])

    # ---- jobs

    def policy(self) -> Policy:
        """The rules' numbers as the daemon wrote them, else the defaults."""
        return self.store.policy()

    def places(self, order: list[Job] | None = None) -> dict[str, tuple[int, int]]:
        """Job id → (place from 1, length of the line), of the jobs that stand in line."""
        return self.store.places(house_now(), order)

    def situation(self) -> Situation:
        """What holds for all queued jobs at once, as the daemon wrote it."""
        return self.store.situation()

    def waiting(self, limit: int, user: str | None = None, role: str | None = None) -> tuple[list[Row], int]:
        """(the first queued jobs, how many there are): light rows with `place` and `why` in words."""
        order, situation = self.ordered(), self.situation()
        places, ids = self.places(order), [job.id for job in order]
        picked = [job for job in order if (not user or job.user == user) and (not role or job.role == role)]
        rows = {row["id"]: row for row in self.store.cards(job.id for job in picked[:limit])}
        shown = [
            {**rows[job.id], **self._explained(job, situation, places, ids)} for job in picked[:limit] if job.id in rows
        ]
        return shown, len(picked)

    def _explained(self, job: Job, situation: Situation, places: dict[str, tuple[int, int]], ids: list[str]) -> Row:
        place = places.get(job.id)
        why = explain(job, situation, house_now(), place, ids[: place[0] - 1] if place else ())
        return {"place": _place(place), "hold": str(why.reason), "why": why.text}

    def why(self, job: Row) -> tuple[tuple[int, int] | None, Explanation | None]:
        """(place, explanation) of a queued job; (None, None) of any other."""
        return self.store.why(job, house_now())

    # ---- the house

    def recent_errors(self, limit: int = ERROR_LIMIT) -> list[Row]:
        """The newest failures."""
        rows = self.store.recent_errors(4 * limit)
        return [row for row in rows if row["action"] != PLAN_CHECKED][:limit]  # a plan that does not fit breaks nothing

    def heals(self, limit: int = 5) -> list[Row]:
        """The newest faults that the house dealt with by itself."""
        return self.store.last_of_actions(HEAL_ACTIONS, limit)

    def stages(self) -> dict[int, str]:
        """Slot → role that its stage was switched to; not of slots that the house had once."""
        facts = self.store.facts()
        slots = Situation.from_mapping(facts["situation"]).slots if "situation" in facts else 1
        stages = {int(name[6:]): value["role"] for name, value in facts.items() if name.startswith("stage:")}
        return {slot: role for slot, role in stages.items() if slot < slots}


def recipe_of(job: Row) -> Row:
    """The job's recipe as data."""
    recipe: Row = job["recipe"] if isinstance(job["recipe"], dict) else json.loads(job["recipe"])
    return recipe


def _place(place: tuple[int, int] | None) -> dict[str, int] | None:
    return None if place is None else {"place": place[0], "of": place[1]}
