"""What a block attends to: its own tokens, the ring of earlier blocks, the sink (reference and motion frames).

There is one ring per denoise step, because history keys are the noisy keys of that same step. Ring keys are stored
rotated; sink keys are stored un-rotated and rotated at every use, because the reference frame moves along with the
video. A block overwrites the slot of the block one clip ago, layer by layer, before it reads it: so doing a block again
is harmless.

Shapes: N layers, R ring rows, S sink rows, h heads, d head width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.model.attention import KeysValues, attention
from engine.model.rope import Phases, rotate

if TYPE_CHECKING:  # only where there is a device
    from engine.model.cuda.arrival import Arrival


@dataclass(frozen=True)
class KeyStore:
    """Keys and values of all layers, `k` and `v` [N, rows, h, d]: a ring of one denoise step, or the sink.

    In eight bits `v` is [N, h, d, rows] (and rows to spare), and `v_scale` [N] gives values their size back. With `arrival` a
    layer may be read once so many of its groups as there are layers up to it have been waited for.
    """

    k: Tensor
    v: Tensor
    v_scale: Tensor | None = None
    arrival: Arrival | None = None

    @property
    def rows(self) -> int:
        """Rows per layer."""
        return self.k.shape[1]

    def first(self, rows: int) -> KeyStore:
        """The same with the first rows only."""
        v = self.v[:, :rows] if self.v_scale is None else self.v[..., :rows]
        return KeyStore(self.k[:, :rows], v, self.v_scale)


class SinkWriter:
    """Attention of the sink prefill: full attention among the sink tokens; un-rotated keys and values are stored."""

    def __init__(self, sink: KeyStore, phases: Phases, *, is_first: bool = True) -> None:
        """`is_first`: a context's first sink; in eight bits it settles how large the values of all that follow may be."""
        self.sink, self.phases, self.is_first = sink, phases, is_first

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v [S, h, d] -> [S, h, d]"""
        self.sink.k[layer].copy_(k)
        self.sink.v[layer].copy_(v)
        return attention(rotate(q, self.phases), rotate(k, self.phases), v)


class RingReader:
    """Attention of a block at one denoise step: ring ++ sink, with the block's keys and values stored into its slot."""

    def __init__(
        self, ring: KeyStore, sink: KeyStore, block: int, block_phases: Phases, sink_phases: Phases, *, oldest: int = 0
    ) -> None:
        """`oldest` is the first block that the ring knows; later than 0 only while a lost ring is being refilled."""
        self.ring, self.sink = ring, sink
        self.block, self.block_phases, self.sink_phases = block, block_phases, sink_phases
        self.oldest = oldest

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v [L, h, d] -> [L, h, d]"""
        first = self.block * q.shape[0] % self.ring.rows
        self.ring.k[layer, first : first + q.shape[0]].copy_(rotate(k, self.block_phases))
        self.ring.v[layer, first : first + q.shape[0]].copy_(v)
        return attention(rotate(q, self.block_phases), *self._remembered(layer, q.shape[0]))

    def _remembered(self, layer: int, length: int) -> KeysValues:
        """Keys and values of all blocks that the ring knows, in the order of their slots, and the sink's."""
        slots = self.ring.rows // length
        known = sorted(block % slots for block in range(max(self.oldest, self.block + 1 - slots), self.block + 1))
        if known == list(range(len(known))):
            parts = [slice(0, len(known) * length)]
        else:
            parts = [slice(slot * length, (slot + 1) * length) for slot in known]
        sink_k = rotate(self.sink.k[layer], self.sink_phases)
        k = torch.cat([*(self.ring.k[layer, part] for part in parts), sink_k])
        return k, torch.cat([*(self.ring.v[layer, part] for part in parts), self.sink.v[layer]])
