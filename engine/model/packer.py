"""Frame packer: the last 19 latent motion frames become tokens, coarser the older they are.

Shapes: H, W height and width of a latent frame; hw = H*W/4 tokens of a full-resolution frame; D model width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.model.config import MOTION_LATENTS


class FramePacker(nn.Module):
    """Three patch projections: newest frame, the two before at half, the sixteen before at quarter resolution."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(channels, dim, (1, 2, 2), stride=(1, 2, 2))
        self.proj_2x = nn.Conv3d(channels, dim, (2, 4, 4), stride=(2, 4, 4))
        self.proj_4x = nn.Conv3d(channels, dim, (4, 8, 8), stride=(4, 8, 8))

    def forward(self, motion: Tensor) -> Tensor:
        """[16, frames, H, W] -> [hw + hw/4 + hw/4, D]; the last 19 frames count, missing ones are zeros in front."""
        motion = last_motion(motion)
        oldest, middle, newest = motion.split((16, 2, 1), dim=1)
        parts = (self.proj(newest[None]), self.proj_2x(middle[None]), self.proj_4x(oldest[None]))
        return torch.cat([part[0].flatten(1).transpose(0, 1) for part in parts])


def last_motion(motion: Tensor) -> Tensor:
    """The last 19 latent frames of [16, frames, H, W], with zeros in front where there are fewer."""
    missing = MOTION_LATENTS - motion.shape[1]
    if missing > 0:
        motion = torch.cat([motion.new_zeros(motion.shape[0], missing, *motion.shape[2:]), motion], dim=1)
    return motion[:, -MOTION_LATENTS:]
