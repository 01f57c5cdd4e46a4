"""What was promised to sessions, reservations and paused jobs, looked for in the log: nobody else is believed.

A part of a session begins after the part before it has succeeded: in that step, on that slot, unless something that is allowed to
stands in the way. A lost worker is no such thing here: its part goes back to the line, and whoever ranks higher may go first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from scheduler.audit.entry import AuditEntry, utc_text
from scheduler.core.job import FINAL_STATES, OWN_HOLDS
from scheduler.core.tags import Tag

HANDED_OVER, RESERVED, PAUSED = "parts handed over", "reservations kept", "pauses kept"
_URGENT = 100  # of the policy of such a house


@dataclass
class _Known:
    """A job as far as the log was read."""

    state: str = "SUBMITTED"
    hold: str | None = None
    priority: int = 0
    is_paused: bool = False
    follows: str = ""
    start_at: str | None = None  # as the log writes time, which sorts
    slot: int | None = None  # where it played last


@dataclass(frozen=True)
class _Due:
    """A slot whose next lease, within the same step, is for this part."""

    job_id: str
    at: str


class Promises:
    """Feed it all entries in order. `kept` counts what was seen to be kept, and why a part was let wait."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.kept: Counter[str] = Counter()
        self._jobs: dict[str, _Known] = {}
        self._open: set[str] = set()
        self._heads: set[str] = set()  # jobs that a part of a session follows
        self._due: dict[int, _Due] = {}
        self._drained: dict[int, set[str]] = {}
        self._stopping: set[int] = set()  # slots whose worker's kill was ordered
        self._is_queue_paused = False

    def feed(self, entries: Iterable[AuditEntry]) -> None:
        """Take rows, oldest first."""
        for entry in entries:
            self._look_at_due(entry)
            kind, _, name = entry["object"].partition(":")
            if kind == "job":
                self._job(name, entry)
            elif kind == "slot":
                self._slot(int(name), entry)
            elif entry["action"] in (Tag.QUEUE_PAUSED, Tag.QUEUE_RESUMED):
                self._is_queue_paused = entry["action"] == Tag.QUEUE_PAUSED

    def findings(self) -> list[str]:
        """What was not kept so far. On a house that is quiet: whoever follows a job that came to nothing has ended, too."""
        left = [
            f"{job_id} is {job.state}, and {job.follows}, which it follows, has ended as {before.state}"
            for job_id in sorted(self._open)
            if (before := self._jobs.get((job := self._jobs[job_id]).follows)) is not None
            and before.state in FINAL_STATES and before.state != "SUCCEEDED"
        ]  # fmt: skip
        return self.faults + left

    # ---- rows --------------------------------------------------------------------------------------------------------

    def _job(self, job_id: str, entry: AuditEntry) -> None:
        body, action = entry["body"], entry["action"]
        if action == Tag.JOB_SUBMITTED and "from" not in body:
            start_at = None if body.get("start_at") is None else utc_text(body["start_at"])
            job = self._jobs[job_id] = _Known(priority=body["priority"], follows=body.get("follows", ""), start_at=start_at)
            self._open.add(job_id)
            self._heads.add(job.follows)
            return
        if "to" not in body or (job := self._jobs.get(job_id)) is None:  # type: ignore[assignment]
            return
        told = body.get("set", {})
        if action == Tag.JOB_LEASED:
            self._leased(job_id, job, entry, int(told["slot"]))
        if action == Tag.JOB_PREEMPTING and body.get("cause") == "preempted":
            self._preempted(job_id, job, str(body["rule"]), entry["seq"])
        if action == Tag.JOB_PAUSED:
            self.kept[PAUSED] += 1
        slot = job.slot if told.get("slot") is None else told["slot"]
        job.state, job.slot = body["to"], slot
        for name in ("hold", "priority", "is_paused"):
            setattr(job, name, told.get(name, getattr(job, name)))
        if job.state in FINAL_STATES:
            self._open.discard(job_id)
        if action == Tag.JOB_QUEUED and body.get("cause") == "its_turn":
            self._take_turn(job_id, job, entry["at_utc"])

    def _slot(self, slot: int, entry: AuditEntry) -> None:
        action, cause = entry["action"], entry["body"].get("cause", "person")
        if action == Tag.SLOT_DRAINED:
            self._drained.setdefault(slot, set()).add(cause)
        elif action == Tag.SLOT_RETURNED:
            self._drained.get(slot, set()).discard(cause)
        elif action == Tag.WORKER_KILL_ORDERED:
            self._stopping.add(slot)
        elif action in (Tag.WORKER_LOST, Tag.WORKER_READY):
            self._stopping.discard(slot)

    # ---- promises ----------------------------------------------------------------------------------------------------

    def _leased(self, job_id: str, job: _Known, entry: AuditEntry, slot: int) -> None:
        seq, before = entry["seq"], self._jobs.get(job.follows)
        if before is not None and before.state != "SUCCEEDED":
            self.faults.append(f"row {seq}: {job_id} begins, and {job.follows}, which it follows, is {before.state}")
        if job.is_paused:
            self.faults.append(f"row {seq}: {job_id} begins while it is paused")
        if job.start_at is not None and entry["at_utc"] < job.start_at:
            self.faults.append(f"row {seq}: {job_id} begins at {entry['at_utc']}, before its reserved time {job.start_at}")
        elif job.start_at is not None and job.slot is None:
            self.kept[RESERVED] += 1
        if (due := self._due.pop(slot, None)) is not None:
            if due.job_id == job_id:
                self.kept[HANDED_OVER] += 1
            else:
                self.faults.append(f"row {seq}: {job_id} takes slot {slot}, which was {due.job_id}'s, the session's next part")

    def _preempted(self, job_id: str, job: _Known, rule: str, seq: int) -> None:
        if job.start_at is not None:
            self.faults.append(f"row {seq}: {job_id} had a reserved time and is stopped by another job ({rule})")
        elif rule == "margin" and (job.follows or job_id in self._heads):
            self.faults.append(f"row {seq}: {job_id} is a part of a session and is stopped by a job that is not urgent")

    def _take_turn(self, job_id: str, job: _Known, at: str) -> None:
        """The part before it has succeeded in this step."""
        slot = self._jobs[job.follows].slot
        assert slot is not None, f"{job.follows} has succeeded and never played"
        if (why := self._excuse(job_id, job, slot, at)) is not None:
            self.kept[f"parts let wait: {why}"] += 1
        else:
            self._due[slot] = _Due(job_id, at)

    def _excuse(self, job_id: str, job: _Known, slot: int, at: str) -> str | None:
        """Why the part need not have the slot at once."""
        if job.hold in OWN_HOLDS:
            return str(job.hold)
        if self._is_queue_paused:
            return "queue paused"
        if self._drained.get(slot):
            return "slot drained"
        if slot in self._stopping:
            return "worker being stopped"
        others = (self._jobs[other] for other in self._open if other != job_id)
        if not _goes_before_all(job, at) and any(_is_in_line(one) and _goes_before_all(one, at) for one in others):
            return "urgent job"
        return None

    def _look_at_due(self, entry: AuditEntry) -> None:
        """Another moment begins: who was to have a slot within the last one has it by now."""
        for slot, due in list(self._due.items()):
            if entry["at_utc"] != due.at:
                del self._due[slot]
                self.faults.append(f"row {entry['seq']}: {due.job_id} was not given slot {slot} when its turn came")


def _is_in_line(job: _Known) -> bool:
    return job.state == "QUEUED" and job.hold not in OWN_HOLDS


def _goes_before_all(job: _Known, at: str) -> bool:
    return job.priority >= _URGENT or (job.start_at is not None and job.start_at <= at)

