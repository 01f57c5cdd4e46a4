"""The weights of one layer as the fused network uses them, built from the checkpoint's names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from engine.model.cuda.norms import Norms
from engine.precision.products import FP8, Product

COLD = ("k", "v")  # products of attention to fixed tokens that no step uses
SIDE_UNIT = 128  # side columns come in this many: with fewer the matrix units lose a tenth of their speed
Source = Callable[[str], Tensor]  # a parameter's name -> the tensor on the device, made or moved when it is asked for


@dataclass(frozen=True)
class Products:
    """Makes products of a precision, with side columns for adapters of up to `adapter_rank`."""

    source: Source
    precision: str
    adapter_rank: int

    def of(self, *modules: str, is_adaptable: bool = True) -> Product:
        """One product of the modules, which share their input. Files may hold eight-bit codes and their scales."""
        weights, biases = ([self.source(f"{module}.{what}") for module in modules] for what in ("weight", "bias"))
        is_stored = weights[0].dtype == FP8
        return Product.of(
            weights, biases, "fp8" if is_stored else self.precision,
            scales=[self.source(f"{module}.weight_scale") for module in modules] if is_stored else None,
            tail=self.adapter_rank and is_adaptable and -(-self.adapter_rank * len(modules) // SIDE_UNIT) * SIDE_UNIT,
            modules=modules if is_adaptable else (),
        )  # fmt: skip


@dataclass(frozen=True)
class CrossLayer:
    """Attention to fixed tokens: products and norm weights."""

    q: Product
    k: Product
    v: Product
    o: Product
    norm_q: Tensor
    norm_k: Tensor

    @classmethod
    def of(cls, products: Products, prefix: str) -> CrossLayer:
        """From the checkpoint's names."""
        q, k, v, o = (products.of(f"{prefix}{name}") for name in "qkvo")
        return cls(q, k, v, o, products.source(f"{prefix}norm_q.weight"), products.source(f"{prefix}norm_k.weight"))

    def cooled(self) -> CrossLayer:
        """What is used once per prompt or per block, in host memory."""
        return replace(self, k=self.k.on_host(), v=self.v.on_host())


@dataclass(frozen=True)
class Layer:
    """One transformer block's weights."""

    modulation: Tensor  # [6, D] float32
    qkv: Product
    o: Product
    norms: Norms
    norm3: tuple[Tensor, Tensor]
    cross: CrossLayer
    grow: Product
    shrink: Product

    @classmethod
    def of(cls, products: Products, prefix: str, eps: float, *, is_coded: bool) -> Layer:
        """From the checkpoint's names; `is_coded`: keys and values are kept in eight bits."""
        own, source = f"{prefix}self_attn.", products.source
        return cls(
            modulation=source(f"{prefix}modulation")[0].float(),
            qkv=products.of(*(f"{own}{name}" for name in "qkv")), o=products.of(f"{own}o"),
            norms=Norms.of(source(f"{own}norm_q.weight"), source(f"{own}norm_k.weight"), eps, is_coded=is_coded),
            norm3=(source(f"{prefix}norm3.weight"), source(f"{prefix}norm3.bias")),
            cross=CrossLayer.of(products, f"{prefix}cross_attn."),
            grow=products.of(f"{prefix}ffn.0"), shrink=products.of(f"{prefix}ffn.2"),
        )  # fmt: skip
