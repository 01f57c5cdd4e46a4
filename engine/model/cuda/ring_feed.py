"""A ring's keys and values, layer by layer: in place on the device, or travelling from host memory and back.

A ring in pinned host memory is brought a few layers ahead of the computation, and what the block changed is written back
behind it. The link works both ways at once, so it costs time only where a layer takes longer to travel than to compute.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.model.rings import KeyStore

DEPTH = 4  # layers that are on the device at once


class RingFeed:
    """`begin` with a ring, then `take` and `give_back` its layers in order."""

    def __init__(self) -> None:
        self._ring: KeyStore | None = None
        self._pool: _Pool | None = None

    def begin(self, ring: KeyStore) -> None:
        """The ring of the next step."""
        self._ring = ring
        if ring.k.device.type == "cpu":
            if self._pool is None or not self._pool.fits(ring):
                self._pool = _Pool(ring)
            self._pool.begin(ring)

    def take(self, layer: int) -> tuple[Tensor, Tensor]:
        """Keys and values of a layer on the device: [rows, h, d] each, or the coded forms; to be read and written."""
        assert self._ring is not None
        if self._ring.k.device.type == "cpu":
            assert self._pool is not None
            return self._pool.take(layer)
        return self._ring.k[layer], self._ring.v[layer]

    def give_back(self, layer: int) -> None:
        """The layer's work is launched."""
        assert self._ring is not None
        if self._ring.k.device.type == "cpu":
            assert self._pool is not None
            self._pool.give_back(layer)

    def settle(self) -> None:
        """Whatever is launched from now on comes after all writing back."""
        if self._pool is not None:
            torch.cuda.current_stream().wait_stream(self._pool.outward)


class _Pool:
    """Device memory for `DEPTH` layers, a stream for each direction."""

    def __init__(self, ring: KeyStore) -> None:
        self.inward, self.outward = torch.cuda.Stream(), torch.cuda.Stream()
        self._buffers = [
            tuple(torch.empty(x.shape[1:], dtype=x.dtype, device="cuda") for x in (ring.k, ring.v)) for _ in range(DEPTH)
        ]
        self._arrived, self._freed = ([torch.cuda.Event() for _ in range(DEPTH)] for _ in range(2))
        self._ring = ring

    def fits(self, ring: KeyStore) -> bool:
        """Whether the buffers are those for such a ring."""
        return all(
            buffer.shape == x.shape[1:] and buffer.dtype == x.dtype
            for buffer, x in zip(self._buffers[0], (ring.k, ring.v), strict=True)
        )

    def begin(self, ring: KeyStore) -> None:
        """Bring the first layers, each as soon as its place is free."""
        self._ring = ring
        for layer in range(min(DEPTH, ring.k.shape[0])):
            self._bring(layer)

    def take(self, layer: int) -> tuple[Tensor, Tensor]:
        """The layer's buffers, once they are filled."""
        torch.cuda.current_stream().wait_event(self._arrived[layer % DEPTH])
        k, v = self._buffers[layer % DEPTH]
        return k, v

    def give_back(self, layer: int) -> None:
        """Write the layer back and bring the one that takes its place."""
        self.outward.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.outward):
            for host, device in zip((self._ring.k, self._ring.v), self._buffers[layer % DEPTH], strict=True):
                host[layer].copy_(device, non_blocking=True)
            self._freed[layer % DEPTH].record()
        if layer + DEPTH < self._ring.k.shape[0]:
            self._bring(layer + DEPTH)

    def _bring(self, layer: int) -> None:
        """After the place was written back; so also after this ring was, which is at least a step ago."""
        self.inward.wait_event(self._freed[layer % DEPTH])
        with torch.cuda.stream(self.inward):
            for host, device in zip((self._ring.k, self._ring.v), self._buffers[layer % DEPTH], strict=True):
                device.copy_(host[layer], non_blocking=True)
            self._arrived[layer % DEPTH].record()
