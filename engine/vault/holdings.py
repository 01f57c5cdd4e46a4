"""What the vault holds: model files, job contexts, prepared conditions; who it is held for, and how much it may be.

Room is made by letting go of conditions first, then of files that no connected client uses, each by least recent
use. Contexts of jobs are never let go of: a request that would need their room is refused. Bytes count as declared,
whether or not they were touched yet. What a process still maps is freed when that process ends.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Set
from dataclasses import dataclass

from engine.vault import memory_file
from engine.vault.file_load import FileLoad


class Refusal(Exception):
    """The vault will not do this; becomes the client's VaultRefused."""

    def __init__(self, code: str, message: str, *, can_retry: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.can_retry = can_retry


@dataclass
class Holding:
    """One memory file. `fingerprint` is the content's sha256 of a file, the layout's of a context."""

    descriptor: int
    bytes: int
    owner: str
    fingerprint: str = ""
    identity: tuple[int, ...] = ()  # of the file on disk that was read


class Holdings:
    """The vault's books. `in_use` names the paths of the files that connected clients have opened."""

    def __init__(self, limit_bytes: int, in_use: Callable[[], Set[str]] = frozenset) -> None:
        self.limit_bytes = limit_bytes
        self.files: OrderedDict[str, Holding] = OrderedDict()  # least recently used first
        self.contexts: dict[str, Holding] = {}
        self.conditions: OrderedDict[str, Holding] = OrderedDict()
        self.loads: dict[str, FileLoad] = {}
        self._in_use = in_use

    # ---- the books -------------------------------------------------------------------------------------------------

    @property
    def held_bytes(self) -> int:
        """Everything that is held or being read."""
        return sum(self.by_owner().values())

    def by_owner(self) -> dict[str, int]:
        """Bytes by the owner that asked for them first."""
        owners: dict[str, int] = {}
        held: list[Holding | FileLoad] = [*self.files.values(), *self.contexts.values(), *self.conditions.values()]
        for holding in (*held, *self.loads.values()):
            owners[holding.owner] = owners.get(holding.owner, 0) + holding.bytes
        return owners

    def _make_room(self, wanted: int, what: str) -> None:
        """Let go of what may go until `wanted` bytes fit. Where that cannot be enough, refuse and let go of nothing."""
        idle = [path for path in self.files if path not in self._in_use()]
        spare = sum(h.bytes for h in self.conditions.values()) + sum(self.files[path].bytes for path in idle)
        missing = self.held_bytes + wanted - self.limit_bytes
        if missing > spare:
            free = f"{self.limit_bytes - self.held_bytes} of {self.limit_bytes} are free and {spare} can be freed"
            raise Refusal("vault_full", f"{what} needs {wanted} bytes; {free}.", can_retry=True)
        while self.held_bytes + wanted > self.limit_bytes:
            if self.conditions:
                _, holding = self.conditions.popitem(last=False)
            else:
                holding = self.files.pop(idle.pop(0))
            memory_file.close(holding.descriptor)

    def drop_caches(self) -> None:
        """Let go of everything that can be made or read again and that nobody uses just now."""
        for key in list(self.conditions):
            memory_file.close(self.conditions.pop(key).descriptor)
        for path in [path for path in self.files if path not in self._in_use()]:
            self.drop_file(path)

    # ---- model files -----------------------------------------------------------------------------------------------

    def find_file(self, path: str, sha256: str | None, owner: str) -> Holding | FileLoad:
        """The file if it is held, else a load to be stepped. Refuses what cannot be read.

        Without a demanded hash the file on disk decides whether what is held is still it.
        """
        held = self.files.get(path)
        if held is not None and sha256 is not None and held.fingerprint == sha256.lower():
            self.files.move_to_end(path)
            return held  # the content is what was asked for, whatever lies on the disk by now
        load = self.loads.get(path)
        if load is not None:
            return load
        try:
            load = FileLoad(path, owner)
        except OSError as error:
            raise Refusal("bad_weights", f"{path} cannot be read: {error.strerror}.") from error
        if held is not None and held.identity == load.identity:
            load.abandon()
            self.check_hash(path, held, sha256)
            self.files.move_to_end(path)
            return held
        try:
            self._make_room(load.bytes, path)
            load.begin()
        except Refusal:
            load.abandon()
            raise
        except OSError as error:
            load.abandon()
            raise Refusal("vault_full", f"no memory for {path}: {error.strerror}.", can_retry=True) from error
        self.loads[path] = load
        return load

    def check_hash(self, path: str, held: Holding, sha256: str | None) -> None:
        """Refuses when the content's hash is not the demanded one."""
        if sha256 is not None and held.fingerprint != sha256.lower():
            message = f"{path} is damaged or another file: expected sha256 {sha256}, found {held.fingerprint}."
            raise Refusal("bad_weights", message)

    def keep_load(self, load: FileLoad) -> Holding:
        """A finished load becomes a held file."""
        descriptor, sha256 = load.finish()
        del self.loads[load.path]  # not before: a load that cannot be finished is given up by its name
        stale = self.files.pop(load.path, None)
        if stale is not None:
            memory_file.close(stale.descriptor)
        held = self.files[load.path] = Holding(descriptor, load.bytes, load.owner, sha256, load.identity)
        return held

    def drop_load(self, load: FileLoad) -> None:
        """Give up a load."""
        del self.loads[load.path]
        load.abandon()

    def drop_file(self, path: str) -> None:
        """Let go of a file."""
        memory_file.close(self.files.pop(path).descriptor)

    # ---- contexts --------------------------------------------------------------------------------------------------

    def open_context(self, job_id: str, size: int, layout: str, owner: str) -> tuple[Holding, bool]:
        """A job's context and whether it was there. Another layout is another context: the old one is dropped."""
        held = self.contexts.get(job_id)
        if held is not None and (held.bytes, held.fingerprint) == (size, layout):
            return held, True
        if size <= 0:
            raise Refusal("bad_request", f"a context of {size} bytes.")
        self.drop_context(job_id)
        self._make_room(size, f"the context of job {job_id}")
        try:
            descriptor = memory_file.create_zeroed(f"context-{job_id}", size)
        except OSError as error:
            raise Refusal("vault_full", f"no memory for job {job_id}: {error.strerror}.", can_retry=True) from error
        held = self.contexts[job_id] = Holding(descriptor, size, owner, layout)
        return held, False

    def adopt_context(self, job_id: str, size: int, layout: str, owner: str, descriptor: int) -> None:
        """Take over a context that outlived its vault, together with `descriptor`. The first one to come is kept."""
        if size <= 0 or memory_file.size_of(descriptor) != size:
            raise Refusal("bad_request", f"the context of job {job_id} does not have {size} bytes.")
        if not memory_file.has_seals(descriptor, memory_file.SIZE_SEALS):
            raise Refusal("bad_request", f"the context of job {job_id} is not a memory file of fixed size.")
        held = self.contexts.get(job_id)
        if held is not None:
            if memory_file.is_same(held.descriptor, descriptor):
                memory_file.close(descriptor)
                return
            raise Refusal("context_taken", f"job {job_id} has a newer context.")
        # It exists already and cannot be refused for want of room: only what may go is asked to.
        self._make_room(min(size, self._spare_room()), f"the context of job {job_id}")
        self.contexts[job_id] = Holding(descriptor, size, owner, layout)

    def _spare_room(self) -> int:
        idle = sum(h.bytes for path, h in self.files.items() if path not in self._in_use())
        return max(0, self.limit_bytes - self.held_bytes + idle + sum(h.bytes for h in self.conditions.values()))

    def drop_context(self, job_id: str) -> None:
        """Free a job's context; nothing happens when there is none."""
        held = self.contexts.pop(job_id, None)
        if held is not None:
            memory_file.close(held.descriptor)

    # ---- conditions ------------------------------------------------------------------------------------------------

    def put_conditions(self, key: str, size: int, owner: str, descriptor: int) -> None:
        """Keep a sealed memory file of prepared conditions, together with `descriptor`."""
        if memory_file.size_of(descriptor) != size or not memory_file.has_seals(descriptor, memory_file.ALL_SEALS):
            raise Refusal("bad_request", f"the conditions {key} are not a sealed memory file of {size} bytes.")
        held = self.conditions.pop(key, None)
        if held is not None:
            memory_file.close(held.descriptor)
        self._make_room(size, f"the conditions {key}")
        self.conditions[key] = Holding(descriptor, size, owner)

    def get_conditions(self, key: str) -> Holding | None:
        """The conditions, now the most recently used ones."""
        held = self.conditions.get(key)
        if held is not None:
            self.conditions.move_to_end(key)
        return held
