"""Attention on CUDA with the log of its normaliser, and a block's attention over ring and sink without joining them.

Shapes: L queries, K keys, h heads, d head width, D = h*d.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.model.cuda import rows
from engine.model.rings import KeyStore, RingReader
from engine.model.rope import Phases
from engine.precision.products import Rows

_cudnn = torch.ops.aten._scaled_dot_product_cudnn_attention


def attention(q: Tensor, k: Tensor, v: Tensor, *, log: bool = False) -> tuple[Tensor, Tensor | None]:
    """q [L, h, d], k, v [K, h, d] or with a batch in front -> [L, D] and the log-sums [h, L] where they are wanted."""
    is_single = q.dim() == 3
    q, k, v = ((x[None] if is_single else x).transpose(1, 2) for x in (q, k, v))
    mixed, log_sum = _cudnn(q, k, v, None, log, 0.0, False, False, scale=None)[:2]
    mixed = mixed.transpose(1, 2).flatten(2).flatten(0, 1)
    return mixed, log_sum.reshape(q.shape[1], -1) if log else None


class Memory:
    """What one denoise step of a block attends to: the ring in place, and the sink's keys rotated per layer."""

    def __init__(self, reader: RingReader, heads: int, length: int) -> None:
        self.ring, self.sink, self.heads = reader.ring, reader.sink, heads
        self.phases, self.sink_phases = narrow(reader.block_phases), narrow(reader.sink_phases)
        slots = self.ring.rows // length
        self.first = reader.block % slots * length
        first_known = max(reader.oldest, reader.block + 1 - slots)
        known = sorted(block % slots for block in range(first_known, reader.block + 1))
        self.known = len(known) * length
        self.gathered = None if known == list(range(len(known))) else _rows_of(known, length, self.ring.k.device)
        self.rotated = torch.empty_like(self.sink.k[0])

    def attend(self, layer: int, qkv: Tensor, q_weight: Tensor, k_weight: Tensor, eps: float, *, fp8: bool) -> Rows:
        """Store the block's keys and values [L, 3D] into its slot; mix over all that is known and the sink."""
        width = qkv.shape[1] // 3 // self.heads
        ring_k, ring_v = self.ring.k[layer], self.ring.v[layer]
        q = rows.queries_keys_values(
            qkv, q_weight, k_weight, self.phases, ring_k, ring_v, self.first, eps, width
        ).unflatten(1, (self.heads, width))
        rows.rotate(self.sink.k[layer].flatten(1), self.sink_phases, self.rotated, width)
        if self.gathered is None:
            k, v = ring_k[: self.known], ring_v[: self.known]
        else:
            k, v = ring_k[self.gathered], ring_v[self.gathered]
        over_ring, ring_log = attention(q, k, v, log=True)
        over_sink, sink_log = attention(q, self.rotated, self.sink.v[layer], log=True)
        return rows.merge(over_ring, ring_log, over_sink, sink_log, width, fp8=fp8)


class SinkMemory:
    """The sink prefill: full attention among the sink tokens; un-rotated keys and values are stored."""

    def __init__(self, sink: KeyStore, phases: Phases, heads: int) -> None:
        self.sink, self.phases, self.heads = sink, narrow(phases), heads
        self.rotated = torch.empty_like(sink.k[0])

    def attend(self, layer: int, qkv: Tensor, q_weight: Tensor, k_weight: Tensor, eps: float, *, fp8: bool) -> Rows:
        """[S, 3D] -> rows [S, D]"""
        width = qkv.shape[1] // 3 // self.heads
        k, v = self.sink.k[layer], self.sink.v[layer]
        q = rows.queries_keys_values(
            qkv, q_weight, k_weight, self.phases, self.rotated, v, 0, eps, width, k_raw=k
        ).unflatten(1, (self.heads, width))
        return rows.merge(attention(q, self.rotated, v)[0], None, None, None, width, fp8=fp8)


def narrow(phases: Phases) -> Phases:
    """Phases in float32: they hold half-precision values, so nothing is lost."""
    return Phases(phases.cos.float(), phases.sin.float())


def _rows_of(slots: list[int], length: int, device: torch.device) -> Tensor:
    return torch.cat([torch.arange(slot * length, (slot + 1) * length, device=device) for slot in slots])
