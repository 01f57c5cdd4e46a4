"""The transformer: noisy latents of one block in, velocity out; and the sink prefill.

Reading order: `Transformer.forward` (one denoise step of one block), `Block.forward` (one layer), `Transformer.prefill`
(reference and motion frames, once per sink). What tokens attend to beyond themselves lives in `rings.py`.

Shapes: 16 latent channels; H, W latent height and width; rows x columns = H/2 x W/2 = hw tokens per latent frame;
L = 3*hw tokens per block; S = 2.5*hw sink tokens; D model width; T text rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.catalog import BLOCK_LATENTS
from engine.model.attention import AffineNorm, Attend, CrossAttention, KeysValues, SelfAttention, layer_norm
from engine.model.audio import AudioProjector
from engine.model.config import TransformerConfig
from engine.model.injector import AudioInjector, AudioKeys
from engine.model.packer import FramePacker
from engine.model.rings import RingReader, SinkWriter

if TYPE_CHECKING:
    from engine.precision.products import Product

NOISY, REFERENCE, MOTION = range(3)  # rows of the condition mask


@dataclass(frozen=True)
class Modulation:
    """What the network knows of the timestep: `e` [D] for the head, `e0` [6, D] for the blocks, float32."""

    e: Tensor
    e0: Tensor


class Block(nn.Module):
    """Self-attention, text attention, feed-forward; shifts, scales and gates come from the timestep."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        dim, heads, self.eps = config.dim, config.num_heads, config.eps
        self.modulation = nn.Parameter(torch.empty(1, 6, dim))
        self.self_attn = SelfAttention(dim, heads, config.eps)
        self.norm3 = AffineNorm(dim, config.eps)
        self.cross_attn = CrossAttention(dim, heads, config.eps)
        self.ffn = nn.Sequential(nn.Linear(dim, config.ffn_dim), nn.GELU("tanh"), nn.Linear(config.ffn_dim, dim))

    def forward(self, x: Tensor, e0: Tensor, attend: Attend, text: KeysValues) -> Tensor:
        """[L, D] -> [L, D]. The residual is float32 inside, the model's dtype between blocks."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation[0].float() + e0
        dtype = x.dtype

        normed = layer_norm(x, self.eps).float() * (1 + scale1) + shift1
        wide = x.float() + self.self_attn(normed.to(dtype), attend).float() * gate1
        wide = wide + self.cross_attn(self.norm3(wide.to(dtype)), text)
        normed = layer_norm(wide, self.eps) * (1 + scale2) + shift2
        return (wide + self.ffn(normed.to(dtype)).float() * gate2).to(dtype)


class Head(nn.Module):
    """Last norm and projection to latent patches, float32 arithmetic."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.eps = config.eps
        self.modulation = nn.Parameter(torch.empty(1, 2, config.dim))
        self.head = nn.Linear(config.dim, config.out_dim * config.patch**2)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        """[L, D] -> [L, 64]"""
        shift, scale = self.modulation[0].float() + e
        normed = layer_norm(x, self.eps).float() * (1 + scale) + shift
        return F.linear(normed, self.head.weight.float(), self.head.bias.float()).to(x.dtype)


