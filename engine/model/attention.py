"""Attention and norms. Plain softmax attention, scale 1/sqrt(head width), no mask.

Shapes: L query tokens, K key tokens, D model width, h heads, d head width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KeysValues = tuple[Tensor, Tensor]  # [K, h, d] each
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]  # (q, k, v) of the new tokens, [L, h, d] each -> [L, h, d]


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k' / sqrt(d)) v: q [L, h, d], k and v [K, h, d] -> [L, h, d]; leading batch dimensions are kept."""
    q, k, v = (x.transpose(-2, -3) for x in (q, k, v))
    if q.dim() == 3:
        return F.scaled_dot_product_attention(q[None], k[None], v[None])[0].transpose(-2, -3)
    return F.scaled_dot_product_attention(q, k, v).transpose(-2, -3)


def layer_norm(x: Tensor, eps: float) -> Tensor:
    """Layer norm without parameters, computed in float32 and returned in `x`'s dtype."""
    return F.layer_norm(x.float(), x.shape[-1:], eps=eps).to(x.dtype)


class AffineNorm(nn.Module):
    """Layer norm with weight and bias (the norm before text attention)."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(dim))
        self.bias = nn.Parameter(torch.empty(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D] in the dtype of the weights' model."""
        normed = F.layer_norm(x.float(), x.shape[-1:], self.weight.float(), self.bias.float(), self.eps)
        return normed.to(self.weight.dtype)


class RMSNorm(nn.Module):
    """Root-mean-square norm over the full width D (all heads together), before the split into heads."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]; the normalised value rounds to `x`'s dtype before the weight is applied."""
        wide = x.float()
        normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return normed.to(x.dtype) * self.weight


class Attention(nn.Module):
    """The four projections with normed queries and keys; what is attended to is handed in."""

    def __init__(self, dim: int, num_heads: int, eps: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.o = nn.Linear(dim, dim)
        self.norm_q = RMSNorm(dim, eps)
        self.norm_k = RMSNorm(dim, eps)

    def heads(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., h, d]"""
        return x.unflatten(-1, (self.num_heads, -1))

    def keys_values(self, context: Tensor) -> KeysValues:
        """Keys and values of context tokens [..., K, D]."""
        return self.heads(self.norm_k(self.k(context))), self.heads(self.v(context))

    def queries(self, x: Tensor) -> Tensor:
        """Queries of tokens [..., L, D]."""
        return self.heads(self.norm_q(self.q(x)))


class SelfAttention(Attention):
    """Attention of new tokens among themselves and to whatever `attend` remembers."""

    def forward(self, x: Tensor, attend: Attend) -> Tensor:
        """[L, D] -> [L, D]; `attend` rotates, stores keys and values, and does the softmax."""
        k, v = self.keys_values(x)
        return self.o(attend(self.queries(x), k, v).flatten(-2))


class CrossAttention(Attention):
    """Attention to fixed context tokens (text, audio) whose keys and values were computed beforehand."""

    def forward(self, x: Tensor, context: KeysValues) -> Tensor:
        """[..., L, D] -> [..., L, D]; context keys and values [..., K, h, d]."""
        return self.o(attention(self.queries(x), *context).flatten(-2))
