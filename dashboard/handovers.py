"""Jobs that had to stop for a more urgent one: how soon they stopped after they were asked, and how soon the other began."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.healing import seconds
from dashboard.reads import Reads

ASKED, STOPPED, STARTED = "job:preempting", "job:preempted", "job:started"
MOST = 600  # deeds looked at


@dataclass(frozen=True)
class Handover:
    """One of them; None is what has not happened (yet), or lies too far back."""

    at: float
    victim: str
    victim_role: str
    preemptor: str
    preemptor_role: str
    stopped_s: float | None
    started_s: float | None


def handovers(reads: Reads, job_id: str | None = None) -> list[Handover]:
    """The newest first; of one job: where it had to stop, and where others stopped for it."""
    deeds = reads.store.last_of_actions((ASKED, STOPPED, STARTED), MOST)[::-1]
    asked: list[tuple[float, str, str, str]] = []
    stopped: dict[int, float] = {}
    started: dict[int, float] = {}
    for deed in deeds:
        job, at = deed["object"].partition(":")[2], seconds(deed["at_utc"])
        if deed["action"] == ASKED and deed["body"].get("preemptor"):
            asked.append((at, job, str(deed["body"]["preemptor"]), str(deed["body"].get("preemptor_role", ""))))
        for number, (since, victim, preemptor, _) in enumerate(asked):
            if deed["action"] == STOPPED and victim == job and number not in stopped:
                stopped[number] = at - since
            if deed["action"] == STARTED and preemptor == job and number not in started:
                started[number] = at - since
    wanted = [(number, one) for number, one in enumerate(asked) if job_id in (None, one[1], one[2])]
    roles = {job["id"]: job["role"] for job in reads.jobs_by_id([one[1] for _, one in wanted])}
    found = [
        Handover(at, victim, roles.get(victim, ""), preemptor, role, stopped.get(number), started.get(number))
        for number, (at, victim, preemptor, role) in wanted
    ]
    return found[::-1]


def middle(values: list[float]) -> float | None:
    """The median; None of nothing."""
    return sorted(values)[len(values) // 2] if values else None
