"""The transformer with fused kernels: the same network as `engine.model.transformer`, for bfloat16 on CUDA.

Queries, keys and values come from one product; norms, gates, rotation and the change to eight bits are one kernel each;
keys go straight to their place in the ring, which attention reads in place. Nothing here waits for the device.

Shapes: L tokens, D model width, f latent frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.model.attention import KeysValues
from engine.model.config import TransformerConfig
from engine.model.cuda import rows
from engine.model.cuda.attend import Memory, SinkMemory, attention
from engine.model.injector import ADAPTIVE_EPS, AudioKeys
from engine.model.rings import RingReader, SinkWriter
from engine.model.transformer import Modulation, Transformer
from engine.model.weights import empty_weights
from engine.precision.products import Product, Rows, quantise_rows

Source = Callable[[str], Tensor]  # a parameter's name -> the tensor on the device, made or moved when it is asked for


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
    def of(cls, source: Source, prefix: str, precision: str) -> CrossLayer:
        """From the checkpoint's names."""
        products = {name: _product(source, f"{prefix}{name}", precision) for name in "qkvo"}
        return cls(**products, norm_q=source(f"{prefix}norm_q.weight"), norm_k=source(f"{prefix}norm_k.weight"))


@dataclass(frozen=True)
class Layer:
    """One transformer block's weights."""

    modulation: Tensor  # [6, D] float32
    qkv: Product
    o: Product
    norm_q: Tensor
    norm_k: Tensor
    norm3: tuple[Tensor, Tensor]
    cross: CrossLayer
    grow: Product
    shrink: Product

    @classmethod
    def of(cls, source: Source, prefix: str, precision: str) -> Layer:
        """From the checkpoint's names."""
        own = f"{prefix}self_attn."
        return cls(
            modulation=source(f"{prefix}modulation")[0].float(),
            qkv=Product.of(
                [source(f"{own}{n}.weight") for n in "qkv"], [source(f"{own}{n}.bias") for n in "qkv"], precision
            ),
            o=_product(source, f"{own}o", precision),
            norm_q=source(f"{own}norm_q.weight"), norm_k=source(f"{own}norm_k.weight"),
            norm3=(source(f"{prefix}norm3.weight"), source(f"{prefix}norm3.bias")),
            cross=CrossLayer.of(source, f"{prefix}cross_attn.", precision),
            grow=_product(source, f"{prefix}ffn.0", precision), shrink=_product(source, f"{prefix}ffn.2", precision),
        )  # fmt: skip


