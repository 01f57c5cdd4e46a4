"""The transformer of `engine.model.transformer` for batches of videos, differentiable: the same weights, the same sums.

The engine makes one block at a time; here several blocks of a video pass at once, each attending to itself, to the three
blocks before it and to the sink, which is what the ring of one denoise step holds. Every block of a pass is at the same
denoise step, as the keys in a ring are. `tests` hold this equal to the engine's own blocks.

Shapes: B videos, K blocks, L tokens per block, S sink tokens, D width, h heads, d head width, F = 3K latent frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from engine.catalog import BLOCK_LATENTS, CLIP_FRAMES
from engine.model.attention import Attention, KeysValues, RMSNorm, attention, layer_norm
from engine.model.audio import AudioProjector
from engine.model.drawing import FARTHEST, NEAREST
from engine.model.injector import ADAPTIVE_EPS
from engine.model.rope import REFERENCE_FRAME, block_positions, phases, sink_positions
from engine.model.transformer import MOTION, NOISY, REFERENCE, Block, Transformer
from engine.training.precision import full_precision

RING_BLOCKS = CLIP_FRAMES // 12  # blocks that a ring holds, the present one included
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]  # (layer, q, k, v), [B, n, h, d] each


@dataclass(frozen=True)
class Given:
    """What a batch is conditioned on, as the network uses it."""

    text: list[KeysValues]  # per layer, [B, n, h, d]
    audio: list[tuple[KeysValues, Tensor, Tensor]]  # per injector: keys [B*K*3, 5, h, d]; shift, scale [B*K*3, 1, D]
    sinks: list[list[KeysValues]]  # per sink in use, per layer: un-rotated keys and values [B, S, h, d]
    rows: int  # tokens per latent frame, down
    columns: int  # and across


def encode_text(model: Transformer, rows: Tensor) -> list[KeysValues]:
    """Keys and values per layer of text rows [B, n, text_dim], padded with zeros to the full length."""
    padded = F.pad(rows, (0, 0, 0, model.config.text_len - rows.shape[1]))
    text = model.text_embedding(padded)
    return [_keys_values(block.cross_attn, text) for block in model.blocks]  # type: ignore[union-attr,arg-type]


def encode_audio(model: Transformer, speech: Tensor) -> list[tuple[KeysValues, Tensor, Tensor]]:
    """Per injector, from speech features [B, K, 25, A, 12]."""
    overall, local = _audio_tokens(model.casual_audio_encoder, speech.flatten(0, 1))
    overall, local = overall.flatten(0, 1), local.flatten(0, 1)
    injector = model.audio_injector
    return [
        (_keys_values(attend, local), *norm(overall))  # type: ignore[arg-type]
        for attend, norm in zip(injector.injector, injector.injector_adain_layers, strict=True)
    ]


def prefill(
    model: Transformer, reference: Tensor, motion: Tensor, text: list[KeysValues], *, is_recomputed: bool = False
) -> list[KeysValues]:
    """A sink: reference [B, 16, 1, H, W] and motion [B, 16, 19, H, W] pass all layers at timestep 0; `is_recomputed` as in
    `velocity`."""
    mask = model.trainable_cond_mask.weight
    packer = model.frame_packer
    oldest, middle, newest = motion.split((16, 2, 1), dim=2)
    parts = (packer.proj(newest), packer.proj_2x(middle), packer.proj_4x(oldest))
    still = [model.patch_embedding(reference).flatten(2).transpose(1, 2) + mask[REFERENCE]]
    x = torch.cat(still + [part.flatten(2).transpose(1, 2) + mask[MOTION] for part in parts], dim=1)
    rows, columns = reference.shape[-2] // 2, reference.shape[-1] // 2
    turn = Turn.of(_sink_positions(0, rows, columns, x.device), model.config.head_dim)
    e0 = modulation(model, torch.zeros(1, device=x.device))[1]

    def passed(block: Block, layer: int, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        stored: list[KeysValues] = []

        def attend(_layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            stored.append((k, v))
            return attention(turn(q), turn(k), v)

        return _block(block, layer, x, e0, attend, text[layer]), *stored[0]

    sink: list[KeysValues] = []
    for layer, block in enumerate(model.blocks):
        assert isinstance(block, Block)
        if is_recomputed:
            x, k, v = checkpoint(passed, block, layer, x, use_reentrant=False, preserve_rng_state=False)
        else:
            x, k, v = passed(block, layer, x)
        sink.append((k, v))
    return sink


def velocity(
    model: Transformer, noisy: Tensor, timestep: Tensor, given: Given, attend: Attend, *, is_recomputed: bool = False
) -> Tensor:
    """[B, 16, 3K, H, W] at timesteps [B] -> velocity of the same shape.

    `is_recomputed`: layers keep nothing for the way back and are computed again there, which saves memory.
    """
    patches = model.patch_embedding(noisy).flatten(2).transpose(1, 2)
    x = patches + model.cond_encoder.bias + model.trainable_cond_mask.weight[NOISY]
    e, e0 = modulation(model, timestep)

    def passed(block: Block, layer: int, x: Tensor) -> Tensor:
        x = _block(block, layer, x, e0, attend, given.text[layer])
        if layer in model.config.audio_inject_layers:
            x = _inject(model, x, model.config.audio_inject_layers.index(layer), given, noisy.shape[2])
        return x

    for layer, block in enumerate(model.blocks):
        assert isinstance(block, Block)
        if is_recomputed:
            x = checkpoint(passed, block, layer, x, use_reentrant=False, preserve_rng_state=False)
        else:
            x = passed(block, layer, x)
    return _unpatch(model, _head(model, x, e), noisy.shape)


def modulation(model: Transformer, timestep: Tensor) -> tuple[Tensor, Tensor]:
    """e [B, 1, D] and e0 [6, B, 1, D] at timesteps [B]; float32."""
    half = model.config.freq_dim // 2
    scales = torch.pow(10000.0, -torch.arange(half, dtype=torch.float64, device=timestep.device) / half)
    angles = timestep.double().unsqueeze(1) * scales
    wave = torch.cat([angles.cos(), angles.sin()], dim=1).float()
    with full_precision(wave.device):
        e = model.time_embedding[2](F.silu(model.time_embedding[0](wave)))
        e0 = model.time_projection[1](F.silu(e)).unflatten(1, (6, -1))
    return e.unsqueeze(1), e0.transpose(0, 1).unsqueeze(2)


# ---- attention --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Turn:
    """A rotation by positions: complex64 [B or 1, n, 1, d/2], cos and sin rounded to half precision like the engine's."""

    phase: Tensor

    @classmethod
    def of(cls, positions: Tensor, head_dim: int) -> Turn:
        """For positions [..., n, 3]."""
        flat = phases(positions.flatten(0, -2), head_dim)
        shape = (*positions.shape[:-1], 1, -1)
        phase = torch.complex(flat.cos.float(), flat.sin.float()).view(shape)
        return cls(phase if phase.dim() == 4 else phase.unsqueeze(0))

    def __call__(self, x: Tensor) -> Tensor:
        pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
        return torch.view_as_real(pairs * self.phase).flatten(-2).to(x.dtype)


