"""Side paths in the side columns of fused products (`engine.precision.products`), in the type of the product's weight.

In eight bits a product's output is scaled by its input row's and its weight row's scale. The side path goes through the
same scales: its columns of the weight are divided by the weight row's scale, what the first half makes is in units of the
input row's scale already, and a factor per column shares the range of the codes between both.

Shapes: N outputs, K inputs, T side columns of a product.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.adapters.adapter import Adapter
from engine.errors import WeightsError
from engine.model.cuda.host import pinned
from engine.precision.products import FP8, LARGEST, Product, Side

SMALLEST_FACTOR = 1e-6  # of a column that holds nothing
ALIGNMENT_BYTES = 256


class CodedSet:
    """Side paths of all products in one slab of memory, which travels to pinned host memory and back in one copy."""

    def __init__(self, products: Sequence[Product], slab: Tensor, fitted: Sequence[bool]) -> None:
        """`fitted` says which of the products have a side path in `slab`."""
        self._products, self._slab, self._fitted = products, slab, fitted
        self._device = products[0].bias.device
        self._sides: list[tuple[Product, Side]] = []
        offset = 0
        for product, is_fitted in zip(products, fitted, strict=True):
            if is_fitted:
                side, offset = _side_in(slab, offset, product)
                self._sides.append((product, side))
        resident = [(product, side) for product, side in self._sides if product.weight.is_cuda]
        self._tails = [product.weight[:, product.inputs :] for product, _ in resident]
        self._ups = [side.up for _, side in resident]

    @property
    def total_bytes(self) -> int:
        """Bytes of the slab."""
        return len(self._slab)

    def on_host(self) -> CodedSet:
        """The same in pinned host memory; `attach` brings it to the device."""
        return CodedSet(self._products, pinned(len(self._slab)).copy_(self._slab), self._fitted)

    def on_device(self) -> CodedSet:
        """The same on the device."""
        return CodedSet(self._products, self._slab.to(self._device, non_blocking=True), self._fitted)

    def attach(self) -> None:
        """Instead of whatever is attached; from the next call of each product on."""
        if not self._slab.is_cuda:
            self.on_device().attach()
            return
        for product, is_fitted in zip(self._products, self._fitted, strict=True):
            if not is_fitted and product.socket.side is not None:
                product.attach(None)
        if self._tails:
            torch._foreach_copy_(self._tails, self._ups)
        for product, side in self._sides:
            product.socket.side = side


def fit(products: Sequence[Product], adapters: Sequence[Adapter]) -> CodedSet:
    """Code the adapters for the products. Raises WeightsError when they are not for this network or too many."""
    if not products:
        raise WeightsError("this engine was started without room for adapters.", hint="Start it with an adapter rank.")
    sizes = {module: (p.weight.shape[0] // len(p.modules), p.inputs) for p in products for module in p.modules}
    for adapter in adapters:
        adapter.check(sizes)
    for product in products:
        for module in product.modules:
            wanted = sum(len(adapter.pairs[module].down) for adapter in adapters if module in adapter.pairs)
            if wanted > (room := product.tail // len(product.modules)):
                raise WeightsError(
                    f"{module}: adapters of rank {wanted} in all, but there is room for {room}.",
                    hint="Attach fewer at once, or start the engine with a larger adapter rank.",
                )
    fitted = [any(module in adapter.pairs for adapter in adapters for module in p.modules) for p in products]
    chosen = [product for product, is_fitted in zip(products, fitted, strict=True) if is_fitted]
    slab = torch.empty(sum(_size(product) for product in chosen), dtype=torch.uint8, device=products[0].bias.device)
    offset = 0
    for product in chosen:
        side, offset = _side_in(slab, offset, product)
        _code(product, adapters, side)
    return CodedSet(products, slab, fitted)


def detach(products: Sequence[Product]) -> None:
    """Pull out whatever is attached."""
    for product in products:
        if product.socket.side is not None:
            product.attach(None)


def _code(product: Product, adapters: Sequence[Adapter], side: Side) -> None:
    """Write the halves of all adapters for a product, each in columns and output rows of its own."""
    down, up = side.down.new_zeros(side.down.shape, dtype=torch.float32), side.up.new_zeros(side.up.shape, dtype=torch.float32)
    column, rows = 0, up.shape[0] // len(product.modules)
    for place, module in enumerate(product.modules):
        for adapter in adapters:
            if module not in adapter.pairs:
                continue
            pair, rank = adapter.pairs[module], adapter.pairs[module].down.shape[0]
            down[column : column + rank] = pair.down.to(down.device, torch.float32)
            up[place * rows : (place + 1) * rows, column : column + rank] = (
                pair.up.to(up.device, torch.float32) * adapter.scale(module)
            )
            column += rank
    if product.scale is None:
        side.down.copy_(down)
        side.up.copy_(up)
        side.factor.fill_(1.0)
        return
    down_scale = down.abs().amax(dim=1, keepdim=True).clamp(min=SMALLEST_FACTOR) / LARGEST
    up /= product.scale.view(-1, 1)
    share = up.abs().amax(dim=0).clamp(min=SMALLEST_FACTOR) / LARGEST
    side.down.copy_((down / down_scale).clamp(-LARGEST, LARGEST))
    side.up.copy_((up / share).clamp(-LARGEST, LARGEST))
    side.factor.copy_(down_scale.view(-1) * share)


def _shapes(product: Product) -> list[tuple[tuple[int, ...], torch.dtype]]:
    """Of down, factor and up."""
    dtype = FP8 if product.scale is not None else product.weight.dtype
    tail = product.tail
    return [((tail, product.inputs), dtype), ((tail,), torch.float32), ((product.weight.shape[0], tail), dtype)]


def _size(product: Product) -> int:
    return sum(_padded(torch.Size(shape).numel() * dtype.itemsize) for shape, dtype in _shapes(product))


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def _side_in(slab: Tensor, offset: int, product: Product) -> tuple[Side, int]:
    """The product's side path at an offset of the slab, and where the next one begins."""
    parts = []
    for shape, dtype in _shapes(product):
        size = torch.Size(shape).numel() * dtype.itemsize
        parts.append(slab[offset : offset + size].view(dtype).view(shape))
        offset += _padded(size)
    return Side(*parts), offset