class CudaTransformer(Transformer):
    """Embeddings, audio projector and head are the plain ones; the layers are fused."""

    def __init__(self, config: TransformerConfig, source: Source, precision: str) -> None:
        with empty_weights():
            super().__init__(config)
        del self.blocks, self.audio_injector
        outer = {name: source(name) for name in self.state_dict()}
        self.load_state_dict(outer, assign=True)
        self.requires_grad_(False)
        self.precision = precision
        self._fp8 = precision == "fp8"
        self._layers = [Layer.of(source, f"blocks.{i}.", precision) for i in range(config.num_layers)]
        count, inside = len(config.audio_inject_layers), "audio_injector.injector"
        self._injectors = [CrossLayer.of(source, f"{inside}.{i}.", precision) for i in range(count)]
        self._adaptive = [_product(source, f"{inside}_adain_layers.{i}.linear", precision) for i in range(count)]

    @classmethod
    def build(cls, config: TransformerConfig, source: Source, precision: str) -> CudaTransformer:
        """Layer by layer: no more than the weights and one layer is held at any time."""
        return cls(config, source, precision)

    def encode_text(self, rows_in: Tensor) -> list[KeysValues]:
        """As the plain network's."""
        text = self.text_embedding(F.pad(rows_in, (0, 0, 0, self.config.text_len - rows_in.shape[0])))
        entering = self._enter(text)
        return [self._keys_values(layer.cross, entering) for layer in self._layers]

    def encode_audio(self, speech: Tensor) -> list[AudioKeys]:
        """As the plain network's."""
        overall, local = self.casual_audio_encoder(speech)
        frames, tokens = local.shape[:2]
        entering, global_rows = self._enter(local.flatten(0, 1)), self._enter(F.silu(overall.flatten(0, 1)))
        keys = []
        for cross, adaptive in zip(self._injectors, self._adaptive, strict=True):
            k, v = (x.unflatten(0, (frames, tokens)) for x in self._keys_values(cross, entering))
            shift, scale = (x.contiguous() for x in adaptive(global_rows).chunk(2, dim=-1))
            keys.append(AudioKeys((k, v), shift, scale))
        return keys

    def prefill(
        self, reference: Tensor, motion: Tensor, text: list[KeysValues], still: Modulation, sink: SinkWriter
    ) -> None:
        """As the plain network's: writes the sink."""
        memory = SinkMemory(sink.sink, sink.phases, self.config.num_heads)
        self._pass(self.sink_tokens(reference, motion), still.e0, memory, text, None)

    def forward(
        self, noisy: Tensor, at: Modulation, memory: RingReader, text: list[KeysValues], audio: list[AudioKeys]
    ) -> Tensor:
        """As the plain network's: one denoise step of one block."""
        x = self.block_tokens(noisy)
        around = Memory(memory, self.config.num_heads, x.shape[0])
        return self._unpatch(self.head(self._pass(x, at.e0, around, text, audio), at.e), noisy.shape)

    # ---- the layers -------------------------------------------------------------------------------------------------

    def _pass(
        self, x: Tensor, e0: Tensor, memory: Memory | SinkMemory, text: list[KeysValues], audio: list[AudioKeys] | None
    ) -> Tensor:
        """All layers: [L, D] -> [L, D]. Every sub-layer's sum is made by the kernel that norms it for the next."""
        eps, fp8 = self.config.eps, self._fp8
        x = x.contiguous()
        added: Tensor | None = None
        gate: Tensor | None = None
        for index, layer in enumerate(self._layers):
            shift1, scale1, gate1, shift2, scale2, gate2 = (layer.modulation + e0).unbind(0)
            keep = None if added is None else torch.bfloat16
            normed, x = rows.norm(
                x, scale1, shift1, eps, fp8=fp8, add=added, gate=gate, keep=keep, round_in=True, round_norm=True
            )
            mixed = memory.attend(index, layer.qkv(normed), layer.norm_q, layer.norm_k, eps, fp8=fp8)
            weight, bias = layer.norm3
            normed, x = rows.norm(
                x, weight, bias, eps, fp8=fp8, add=layer.o(mixed), gate=gate1, keep=torch.float32, round_in=True,
                one_plus=False,
            )  # fmt: skip
            seen = self._cross(layer.cross, normed, text[index], frames=None)
            normed, x = rows.norm(x, scale2, shift2, eps, fp8=fp8, add=seen, keep=torch.float32)
            added, gate = layer.shrink(rows.gelu(layer.grow(normed), fp8=fp8)), gate2
            if audio is not None and index in self.config.audio_inject_layers:
                keys = audio[self.config.audio_inject_layers.index(index)]
                x, added = self._inject(x, added, gate, self.config.audio_inject_layers.index(index), keys)
                gate = None
        assert added is not None
        total = x.float() + (added.float() * gate if gate is not None else added.float())
        return total.to(torch.bfloat16)

    def _inject(self, x: Tensor, added: Tensor, gate: Tensor, index: int, keys: AudioKeys) -> tuple[Tensor, Tensor]:
        frames = keys.shift.shape[0]
        normed, x = rows.norm(
            x, keys.scale, keys.shift, ADAPTIVE_EPS, fp8=self._fp8, add=added, gate=gate, keep=torch.bfloat16,
            round_in=True, round_norm=True, groups=frames,
        )  # fmt: skip
        return x, self._cross(self._injectors[index], normed, keys.context, frames=frames)

    def _cross(self, layer: CrossLayer, normed: Rows, context: KeysValues, frames: int | None) -> Tensor:
        heads = self.config.num_heads
        q = rows.rms(layer.q(normed), layer.norm_q, self.config.eps).unflatten(-1, (heads, -1))
        mixed, _ = attention(q if frames is None else q.unflatten(0, (frames, -1)), *context)
        return layer.o(rows.merge(mixed, None, None, None, self.config.head_dim, fp8=self._fp8))

    def _keys_values(self, layer: CrossLayer, context: Rows) -> KeysValues:
        k = rows.rms(layer.k(context), layer.norm_k, self.config.eps)
        return tuple(x.unflatten(-1, (self.config.num_heads, -1)) for x in (k, layer.v(context)))  # type: ignore[return-value]

    def _enter(self, x: Tensor) -> Rows:
        return quantise_rows(x) if self._fp8 else Rows(x)


def _product(source: Source, name: str, precision: str) -> Product:
    return Product.of([source(f"{name}.weight")], [source(f"{name}.bias")], precision)
