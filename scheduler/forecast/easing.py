"""Fewer steps in place of giving way, as futures play it: what a running job could take, and how much faster it is then.

The daemon knows a job's whole ladder from its role and device. Futures need the steps of it only: those alone are taken so as to
keep a slot, and they change hardly anything about the memory.
"""

from __future__ import annotations

from math import log

from engine.catalog import PRESETS
from scheduler.core.ladder import AS_ASKED, Rung
from scheduler.core.policy import Policy
from scheduler.forecast.witness import Request
from scheduler.job_ladder import LEAST_STEPS


def ladder_of(request: Request | None, policy: Policy) -> tuple[Rung, ...]:
    """Settings with fewer steps than the request asks for; empty where the policy trades no steps for a slot."""
    if request is None or not policy.degrade_within_s or request.rungs:
        return ()
    steps = range(_steps_of(request.preset) - 1, LEAST_STEPS - 1, -1)
    return Rung(name=AS_ASKED), *(Rung(name=f"steps={count}", needs_consent=True) for count in steps)


def log_gain(request: Request, rungs: str) -> float:
    """Logarithm of what a block takes at these rungs in what it took as the request has it, in proportion to the steps."""
    before, now = _steps_of(request.preset), rungs.removeprefix("steps=")
    if rungs == request.rungs or request.rungs or not now.isdigit() or not before:
        return 0.0
    return log(int(now) / before)


def _steps_of(preset: str) -> int:
    """Of a preset's name, or of settings as `384*256:4`; 0 where it is neither."""
    if (known := PRESETS.get(preset)) is not None:
        return known.steps
    steps = preset.rpartition(":")[2]
    return int(steps) if steps.isdigit() else 0
