"""What a worker computes before it says that it is ready: everything that is built, loaded or compiled at first use.

Nobody sees what comes of it, and nothing of it stays but that.
"""

from __future__ import annotations

import numpy as np
import torch

from engine.config import Settings
from engine.model import speech
from engine.model.block_engine import BlockEngine, Conditions
from engine.model.context import Context

_BLOCK = Settings(size="192*128", steps=3, infer_frames=12)
_SIDE = 64  # pixels
# Compiled kernels differ by whether a number of rows is a multiple of 16. The 40 rows of the sink at 64x64 are not, the 80 at
# 128x64 are, as they are at nearly every size that is asked for (640x384, 704x384, 384x256).
_RINGS = Settings(size="192*128", steps=3, infer_frames=24)
_WIDTH, _HEIGHT = 128, 64


def try_out(engine: BlockEngine, device: str) -> None:
    """A block; where kernels are compiled also passes over rings as they are at the beginning and after they were lost."""
    conditions = _conditions(engine, _SIDE, _SIDE)
    context = _context(engine, _SIDE, _SIDE, _BLOCK, device)
    engine.begin(context, conditions, _BLOCK)
    engine.make_block(context, conditions, _BLOCK, 0)
    del context
    if engine.transformer.is_fused:
        try_rings(engine, conditions, device)
    if device != "cpu":  # a standby takes no more of the device than it needs
        del conditions
        engine.denoiser.forget_text()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


@torch.inference_mode()
def try_rings(engine: BlockEngine, conditions: Conditions, device: str) -> None:
    """The network over a ring that knows all its blocks, and over one that was filled again and knows its last one only: a
    kernel of its own, which took seconds to compile when the first lost context was replayed.

    The text is that of `conditions`, and the timesteps are known from the block: so this takes less of the device than the
    block did.
    """
    audio = [engine.transformer.encode_audio(speech.block_features(conditions["speech"], block)) for block in range(2)]
    context = _context(engine, _WIDTH, _HEIGHT, _RINGS, device)
    if "v_scale" in context.half(0):
        context.half(0)["v_scale"].fill_(1.0)  # what a prefill would have settled
    text, rings, sink = engine.denoiser.text(conditions["text"]), context.rings(), context.sink(0)
    noise = torch.zeros_like(context.latents(0))
    for block, oldest in ((0, 0), (1, 1)):
        engine.denoiser.replay(noise, noise, block, _RINGS, rings, sink, text, audio[block], oldest)
    engine.transformer.settle()


def _conditions(engine: BlockEngine, width: int, height: int) -> Conditions:
    """Of a black portrait and a second of silence."""
    conditions = engine.prepare("warm-up", np.zeros((height, width, 3), np.uint8), width, height)
    return conditions | engine.hear(np.zeros(16_000, np.float32))


def _context(engine: BlockEngine, width: int, height: int, settings: Settings, device: str) -> Context:
    layout = engine.layout(width, height, settings.steps, settings.infer_frames)
    return Context(layout, torch.zeros(layout.total_bytes, dtype=torch.uint8, device=device))
