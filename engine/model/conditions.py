"""What a role brings: prompt and portrait as tensors. Prepared once per role, kept, and handed to any worker.

Conditions are a plain dict that can be stored as safetensors:
`text` [n, text_dim] text rows; `reference` [16, 1, h, w] latent of the portrait; `motion` [16, 19, h, w] latents of the
still portrait as 73 frames; and from the voice `speech` [25, A, t], one vector per layer and video frame.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engine.errors import MediaError, SettingsError
from engine.model.vae import VideoAutoencoder

MOTION_FRAMES = 73
WARM_UP_LATENTS = 7  # still latents that the streaming decoder sees before the first block
ROLE_NAMES = ("text", "reference", "motion")
NAMES = (*ROLE_NAMES, "speech")


def fit_portrait(portrait: np.ndarray, width: int, height: int) -> Tensor:
    """uint8 [H0, W0, 3] -> float32 [3, height, width] in [-1, 1].

    The shorter side becomes min(width, height), then the centre is cut out; what the picture does not cover is black.
    """
    from PIL import Image

    if portrait.dtype != np.uint8 or portrait.ndim != 3 or portrait.shape[2] != 3:
        raise MediaError(f"the portrait is {portrait.dtype} {list(portrait.shape)}, not 8-bit RGB.")
    rows, columns = portrait.shape[:2]
    short = min(width, height)
    scaled = (short, int(short * rows / columns)) if columns <= rows else (int(short * columns / rows), short)
    image = Image.fromarray(portrait).resize(scaled, Image.Resampling.BILINEAR)
    left, top = round((image.width - width) / 2.0), round((image.height - height) / 2.0)
    image = image.crop((left, top, left + width, top + height))
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255 * 2 - 1


def portrait_latents(vae: VideoAutoencoder, image: Tensor) -> tuple[Tensor, Tensor]:
    """Reference [16, 1, h, w] and motion latents [16, 19, h, w] of a still image [3, H, W].

    The reference is the latent of a single frame, which is the first of the motion latents.
    """
    motion = vae.encode(image.unsqueeze(1).expand(-1, MOTION_FRAMES, -1, -1))
    return motion[:, :1].contiguous(), motion


def check(conditions: dict[str, Tensor], width: int, height: int, names: tuple[str, ...] = NAMES) -> None:
    """Raises SettingsError when conditions are incomplete or were prepared for another size."""
    missing = [name for name in names if name not in conditions]
    if missing:
        raise SettingsError(f"conditions miss {', '.join(missing)}.", field="conditions")
    h, w = conditions["reference"].shape[-2:]
    if (8 * w, 8 * h) != (width, height):
        raise SettingsError(f"conditions are for {8 * w}x{8 * h}, the context for {width}x{height}.", field="size")
