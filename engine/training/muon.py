"""Muon: momentum whose matrices are made orthogonal, for the weights that multiply rows (Jordan et al. 2024, "Muon: an
optimizer for hidden layers in neural networks"; the scale of an update as in Liu et al. 2025, "Muon is scalable for LLM
training", section 2.2).

A gradient's few large directions drown the many small ones, which are what a small model has yet to learn; with all singular
values equal each gets its share. Embeddings, norms, biases and the last layer stay with AdamW (same sources).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
_QUINTIC, _ITERATIONS = (3.4445, -4.7750, 2.0315), 5  # Jordan et al.: steepest slope at zero that still settles near one
_UPDATE = 0.5  # root mean square of an update, of the learning rate: AdamW makes 0.2 to 0.4, and here more is borne
_NARROW = 16  # a matrix with a shorter side has too few directions
_NOT_HIDDEN = ("shared", "patch_embedding", "frame_packer", "head.head", "modulation", "padding_tokens", "gamma")
_TINY = 1e-7


def is_hidden(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is a hidden layer's matrix; a convolution's weight counts as [out, in * taps]."""
    if parameter.dim() < 2 or any(word in name for word in _NOT_HIDDEN):
        return False
    return min(parameter.flatten(1).shape) >= _NARROW


class Muon:
    """Steps of `parameters`; `rate` is a number on their device, read anew at each step."""

    def __init__(self, parameters: list[nn.Parameter], rate: Tensor, decay: float) -> None:
        self.rate, self.decay = rate, decay
        self._groups: dict[tuple[int, ...], list[Tensor]] = {}
        for parameter in parameters:
            self._groups.setdefault(tuple(parameter.flatten(1).shape), []).append(parameter)
        self._momenta = {shape: [torch.zeros_like(p) for p in group] for shape, group in self._groups.items()}

    def momenta(self) -> Iterator[tuple[Tensor, Tensor]]:
        """(parameter, its momentum); both are changed in place by every step."""
        for shape, group in self._groups.items():
            yield from zip(group, self._momenta[shape], strict=True)

    @torch.no_grad()
    def step(self) -> None:
        """One step along the gradients; a parameter without one goes on by its momentum."""
        shrink = 1 - self.rate * self.decay
        for shape, group in self._groups.items():
            momenta = self._momenta[shape]
            grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in group]
            torch._foreach_mul_(momenta, MOMENTUM)
            torch._foreach_add_(momenta, grads)
            ahead = torch._foreach_add(grads, momenta, alpha=MOMENTUM)  # Nesterov
            made = orthogonal(torch.stack([x.flatten(1) for x in ahead]))
            made = made * (-self.rate * _UPDATE * max(shape) ** 0.5)
            torch._foreach_mul_(group, shrink)
            torch._foreach_add_(group, [x.view_as(p) for x, p in zip(made.unbind(), group, strict=True)])


def orthogonal(matrices: Tensor) -> Tensor:
    """[n, rows, columns] -> the same with singular values near one (about 0.5 to 1.2), by Newton and Schulz's iteration."""
    x = matrices.mT if matrices.shape[-2] > matrices.shape[-1] else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + _TINY)
    first, second, third = _QUINTIC
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = first * x + (second * gram + third * gram @ gram) @ x
    return x.mT if matrices.shape[-2] > matrices.shape[-1] else x
