"""How much memory a model and a job's context take: pure arithmetic, no torch."""

from __future__ import annotations

from engine.memory.context import (
    ALIGNMENT_BYTES,
    HEADER_BYTES,
    ITEM_BYTES,
    LATENT_CHANNELS,
    TensorSpec,
    context_bytes,
    context_tensors,
    decoder_memory,
    ring_rows,
    sink_rows,
)
from engine.memory.weights import (
    SPEECH_LAYERS,
    quantised_parameters,
    transformer_parameters,
    vae_parameters,
    weights_bytes,
)

__all__ = [
    "ALIGNMENT_BYTES",
    "HEADER_BYTES",
    "ITEM_BYTES",
    "LATENT_CHANNELS",
    "SPEECH_LAYERS",
    "TensorSpec",
    "context_bytes",
    "context_tensors",
    "decoder_memory",
    "quantised_parameters",
    "ring_rows",
    "sink_rows",
    "transformer_parameters",
    "vae_parameters",
    "weights_bytes",
]
