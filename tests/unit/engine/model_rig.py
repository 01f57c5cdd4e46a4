"""Small models for tests: random weights under the checkpoint's names, and the pocket model as a directory."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from engine.catalog import SHAPES
from engine.config import Settings
from engine.model.block_engine import BlockEngine
from engine.model.context import Context
from engine.model.loading import load_engine
from engine.model.pocket import draw, write_pocket

torch.set_num_threads(1)

POCKET = SHAPES["pocket"]
SETTINGS = Settings(size="192*128", steps=3, seed=7)
WIDTH, HEIGHT = 64, 64


def fill(module: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """Give a module built without memory random weights; returns them."""
    weights = {name: draw(name, tuple(value.shape), str(seed)) for name, value in module.state_dict().items()}
    module.load_state_dict(weights, assign=True)
    module.requires_grad_(False)
    return weights


def pocket_engine(directory: Path, seed: int = 0) -> BlockEngine:
    """A loaded pocket model."""
    if not directory.exists():
        write_pocket(directory, seed)
    return load_engine(directory)


def conditions(seed: int = 0, width: int = WIDTH, height: int = HEIGHT, frames: int = 60) -> dict[str, Tensor]:
    """Made-up conditions of the right shapes, without running the encoders."""
    draws = torch.Generator().manual_seed(seed)
    h, w = height // 8, width // 8
    motion = 0.5 * torch.randn((16, 19, h, w), generator=draws)
    return {
        "text": torch.randn((9, POCKET.text_dim), generator=draws),
        "reference": motion[:, :1].clone(),
        "motion": motion,
        "speech": torch.randn((25, POCKET.audio_dim, frames), generator=draws),
    }


def new_context(engine: BlockEngine, settings: Settings = SETTINGS) -> tuple[Context, bytearray]:
    """A zero-filled context and its buffer."""
    layout = engine.layout(WIDTH, HEIGHT, settings.steps)
    buffer = bytearray(layout.total_bytes)
    return Context(layout, buffer), buffer


def make_blocks(
    engine: BlockEngine, context: Context, given: dict[str, Tensor], count: int, settings: Settings = SETTINGS
) -> tuple[list[Tensor], list[np.ndarray]]:
    """The next `count` blocks, each accepted: latents and frames."""
    latents, frames = [], []
    for _ in range(count):
        made = engine.make_block(context, given, settings, context.blocks_done)
        context.flip(context.blocks_done + 1)
        latents.append(made.latents)
        frames.append(made.frames)
    return latents, frames


def with_settings(**changes: object) -> Settings:
    """The tests' settings with some replaced."""
    return dataclasses.replace(SETTINGS, **changes)  # type: ignore[arg-type]
