"""What a block attends to: its own tokens, the ring of earlier blocks, the sink (reference and motion frames).

There is one ring per denoise step, because history keys are the noisy keys of that same step. Ring keys are stored
rotated; sink keys are stored un-rotated and rotated at every use, because the reference frame moves along with the
video. A block overwrites the slot of the block one clip ago, layer by layer, before it reads it: so doing a block again
is harmless.

Shapes: N layers, R ring rows, S sink rows, h heads, d head width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.model.attention import KeysValues, attention
from engine.model.rope import Phases, rotate


@dataclass(frozen=True)
class KeyStore:
    """Keys and values of all layers, `k` and `v` [N, rows, h, d]: a ring of one denoise step, or the sink."""

    k: Tensor
    v: Tensor

    @property
    def rows(self) -> int:
        """Rows per layer."""
        return self.k.shape[1]


class SinkWriter:
    """Attention of the sink prefill: full attention among the sink tokens; un-rotated keys and values are stored."""

    def __init__(self, sink: KeyStore, phases: Phases) -> None:
        self.sink, self.phases = sink, phases

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v [S, h, d] -> [S, h, d]"""
        self.sink.k[layer].copy_(k)
        self.sink.v[layer].copy_(v)
        return attention(rotate(q, self.phases), rotate(k, self.phases), v)


class RingReader:
    """Attention of a block at one denoise step: ring ++ sink, with the block's keys and values stored into its slot."""

    def __init__(self, ring: KeyStore, sink: KeyStore, block: int, block_phases: Phases, sink_phases: Phases) -> None:
        self.ring, self.sink = ring, sink
        self.block, self.block_phases, self.sink_phases = block, block_phases, sink_phases

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v [L, h, d] -> [L, h, d]"""
        first = self.block * q.shape[0] % self.ring.rows
        self.ring.k[layer, first : first + q.shape[0]].copy_(rotate(k, self.block_phases))
        self.ring.v[layer, first : first + q.shape[0]].copy_(v)
        return attention(rotate(q, self.block_phases), *self._remembered(layer, q.shape[0]))

    def _remembered(self, layer: int, length: int) -> KeysValues:
        filled = min((self.block + 1) * length, self.ring.rows)
        k = torch.cat([self.ring.k[layer, :filled], rotate(self.sink.k[layer], self.sink_phases)])
        return k, torch.cat([self.ring.v[layer, :filled], self.sink.v[layer]])
