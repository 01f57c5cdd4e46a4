"""policy.yaml while the house runs: a change of the file holds within a second, a mistake in it changes nothing and is said."""

from __future__ import annotations

import asyncio
from pathlib import Path

from scheduler.core import events
from scheduler.core.tags import Tag
from scheduler.errors import SchedulerError
from scheduler.ledger import Ledger, Turn
from scheduler.policy_file import CHANGES_SHOWN, POLICY_NAME, PolicyFile, changes, for_slots, last_good, read_policy
from scheduler.store import Store

PERIOD_S = 1.0
REFUSAL = "policy_refused"  # fact: what is wrong with the file; "" while it can be used
_Stamp = tuple[int, int, int] | None


class PolicyWatch:
    """Holds the policy in force. `version` counts the policies that ever held in this data directory.

    A file that cannot be used leaves the policy that held last, so the successor of a daemon that dies meanwhile starts, too.
    Raises SchedulerError `bad_policy` where none ever held. (`role_scheduler serve` refuses such a file in any case.)
    """

    def __init__(self, data_dir: Path, slot_memory_bytes: int, store: Store, slots: int) -> None:
        self._slots = slots
        self._data_dir, self._slot_memory_bytes, self._store = data_dir, slot_memory_bytes, store
        self._stamp = self._stamp_of_file()  # before it is read: a change in between is seen as one
        self.version = int(store.fact("policy_version", 0))
        self._mistake: SchedulerError | None = None
        try:
            self.now = self._read()
        except SchedulerError as error:
            held = last_good(store.fact)
            if held is None:
                raise
            self.now, self._mistake = held, error

    def keep_first(self, turn: Turn) -> None:
        """At the start: the policy becomes a fact; where it is another than the one that held last, a new version."""
        before = dict(self._store.fact(f"policy:{self.version}") or {})
        if before != _stored(self.now):
            self._keep(turn, before)
        self._tell(turn)

    async def run(self, ledger: Ledger) -> None:
        """Look at the file, for ever."""
        while True:
            await asyncio.sleep(PERIOD_S)
            self.look(ledger)

    def look(self, ledger: Ledger) -> None:
        """Take up the file where it has changed."""
        if (stamp := self._stamp_of_file()) != self._stamp:
            self._stamp = stamp
            self._reload(ledger)

    def _read(self) -> PolicyFile:
        return for_slots(read_policy(self._data_dir, self._slot_memory_bytes), self._slots)

    def _reload(self, ledger: Ledger) -> None:
        try:
            read = self._read()
        except SchedulerError as error:
            self._mistake = error
            ledger.post(self._tell)
            return
        before, self._mistake = _stored(self.now), None
        if _stored(read) != before:
            self.now = read
            ledger.post(lambda turn: self._keep(turn, before))
        ledger.post(self._tell)

    def _tell(self, turn: Turn) -> None:
        """Say once what is wrong with the file, and once that it can be used again."""
        error = self._mistake
        message = "" if error is None else f"{error.message} {error.hint}".strip()
        if message == turn.store.fact(REFUSAL, ""):
            return
        turn.store.set_fact(REFUSAL, message, turn.at)
        if error is None:
            turn.record(Tag.POLICY_ACCEPTED, "policy", {"version": self.version})
        else:
            turn.record(Tag.POLICY_REFUSED, "policy", {"message": message, "problems": error.data.get("problems", [])}, "failure")

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

    def _stamp_of_file(self) -> _Stamp:
        try:
            found = (self._data_dir / POLICY_NAME).stat()
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino)


def _stored(policy: PolicyFile) -> dict[str, object]:
    """As JSON gives it back."""
    return policy.to_mapping()
