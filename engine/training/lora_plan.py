"""What training an adapter will take, from the model's shape alone, before anything is loaded."""

from __future__ import annotations

import torch

from engine.catalog import BLOCK_LATENTS
from engine.model.config import TransformerConfig
from engine.model.linears import is_large
from engine.model.lora import target_modules
from engine.model.transformer import Transformer
from engine.model.weights import empty_weights

GIB = 2**30
SINK_FRAMES = 2.5  # the reference, and the motion frames after packing
# Bytes that stay for the way back where numbers have two: of a token per channel and per inner channel of the feed-forward
# part, in a layer that keeps everything; per channel in a layer that is computed again; of a row of text per channel.
KEPT_PER_DIM, KEPT_PER_INNER, KEPT_RECOMPUTED, KEPT_OF_TEXT = 48, 6, 5, 12
LAYERS_AGAIN = 2  # computed again at once: one on its way back, one that is released


def plan_bytes(
    config: TransformerConfig, width: int, height: int, rank: int, blocks: int, *, item: int, is_eight_bit: bool,
    is_recomputed: bool,
) -> dict[str, int]:  # fmt: skip
    """Bytes by purpose: large weights of `item` bytes (of one with `is_eight_bit`), others of four; the adapter with its
    optimiser; what a pass keeps for the way back in numbers of `item` bytes.

    From above: `python -m benchmarks.lora` holds it against what is taken.
    """
    with empty_weights():
        shapes = {name: tuple(value.shape) for name, value in Transformer(config).state_dict().items()}
    sizes = {name: torch.Size(shape).numel() for name, shape in shapes.items()}
    large = 1 if is_eight_bit else item
    weights = sum(size * (large if is_large(name) else 4) for name, size in sizes.items())
    pairs = sum(rank * sum(shapes[f"{name}.weight"]) for name in target_modules(list(shapes)))
    frame = (width // 16) * (height // 16)
    tokens = BLOCK_LATENTS * blocks * frame + 2 * int(SINK_FRAMES * frame)
    passed = tokens * (KEPT_PER_DIM * config.dim + KEPT_PER_INNER * config.ffn_dim)  # by one layer
    kept = config.num_layers * passed
    if is_recomputed:
        kept = LAYERS_AGAIN * passed + config.num_layers * tokens * KEPT_RECOMPUTED * config.dim
    kept += config.num_layers * config.text_len * KEPT_OF_TEXT * config.dim
    return {
        "weights": weights,
        "adapter": pairs * 4 * 5,
        "activations": kept * item // 2,
        "working memory": GIB // 8,  # of the products' library; a tenth of a GiB beside the pocket model
        "encoders": 3 * GIB // 4 if config.dim < 1024 else 4 * GIB,
    }
