"""Which of a day's jobs do not fit a slot as they are asked for: lowered, or turned away, as admission says."""

from __future__ import annotations

from collections import Counter
from typing import Any

from engine import config
from engine.catalog import PRESETS, SHAPES
from engine.errors import SettingsError
from scheduler.context_size import context_bytes
from scheduler.core import events
from scheduler.core.admission import REJECTED, admit
from scheduler.core.job import Job
from scheduler.core.policy import Policy
from scheduler.core.state import State
from scheduler.job_ladder import Picture, job_ladder
from scheduler.simulation.trace import Trace

DEFAULT_PICTURE = Picture(width=640, height=960)


def degradations(
    trace: Trace, policy: Policy, model: str, kv: str | None = None, picture: Picture = DEFAULT_PICTURE
) -> dict[str, Any]:  # fmt: skip
    """`lowered`: jobs that fit at a lower setting only, by rung; `too_large`: that fit at none; `not_known`: of presets
    whose memory nobody knows here. `kv`: the form of rings in this house. Every requester is taken to be asked."""
    presets = Counter(job.preset for job in trace.jobs)
    lowered: Counter[str] = Counter()
    too_large = not_known = 0
    for name, count in sorted(presets.items()):
        if name not in PRESETS or model not in SHAPES:
            not_known += count
            continue
        verdict, rung = _admitted(name, policy, model, kv, picture)
        if verdict == REJECTED:
            too_large += count
        elif rung is not None:
            lowered[rung] += count
    return {"lowered": sum(lowered.values()), "rungs": dict(lowered), "too_large": too_large, "not_known": not_known}


def _admitted(preset: str, policy: Policy, model: str, kv: str | None, picture: Picture) -> tuple[str, str | None]:
    """(verdict, rung) of one job of a preset in an empty house."""
    chosen = PRESETS[preset]
    settings = config.Settings.from_preset(preset)
    try:
        width, height = config.fit_size(chosen.size, picture.width, picture.height)
    except SettingsError:
        return REJECTED, None
    need = context_bytes(model, width, height, settings, kv)
    asked = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
    rungs = job_ladder(model, asked, picture, kv=kv)
    shared: dict[str, Any] = {
        "user": "rehearsal", "team": "rehearsal", "role": "rehearsal", "priority": 10, "total_blocks": 1,
        "context_bytes": need, "degrade": "ask",
    }  # fmt: skip
    lower = tuple((rung.name, rung.predicted_bytes) for rung in rungs if rung.needs_consent and rung.is_available)
    event = events.JobSubmitted(at=0.0, job_id=preset, ordinal=1, alternatives=lower, **shared)
    decision = admit(State(policy, 1), Job(id=preset, ordinal=1, submitted_at=0.0, **shared), event)
    return decision.verdict, decision.rung
