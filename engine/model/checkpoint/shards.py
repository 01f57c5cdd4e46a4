"""Writing safetensors files tensor by tensor: the header is known before, the content passes through once."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from engine.model.header import DTYPE_BYTES
from engine.model.weights import DTYPES

SPELLING = {dtype: name for name, dtype in DTYPES.items()}
ALIGNMENT = 8  # bytes; tensors whose size is a multiple of it keep those after them aligned
_STEP = 16 << 20


@dataclass(frozen=True)
class Planned:
    """A tensor that will be written: kind in the format's spelling."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Its size."""
        return prod(self.shape) * DTYPE_BYTES[self.dtype]


def plan_shards(part: str, tensors: Sequence[Planned], limit_bytes: int) -> dict[str, list[Planned]]:
    """File name -> its tensors in the order they must come. One file keeps the part's name; several are numbered.

    Tensors of an odd size come last, so that all others are aligned; a tensor's scales stay behind it.
    """
    ordered = sorted(tensors, key=lambda t: (t.bytes % ALIGNMENT != 0, 0 if t.bytes % ALIGNMENT == 0 else -DTYPE_BYTES[t.dtype]))
    shards: list[list[Planned]] = [[]]
    for tensor in ordered:
        if shards[-1] and sum(t.bytes for t in shards[-1]) + tensor.bytes > limit_bytes:
            shards.append([])
        shards[-1].append(tensor)
    if len(shards) == 1:
        return {part: shards[0]}
    stem = part.removesuffix(".safetensors")
    return {f"{stem}-{i:05}-of-{len(shards):05}.safetensors": shard for i, shard in enumerate(shards, start=1)}


class ShardFile:
    """One file being written. `add` its tensors in the planned order, then `finish`. Raises OSError."""

    def __init__(self, path: Path, tensors: Sequence[Planned], on_bytes: Callable[[int], None]) -> None:
        self._left = list(reversed(tensors))
        self._on_bytes = on_bytes
        self._hash = hashlib.sha256()
        self._file = path.open("xb", buffering=0)
        self._write(memoryview(_header(tensors)))

    def add(self, name: str, tensor: Tensor, forget: Callable[[Tensor], None]) -> None:
        """The next tensor. `forget` hears of each piece that is written: an embedding is larger than a layer."""
        planned = self._left.pop()
        found = (name, SPELLING.get(tensor.dtype), tuple(tensor.shape))
        assert found == (planned.name, planned.dtype, planned.shape), f"{found} instead of {planned}"
        for piece in tensor.reshape(-1).view(torch.uint8).split(_STEP):
            self._write(piece.numpy().data)
            forget(piece)
            self._on_bytes(len(piece))

    def finish(self) -> str:
        """Make the file durable; the sha256 of its content."""
        assert not self._left, f"{self._left[-1].name} was not written"
        os.fsync(self._file.fileno())
        self._file.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        """Give up."""
        self._file.close()

    def _write(self, data: memoryview) -> None:
        self._hash.update(data)
        while data:
            data = data[self._file.write(data) or 0 :]


def _header(tensors: Sequence[Planned]) -> bytes:
    entries, at = {}, 0
    for tensor in tensors:
        where = [at, at + tensor.bytes]
        entries[tensor.name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": where}
        at += tensor.bytes
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return struct.pack("<Q", len(text)) + text
