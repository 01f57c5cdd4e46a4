"""May it ever run, may it wait: Admitted, Held or Rejected, with the reason in words and the terms in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import ceil
from typing import Any

from scheduler.core.events import JobSubmitted
from scheduler.core.explain import drained_until
from scheduler.core.fair_share import weigh_teams
from scheduler.core.job import HoldReason, Job
from scheduler.core.learnt_memory import PLAIN, Need
from scheduler.core.quotas import Shortage, full_queues, spent_days
from scheduler.core.reservations import refuse_time
from scheduler.core.sentences import clock_text, memory_text, sentence, sentence_at, sentence_of
from scheduler.core.state import State

ADMITTED, HELD, REJECTED = "admitted", "held", "rejected"
BLOCK_SECONDS = 0.48  # of video in a block; the engine's word (engine.catalog), which the core does not import


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Answer to a submission. `reason` is a hold reason or the code of a rejection; `rung` names a degraded setting. `text`, in
    each language, ends with the way out where there is one."""

    verdict: str
    reason: str
    text: dict[str, str]
    rung: str | None = None
    context_bytes: int = 0  # of what was decided: the rung's, if there is one
    terms: dict[str, Any] = field(default_factory=dict)

    def to_mapping(self) -> dict[str, Any]:
        """As it stands in the audit row and in the answer of the control API."""
        return {
            "verdict": self.verdict, "reason": self.reason, "text": self.text, "rung": self.rung, "terms": self.terms,
        }  # fmt: skip


def is_asked(decision: Decision) -> bool:
    """Does the requester have to agree first?"""
    return decision.reason == HoldReason.AWAITING_CONSENT


def admit(state: State, job: Job, event: JobSubmitted) -> Decision:
    """Decide on a job that is not queued yet. Quotas first, then slots and times, then memory, then what the role allows."""
    policy = state.policy
    counts = state.counts
    terms: dict[str, Any] = {
        "context_bytes": job.context_bytes, "slot_memory_bytes": policy.slot_memory_bytes,
        "queued": state.queued, "max_queued": policy.max_queued, "predicted_s": round(job.total_seconds, 3),
        "queued_by_user": counts.queued.get(("user", job.user), 0), "max_queued_per_user": policy.max_queued_per_user,
    }  # fmt: skip
    for shortage in full_queues(state, job):
        code = "queue_full_user" if shortage.kind == "user" else "queue_full_of"
        return Decision(
            verdict=REJECTED, reason="queue_full", terms=terms | asdict(shortage),
            text=sentence_of(code, shortage, user=job.user, queued=shortage.used, limit=shortage.limit),
        )  # fmt: skip
    if state.queued >= policy.max_queued:
        return Decision(
            verdict=REJECTED, reason="queue_full", terms=terms,
            text=sentence("queue_full", queued=state.queued, limit=policy.max_queued),
        )  # fmt: skip
    for shortage in spent_days(state, job, event.at, event.slots_needed):
        return _day_is_spent(job, shortage, terms, event.slots_needed)
    refused = refuse_time(state, job, event, terms)
    if refused is not None:
        return Decision(verdict=REJECTED, **refused)
    need = _need(state, event, "", job.context_bytes)
    if need.thousandths != PLAIN:
        terms["learnt_memory"] = need.to_mapping()
    if policy.slot_memory_bytes is not None and need.context_bytes > policy.slot_memory_bytes:
        return _too_large(state, job, event, policy.slot_memory_bytes, terms, need)
    is_tight = policy.slot_memory_bytes is not None and job.context_bytes > policy.slot_memory_bytes
    hold = state.hold_for(job, event.at, HoldReason.WAITING_FOR_SLOT)
    if hold is HoldReason.WAITING_FOR_SLOT:
        if state.is_imagined:
            return Decision(verdict=ADMITTED, reason=hold.value, text={}, context_bytes=job.context_bytes)
        weigh_teams(state, event.at, joining=job.team)  # of who was not in line, fair share's points were not known
        text = _accepted(state, job, event.at)
        return Decision(
            verdict=ADMITTED, reason=hold.value, terms=terms, context_bytes=job.context_bytes,
            text=_explained(text, need if is_tight else None),
        )  # fmt: skip
    words = {"role": job.role, "follows": job.follows, "preview": job.preview}
    text = sentence(hold.value, **words, wait_s=ceil((job.start_at or event.at) - event.at))
    return Decision(
        verdict=HELD, reason=hold.value, terms=terms, context_bytes=job.context_bytes,
        text=_explained(text, need if is_tight else None),
    )  # fmt: skip


