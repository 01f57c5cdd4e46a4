"""Learnt corrections of predicted memory: how much more, or less, jobs of a kind took than the planner said.

A correction is in thousandths of the job's context: what its context would have had to be for the prediction of the worker's
whole peak to hold. Of each kind the latest jobs count, one entry each. The correction is the most of few and an upper quantile
of many; more is believed at once, less only after some jobs. A kind that was never measured borrows from the one most like it.
Every entry comes with a log row, and the rows alone give all of it back (`replayed`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

REMEMBERED = 32  # jobs per kind
LEAST_JOBS = 3  # so many must have taken less before less is believed, or before others borrow
UPPER = 0.95  # of the remembered jobs needed no more; of up to 20 that is the most
PLAIN, LEAST, MOST = 1000, 750, 1500  # thousandths: as predicted, and how far a correction may go
BORROWED_LEAST, BORROWED_MOST = 900, 1250
BORROWED_DOUBT = 10  # a borrowed relief is so much smaller
FAILURE_STEP = 20  # who had no memory needs so much more than was believed, at least
FORGET_S = 14 * 86_400.0  # a kind that nobody measured for so long is as predicted again: machines change
OUT_OF_MEMORY, MEASURED = "out_of_memory", "measured"


@dataclass(frozen=True, slots=True)
class MemoryKey:
    """What a job's memory depends on. `size`: the real one, "640x384"; `device`: its kind; `rung`: what lies in host memory."""

    model: str
    size: str
    steps: int
    precision: str
    device: str
    rung: str

    @property
    def house(self) -> tuple[str, str, str]:
        """Kinds of one house are alike: they differ in size, steps and rung."""
        return self.model, self.precision, self.device


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The peak of a worker that makes a job, in bytes. `is_bound`: earlier work made it, so the job takes no more than that.

    `context_bytes`, `predicted_bytes`: the job's context and the worker's peak as engine/memory says.
    """

    key: MemoryKey
    context_bytes: int
    predicted_bytes: int
    peak_bytes: int
    is_bound: bool = False

    @property
    def thousandths(self) -> int:
        """Of the context, rounded up, within bounds."""
        found = -(-1000 * (self.context_bytes + self.peak_bytes - self.predicted_bytes) // self.context_bytes)
        return max(LEAST, min(MOST, found))


@dataclass(frozen=True, slots=True)
class Need:
    """What a job is expected to take. `jobs`: of how many that was learnt; `is_borrowed`: of another kind."""

    context_bytes: int
    thousandths: int = PLAIN
    jobs: int = 0
    is_borrowed: bool = False

    def to_mapping(self) -> dict[str, Any]:
        """For the terms of a decision."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of a kind: one entry per job, the newest last; the jobs of these; the context; when."""

    recent: tuple[int, ...]
    jobs: tuple[str, ...]
    context_bytes: int
    at: float

    @property
    def thousandths(self) -> int:
        """The correction."""
        ordered = sorted(self.recent)
        upper = ordered[-(-int(100 * UPPER) * len(ordered) // 100) - 1]
        return upper if len(self.recent) >= LEAST_JOBS else max(PLAIN, upper)

    def of(self, job_id: str) -> int | None:
        """The job's entry."""
        return next((value for job, value in zip(self.jobs, self.recent, strict=True) if job == job_id), None)

    def with_entry(self, job_id: str, value: int, context_bytes: int, at: float) -> Record:
        """A job's blocks are one entry, the highest of them, also where several jobs are made side by side."""
        others = [(job, of) for job, of in zip(self.jobs, self.recent, strict=True) if job != job_id]
        known = self.of(job_id)
        kept = [*others, (job_id, value if known is None else max(value, known))][-REMEMBERED:]
        return Record(tuple(of for _, of in kept), tuple(job for job, _ in kept), context_bytes, at)


class LearntMemory:
    """All kinds. `version` grows with each change."""

    def __init__(self) -> None:
        self.records: dict[MemoryKey, Record] = {}
        self.version = 0

    def need(self, key: MemoryKey | None, context_bytes: int, at: float) -> Need:
        """What a job of this kind takes: by its own kind's jobs, and where these are few by those of the most alike, too."""
        if key is None:
            return Need(context_bytes)
        own, alike = self._fresh(key, at), self._most_alike(key, context_bytes, at)
        if own is not None and len(own.recent) >= LEAST_JOBS:
            return _need(context_bytes, own.thousandths, len(own.recent))
        lent = PLAIN
        if alike is not None:
            lent = alike.thousandths if alike.thousandths >= PLAIN else min(PLAIN, alike.thousandths + BORROWED_DOUBT)
            lent = max(BORROWED_LEAST, min(BORROWED_MOST, lent))
        if own is not None and own.thousandths >= max(lent, PLAIN + 1):
            return _need(context_bytes, own.thousandths, len(own.recent))
        return Need(context_bytes) if alike is None else _need(context_bytes, lent, len(alike.recent), is_borrowed=True)

    def measure(self, seen: Measured, job_id: str, at: float) -> dict[str, Any] | None:
        """A block's peak. Returns the log row's body; None where it says nothing new."""
        known = self._fresh(seen.key, at)
        value = seen.thousandths
        if seen.is_bound and value > (known.thousandths if known is not None else PLAIN):
            return None  # it may take less: somebody else made this peak
        own = None if known is None else known.of(job_id)
        if own is not None and value <= own:
            return None
        return self._take(seen.key, job_id, value, seen.context_bytes, at, MEASURED, {
            "predicted_bytes": seen.predicted_bytes, "peak_bytes": seen.peak_bytes, "is_bound": seen.is_bound,
        })  # fmt: skip

    def fail(self, key: MemoryKey, context_bytes: int, limit: int | None, job_id: str, at: float) -> dict[str, Any]:
        """A job had no memory though nothing else lay in its way: it needs more than there is. Returns the log row's body."""
        believed = self.need(key, context_bytes, at).thousandths
        beyond = 0 if limit is None else 1000 * limit // context_bytes + 1
        value = max(PLAIN, min(MOST, max(believed + FAILURE_STEP, beyond)))
        return self._take(key, job_id, value, context_bytes, at, OUT_OF_MEMORY, {"limit_bytes": limit})

    def _take(
        self, key: MemoryKey, job_id: str, value: int, context_bytes: int, at: float, cause: str, more: Mapping[str, Any]
    ) -> dict[str, Any]:
        known = self._fresh(key, at)
        fresh = Record((value,), (job_id,), context_bytes, at)
        now = fresh if known is None else known.with_entry(job_id, value, context_bytes, at)
        self.records[key] = now
        self.version += 1
        return {
            **asdict(key), "job_id": job_id, "entry": value, "context_bytes": context_bytes, "learnt_at": at, "cause": cause,
            "thousandths": now.thousandths, "jobs": len(now.recent), **more,
        }  # fmt: skip

    def _fresh(self, key: MemoryKey, at: float) -> Record | None:
        record = self.records.get(key)
        return record if record is not None and at - record.at <= FORGET_S else None

    def _most_alike(self, key: MemoryKey, context_bytes: int, at: float) -> Record | None:
        """Of the same house, the one whose context is nearest in proportion; of two, the one that is asked more of."""
        found = [
            record for other, record in self.records.items()
            if other.house == key.house and other != key and len(record.recent) >= LEAST_JOBS and at - record.at <= FORGET_S
        ]  # fmt: skip
        def unlike(record: Record) -> tuple[float, int]:
            return max(record.context_bytes / context_bytes, context_bytes / record.context_bytes), -record.thousandths

        return min(found, key=unlike, default=None)

    # ---- over a restart --------------------------------------------------------------------------------------------

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {"kinds": [asdict(key) | asdict(record) for key, record in self.records.items()]}

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any] | None) -> LearntMemory:
        """Inverse of `to_mapping`; nothing is nothing."""
        learnt = cls()
        for row in (data or {}).get("kinds", ()):
            recent = tuple(row["recent"])
            jobs = tuple(row["jobs"]) if "jobs" in row else (*("" for _ in recent[1:]), row["job_id"])  # an older house's
            learnt.records[_key_of(row)] = Record(recent, jobs, row["context_bytes"], row["at"])
        return learnt

    @classmethod
    def replayed(cls, bodies: Iterable[Mapping[str, Any]]) -> LearntMemory:
        """From the log rows alone, in their order."""
        learnt = cls()
        for body in bodies:
            learnt._take(
                _key_of(body), body["job_id"], body["entry"], body["context_bytes"], body["learnt_at"], body["cause"], {}
            )
        return learnt


def _need(context_bytes: int, thousandths: int, jobs: int, *, is_borrowed: bool = False) -> Need:
    return Need(-(-context_bytes * thousandths // 1000), thousandths, jobs, is_borrowed)


def _key_of(row: Mapping[str, Any]) -> MemoryKey:
    return MemoryKey(row["model"], row["size"], row["steps"], row["precision"], row["device"], row["rung"])
