"""The only emitter: tails the audit and the running jobs, and speaks to rooms; everybody else may only listen.

Rooms: `pulse` (the header's figures, once per second), `global`, `role:<name>`, `user:<name>`, `job:<id>`. A message has at
most 2 kB. What is sent is the present state of what changed, not a difference: a browser that missed something is told the
states of everything that changed since the seq it saw last, and the line as it stands, and is right again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from dashboard.cards import chunks, event_card, job_card
from dashboard.kept_line import KeptLine
from dashboard.reads import HEAL_ACTIONS, Reads
from scheduler.client import SchedulerError
from scheduler.core.job import Job as CoreJob
from scheduler.core.job import JobState
from scheduler.store.views import ViewReader

TICK_S = 0.25
PULSE_S = 1.0
MAX_PUSH_BYTES = 1_900
MAX_ROWS = 500  # audit rows per tick
MAX_REPLAY = 500  # a browser that missed more is told to load the page's figures again
MAX_GLOBAL_EVENTS = 12  # per tick; the global view shows the last ones, and what _LASTING names is no mere line of them
_LASTING = ("role:switched", "fault:", "heal:", "policy:", *HEAL_ACTIONS)
MAX_ORDER = 50  # the global view shows this many waiting jobs
ORDER_SHARE = 0.05  # of the time at most: putting ten thousand jobs in order takes its while
_log = logging.getLogger("greenroom.feed")


class Emitter(Protocol):
    """Says something to a room; the room's members hear it."""

    def __call__(self, name: str, payload: dict[str, Any], room: str) -> None: ...


Job = dict[str, Any]


