"""policy.yaml while the house runs: a change of the file holds within a second, a mistake in it changes nothing and is said."""

from __future__ import annotations

import asyncio
from pathlib import Path

from scheduler.core import events
from scheduler.errors import SchedulerError
from scheduler.ledger import Ledger, Turn
from scheduler.policy_file import CHANGES_SHOWN, POLICY_NAME, PolicyFile, changes, for_slots, read_policy
from scheduler.store import Store

PERIOD_S = 1.0
_Stamp = tuple[int, int, int] | None


class PolicyWatch:
    """Holds the policy in force. `version` counts the policies that ever held in this data directory."""

    def __init__(self, data_dir: Path, slot_memory_bytes: int, store: Store, first: PolicyFile, slots: int) -> None:
        self.now, self._slots = first, slots
        self._data_dir, self._slot_memory_bytes, self._store = data_dir, slot_memory_bytes, store
        self._stamp = self._look()
        self.version = int(store.fact("policy_version", 0))

    def keep_first(self, turn: Turn) -> None:
        """At the start: the policy becomes a fact; where it is another than the one that held last, a new version."""
        before = dict(self._store.fact(f"policy:{self.version}") or {})
        if before != _stored(self.now):
            self._keep(turn, before)

    async def run(self, ledger: Ledger) -> None:
        """Look at the file, for ever."""
        while True:
            await asyncio.sleep(PERIOD_S)
            if (stamp := self._look()) != self._stamp:
                self._stamp = stamp
                self._reload(ledger)

    def _reload(self, ledger: Ledger) -> None:
        try:
            read = for_slots(read_policy(self._data_dir, self._slot_memory_bytes), self._slots)
        except SchedulerError as error:
            body = {"message": f"{error.message} {error.hint}".strip(), "problems": error.data.get("problems", [])}
            ledger.post(lambda turn: turn.record("policy:refused", "policy", body, "failure"))
            return
        before = _stored(self.now)
        if _stored(read) != before:
            self.now = read
            ledger.post(lambda turn: self._keep(turn, before))

    def _keep(self, turn: Turn, before: dict[str, object]) -> None:
        self.version += 1
        shown = changes(before, _stored(self.now)) if before else []
        turn.apply(
            events.PolicyChanged(
                at=turn.at, policy=self.now.policy, healing=self.now.healing, version=self.version,
                changes=tuple(shown[:CHANGES_SHOWN]),
            )
        )  # fmt: skip
        turn.store.set_fact("policy", self.now.policy.to_mapping(), turn.at)
        turn.store.set_fact("healing_policy", self.now.healing.to_mapping(), turn.at)
        turn.store.set_fact("quality_policy", self.now.quality.to_mapping(), turn.at)
        turn.store.set_fact("uploads_policy", self.now.uploads.to_mapping(), turn.at)
        turn.store.set_fact(f"policy:{self.version}", _stored(self.now), turn.at)
        turn.store.set_fact("policy_version", self.version, turn.at)

    def _look(self) -> _Stamp:
        try:
            found = (self._data_dir / POLICY_NAME).stat()
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino)


def _stored(policy: PolicyFile) -> dict[str, object]:
    """As JSON gives it back."""
    return policy.to_mapping()
