"""What a program really asked of the kernel about files, from `strace`: a list of operations in the order they were done."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

CALLS = (
    "open,openat,close,lseek,write,pwrite64,writev,pwritev,ftruncate,truncate,fsync,fdatasync,rename,renameat,renameat2,"
    "unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,fallocate,sendto,sendmsg"
)
STRACE = ("strace", "-f", "-y", "-xx", "-s", str(1 << 24), "-e", f"trace={CALLS}", "-e", "signal=none")
_LINE = re.compile(r"(\d+) +(.*)", re.DOTALL)
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)", re.DOTALL)
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+|\?)(.*)", re.DOTALL)
_DESCRIPTOR = re.compile(r"(\d+)<([^>]*)>")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


class CannotFollow(Exception):
    """The program did something to the files that this reader does not understand: a rig that guesses proves nothing."""


@dataclass(frozen=True)
class Op:
    """One operation. `path` (and `target`) absolute; `data` written or sent; `offset` in the file, or its new length.

    kind: create, truncate (at opening or ftruncate), write, sync, datasync, rename, unlink, mkdir, send
    """

    kind: str
    path: str = ""
    target: str = ""
    offset: int = 0
    data: bytes = b""


def read_trace(lines: Iterable[str], below: str) -> Iterator[Op]:
    """Operations on files below a directory, and everything that was sent. Raises CannotFollow."""
    reader = _Reader(below)
    begun: dict[str, str] = {}
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        thread, text = match[1], match[2].rstrip("\n")
        if text.endswith("<unfinished ...>"):
            begun[thread] = text.removesuffix("<unfinished ...>")
            continue
        if (resumed := _RESUMED.match(text)) is not None:
            text = begun.pop(thread, "") + resumed[2]
        if (call := _CALL.match(text)) is not None and call[3] not in ("-1", "?"):
            yield from reader.take(thread, call[1], call[2], int(call[3]), call[4])


class _Reader:
    """Follows file positions of descriptors; a descriptor is used by the thread that opened it."""

    def __init__(self, below: str) -> None:
        self._below = below.rstrip("/") + "/"
        self._positions: dict[tuple[str, int], int] = {}

    def take(self, thread: str, name: str, args: str, result: int, rest: str) -> Iterator[Op]:
        """The operations of one call that succeeded."""
        if name in ("open", "openat"):
            yield from self._open(thread, args, result, rest)
        elif name in ("rename", "renameat", "renameat2"):
            source, target = (_decoded(text) for text in _TEXT.findall(args)[-2:])
            if self._is_ours(source) or self._is_ours(target):
                yield Op("rename", source, target)
        elif name in ("unlink", "unlinkat", "mkdir", "mkdirat"):
            path = _decoded(_TEXT.findall(args)[-1])
            if self._is_ours(path):
                yield Op("unlink" if name.startswith("unlink") else "mkdir", path)
        elif name in ("sendto", "sendmsg"):
            yield Op("send", data=b"".join(_bytes(text) for text in _TEXT.findall(args)))
        elif (found := _DESCRIPTOR.match(args)) is not None and self._is_ours(path := _decoded(found[2])):
            yield from self._on_descriptor(thread, name, int(found[1]), path, args, result)

    def _is_ours(self, path: str) -> bool:
        return path.startswith(self._below) or path + "/" == self._below

    def _open(self, thread: str, args: str, descriptor: int, rest: str) -> Iterator[Op]:
        found = _DESCRIPTOR.match(f"{descriptor}{rest.strip()}")
        path = "" if found is None else _decoded(found[2])
        if not self._is_ours(path):
            return
        self._positions[thread, descriptor] = 0
        if "O_CREAT" in args:
            yield Op("create", path)
        if "O_TRUNC" in args:
            yield Op("truncate", path)

    def _on_descriptor(self, thread: str, name: str, number: int, path: str, args: str, result: int) -> Iterator[Op]:
        key = (thread, number)
        if name in ("fsync", "fdatasync"):
            yield Op("sync" if name == "fsync" else "datasync", path)
        elif name == "pwrite64":
            yield Op("write", path, offset=int(args.rsplit(",", 1)[1]), data=_bytes(_TEXT.findall(args)[-1])[:result])
        elif name == "write" and key in self._positions:
            yield Op("write", path, offset=self._positions[key], data=_bytes(_TEXT.findall(args)[-1])[:result])
            self._positions[key] += result
        elif name == "lseek" and key in self._positions:
            self._positions[key] = result
        elif name == "ftruncate":
            yield Op("truncate", path, offset=int(args.rsplit(",", 1)[1]))
        elif name == "close":
            self._positions.pop(key, None)
        elif name in ("writev", "pwritev", "truncate", "link", "linkat", "fallocate", "rmdir"):
            raise CannotFollow(f"{name} on {path}")


def below_folders(ops: Iterable[Op], root: Path, skip: tuple[str, ...]) -> Iterator[Op]:
    """Without operations in these folders of the root (logs, sockets: nothing that must survive)."""
    unwanted = tuple(str(root / name) for name in skip)
    return (op for op in ops if not op.path.startswith(unwanted))


def _decoded(text: str) -> str:
    return _bytes(text).decode(errors="surrogateescape").removesuffix(" (deleted)") if "\\x" in text else text


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