class Feed:
    """A thread that looks every 250 ms. `wait_after` lets event streams wait for it."""

    def __init__(self, reads: Reads, emit: Emitter, rooms: Callable[[], set[str]], pulse: Callable[[], Job]) -> None:
        self._reads, self._emit, self._rooms, self._pulse = reads, emit, rooms, pulse
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._seq: int | None = None
        self._store: ViewReader | None = None  # the one that it was read from
        self._running: dict[str, Job] = {}
        self._line, self._queue, self._order = KeptLine(reads), list[CoreJob](), list[str]()
        self._places: dict[str, tuple[int, int]] = {}
        self._looking = threading.Lock()
        self._is_order_due, self._order_next, self._pulse_at = True, 0.0, 0.0

    @property
    def seq(self) -> int:
        """The last audit seq that was sent out; -1 before the first look."""
        return -1 if self._seq is None else self._seq

    def start(self) -> None:
        """Begin; again is harmless."""
        with self._lock:
            if self._thread is None:
                try:
                    self._look_first()  # now, not at the first tick: who subscribes in between must miss nothing
                except SchedulerError as error:
                    _log.warning("the feed has no store yet: %s", error)
                self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the thread and wake all who wait."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def wait_after(self, seq: int, timeout_s: float) -> bool:
        """Wait until something later than `seq` was sent out; False when the time is over or the feed ends."""
        with self._changed:
            self._changed.wait_for(lambda: self.seq > seq or self._stop.is_set(), timeout_s)
            return self.seq > seq

    def in_view(self) -> set[str]:
        """Jobs that the global view shows: the head of the queue, as it was told last, and what workers hold."""
        return {*self._order[:MAX_ORDER], *self._running}

    @property
    def is_stopped(self) -> bool:
        """True when it ends: streams end with it."""
        return self._stop.is_set()

    @contextmanager
    def between_looks(self) -> Iterator[None]:
        """While this is held nothing is sent: who enters a room and is told what they missed hears nothing newer before it."""
        with self._looking:
            yield

    def replay(self, since: int, rooms: Iterable[str]) -> list[tuple[str, Job]]:
        """Messages for a browser that saw `since` last. Beyond 500 rows one `reset`: load the figures again."""
        wanted = set(rooms)
        rows = self._reads.audit_after(since, MAX_REPLAY + 1)
        # a page may be newer than the last look; only a store that began again ends before what somebody saw
        if (len(rows) > MAX_REPLAY and wanted - {"pulse"}) or (not rows and since > self._reads.last_seq()):
            return [("reset", {"seq": self.seq})]
        jobs = self._jobs_of(rows)
        told = [("feed", payload) for room, payload in self._messages(rows, jobs, wanted) if room in wanted]
        return told + [(name, payload) for name, payload, _ in self._standing(wanted)]

    def _run(self) -> None:
        while not self._stop.wait(TICK_S):
            try:
                self.tick()
            except SchedulerError as error:  # no store yet, or busy: look again
                _log.warning("the feed cannot read: %s", error)
                self._stop.wait(PULSE_S)
            except Exception:  # noqa: BLE001 - one bad row must not leave every page stale; the log has it in full
                _log.exception("the feed failed at a tick; it goes on")
                self._stop.wait(PULSE_S)

    def _look_first(self) -> None:
        store = self._reads.store
        seq = store.last_seq()
        self._running = {job["id"]: job for job in self._reads.running()}
        self._seq, self._store, self._is_order_due = seq, store, True

    def tick(self, now: float | None = None) -> None:
        """One look: new audit rows, progress of running jobs, the order of the queue, the pulse."""
        with self.between_looks():
            self._look(time.monotonic() if now is None else now)

    def _look(self, at: float) -> None:
        if self._seq is None:
            self._look_first()
        elif self._reads.store is not self._store:  # another one lies there, which began again from 1
            self._look_first()
            self._emit("reset", {"seq": self.seq}, "pulse")
        assert self._seq is not None, "the first look has set it"
        rows = self._reads.audit_after(self._seq, MAX_ROWS)
        jobs = self._jobs_of(rows)
        for job in self._progress():
            jobs.setdefault(job["id"], job)
        if rows:
            self._is_order_due = True
            self._line.note(rows)
            with self._changed:
                self._seq = rows[-1]["seq"]
                self._changed.notify_all()  # streams read for themselves: they need not wait for the sockets
        if rows or jobs:
            for room, payload in self._messages(rows, jobs, self._rooms()):
                self._emit("feed", payload, room)
        if self._is_order_due and at >= self._order_next:
            begin = time.thread_time()
            self._send_order()
            self._is_order_due = False  # a store that was busy leaves it due
            self._order_next = at + max(PULSE_S, (time.thread_time() - begin) / ORDER_SHARE)
        if at - self._pulse_at >= PULSE_S:
            self._pulse_at = at - (at - self._pulse_at) % PULSE_S  # keeps the beat: looks come a little late each
            self._emit("pulse", {**self._pulse(), "seq": self._seq}, "pulse")  # up to here everybody has been told

    def _jobs_of(self, rows: list[Job]) -> dict[str, Job]:
        ids = list(dict.fromkeys(row["object"][4:] for row in rows if row["object"].startswith("job:")))
        return {job["id"]: job for job in self._reads.jobs_by_id(ids)}

    def _progress(self) -> list[Job]:
        """Running jobs whose columns moved since the last look, and those that stopped running."""
        before, now = self._running, {job["id"]: job for job in self._reads.running()}
        self._running = now
        moved = [job for job_id, job in now.items() if job_card(job) != (job_card(before[job_id]) if job_id in before else None)]
        gone = [job_id for job_id in before if job_id not in now]
        return moved + self._reads.jobs_by_id(gone)

    def _messages(self, rows: list[Job], jobs: dict[str, Job], rooms: set[str]) -> list[tuple[str, Job]]:
        """(room, payload) for the rooms somebody is in."""
        events: dict[str, list[Job]] = defaultdict(list)
        cards: dict[str, list[Job]] = defaultdict(list)
        for row in rows:
            card = event_card(row)
            job = jobs.get(row["object"][4:]) if row["object"].startswith("job:") else None
            for room in _rooms_of(job, row["object"]) & rooms:
                events[room].append(card)
        for job in jobs.values():
            for room in _rooms_of(job, f"job:{job['id']}") & rooms:
                if room == "global" and not self._is_in_view(job):
                    continue
                cards[room].append(job_card(job))
        seq = rows[-1]["seq"] if rows else self.seq
        messages = []
        for room in events.keys() | cards.keys():
            told = _newest(events[room]) if room == "global" else events[room]
            items = [("events", card) for card in told] + [("jobs", card) for card in cards[room]]
            messages += [(room, _payload(seq, part)) for part in chunks(items, MAX_PUSH_BYTES)]
        return messages

    def _is_in_view(self, job: Job) -> bool:
        """Does the global view show it? Of a long queue only the head; what comes into the head is told with the order."""
        return job["state"] != JobState.QUEUED or len(self._order) < MAX_ORDER or job["id"] in self._order[:MAX_ORDER]

    def _send_order(self) -> None:
        """Places in the queue, to those whose view shows them."""
        queue = self._line.ordered()
        order, places = [job.id for job in queue], self._reads.places(queue)
        if order == self._order and places == self._places:
            return
        self._queue, self._order, self._places = queue, order, places
        for name, payload, room in self._standing(self._rooms()):
            self._emit(name, payload, room)

    def _standing(self, rooms: set[str]) -> Iterator[tuple[str, Job, str]]:
        """(message, payload, room): the line as it was put in order last, to those whose view shows it."""
        if "global" in rooms:
            yield "order", {"order": self._order[:MAX_ORDER], "length": len(self._order)}, "global"
        if not any(room.startswith(("user:", "job:")) for room in rooms):
            return  # nobody waits for a place
        for job in self._queue:
            for room in {f"user:{job.user}", f"job:{job.id}"} & rooms:
                place, total = self._places.get(job.id, (None, len(self._places)))
                yield "place", {"id": job.id, "place": place, "of": total}, room


def _payload(seq: int, items: list[tuple[str, Job]]) -> Job:
    """One message: what happened, and the present state of the jobs it happened to."""
    kinds = ("events", "jobs")
    return {"seq": seq, **{kind: [item for name, item in items if name == kind] for kind in kinds}}


def _rooms_of(job: Job | None, about: str) -> set[str]:
    """Where something about this object is heard."""
    rooms = {"global", about} if about.startswith(("job:", "role:", "user:")) else {"global"}
    if job is not None:
        rooms |= {f"role:{job['role']}", f"user:{job['user']}"}
    return rooms


def _newest(events: list[Job]) -> list[Job]:
    """What the global view is told of many: the newest, and the newest of each kind that changes more than its list of events."""
    kept = {event["seq"] for event in events[-MAX_GLOBAL_EVENTS:]}
    kinds: dict[str, list[int]] = defaultdict(list)
    for event in events:
        if event["action"].startswith(_LASTING) or event["outcome"] == "failure":
            kinds[event["action"]].append(event["seq"])
    kept.update(seq for seqs in kinds.values() for seq in seqs[-MAX_GLOBAL_EVENTS:])
    return [event for event in events if event["seq"] in kept]
