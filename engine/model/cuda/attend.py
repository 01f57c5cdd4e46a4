"""What a block attends to on CUDA: ring and sink, in the model's type (cuDNN) or in eight bits (our kernel).

Shapes: L queries, K keys, h heads, d head width, D = h*d, S sink rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.model.cuda import rows
from engine.model.cuda.norms import Norms
from engine.model.cuda.ring_feed import RingFeed
from engine.model.rings import KeyStore, SinkWriter
from engine.model.rope import Phases
from engine.precision.products import FP8, LARGEST, Rows

_cudnn = torch.ops.aten._scaled_dot_product_cudnn_attention
Parts = tuple[tuple[int, int], ...]  # pieces [begin, end) of a ring's rows, in ascending order
HEADROOM = 8.0  # values of a whole video may be this many times those of the first sink before they are cut


def attention(q: Tensor, k: Tensor, v: Tensor, *, log: bool = False) -> tuple[Tensor, Tensor | None]:
    """q [L, h, d], k, v [K, h, d] or with a batch in front -> [L, D] and the log-sums [h, L] where they are wanted."""
    is_single = q.dim() == 3
    q, k, v = ((x[None] if is_single else x).transpose(1, 2) for x in (q, k, v))
    mixed, log_sum = _cudnn(q, k, v, None, log, 0.0, False, False, scale=None)[:2]
    mixed = mixed.transpose(1, 2).flatten(2).flatten(0, 1)
    return mixed, log_sum.reshape(q.shape[1], -1) if log else None


@dataclass(frozen=True)
class Place:
    """Where a block's keys go in the ring, and which rows it attends to: pieces [begin, end) in ascending order.

    `rows` on the device says the same as the numbers do, so that a recorded step can be told another place: int32
    [first row of the block, end of the piece that begins with row 0, begin and end of the piece behind a gap].
    """

    rows: Tensor
    parts: Parts

    @property
    def has_gap(self) -> bool:
        """Whether the ring's first rows are not known, or rows in its midst: only while a lost ring is refilled."""
        return len(self.parts) > 1 or self.parts[0][0] > 0


