"""The large linear layers: where nearly all weights are. These, and no others, are stored in eight bits.

They are the layers that `engine.model.cuda.network` builds as products.
"""

from __future__ import annotations

import re

SCALE = "_scale"  # X.weight [N, K] in eight bits has its scales [N] beside it as X.weight_scale
_LARGE = re.compile(
    r"(blocks\.\d+\.((self_attn|cross_attn)\.[qkvo]|ffn\.[02])"
    r"|audio_injector\.(injector\.\d+\.[qkvo]|injector_adain_layers\.\d+\.linear))\.weight"
)


def is_large(name: str) -> bool:
    """Whether a parameter is the weight of a large linear layer."""
    return _LARGE.fullmatch(name) is not None