def _accepted(state: State, job: Job, at: float) -> dict[str, str]:
    """How many go before it, and what keeps the whole line from moving."""
    code, until = "admitted", drained_until(state)
    if state.is_queue_paused:
        code = "admitted_paused"
    elif until is not None:
        code = "admitted_maintenance"
    elif all(slot.is_drained for slot in state.slots):
        code = "admitted_drained"
    return sentence(_worded(state, code), ahead=state.line.ahead_of(job), wait_s=max(0, ceil((until or at) - at)))


def _need(state: State, event: JobSubmitted, rung: str, context_bytes: int) -> Need:
    """What a setting takes: as predicted, corrected by what jobs like it took."""
    return state.memory.need(dict(event.memory).get(rung), context_bytes, event.at)


def _worded(state: State, code: str) -> str:
    """The sentence for what was submitted, or for what only would be."""
    return f"{code}_would" if state.is_asked_about else code


def _explained(text: dict[str, str], need: Need | None) -> dict[str, str]:
    """The sentence, and where the prediction was corrected, by how much and of how many jobs that was learnt."""
    if need is None or need.thousandths == PLAIN:
        return text
    percent = f"{abs(need.thousandths - PLAIN) / 10:g}"
    code = f"memory_{'more' if need.thousandths > PLAIN else 'less'}{'_alike' if need.is_borrowed else ''}"
    why = sentence(code, percent=percent, jobs=need.jobs)
    return {language: f"{words}{' ' if language == 'en' else ''}{why[language]}" for language, words in text.items()}


def _day_is_spent(job: Job, shortage: Shortage, terms: dict[str, Any], slots: int) -> Decision:
    """No GPU seconds are left for it today; what would fit is said as the length of a video and in blocks."""
    left_s = max(0.0, shortage.limit - shortage.used)
    fitting = min(int(left_s * 1000 // (job.block_ms * slots)), job.total_blocks)
    fitting_s = round(fitting * BLOCK_SECONDS, 2)
    text = sentence_of(
        "day_spent" if fitting else "day_all_spent", shortage, used=_at_least(shortage.used), limit=f"{shortage.limit:g}",
        needed=_at_least(shortage.needed), fitting=fitting, fitting_s=fitting_s, resets=clock_text(shortage.until or 0.0),
    )  # fmt: skip
    return Decision(
        verdict=REJECTED, reason="quota_spent", text=text,
        terms=terms | asdict(shortage) | {"fitting_blocks": fitting, "fitting_s": fitting_s},
    )  # fmt: skip


def _at_least(seconds: float) -> str:
    """Rounded up to a tenth: what is in use and what is needed never look as if they fitted after all."""
    return f"{ceil(seconds * 10) / 10:.1f}"


def _too_large(state: State, job: Job, event: JobSubmitted, limit: int, terms: dict[str, Any], found: Need) -> Decision:
    """The context does not fit: the best rung that does, by consent where the submission says so."""
    fitting = [(rung, size) for rung, size in event.alternatives if _need(state, event, rung, size).context_bytes <= limit]
    need, have = memory_text(found.context_bytes), memory_text(limit)
    if not fitting or job.degrade == "never":
        fits = _what_fits([rung for rung, _ in fitting], [rung for rung, _ in event.alternatives])
        text = {
            language: sentence("context_too_large", need=need, have=have, fits=words)[language]
            for language, words in fits.items()
        }
        return Decision(verdict=REJECTED, reason="context_too_large", text=_explained(text, found), terms=terms)
    rung, size = fitting[0]
    if job.degrade == "allow":
        hold = state.hold_for(job, event.at, HoldReason.WAITING_FOR_SLOT)
        return Decision(
            verdict=ADMITTED if hold is HoldReason.WAITING_FOR_SLOT else HELD, reason=hold.value, rung=rung,
            text=_explained(sentence_at(_worded(state, "admitted_degraded"), rung, need=need, have=have), found),
            context_bytes=size, terms=terms,
        )  # fmt: skip
    return Decision(
        verdict=HELD, reason=HoldReason.AWAITING_CONSENT.value, rung=rung, context_bytes=size, terms=terms,
        text=_explained(sentence_at("awaiting_consent", rung), found),
    )  # fmt: skip


def _what_fits(fitting: list[str], lower: list[str]) -> dict[str, str]:
    """The end of a refusal: the lower settings that fit, else the lowest that was tried."""
    if fitting:
        return {"en": f"what would fit: {', '.join(fitting)}", "zh": f"可用的设置：{'、'.join(fitting)}"}
    if lower:
        return sentence("too_large_at_lowest", rung=lower[-1])
    return sentence("too_large_without_lower")