class Transformer(nn.Module):
    """The whole network. Parameter names are those of the public checkpoint."""

    is_fused = False
    kv: str | None = None  # the form of keys and values in a context: None is the model's own type

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        dim, patch = config.dim, (1, config.patch, config.patch)
        self.patch_embedding = nn.Conv3d(config.in_dim, dim, patch, stride=patch)
        self.cond_encoder = nn.Conv3d(config.cond_dim, dim, patch, stride=patch)
        self.trainable_cond_mask = nn.Embedding(3, dim)
        self.text_embedding = nn.Sequential(nn.Linear(config.text_dim, dim), nn.GELU("tanh"), nn.Linear(dim, dim))
        self.time_embedding = nn.Sequential(nn.Linear(config.freq_dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.time_projection = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.head = Head(config)
        self.casual_audio_encoder = AudioProjector(config.audio_dim, dim, config.num_audio_token, config.eps)  # sic
        self.audio_injector = AudioInjector(dim, config.num_heads, len(config.audio_inject_layers), config.eps)
        self.frame_packer = FramePacker(config.in_dim, dim)

    # ---- constant over many calls: compute once, hand in again ------------------------------------------------------

    def encode_text(self, rows: Tensor) -> list[KeysValues]:
        """Keys and values per layer for encoder rows [n, text_dim], zero-padded; the padding is attended too."""
        padded = F.pad(rows, (0, 0, 0, self.config.text_len - rows.shape[0]))
        text = self.text_embedding(padded)
        return [block.cross_attn.keys_values(text) for block in self.blocks]  # type: ignore[union-attr,operator]

    def encode_audio(self, speech: Tensor) -> list[AudioKeys]:
        """Keys per injector for one block's speech features [25, A, 12]."""
        return self.audio_injector.keys(*self.casual_audio_encoder(speech))

    def modulation(self, timestep: Tensor | float) -> Modulation:
        """Modulation at a timestep in 0..1000; float32 arithmetic."""
        half = self.config.freq_dim // 2
        device = self.patch_embedding.weight.device
        t = torch.as_tensor(timestep, dtype=torch.float64, device=device)
        angles = t * torch.pow(10000.0, -torch.arange(half, dtype=torch.float64, device=device) / half)
        e = torch.cat([angles.cos(), angles.sin()]).float()
        e = _linear32(self.time_embedding[2], F.silu(_linear32(self.time_embedding[0], e)))
        e0 = _linear32(self.time_projection[1], F.silu(e))
        return Modulation(e, e0.unflatten(0, (6, -1)))

    # ---- the two passes ---------------------------------------------------------------------------------------------

    def prefill(
        self, reference: Tensor, motion: Tensor, text: list[KeysValues], still: Modulation, sink: SinkWriter
    ) -> None:
        """Write the sink: reference [16, 1, H, W] and motion [16, frames, H, W] pass all layers at timestep 0."""
        x = self.sink_tokens(reference, motion)
        for layer, block in enumerate(self.blocks):
            x = block(x, still.e0, partial(sink.attend, layer), text[layer])

    def forward(
        self, noisy: Tensor, at: Modulation, memory: RingReader, text: list[KeysValues], audio: list[AudioKeys]
    ) -> Tensor:
        """One denoise step of one block: [16, 3, H, W] -> velocity [16, 3, H, W]."""
        x = self.block_tokens(noisy)
        for layer, block in enumerate(self.blocks):
            x = block(x, at.e0, partial(memory.attend, layer), text[layer])
            if layer in self.config.audio_inject_layers:
                index = self.config.audio_inject_layers.index(layer)
                x = self.audio_injector(x, index, audio[index])
        return self._unpatch(self.head(x, at.e), noisy.shape)

    # ---- tokens -----------------------------------------------------------------------------------------------------

    def block_tokens(self, noisy: Tensor) -> Tensor:
        """[16, 3, H, W] -> [L, D] in the order frame, row, column. Without a pose that branch adds only its bias."""
        patches = self.patch_embedding(noisy[None])[0].flatten(1).transpose(0, 1)
        return patches + self.cond_encoder.bias + self.trainable_cond_mask.weight[NOISY]

    def sink_tokens(self, reference: Tensor, motion: Tensor) -> Tensor:
        """[16, 1, H, W], [16, frames, H, W] -> [S, D]"""
        mask = self.trainable_cond_mask.weight
        patches = self.patch_embedding(reference[None])[0].flatten(1).transpose(0, 1)
        return torch.cat([patches + mask[REFERENCE], self.frame_packer(motion) + mask[MOTION]])

    def adaptable(self) -> list[Product]:
        """Products with room for an adapter: none here, where side paths hang on the linear layers themselves."""
        return []

    def settle(self) -> None:
        """What is launched from now on comes after everything that a step still has on its way: here, nothing."""

    def _unpatch(self, patches: Tensor, shape: torch.Size) -> Tensor:
        p = self.config.patch
        grid = patches.view(BLOCK_LATENTS, shape[2] // p, shape[3] // p, p, p, self.config.out_dim)
        return grid.permute(5, 0, 1, 3, 2, 4).reshape(shape)


def sink_rows(rows: int, columns: int) -> int:
    """Sink tokens for a grid of rows x columns tokens per latent frame."""
    return 2 * rows * columns + (rows // 2) * (columns // 2) + 4 * (rows // 4) * (columns // 4)


def _linear32(layer: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(layer, nn.Linear)
    return F.linear(x, layer.weight.float(), layer.bias.float())
