"""A disk that keeps only what was synced: replay operations, cut the power anywhere, get one of the images that can be left.

File data: what was written since the file's last fsync or fdatasync arrives in part, in any order, torn at sectors.
Names: two kinds of file system. `ordered`: a journal, as ext4 and XFS have: names change in order, an fsync of anything makes all
earlier ones last, of the later ones a beginning arrives. `any`: only what POSIX promises: each change of a name arrives or not,
whatever the others do, until its own directory is synced.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.syscall_trace import Op

SECTOR = 512
ORDERED, ANY = "ordered", "any"


@dataclass(eq=False)
class Inode:
    """A file: what lasts, and what may arrive."""

    lasting: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # (offset, data), or (length, None)

    def settle(self) -> None:
        """Everything arrives."""
        for change in self.pending:
            _apply(self.lasting, *change)
        self.pending.clear()

    def torn(self, rng: random.Random) -> bytes:
        """What a cut may leave."""
        content = bytearray(self.lasting)
        share = rng.random()
        for offset, data in self.pending:
            if data is None or len(data) <= SECTOR:
                if rng.random() < share:
                    _apply(content, offset, data)
                continue
            for start in range(0, len(data), SECTOR):
                if rng.random() < share:
                    _apply(content, offset + start, data[start : start + SECTOR])
        return bytes(content)


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


@dataclass(frozen=True, eq=False)
class NameChange:
    """Names that appear (with their file; None for a directory) and disappear, all at once."""

    gained: dict[str, Inode | None]
    lost: tuple[str, ...] = ()

    @property
    def folders(self) -> set[str]:
        """Directories whose sync makes it last."""
        return {str(Path(name).parent) for name in (*self.gained, *self.lost)}


class CutDisk:
    """The machine's view (`seen`) and the disk's (`lasting`). Feed it operations in order."""

    def __init__(self, root: Path, names: str) -> None:
        self._root, self._names = str(root), names
        self._seen: dict[str, Inode | None] = {self._root: None}
        self._lasting: dict[str, Inode | None] = {self._root: None}
        self._changes: list[NameChange] = []

    def adopt(self, name: Path, source: Path) -> None:
        """What lay at `name` before the trace began (its content: `source`) lasts already."""
        inode = Inode(bytearray(source.read_bytes())) if source.is_file() else None
        self._seen[str(name)] = self._lasting[str(name)] = inode

    def feed(self, op: Op) -> None:
        """One operation was done."""
        match op.kind:
            case "create" if op.path not in self._seen:
                self._change(NameChange({op.path: Inode()}))
            case "mkdir" if op.path not in self._seen:
                self._change(NameChange({op.path: None}))
            case "rename":
                self._change(NameChange({op.target: self._seen[op.path]}, (op.path,)))
            case "unlink":
                self._change(NameChange({}, (op.path,)))
            case "write" | "truncate":
                inode = self._file(op.path)
                inode.pending.append((op.offset, op.data if op.kind == "write" else None))
            case "sync" | "datasync":
                self._sync(op)

    def image(self, rng: random.Random) -> dict[str, bytes | None]:
        """One of the contents that a cut now can leave: path → bytes, None for a directory."""
        names = dict(self._lasting)
        share = rng.random()
        arriving = int(share * (len(self._changes) + 1))
        for index, change in enumerate(self._changes):
            if index < arriving if self._names == ORDERED else rng.random() < share:
                _rename(names, change)
        reachable = [path for path in names if self._is_reachable(path, names)]
        return {path: None if (inode := names[path]) is None else inode.torn(rng) for path in reachable}

    def _is_reachable(self, path: str, names: dict[str, Inode | None]) -> bool:
        """A file in a directory that did not arrive is gone with it."""
        return path == self._root or all(
            str(folder) in names for folder in Path(path).parents if len(str(folder)) >= len(self._root)
        )

    def _file(self, path: str) -> Inode:
        inode = self._seen[path]
        assert inode is not None, f"{path} is a directory"
        return inode

    def _change(self, change: NameChange) -> None:
        _rename(self._seen, change)
        self._changes.append(change)

    def _sync(self, op: Op) -> None:
        inode = self._seen[op.path]
        if inode is not None:
            inode.settle()
        if self._names == ORDERED:
            if op.kind == "sync":  # fdatasync asks for this file's data only
                self._last(self._changes)
        elif inode is None:
            self._last([change for change in self._changes if op.path in change.folders])

    def _last(self, changes: list[NameChange]) -> None:
        for change in list(changes):
            _rename(self._lasting, change)
            self._changes.remove(change)


def _rename(names: dict[str, Inode | None], change: NameChange) -> None:
    for name in change.lost:
        names.pop(name, None)
    names.update(change.gained)


def write_image(image: dict[str, bytes | None], root: Path, target: Path) -> None:
    """Lay an image of `root` out below `target`."""
    for path, content in sorted(image.items()):
        place = target / Path(path).relative_to(root)
        if content is None:
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
