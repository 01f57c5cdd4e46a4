"""Reading the waiting line as the core has it: order and places by the rules in force, and why each job waits.

One statement of it for pages and for the command line, so that both tell the same place and the same reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields, replace
from statistics import fmean
from typing import Any

from scheduler.core.explain import Explanation, explain, hold_of
from scheduler.core.job import HoldReason, Job, JobState
from scheduler.core.ordering import is_in_line, queue_order
from scheduler.core.policy import Policy
from scheduler.core.quality import QualityPolicy
from scheduler.core.situation import Situation
from scheduler.store.device_reads import DeviceReads
from scheduler.store.job_reads import JobReads, core_job
from scheduler.store.reads import Row
from scheduler.store.sql import jobs as sql

RECENT = 8  # blocks that tell how long one takes
Place = tuple[int, int]  # place from 1, length of the line


class LineReads(JobReads, DeviceReads):
    """The line, from the queued jobs' rows and the facts that the daemon keeps beside them."""

    def policy(self) -> Policy:
        """The rules' numbers as the daemon wrote them, else the defaults. Numbers of another version are passed over."""
        data, known = self.fact("policy"), {item.name for item in fields(Policy)}
        return Policy(**{name: data[name] for name in known & data.keys()}) if isinstance(data, dict) else Policy()

    def quality_policy(self) -> QualityPolicy:
        """The marks of finished videos as the daemon wrote them, else the shipped ones."""
        data = self.fact("quality_policy")
        return QualityPolicy.from_mapping(data) if isinstance(data, dict) else QualityPolicy()

    def situation(self) -> Situation:
        """What holds for all queued jobs at once, as the daemon wrote it."""
        data = self.fact("situation")
        return Situation.from_mapping(data) if isinstance(data, dict) else Situation()

    def pace_of(self, job: Job) -> tuple[float, float]:
        """(when a running job's present block began, seconds that a block takes it), nearly as the core knows them."""
        recent = [row for row in self.blocks(job.id, max(0, job.blocks_done - RECENT)) if row["lease_id"] == job.lease_id]
        since = max((float(row["made_at"]) for row in recent), default=job.leased_at)
        return since, fmean([job.block_ms / 1000.0, *(row["seconds"] for row in recent)])

    def waiting_jobs(self) -> list[Job]:
        """All queued jobs as the core knows them, in no order."""
        return [core_job(row) for row in self._each(sql.SELECT_WAITING)]

    def jobs_as_core(self, job_ids: Iterable[str]) -> list[Job]:
        """These jobs as the core knows them, in no order and in any state; unknown ids are left out."""
        return [core_job(row) for row in self._each(sql.SELECT_CORE_BY_IDS, (json.dumps(list(job_ids)),))]

    def queued(self, at: float) -> list[Job]:
        """All queued jobs, best first, as the core orders them at this time; those that something of their own holds last."""
        return self.in_order(self.waiting_jobs(), at)

    def in_order(self, jobs: Iterable[Job], at: float) -> list[Job]:
        """The queued ones of these, in that order."""
        return queue_order(jobs, at, self.policy(), dict(self.situation().handicaps))

    def places(self, at: float, order: list[Job] | None = None) -> dict[str, Place]:
        """Job id → its place, of the jobs that stand in line."""
        line = [job.id for job in (self.queued(at) if order is None else order) if is_in_line(job, at)]
        return {job_id: (place, len(line)) for place, job_id in enumerate(line, 1)}

    def hold_now(self, job: Row) -> HoldReason | None:
        """The reason that a person should read first; None where the job does not wait."""
        return hold_of(core_job(job), self.situation()) if job["state"] == JobState.QUEUED else None

    def why(self, job: Row, at: float) -> tuple[Place | None, Explanation | None]:
        """(place, explanation) of a queued job; (None, None) of any other."""
        if job["state"] != JobState.QUEUED:
            return None, None
        order = self.queued(at)
        place = self.places(at, order).get(job["id"])
        ahead = [other.id for other in order][: place[0] - 1] if place else []
        found = explain(core_job(job), self.situation(), at, place, ahead)
        return place, replace(found, data={**found.data, "blockers": [self._told(one) for one in found.data["blockers"]]})

    def _told(self, blocker: dict[str, Any]) -> dict[str, Any]:
        """A paused queue's blocker with what the person said: the reason, and until when."""
        pause = self.fact("queue_paused") if blocker["rule"] == "queue_paused" else None
        if not isinstance(pause, dict):
            return blocker
        reason = {"reason": pause["reason"]} if pause.get("reason") else {}
        return {**blocker, "until": pause.get("until"), **reason}