@dataclass(frozen=True)
class Places:
    """Where blocks and sinks of a batch stand: `first` [B] is the number of each video's first block."""

    blocks: Turn  # all blocks, [B, K*L, 1, d/2]
    sinks: list[Turn]  # for each block, [B, S, 1, d/2]
    length: int  # L

    @classmethod
    def of(cls, model: Transformer, first: Tensor, count: int, rows: int, columns: int, distance: Tensor) -> Places:
        """`distance` [B, count]: how many latent frames ahead the reference stands (see `rope.sink_shift`)."""
        device, head_dim = first.device, model.config.head_dim
        grid = _grid_positions(count, rows, columns, device)
        move = F.pad(BLOCK_LATENTS * first[:, None, None], (0, 2))  # along the first axis: time
        still, moved = (_sink_positions(shift, rows, columns, device) for shift in (0, 1))
        sinks = []
        for k in range(count):
            ahead = (BLOCK_LATENTS * (first + k) - (REFERENCE_FRAME - distance[:, k])).clamp(min=0)
            sinks.append(Turn.of(still + ahead[:, None, None] * (moved - still), head_dim))
        return cls(Turn.of(grid + move, head_dim), sinks, BLOCK_LATENTS * rows * columns)


@lru_cache(maxsize=64)
def _grid_positions(count: int, rows: int, columns: int, device: torch.device) -> Tensor:
    """Positions of `count` blocks; kept on the device, since a recorded step must copy nothing over."""
    return torch.cat([block_positions(BLOCK_LATENTS * k, rows, columns) for k in range(count)]).to(device)


@lru_cache(maxsize=64)
def _sink_positions(shift: int, rows: int, columns: int, device: torch.device) -> Tensor:
    return sink_positions(shift, rows, columns).to(device)


def distances(rng: np.random.Generator, count: int, blocks: int, device: torch.device) -> Tensor:
    """Reference distances [count, blocks] as the engine spreads them."""
    return torch.from_numpy(rng.integers(NEAREST, FARTHEST + 1, (count, blocks))).to(device)


