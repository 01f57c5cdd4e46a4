"""What the core knows beside its jobs, kept as single facts: the situation for pages, open heals over a restart."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from scheduler.core.explain import situation_of
from scheduler.core.healing_policy import Fault
from scheduler.core.heals import Descent, Heals
from scheduler.core.ladder import AS_ASKED
from scheduler.core.learnt_memory import LearntMemory
from scheduler.core.shares import Shares
from scheduler.core.situation import Situation
from scheduler.core.usage import Spent
from scheduler.ledger import Turn
from scheduler.store import Store

HEALS = "heals"
SHARES = "shares"
MEMORY = "learnt_memory"


class CoreNotes:
    """Writes a fact when it changed, in the transaction that changed it."""

    def __init__(self) -> None:
        self._situation: Situation | None = None
        self._heals_version = self._memory_version = 0
        self._shares_version = (0, 0)

    def keep(self, turn: Turn) -> None:
        """Before each commit."""
        state = turn.state
        situation = situation_of(state)
        if situation != self._situation:
            turn.store.set_fact("situation", situation.to_mapping(), turn.at)
            self._situation = situation
        if state.heals.version != self._heals_version:
            descents = {job_id: asdict(descent) for job_id, descent in state.degraded.items()}
            turn.store.set_fact(HEALS, {**state.heals.to_mapping(), "descents": descents}, turn.at)
            self._heals_version = state.heals.version
        if state.memory.version != self._memory_version:
            turn.store.set_fact(MEMORY, state.memory.to_mapping(), turn.at)
            self._memory_version = state.memory.version
        shares_version = state.shares.version, state.spent.version
        if shares_version != self._shares_version:
            turn.store.set_fact(SHARES, {**state.shares.to_mapping(), "spent": state.spent.to_mapping()}, turn.at)
            self._shares_version = shares_version

    def forget(self) -> None:
        """What was written last may have been taken back."""
        self._situation, self._heals_version, self._shares_version, self._memory_version = None, -1, (-1, -1), -1


def restore_notes(store: Store) -> dict[str, Any]:
    """Arguments for `State.restore`: open heals, jobs that came down, what teams have used, and what jobs took of memory."""
    kept = store.fact(HEALS) or {}
    descents = {
        job_id: Descent(row["heal"], Fault(row["fault"]), row["at"], row["wait_s"], row.get("top", AS_ASKED))
        for job_id, row in kept.get("descents", {}).items()
        if row["fault"] in set(Fault)
    }
    used = store.fact(SHARES) or {}
    return {
        "heals": Heals.from_mapping(kept), "degraded": descents, "shares": Shares.from_mapping(used),
        "spent": Spent.from_mapping(used.get("spent")), "memory": LearntMemory.from_mapping(store.fact(MEMORY)),
    }  # fmt: skip
