"""Everything random, from the recipe's seed alone: nothing depends on what was drawn before or elsewhere."""

from __future__ import annotations

import functools
import hashlib

import torch
from torch import Tensor

from engine.catalog import BLOCK_FRAMES, BLOCK_LATENTS
from engine.config import Settings

NEAREST, FARTHEST = 4, 30  # latent frames by which the reference may stand ahead of a block


def block_noise(settings: Settings, block: int, shape: tuple[int, int, int], dtype: torch.dtype) -> Tensor:
    """Noise of one block [C, 3, h, w]: a slice of its clip's noise, drawn from seed + clip. `shape` is C, h, w.

    Drawn on the CPU in float32, so it is the same on every device.
    """
    channels, height, width = shape
    clip, index = divmod(block, settings.infer_frames // BLOCK_FRAMES)
    noise = _clip_noise(settings.seed + clip, (channels, settings.infer_frames // 4, height, width))
    return noise[:, index * BLOCK_LATENTS : (index + 1) * BLOCK_LATENTS].to(dtype, copy=True)


@functools.lru_cache(maxsize=2)
def _clip_noise(seed: int, shape: tuple[int, int, int, int]) -> Tensor:
    """A clip's noise, kept for its blocks. Read only."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), device="cpu")


def reference_distance(seed: int, block: int, step: int) -> int:
    """How many latent frames ahead of this block the reference frame stands at this step: 4 to 30, evenly spread.

    The published code draws this from an unseeded generator at every call of the model.
    """
    digest = hashlib.sha256(f"{seed} {block} {step}".encode()).digest()
    return NEAREST + int.from_bytes(digest[:8], "big") % (FARTHEST - NEAREST + 1)