class Places:
    """Places of a ring's slots on a device; each is brought there once."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Place] = {}

    def of(self, block: int, oldest: int, slots: int, length: int, device: torch.device) -> Place:
        """Of a block of `length` rows in a ring of `slots` blocks that knows none before `oldest`."""
        first_known = max(oldest, block + 1 - slots)
        parts = tuple(spans([known % slots for known in range(first_known, block + 1)], length))
        first = block % slots * length
        key = first, parts, device
        if key not in self._known:
            if parts[0][0]:
                assert len(parts) == 1, "a ring with a gap begins with its first slot"
                bounds = [0, *parts[0]]
            else:
                bounds = [end for piece in parts for end in piece][1:]
            rows = torch.tensor([first, *bounds, 0, 0][:4], dtype=torch.int32, device=device)
            self._known[key] = Place(rows, parts)
        return self._known[key]


class Memory:
    """One denoise step of a block: the ring in place, and the sink's keys rotated per layer."""

    def __init__(
        self, ring: KeyStore, sink: KeyStore, place: Place, phases: Phases, sink_phases: Phases, heads: int, feed: RingFeed
    ) -> None:
        """Phases in float32 (`narrow`)."""
        self.ring, self.sink, self.heads, self.feed = ring, sink, heads, feed
        self.phases, self.sink_phases, self.place = phases, sink_phases, place
        self.is_coded = self.ring.k.dtype == FP8
        self.rotated = torch.empty_like(self.sink.k[0], dtype=self.ring.k.dtype)
        feed.begin(self.ring)

    def attend(self, layer: int, qkv: Tensor, norms: Norms, *, fp8: bool, tail: int) -> Rows:
        """Store the block's keys and values [L, 3D] into its slot; mix over all that is known and the sink."""
        width = qkv.shape[1] // 3 // self.heads
        if self.sink.arrival is not None:
            self.sink.arrival.wait(layer + 1)
        k, v = self.feed.take(layer)
        mix = self._mix_coded if self.is_coded else self._mix
        mixed = mix(layer, qkv, norms, k, v, width, fp8=fp8, tail=tail)
        self.feed.give_back(layer)
        return mixed

    def _mix(self, layer: int, qkv: Tensor, norms: Norms, k: Tensor, v: Tensor, width: int, *, fp8: bool, tail: int) -> Rows:
        q = rows.queries_keys_values(qkv, norms, self.phases, k, v, self.place.rows, width).unflatten(1, (self.heads, width))
        rows.rotate(self.sink.k[layer].flatten(1), self.sink_phases, self.rotated, width)
        parts = self.place.parts
        if len(parts) == 1:
            known_k, known_v = (x[slice(*parts[0])] for x in (k, v))
        else:
            known_k, known_v = (torch.cat([x[slice(*part)] for part in parts]) for x in (k, v))
        over_ring, ring_log = attention(q, known_k, known_v, log=True)
        over_sink, sink_log = attention(q, self.rotated, self.sink.v[layer], log=True)
        return rows.merge(over_ring, ring_log, over_sink, sink_log, width, fp8=fp8, tail=tail)

    def _mix_coded(
        self, layer: int, qkv: Tensor, norms: Norms, k: Tensor, v: Tensor, width: int, *, fp8: bool, tail: int
    ) -> Rows:
        assert self.sink.v_scale is not None
        scale = self.sink.v_scale[layer : layer + 1]
        q = rows.queries_keys(qkv, norms, self.phases, k, self.place.rows, width)
        rows.values(qkv, 2 * qkv.shape[1] // 3, scale, v, self.place.rows)
        rows.rotate(self.sink.k[layer].flatten(1), self.sink_phases, self.rotated, width, norms.k_factor)
        factors = norms.q_factor * norms.k_factor
        mixed = rows.attention(
            q, k, v, self.place.rows, self.rotated, self.sink.v[layer], scale, width, factors, has_gap=self.place.has_gap
        )
        return rows.merge(mixed, None, None, None, width, fp8=fp8, tail=tail)


class SinkMemory:
    """The sink prefill: full attention among the sink tokens; un-rotated keys and values are stored."""

    def __init__(self, writer: SinkWriter, heads: int) -> None:
        self.sink, self.phases, self.heads, self.is_first = writer.sink, narrow(writer.phases), heads, writer.is_first
        self.rotated = torch.empty_like(self.sink.k[0])
        self.is_coded = self.sink.v.dtype == FP8
        self.wide = torch.empty_like(self.rotated) if self.is_coded else None
        self.start = torch.zeros(1, dtype=torch.int32, device=self.rotated.device)

    def attend(self, layer: int, qkv: Tensor, norms: Norms, *, fp8: bool, tail: int) -> Rows:
        """[S, 3D] -> rows [S, D]"""
        width = qkv.shape[1] // 3 // self.heads
        v = self.sink.v[layer] if self.wide is None else self.wide
        q = rows.queries_keys_values(
            qkv, norms, self.phases, self.rotated, v, self.start, width, k_raw=self.sink.k[layer]
        ).unflatten(1, (self.heads, width))
        if self.is_coded:
            self._code(layer, v)
        return rows.merge(attention(q, self.rotated, v)[0], None, None, None, width, fp8=fp8, tail=tail)

    def _code(self, layer: int, v: Tensor) -> None:
        """Values in eight bits. The first sink of a context settles the scale for all of the video."""
        assert self.sink.v_scale is not None
        scale = self.sink.v_scale[layer : layer + 1]
        if self.is_first:
            scale.copy_(v.abs().amax().float().clamp(min=1e-6) * (HEADROOM / LARGEST))
        rows.values(v.flatten(1), 0, scale, self.sink.v[layer], self.start)


def narrow(phases: Phases) -> Phases:
    """Phases in float32: they hold half-precision values, so nothing is lost."""
    return Phases(phases.cos.float(), phases.sin.float())


def spans(slots: list[int], length: int) -> list[tuple[int, int]]:
    """Rows of the slots as [begin, end) pieces in ascending order: one, or two around a gap."""
    pieces: list[tuple[int, int]] = []
    for slot in sorted(slots):
        begin, end = slot * length, (slot + 1) * length
        if pieces and pieces[-1][1] == begin:
            pieces[-1] = (pieces[-1][0], end)
        else:
            pieces.append((begin, end))
    return pieces
