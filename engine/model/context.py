"""A job's in-flight state in a buffer that outlives the worker.

Header, then tensors. Rings exist once: a block rewrites its slot before it reads it. Everything else exists twice:
block n reads half n % 2 and writes the other half. A block is made in two parts, each sealed by storing a counter: its
clean latents (denoised), then its frames (done). So a worker may be killed at any point, and the part is simply made
again from what it began with; and the next block may be denoised while this one's frames are still being written.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.catalog import CLIP_FRAMES, ModelShape
from engine.errors import ContextLost
from engine.memory import HEADER_BYTES, TensorSpec, context_tensors
from engine.model.rings import KeyStore

if TYPE_CHECKING:  # only where there is a device
    from engine.model.cuda.arrival import Arrival, Copies

MAGIC = 0x4752_4E52_4D43_5431  # "GRNRMCT1"
_MAGIC, _BLOCKS_DONE, _LAYOUT, _BLOCKS_DENOISED, _OLDEST = range(5)  # words of the header
SINK_HALF = 0  # place in the `state` tensor: which half of the sink is in use

Buffer = mmap.mmap | memoryview | bytearray | Tensor
_DTYPES = {
    "float32": torch.float32, "bfloat16": torch.bfloat16, "float8": torch.float8_e4m3fn, "int64": torch.int64,
}  # fmt: skip


@dataclass(frozen=True)
class ContextLayout:
    """Where every tensor of a context lies; a function of the model's shape, the size, the steps, the form of the keys."""

    tensors: tuple[TensorSpec, ...]
    width: int
    height: int
    steps: int
    infer_frames: int

    @property
    def total_bytes(self) -> int:
        """Size of the buffer, rings included."""
        return HEADER_BYTES + sum(spec.total_bytes for spec in self.tensors)

    @property
    def ring_bytes(self) -> int:
        """Size of the rings alone, the end of the buffer."""
        return sum(spec.total_bytes for spec in self.tensors if spec.name.startswith("ring."))

    @property
    def sha256(self) -> str:
        """Hash of the description: another layout is another context."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def empty_tensors(self, device: torch.device, without: str) -> dict[str, Tensor]:
        """One copy of every tensor but those whose names begin so, outside any buffer."""
        specs = [spec for spec in self.tensors if not spec.name.startswith(without)]
        return {spec.name: torch.zeros(spec.shape, dtype=_DTYPES[spec.dtype], device=device) for spec in specs}


def layout_of(
    shape: ModelShape, width: int, height: int, steps: int, infer_frames: int = CLIP_FRAMES, kv: str | None = None
) -> ContextLayout:
    """The layout for a model's shape, a size in pixels, a number of steps, a clip's length and the form of the keys."""
    tensors = context_tensors(shape, width, height, steps, infer_frames, kv)
    return ContextLayout(tensors, width, height, steps, infer_frames)


class Context:
    """Tensors over a writable shared buffer of `layout.total_bytes`. A zero-filled buffer is a context not begun.

    The buffer is host memory, or a uint8 tensor on a device. A device's header is read once and then kept beside it:
    asking for the counter never waits for the device, and the store of a new counter is queued behind all that the
    block wrote. Rings that lie in a buffer of their own (pinned host memory) travel to the device layer by layer.
    """

    def __init__(self, layout: ContextLayout, buffer: Buffer, rings: Tensor | None = None) -> None:
        """`rings` holds `layout.ring_bytes`; then `buffer` needs to hold the rest only."""
        wanted = layout.total_bytes - (layout.ring_bytes if rings is not None else 0)
        if len(buffer) < wanted or (rings is not None and len(rings) < layout.ring_bytes):
            raise ContextLost(f"the buffer has {len(buffer)} bytes, the layout {wanted}.")
        self.layout = layout
        self._stored = _numbers(buffer, torch.int64, HEADER_BYTES // 8, 0)
        self._header = self._stored.cpu()  # the same tensor in host memory, a copy on a device
        self._halves: tuple[dict[str, Tensor], dict[str, Tensor]] = ({}, {})
        self._arrival: Arrival | None = None
        self._map(buffer, rings)
        if self.is_begun and int(self._header[_LAYOUT]) != self._fingerprint():
            raise ContextLost("the buffer holds a context of another layout.")

    # ---- the counter ------------------------------------------------------------------------------------------------

    @property
    def is_begun(self) -> bool:
        """`begin` has run to its end."""
        return int(self._header[_MAGIC]) == MAGIC

    @property
    def blocks_done(self) -> int:
        """Blocks that this context has behind it. Raises ContextLost when it was not begun."""
        if not self.is_begun:
            raise ContextLost("it was never begun.")
        return int(self._header[_BLOCKS_DONE])

    @property
    def blocks_denoised(self) -> int:
        """Blocks whose clean latents it holds or has behind it: those done, and at most two more."""
        return int(self._header[_BLOCKS_DENOISED]) if self.is_begun else 0

    @property
    def oldest(self) -> int:
        """The first block that the rings know; later than 0 after they were filled again."""
        return int(self._header[_OLDEST]) if self.is_begun else 0

    def mark_denoised(self, blocks: int) -> None:
        """One aligned store: the latents of so many blocks are there, and the small state behind them."""
        self._store(_BLOCKS_DENOISED, blocks)

    def latents(self, block: int) -> Tensor:
        """Clean latents [16, 3, h, w] of a block."""
        return self.half(block + 1)["latents"]

    def flip(self, blocks_done: int) -> None:
        """One aligned store: the state is now that after `blocks_done` blocks."""
        self._store(_BLOCKS_DONE, blocks_done)

    def forget(self) -> None:
        """The context is not begun any more; first step of filling it."""
        if self._arrival is not None:
            self._arrival.wait()
            self._arrival = None
        self._store(_MAGIC, 0)

    def mark_begun(self, blocks_done: int, oldest: int = 0) -> None:
        """Last step of filling it; the rings know no block before `oldest`. While something is on its way into it, the
        first block may be denoised here, and for every other process it is not begun yet."""
        self._store(_OLDEST, oldest)
        self._store(_LAYOUT, self._fingerprint())
        self._store(_BLOCKS_DONE, blocks_done)
        self._store(_BLOCKS_DENOISED, blocks_done)
        if self._arrival is None:
            self._store(_MAGIC, MAGIC)
        else:
            self._arrival.then(lambda: self._store(_MAGIC, MAGIC))

    def let_arrive(self, layers: Sequence[Copies], decoder: Copies) -> None:
        """Let values travel in beside the first steps on the device: those of the first sink, layer by layer, then what the
        decoder remembers. Between `forget` and `mark_begun`."""
        from engine.model.cuda.arrival import Arrival

        self._arrival = Arrival(self._stored.device, [*layers, decoder])

    def settle(self) -> None:
        """Wait until nothing is on its way into the buffer, which may go then."""
        if self._arrival is not None:
            self._arrival.synchronize()
            self._arrival = None

    def _store(self, word: int, value: int) -> None:
        self._header[word] = value
        if self._stored is not self._header:
            self._stored[word : word + 1].fill_(value)

    # ---- the tensors ------------------------------------------------------------------------------------------------

    def half(self, block: int) -> dict[str, Tensor]:
        """All tensors as block number `block` finds them (rings are the same in both halves)."""
        return self._halves[block % 2]

    def rings(self) -> list[KeyStore]:
        """One ring per denoise step."""
        at, scale = self._halves[0], self._halves[0].get("v_scale")
        return [KeyStore(at[f"ring.{step}.k"], at[f"ring.{step}.v"], scale) for step in range(self.layout.steps)]

    def sink(self, half: int, *, as_it_arrives: bool = False) -> KeyStore:
        """One of the two sinks; `as_it_arrives`: for who waits for each layer that is on its way."""
        at, arrival = self._halves[half], self._arrival if half == 0 else None
        if arrival is not None and arrival.has_waited(len(at["sink.k"])):
            arrival = None
        if arrival is not None and not as_it_arrives:
            arrival.wait(len(at["sink.k"]))
            arrival = None
        return KeyStore(at["sink.k"], at["sink.v"], at.get("v_scale"), arrival)

    def sink_half(self, block: int) -> int:
        """Which sink block number `block` uses."""
        return int(self.half(block)["state"][SINK_HALF])

    def decoder(self, block: int) -> list[Tensor]:
        """What the decoder remembers before block number `block`, in the order of use."""
        if self._arrival is not None:
            self._arrival.wait()
        return [tensor for name, tensor in self.half(block).items() if name.startswith("decoder.")]

    def _map(self, buffer: Buffer, rings: Tensor | None) -> None:
        offset = HEADER_BYTES
        for spec in self.layout.tensors:
            if rings is not None and spec.name.startswith("ring.") and buffer is not rings:
                buffer, offset = rings, 0
            for half in self._halves:
                half[spec.name] = _view(buffer, spec, offset)
                offset += spec.item_bytes if spec.is_double or half is self._halves[1] else 0

    def _fingerprint(self) -> int:
        return int(self.layout.sha256[:15], 16)


def _view(buffer: Buffer, spec: TensorSpec, offset: int) -> Tensor:
    return _numbers(buffer, _DTYPES[spec.dtype], torch.Size(spec.shape).numel(), offset).view(spec.shape)


def _numbers(buffer: Buffer, dtype: torch.dtype, count: int, offset: int) -> Tensor:
    """A part of the buffer as numbers, without copying."""
    if isinstance(buffer, Tensor):
        return buffer[offset : offset + count * dtype.itemsize].view(dtype)
    return torch.frombuffer(buffer, dtype=dtype, count=count, offset=offset)
