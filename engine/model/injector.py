"""Audio injection: after some layers, video tokens attend to the five audio tokens of their own latent frame.

Shapes: f latent frames, n tokens per latent frame, D model width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from engine.model.attention import CrossAttention, KeysValues, layer_norm

ADAPTIVE_EPS = 1e-5  # every other norm of the model uses 1e-6


@dataclass(frozen=True)
class AudioKeys:
    """What one injector needs of a block's audio; constant over the denoise steps."""

    context: KeysValues  # [f, 5, h, d] each
    shift: Tensor  # [f, 1, D]
    scale: Tensor  # [f, 1, D]


class AdaptiveNorm(nn.Module):
    """Shift and scale of a latent frame's tokens from its global audio vector."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, 2 * dim)

    def forward(self, overall: Tensor) -> tuple[Tensor, Tensor]:
        """[f, 1, D] -> shift, scale [f, 1, D] each, in this order."""
        shift, scale = self.linear(F.silu(overall)).chunk(2, dim=-1)
        return shift, scale


class AudioInjector(nn.Module):
    """One cross-attention and one adaptive norm per injection layer."""

    def __init__(self, dim: int, num_heads: int, injections: int, eps: float) -> None:
        super().__init__()
        self.injector = nn.ModuleList(CrossAttention(dim, num_heads, eps) for _ in range(injections))
        self.injector_adain_layers = nn.ModuleList(AdaptiveNorm(dim) for _ in range(injections))

    def keys(self, overall: Tensor, local: Tensor) -> list[AudioKeys]:
        """Per injector, from a block's global vectors [f, 1, D] and local tokens [f, 5, D]."""
        return [
            AudioKeys(attend.keys_values(local), *norm(overall))  # type: ignore[operator]
            for attend, norm in zip(self.injector, self.injector_adain_layers, strict=True)
        ]

    def forward(self, x: Tensor, index: int, audio: AudioKeys) -> Tensor:
        """Tokens [f*n, D] -> [f*n, D] with the injection of injector `index` added."""
        frames = x.unflatten(0, (audio.shift.shape[0], -1))
        normed = layer_norm(frames, ADAPTIVE_EPS).float() * (1 + audio.scale.float()) + audio.shift.float()
        return x + self.injector[index](normed.to(x.dtype), audio.context).flatten(0, 1)
