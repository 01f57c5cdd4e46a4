"""Thresholds that a rehearsed day would have gone better with. Each was tried on the same day before it is suggested."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

from scheduler.core.policy import Policy, PolicyError
from scheduler.core.quotas import KINDS
from scheduler.plan.figures import time_text
from scheduler.rehearsal.simulated import Rehearsed

Try = Callable[[Policy, int], Rehearsed]  # the same day under another policy, with so many slots
WORSE = 1.02  # a figure may be so much worse before it counts as worse
BETTER = 0.9
FEWER_PREEMPTIONS = 0.8
LEAST_STOPS = 3  # so few preemptions more or less are chance
ROOM = 1.2  # limits are suggested so much above what the day needed
LEAST_S = 1.0  # differences of waits below this are noise


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """One number changed, and what it did on this day. `field`: of the policy, or `slots`."""

    field: str
    value: float | int
    before: float | int
    en: str
    zh: str
    figures: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "field": self.field, "value": self.value, "before": self.before, "text": self.en, "zh": self.zh, **self.figures,
        }  # fmt: skip


def suggestions(day: Rehearsed, policy: Policy, slots: int, attempt: Try) -> list[Suggestion]:
    """What would have been better, the strongest of each kind; empty where nothing would have."""
    found = [*_limits(day, policy, slots, attempt), *_weights(day, policy, slots, attempt)]
    more = attempt(policy, slots + 1)
    if _is_better(day, more):
        found.append(_told("slots", slots + 1, slots, day, more))
    return found


def _limits(day: Rehearsed, policy: Policy, slots: int, attempt: Try) -> Iterator[Suggestion]:
    """Where jobs were turned away: the queue's limits that would have taken them all in."""
    if not day.totals["rejected"]:
        return
    endless = {"max_queued_per_user": 10**6, "max_queued_per_team": None, "max_queued_per_role": None, "max_queued": 10**6}
    whole = attempt(Policy.from_mapping({**policy.to_mapping(), **endless}), slots)
    needs = {**{f"max_queued_per_{kind}": whole.peaks[f"queue_of_{kind}"] for kind in KINDS}, "max_queued": whole.peaks["queue"]}
    for field, need in needs.items():
        before = getattr(policy, field)
        if before is not None and need >= before:
            value = ceil(need * ROOM)
            other = _with(policy, field, value)
            after = day if other is None else attempt(other, slots)
            if after.totals["rejected"] < day.totals["rejected"]:
                yield _told(field, value, before, day, after)


def _weights(day: Rehearsed, policy: Policy, slots: int, attempt: Try) -> Iterator[Suggestion]:
    """Of each number's neighbours the one that helps most, if one helps and nothing becomes worse."""
    choices: dict[str, tuple[float | int, ...]] = {
        "preempt_margin": (policy.preempt_margin / 2, policy.preempt_margin * 2, policy.preempt_margin * 4),
        "min_run_blocks": (max(1, policy.min_run_blocks // 2), policy.min_run_blocks * 2, policy.min_run_blocks * 4),
        "ageing_per_s": (policy.ageing_per_s / 2, policy.ageing_per_s * 2),
    }
    for field, values in choices.items():
        before = getattr(policy, field)
        others = [(value, other) for value in values if value != before and (other := _with(policy, field, value))]
        tried = [(value, attempt(other, slots)) for value, other in others]
        good = [(value, after) for value, after in tried if _is_better(day, after)]
        if good:
            value, after = min(good, key=lambda one: (_rest_wait(one[1]), one[1].totals["preemptions"]))
            yield _told(field, value, before, day, after)


def _with(policy: Policy, field: str, value: float | int) -> Policy | None:
    """The policy with one number changed; None where its other numbers do not allow it."""
    try:
        return Policy.from_mapping({**policy.to_mapping(), field: value})
    except PolicyError:
        return None


def _is_better(day: Rehearsed, other: Rehearsed) -> bool:
    """Nobody loses, and urgent waits, the others' waits or the preemptions are clearly less."""
    urgent, urgent_after = _urgent_wait(day), _urgent_wait(other)
    rest, rest_after = _rest_wait(day), _rest_wait(other)
    longest, longest_after = day.peaks["longest_wait_s"], other.peaks["longest_wait_s"]
    stops, stops_after = day.totals["preemptions"], other.totals["preemptions"]
    if other.totals["succeeded"] < day.totals["succeeded"]:
        return False
    waits = ((urgent, urgent_after), (rest, rest_after), (longest, longest_after))
    if any(after > before * WORSE + LEAST_S for before, after in waits):
        return False
    is_sooner = any(after < before * BETTER - LEAST_S for before, after in waits[:2])
    return is_sooner or (stops_after < stops * FEWER_PREEMPTIONS and stops - stops_after >= LEAST_STOPS)


def _urgent_wait(day: Rehearsed) -> float:
    return float(day.classes.get("urgent", {}).get("p99_wait_s") or 0.0)


def _rest_wait(day: Rehearsed) -> float:
    """Mean wait of those that are not urgent."""
    rest = [figures for name, figures in day.classes.items() if name != "urgent" and figures["mean_wait_s"] is not None]
    jobs = sum(figures["jobs"] for figures in rest)
    return sum(figures["mean_wait_s"] * figures["jobs"] for figures in rest) / jobs if jobs else 0.0


def _told(field: str, value: float | int, before: float | int, day: Rehearsed, after: Rehearsed) -> Suggestion:
    words = {
        "field": field, "value": f"{value:g}", "before": f"{before:g}", "urgent": time_text(_urgent_wait(day)),
        "urgent_after": time_text(_urgent_wait(after)), "rest": time_text(_rest_wait(day)),
        "rest_after": time_text(_rest_wait(after)),
        "stops": day.totals["preemptions"], "stops_after": after.totals["preemptions"],
        "turned": day.totals["rejected"], "turned_after": after.totals["rejected"],
    }  # fmt: skip
    english = (
        "{field}: {value} instead of {before}. On this day: of 100 urgent ones 99 wait at most {urgent} → {urgent_after}, the "
        "others in the mean {rest} → {rest_after}; stopped for others {stops} → {stops_after}, turned away {turned} → "
        "{turned_after}."
    )
    chinese = (
        "{field}：由 {before} 改为 {value}。当天：99 % 的紧急任务等待不超过 {urgent} → {urgent_after}，"
        "其余平均等待 {rest} → {rest_after}，让位 {stops} → {stops_after} 次，被拒 {turned} → {turned_after} 个。"
    )
    figures = {
        "urgent_p99_wait_s": [_urgent_wait(day), _urgent_wait(after)],
        "rest_mean_wait_s": [round(_rest_wait(day), 3), round(_rest_wait(after), 3)],
        "preemptions": [day.totals["preemptions"], after.totals["preemptions"]],
        "rejected": [day.totals["rejected"], after.totals["rejected"]],
    }
    return Suggestion(
        field=field, value=value, before=before, en=english.format(**words), zh=chinese.format(**words), figures=figures
    )
