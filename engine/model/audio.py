"""Audio projector: speech features of one block -> one global vector and five tokens per latent frame.

Shapes: A feature width, D model width, t video frames. A block is 12 video frames = 3 latent frames. The causal
convolutions see copies of the block's own first frame on the left: the published code prepends 73 and drops the
first 19 outputs; one copy and one dropped output give the same result, because the copies are all equal.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.model.attention import layer_norm
from engine.model.config import SPEECH_LAYERS

PUBLISHED_COPIES = 73


class CausalConv1d(nn.Module):
    """Kernel 3 convolution over time that repeats the first frame twice on the left."""

    def __init__(self, channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, out_channels, 3, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """[..., t, channels] -> [..., ceil(t / stride), out_channels]"""
        padded = F.pad(x.transpose(-1, -2), (2, 0), mode="replicate")
        if x.is_cuda:  # a product over windows: no change of layout of the large weights
            windows = padded.unfold(-1, 3, self.conv.stride[0]).transpose(-2, -3).flatten(-2)
            return F.linear(windows, self.conv.weight.flatten(1), self.conv.bias)
        return self.conv(padded).transpose(-1, -2)


class AudioEncoder(nn.Module):
    """The convolution stack with a local branch (4 tokens per latent frame) and a global one (1 vector)."""

    def __init__(self, audio_dim: int, dim: int, tokens: int, eps: float) -> None:
        super().__init__()
        self.tokens, self.eps = tokens, eps
        self.padding_tokens = nn.Parameter(torch.empty(1, 1, 1, dim))
        self.conv1_local = CausalConv1d(audio_dim, dim // 4 * tokens, stride=1)
        self.conv1_global = CausalConv1d(audio_dim, dim // 4, stride=1)
        self.conv2 = CausalConv1d(dim // 4, dim // 2, stride=2)
        self.conv3 = CausalConv1d(dim // 2, dim, stride=2)
        self.final_linear = nn.Linear(dim, dim)

    def forward(self, speech: Tensor) -> tuple[Tensor, Tensor]:
        """[t, A] -> global [frames, 1, D], local [frames, tokens + 1, D]"""
        grouped = self.conv1_local(speech[None]).unflatten(-1, (self.tokens, -1))[0].transpose(0, 1)
        local = self._tail(grouped).transpose(0, 1)  # [frames, tokens, D]
        local = torch.cat([local, self.padding_tokens[0].expand(local.shape[0], -1, -1)], dim=1)
        overall = self.final_linear(self._tail(self.conv1_global(speech[None])))[0]
        return overall.unsqueeze(1), local

    def _tail(self, x: Tensor) -> Tensor:
        """The convolutions that both branches share: [batch, t, D/4] -> [batch, frames, D]"""
        x = self.conv2(F.silu(layer_norm(x, self.eps)))
        x = self.conv3(F.silu(layer_norm(x, self.eps)))
        return F.silu(layer_norm(x, self.eps))


class AudioProjector(nn.Module):
    """Weighted mean of the speech encoder's hidden states, then the encoder; float32 arithmetic throughout."""

    def __init__(self, audio_dim: int, dim: int, tokens: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.empty(1, SPEECH_LAYERS, 1, 1))
        self.encoder = AudioEncoder(audio_dim, dim, tokens, eps)

    def forward(self, speech: Tensor, copies: int = 1) -> tuple[Tensor, Tensor]:
        """One block's features [25, A, 12] -> global [3, 1, D], local [3, tokens + 1, D] in the weights' dtype."""
        padded = torch.cat([speech[..., :1].expand(-1, -1, copies), speech], dim=-1).float()
        dropped = (copies + 3) // 4
        share = F.silu(self.weights[0].float())
        mixed = (padded * share).sum(0) / share.sum()  # [A, t]
        overall, local = self._encode(mixed.transpose(0, 1))
        return overall[dropped:].to(self.weights.dtype), local[dropped:].to(self.weights.dtype)

    def _encode(self, mixed: Tensor) -> tuple[Tensor, Tensor]:
        if self.weights.dtype == torch.float32:
            return self.encoder(mixed)
        wide = {name: value.float() for name, value in self.encoder.state_dict().items()}
        return torch.func.functional_call(self.encoder, wide, (mixed,))
