"""Making videos in this process, without queue, vault or files: for judging a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.catalog import SPEECH_RATE
from engine.config import Settings, blocks_for_seconds, fit_size
from engine.model.block_engine import BlockEngine
from engine.model.context import Context


@dataclass(frozen=True)
class Take:
    """A finished video: frames uint8 [N, H, W, 3]; latents [16, n, h, w]; seconds it took."""

    frames: np.ndarray
    latents: Tensor
    seconds: float


def make_take(
    engine: BlockEngine,
    portrait: np.ndarray,
    prompt: str,
    sound: np.ndarray,
    settings: Settings,
    blocks: int | None = None,
) -> Take:
    """A video of portrait uint8 [H0, W0, 3] and sound float32 [N] at 16 kHz."""
    width, height = fit_size(settings.size, portrait.shape[1], portrait.shape[0])
    conditions = engine.prepare(prompt, portrait, width, height) | engine.hear(sound)
    layout = engine.layout(width, height, settings.steps, settings.infer_frames)
    device = conditions["reference"].device
    buffer = (
        bytearray(layout.total_bytes)
        if device.type == "cpu"
        else torch.zeros(layout.total_bytes, dtype=torch.uint8, device=device)
    )
    context = Context(layout, buffer)
    engine.begin(context, conditions, settings)
    frames, latents, spent = [], [], 0.0
    for block in range(blocks or blocks_for_seconds(len(sound) / SPEECH_RATE)):
        made = engine.make_block(context, conditions, settings, block)
        context.flip(block + 1)
        frames.append(made.frames)
        latents.append(made.latents.float().cpu())
        spent += sum(made.stage_ms.values()) / 1000
    return Take(np.concatenate(frames), torch.cat(latents, dim=1), spent)


def to_bytes(video: Tensor) -> np.ndarray:
    """Frames [..., 3, H, W] in -1..1 -> uint8 [..., H, W, 3]."""
    return ((video.movedim(-3, -1).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu().numpy()
