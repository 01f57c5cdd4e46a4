"""Flow-matching Euler sampler: a fixed, twice-shifted schedule and a deterministic update."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

TRAIN_STEPS = 1000
SHIFT = 3.0


@dataclass(frozen=True)
class Schedule:
    """`sigmas` [n+1] and `timesteps` [n], float32 on the CPU; the last sigma is 0."""

    sigmas: Tensor
    timesteps: Tensor

    @property
    def steps(self) -> int:
        """Number of denoise steps."""
        return len(self.timesteps)


def schedule(steps: int) -> Schedule:
    """The published schedule: the shift is applied to the end point and once more to every sigma.

    In float64, rounded to float32 at the end: computing in float32 moves timesteps by 6e-5.
    """
    smallest = float(np.float32(_shifted(np.float64(1.0 / TRAIN_STEPS))))
    sigmas = _shifted(np.linspace(TRAIN_STEPS, TRAIN_STEPS * smallest, steps) / TRAIN_STEPS).astype(np.float32)
    timesteps = torch.from_numpy(sigmas * np.float32(TRAIN_STEPS))
    return Schedule(torch.from_numpy(np.append(sigmas, np.float32(0.0))), timesteps)


def euler_step(x: Tensor, velocity: Tensor, sigma: Tensor, next_sigma: Tensor) -> Tensor:
    """x + (next_sigma - sigma) * velocity. The product rounds to `velocity`'s dtype, the sum is made in float32."""
    step = (next_sigma - sigma).to(velocity.dtype)
    return (x.float() + step * velocity).to(velocity.dtype)


def add_noise(clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """The sample that a clean latent had at noise level `sigma`, in `clean`'s dtype."""
    return ((1.0 - sigma) * clean.float() + sigma * noise.float()).to(clean.dtype)


def _shifted(sigma: np.ndarray | np.float64) -> np.ndarray | np.float64:
    return SHIFT * sigma / (1.0 + (SHIFT - 1.0) * sigma)
