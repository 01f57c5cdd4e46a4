"""The transformer with fused kernels: the same network as `engine.model.transformer`, for bfloat16 on CUDA.

Queries, keys and values come from one product; norms, gates, rotation and the change to eight bits are one kernel each;
keys go straight to their place in the ring, which attention reads in place. Nothing here waits for the device.

Shapes: L tokens, D model width, f latent frames.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.errors import WeightsError
from engine.memory.context import KV_FP8
from engine.memory.offload import RESIDENT, Offload
from engine.memory.working import KEPT_STEPS
from engine.model.attention import KeysValues
from engine.model.config import TransformerConfig
from engine.model.cuda import rows
from engine.model.cuda.attend import Memory, Parts, Place, Places, SinkMemory, attention, narrow
from engine.model.cuda.layer_feed import LayerFeed, products_of
from engine.model.cuda.layers import COLD, CrossLayer, Layer, Products, Source
from engine.model.cuda.recording import Recordings, Tensors
from engine.model.cuda.ring_feed import RingFeed
from engine.model.injector import ADAPTIVE_EPS, AudioKeys
from engine.model.rings import KeyStore, RingReader, SinkWriter
from engine.model.rope import Phases
from engine.model.slab import Keep, keep_here
from engine.model.transformer import Modulation, Transformer
from engine.model.weights import empty_weights
from engine.precision.products import Product, Rows, quantise_rows

CODED_WIDTHS = (32, 64, 128)
AUDIO_PARTS = ("k", "v", "shift", "scale")


class CudaTransformer(Transformer):
    """Embeddings, audio projector and head are the plain ones; the layers are fused."""

    is_fused = True

    def __init__(
        self, config: TransformerConfig, source: Source, precision: str, kv: str | None, offload: Offload,
        adapter_rank: int, keep: Keep,
    ) -> None:  # fmt: skip
        """`kv` "fp8" keeps keys and values in eight bits, None in bfloat16."""
        if adapter_rank and offload.layers:
            raise WeightsError("adapters need all layers on the device.", hint="Stream rings instead, or use no adapter.")
        if kv is not None and (config.head_dim not in CODED_WIDTHS or kv != KV_FP8):
            widths = ", ".join(map(str, CODED_WIDTHS))
            raise WeightsError(f"keys in {kv} need heads of width {widths}, not {config.head_dim}.", hint="Keep them in bf16.")
        with empty_weights():
            super().__init__(config)
        del self.blocks, self.audio_injector
        outer = {name: keep(source(name)) for name in self.state_dict()}
        self.load_state_dict(outer, assign=True)
        self.requires_grad_(False)
        self.precision = precision
        self._fp8, self.kv, self._rings = precision == "fp8", kv, RingFeed()
        streamed, layers = offload.streamed(config.num_layers), list[Layer]()
        products = Products(source, precision, adapter_rank)
        for index in range(config.num_layers):
            layer = Layer.of(products, f"blocks.{index}.", config.eps, is_coded=kv is not None)
            is_cold = offload.text_weights or offload.cold_weights
            layer = replace(layer, cross=layer.cross.cooled()) if is_cold else layer
            layers.append(layer if index in streamed else keep(layer))
        self._layers = LayerFeed(layers, streamed, COLD)
        count, inside = len(config.audio_inject_layers), "audio_injector.injector"
        self._injectors, self._adaptive = list[CrossLayer](), list[Product]()
        for index in range(count):
            injector = CrossLayer.of(products, f"{inside}.{index}.")
            adaptive = products.of(f"{inside}_adain_layers.{index}.linear", is_adaptable=False)
            self._injectors.append(keep(injector.cooled() if offload.cold_weights else injector))
            self._adaptive.append(keep(adaptive.on_host() if offload.cold_weights else adaptive))
        self._places, self._sockets = Places(), [product.socket for product in self.adaptable()]
        self.is_recording = not streamed  # travelling layers wait for one another beyond a step's end
        self._recordings: Recordings | None = None

    @classmethod
    def build(
        cls, config: TransformerConfig, source: Source, precision: str, kv: str | None = "default",
        offload: Offload = RESIDENT, adapter_rank: int = 0, keep: Keep = keep_here,
    ) -> CudaTransformer:  # fmt: skip
        """Layer by layer: no more than the weights and one layer is held at any time. `keep` says where they stay.

        Keys and values have eight bits where the weights have, unless `kv` says otherwise. `adapter_rank` is the sum of
        the ranks that can be attached at once. Raises WeightsError.
        """
        if kv == "default":
            kv = KV_FP8 if precision == "fp8" and config.head_dim in CODED_WIDTHS else None
        return cls(config, source, precision, kv, offload, adapter_rank, keep)

    @property
    def recorded_steps(self) -> int:
        """How many recordings are kept."""
        return len(self._recordings or ())

    def adaptable(self) -> list[Product]:
        """Every product that takes an adapter."""
        inside = [product for part in (*self._layers, *self._injectors) for product in products_of(part)]
        return [product for product in inside if product.tail]

    def settle(self) -> None:
        """What is launched from now on comes after all that the rings in host memory still wait for."""
        self._rings.settle()

    def encode_text(self, rows_in: Tensor) -> list[KeysValues]:
        """As the plain network's."""
        text = self.text_embedding(F.pad(rows_in, (0, 0, 0, self.config.text_len - rows_in.shape[0])))
        crosses = [layer.cross for layer in self._layers]
        entering = self._enter(text, crosses[0].k.tail)
        return [self._keys_values(cross, entering) for cross in crosses]

    def encode_audio(self, speech: Tensor) -> list[AudioKeys]:
        """As the plain network's."""
        overall, local = self.casual_audio_encoder(speech)
        frames, tokens = local.shape[:2]
        entering = self._enter(local.flatten(0, 1), self._injectors[0].k.tail)
        global_rows = self._enter(F.silu(overall.flatten(0, 1)), 0)
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
        memory = SinkMemory(sink, self.config.num_heads)
        self._pass(self.sink_tokens(reference, motion), still.e0, memory, text, None)

    def forward(
        self, noisy: Tensor, at: Modulation, memory: RingReader, text: list[KeysValues], audio: list[AudioKeys]
    ) -> Tensor:
        """As the plain network's: one denoise step of one block. A step with other rings, another role or adapter is launched
        kernel by kernel the first time, recorded the second, and replayed from then on. Those of a block whose sink is on its
        way wait for it layer by layer and are not recorded: that would take longer than the way."""
        length = (noisy.shape[1] * noisy.shape[2] * noisy.shape[3]) // self.config.patch**2
        ring, sink = memory.ring, memory.sink
        place = self._places.of(memory.block, memory.oldest, ring.rows // length, length, noisy.device)
        given = {"noisy": noisy, "place": place.rows}
        for name, phases in (("block", narrow(memory.block_phases)), ("sink", narrow(memory.sink_phases))):
            given |= {f"{name}.cos": phases.cos, f"{name}.sin": phases.sin}
        for index, keys in enumerate(audio):
            for name, tensor in zip(AUDIO_PARTS, (*keys.context, keys.shift, keys.scale), strict=True):
                given[f"audio.{index}.{name}"] = tensor
        step = partial(self._step, at, ring, sink, place.parts, text)
        if not self.is_recording or ring.k.device.type == "cpu" or sink.arrival is not None:
            return step(given)["velocity"]
        if self._recordings is None:
            self._recordings = Recordings(KEPT_STEPS)
        around = (ring.k, ring.v, sink.k, sink.v, sink.v_scale, at.e, at.e0, *(x for pair in text for x in pair))
        addresses = tuple(0 if x is None else x.data_ptr() for x in around)
        sides = tuple(0 if (side := socket.side) is None else side.down.data_ptr() for socket in self._sockets)
        # eight-bit attention is told by `place` what is known, the other sort by the form of its inputs
        shape = place.has_gap if self.kv is not None else place.parts
        return self._recordings.call((addresses, sides, ring.rows, shape), given, step)["velocity"]

    def _step(
        self, at: Modulation, ring: KeyStore, sink: KeyStore, parts: Parts, text: list[KeysValues], given: Tensors
    ) -> Tensors:
        """The pass that `forward` describes, with everything that differs from block to block in `given`."""
        block, reference = (Phases(given[f"{name}.cos"], given[f"{name}.sin"]) for name in ("block", "sink"))
        around = Memory(ring, sink, Place(given["place"], parts), block, reference, self.config.num_heads, self._rings)
        audio = []
        for index in range(len(self._injectors)):
            k, v, shift, scale = (given[f"audio.{index}.{name}"] for name in AUDIO_PARTS)
            audio.append(AudioKeys((k, v), shift, scale))
        x = self._pass(self.block_tokens(given["noisy"]), at.e0, around, text, audio)
        return {"velocity": self._unpatch(self.head(x, at.e), given["noisy"].shape)}

    # ---- the layers -------------------------------------------------------------------------------------------------

    def _pass(
        self, x: Tensor, e0: Tensor, memory: Memory | SinkMemory, text: list[KeysValues], audio: list[AudioKeys] | None
    ) -> Tensor:
        """All layers: [L, D] -> [L, D]. Every sub-layer's sum is made by the kernel that norms it for the next."""
        eps, fp8 = self.config.eps, self._fp8
        x = x.contiguous()
        added: Tensor | None = None
        gate: Tensor | None = None
        for index in range(len(self._layers)):
            layer = self._layers.take(index)
            shift1, scale1, gate1, shift2, scale2, gate2 = (layer.modulation + e0).unbind(0)
            keep = None if added is None else torch.bfloat16
            normed, x = rows.norm(
                x, scale1, shift1, eps, fp8=fp8, add=added, gate=gate, keep=keep, round_in=True, round_norm=True,
                tail=layer.qkv.tail,
            )  # fmt: skip
            mixed = memory.attend(index, layer.qkv(normed), layer.norms, fp8=fp8, tail=layer.o.tail)
            weight, bias = layer.norm3
            normed, x = rows.norm(
                x, weight, bias, eps, fp8=fp8, add=layer.o(mixed), gate=gate1, keep=torch.float32, round_in=True,
                one_plus=False, tail=layer.cross.q.tail,
            )  # fmt: skip
            seen = self._cross(layer.cross, normed, text[index], frames=None)
            normed, x = rows.norm(
                x, scale2, shift2, eps, fp8=fp8, add=seen, keep=torch.float32, tail=layer.grow.tail
            )  # fmt: skip
            added, gate = layer.shrink(rows.gelu(layer.grow(normed), fp8=fp8, tail=layer.shrink.tail)), gate2
            if audio is not None and index in self.config.audio_inject_layers:
                keys = audio[self.config.audio_inject_layers.index(index)]
                x, added = self._inject(x, added, gate, self.config.audio_inject_layers.index(index), keys)
                gate = None
            self._layers.give_back(index)
        assert added is not None
        total = x.float() + (added.float() * gate if gate is not None else added.float())
        return total.to(torch.bfloat16)

    def _inject(self, x: Tensor, added: Tensor, gate: Tensor, index: int, keys: AudioKeys) -> tuple[Tensor, Tensor]:
        frames = keys.shift.shape[0]
        normed, x = rows.norm(
            x, keys.scale, keys.shift, ADAPTIVE_EPS, fp8=self._fp8, add=added, gate=gate, keep=torch.bfloat16,
            round_in=True, round_norm=True, groups=frames, tail=self._injectors[index].q.tail,
        )  # fmt: skip
        return x, self._cross(self._injectors[index], normed, keys.context, frames=frames)

    def _cross(self, layer: CrossLayer, normed: Rows, context: KeysValues, frames: int | None) -> Tensor:
        heads = self.config.num_heads
        q = rows.rms(layer.q(normed), layer.norm_q, self.config.eps).unflatten(-1, (heads, -1))
        mixed, _ = attention(q if frames is None else q.unflatten(0, (frames, -1)), *context)
        return layer.o(rows.merge(mixed, None, None, None, self.config.head_dim, fp8=self._fp8, tail=layer.o.tail))

    def _keys_values(self, layer: CrossLayer, context: Rows) -> KeysValues:
        k = rows.rms(layer.k(context), layer.norm_k, self.config.eps)
        return tuple(x.unflatten(-1, (self.config.num_heads, -1)) for x in (k, layer.v(context)))  # type: ignore[return-value]

    def _enter(self, x: Tensor, tail: int) -> Rows:
        return quantise_rows(x, tail) if self._fp8 else Rows(F.pad(x, (0, tail)))