def attend_all(given: Given, places: Places, sink_of: list[int]) -> Attend:
    """Attention of all blocks of a video in one pass; block k uses sink number `sink_of[k]`."""

    def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k = places.blocks(q), places.blocks(k)
        out, length = [], places.length
        for number in range(q.shape[1] // length):
            window = slice(max(0, number + 1 - RING_BLOCKS) * length, (number + 1) * length)
            sink_k, sink_v = given.sinks[sink_of[number]][layer]
            keys = torch.cat([k[:, window], places.sinks[number](sink_k)], dim=1)
            values = torch.cat([v[:, window], sink_v], dim=1)
            out.append(attention(q[:, number * length : (number + 1) * length], keys, values))
        return torch.cat(out, dim=1)

    return attend


class Ring:
    """Keys and values of the last blocks at one denoise step, as roll-outs leave them; no gradient flows into the past."""

    def __init__(self) -> None:
        self._kept: dict[int, list[KeysValues]] = {}

    def attend(self, given: Given, places: Places, sink: int) -> Attend:
        """Attention of the next block; its keys enter the ring."""

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            q, k = places.blocks(q), places.blocks(k)
            past = self._kept.setdefault(layer, [])
            sink_k, sink_v = given.sinks[sink][layer]
            keys = torch.cat([*(old for old, _ in past), k, places.sinks[0](sink_k)], dim=1)
            values = torch.cat([*(old for _, old in past), v, sink_v], dim=1)
            past.append((k.detach(), v.detach()))
            del past[: max(0, len(past) - (RING_BLOCKS - 1))]
            return attention(q, keys, values)

        return attend


# ---- layers -----------------------------------------------------------------------------------------------------------


def _block(block: Block, number: int, x: Tensor, e0: Tensor, attend: Attend, text: KeysValues) -> Tensor:
    """As `Block.forward`, with leading batch dimensions and a residual that stays float32."""
    shift1, scale1, gate1, shift2, scale2, gate2 = block.modulation[0].float()[:, None, None] + e0
    normed = torch.addcmul(shift1, layer_norm(x, block.eps), 1 + scale1)
    own = block.self_attn
    k, v = _keys_values(own, normed)
    mixed = own.o(attend(number, _queries(own, normed), k, v).flatten(-2))
    x = torch.addcmul(x, mixed.float(), gate1)
    x = x + _cross(block.cross_attn, block.norm3(x), text)
    normed = torch.addcmul(shift2, layer_norm(x, block.eps), 1 + scale2)
    return torch.addcmul(x, block.ffn(normed).float(), gate2)


def _queries(attend: Attention, x: Tensor) -> Tensor:
    return attend.heads(_norm(attend.norm_q, attend.q(x)))


def _keys_values(attend: Attention, x: Tensor) -> KeysValues:
    return attend.heads(_norm(attend.norm_k, attend.k(x))), attend.heads(attend.v(x))


def _cross(attend: Attention, x: Tensor, context: KeysValues) -> Tensor:
    mixed: Tensor = attend.o(attention(_queries(attend, x), *context).flatten(-2))
    return mixed


def _norm(norm: RMSNorm, x: Tensor) -> Tensor:
    """As `RMSNorm.forward` in one operation: training is bound by the memory that small operations go through."""
    with full_precision(x.device):
        return F.rms_norm(x, x.shape[-1:], norm.weight.to(x.dtype), norm.eps)


def _inject(model: Transformer, x: Tensor, index: int, given: Given, frames: int) -> Tensor:
    keys, shift, scale = given.audio[index]
    tokens = x.unflatten(1, (frames, -1)).flatten(0, 1)
    normed = torch.addcmul(shift.float(), layer_norm(tokens, ADAPTIVE_EPS), 1 + scale.float())
    added = _cross(model.audio_injector.injector[index], normed, keys)  # type: ignore[arg-type]
    return x + added.view(x.shape)


def _head(model: Transformer, x: Tensor, e: Tensor) -> Tensor:
    shift, scale = (part.unsqueeze(1) for part in (model.head.modulation.float() + e).unbind(1))
    normed = layer_norm(x, model.head.eps) * (1 + scale) + shift
    with full_precision(x.device):
        return F.linear(normed.float(), model.head.head.weight, model.head.head.bias)


def _unpatch(model: Transformer, patches: Tensor, shape: torch.Size) -> Tensor:
    p = model.config.patch
    grid = patches.view(shape[0], shape[2], shape[3] // p, shape[4] // p, p, p, model.config.out_dim)
    return grid.permute(0, 6, 1, 2, 4, 3, 5).reshape(shape)


def _audio_tokens(projector: AudioProjector, speech: Tensor) -> tuple[Tensor, Tensor]:
    """[M, 25, A, 12] -> global [M, 3, 1, D] and local [M, 3, 5, D], one copy of the first frame in front."""
    padded = torch.cat([speech[..., :1], speech], dim=-1).float()
    share = F.silu(projector.weights.float())  # [1, 25, 1, 1]
    mixed = ((padded * share).sum(1) / share.sum()).transpose(1, 2)  # [M, 13, A]
    encoder = projector.encoder
    grouped = encoder.conv1_local(mixed).unflatten(-1, (encoder.tokens, -1)).transpose(1, 2)  # [M, tokens, 13, D/4]
    local = encoder._tail(grouped.flatten(0, 1)).unflatten(0, grouped.shape[:2]).transpose(1, 2)  # [M, 4, tokens, D]
    padding = encoder.padding_tokens.expand(*local.shape[:2], -1, -1)
    overall = encoder.final_linear(encoder._tail(encoder.conv1_global(mixed)))
    return overall[:, 1:].unsqueeze(2), torch.cat([local, padding], dim=2)[:, 1:]
