"""The ladder: what can be given up, in the order of what it costs. Which rung is next, up or down; nothing is done here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from scheduler.core.learnt_memory import MemoryKey

DEVICE, JOB = "device", "job"  # what a rung changes: what lies about on the device, or how the job is made
AS_ASKED = ""  # the name of the setting that was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One step. `predicted_bytes`: the job's context at it; `memory`: the kind of which a correction of that may be known.
    A rung that this engine cannot do says why not.

    Names of job rungs are the whole setting, `steps=3` or `steps=3 size=384*256`, so each stands for itself.
    """

    name: str
    predicted_bytes: int = 0
    kind: str = JOB
    needs_consent: bool = False
    why_not: str = ""  # empty: it can be taken
    memory: MemoryKey | None = None

    @property
    def is_available(self) -> bool:
        """Can it be taken here and now?"""
        return not self.why_not


@dataclass(frozen=True, slots=True)
class Choice:
    """The next rung, whether it has to be asked for first, and those that were passed over with the reason."""

    rung: Rung | None
    is_asked: bool = False
    passed: tuple[tuple[str, str], ...] = ()


NeedOf = Callable[[Rung], int]


def as_predicted(rung: Rung) -> int:
    """Where nothing was measured."""
    return rung.predicted_bytes


def step_down(
    ladder: Sequence[Rung], now: str, tried: Collection[str], degrade: str, *, only: str = "", most_bytes: int | None = None,
    need_of: NeedOf = as_predicted,
) -> Choice:  # fmt: skip
    """The cheapest rung below. `now`: the job's present setting; `tried`: device rungs of this incident.

    `degrade`: "allow", "ask" or "never". `only`: names must contain it. `most_bytes`: job rungs must fit into it;
    `need_of`: what they take.
    """
    passed: list[tuple[str, str]] = []
    for rung in _below(ladder, now):
        if only not in rung.name:
            continue
        if rung.kind == DEVICE and rung.name in tried:
            passed.append((rung.name, "taken already"))
        elif not rung.is_available:
            passed.append((rung.name, rung.why_not))
        elif rung.kind == JOB and most_bytes is not None and need_of(rung) > most_bytes:
            passed.append((rung.name, f"needs {need_of(rung)} bytes"))
        elif rung.needs_consent and degrade == "never":
            passed.append((rung.name, "the submission says never"))
        else:
            return Choice(rung, rung.needs_consent and degrade == "ask", tuple(passed))
    return Choice(None, False, tuple(passed))


def step_up(
    ladder: Sequence[Rung], now: str, most_bytes: int | None, need_of: NeedOf = as_predicted, *, top: str = AS_ASKED
) -> Rung | None:
    """The next better setting that can be had again and fits; None at the top. `top`: the best that it may have."""
    settings = [rung for rung in ladder if rung.kind == JOB]
    names = [rung.name for rung in settings]
    if now not in names or top not in names:
        return None
    for rung in reversed(settings[names.index(top) : names.index(now)]):
        if rung.is_available and (most_bytes is None or need_of(rung) <= most_bytes):
            return rung
    return None


def _below(ladder: Sequence[Rung], now: str) -> list[Rung]:
    """Device rungs, then the settings after the present one, in the ladder's order."""
    is_below, found = False, []
    for rung in ladder:
        if rung.kind == DEVICE:
            found.append(rung)
        elif rung.name == now:
            is_below = True
        elif is_below:
            found.append(rung)
    return found
