"""What stands between a queued job and its start, as data: the rule, the other job, the amount short, until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scheduler.core.job import OWN_HOLDS, HoldReason, Job
from scheduler.core.quotas import KINDS, Shortage
from scheduler.core.situation import Playing, Situation

AHEAD_SHOWN = 5  # jobs ahead that are named


def blockers_of(
    job: Job, situation: Situation, reason: HoldReason, data: Mapping[str, Any], ahead: Sequence[str]
) -> list[dict[str, Any]]:
    """Every blocker, the one that a person reads first at the beginning. Keys: rule, and job, amount, until where known."""
    found: list[dict[str, Any]] = []
    if job.hold in OWN_HOLDS:
        other_job = data.get("follows") or data.get("preview")
        found.append({"rule": str(job.hold), "job": other_job, "amount": None, "until": data.get("until")})
    if job.hold is HoldReason.ROLE_UNAVAILABLE and (thing := dict(situation.missing).get(job.role)) is not None:
        found.append(_of("asset_missing") | {"role": job.role, "thing": thing})
    if situation.is_queue_paused:
        found.append(_of("queue_paused"))
    if situation.drained_slots == situation.slots:
        found.append(_of("slot_drained", amount=situation.drained_slots, until=situation.drained_until))
    elif situation.ready_slots == 0:
        found.append(_of("no_worker", amount=1))
    if (other := excluder_of(job, situation)) is not None:
        found.append(_of("excluded", job=other.job_id) | {"slot": other.slot, "role": other.role})
    if (full := full_stage_of(job, situation)) is not None:
        whose = {"kind": full.kind, "name": full.name, "limit": full.limit, "used": full.used}
        count = [playing.job_id for playing in situation.playing if getattr(playing, full.kind) == full.name]
        found.append(_of("quota_running", job=count[0], amount=full.short) | whose | {"jobs": list(dict.fromkeys(count))})
    free, wanted = situation.free_slots, dict(situation.gangs).get(job.id, 1)
    if wanted > 1:
        found.append(_of("gang", amount=max(0, wanted - free)) | {"slots": wanted, "free": free})
    found += [_of("ahead", job=job_id) for job_id in ahead[:AHEAD_SHOWN]]
    if len(ahead) > AHEAD_SHOWN:
        found.append(_of("ahead", amount=len(ahead) - AHEAD_SHOWN))
    if job.hold not in OWN_HOLDS:
        busy = [playing for playing in situation.playing if not playing.is_drained] if free < wanted else []
        found += [_of("slot_busy", job=playing.job_id) | {"slot": playing.slot} for playing in busy]
        points = dict(situation.handicaps).get(job.team, 0.0)
        if points and (ahead or busy):  # else nobody is there whom it would put before this job
            found.append(_of("fair_share", amount=points) | {"team": job.team})
    return sorted(found, key=lambda blocker: blocker["rule"] != reason.value)


def excluder_of(job: Job, situation: Situation) -> Playing | None:
    """A job that plays now and may not play together with this one."""
    excluded = next((others for role, others in situation.excluded if role == job.role), ())
    return next((playing for playing in situation.playing if playing.role in excluded), None)


def full_stage_of(job: Job, situation: Situation) -> Shortage | None:
    """The quota of running jobs that is used up."""
    for kind, limit in situation.running_limits:
        assert kind in KINDS
        name = getattr(job, kind)
        used = len({playing.job_id for playing in situation.playing if getattr(playing, kind) == name})
        if used >= limit:
            return Shortage(kind=kind, name=name, rule="running", limit=limit, used=used)
    return None


def _of(rule: str, *, job: str | None = None, amount: float | None = None, until: float | None = None) -> dict[str, Any]:
    return {"rule": rule, "job": job, "amount": amount, "until": until}
