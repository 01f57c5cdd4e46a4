"""How much memory a model and a job's context take, and where it lies: pure arithmetic, no torch.

`make_plan` and `all_rungs` answer for a `Load` in a `Room`, `predict` for a measurement; the rest is what they are made of.
"""

from __future__ import annotations

from engine.memory.context import (
    ALIGNMENT_BYTES,
    HEADER_BYTES,
    ITEM_BYTES,
    KV_FP8,
    LATENT_CHANNELS,
    TensorSpec,
    context_bytes,
    context_tensors,
    decoder_memory,
    ring_rows,
    ring_tensors,
    sink_rows,
)
from engine.memory.devices import GIB, USABLE_RATIO, Device, device_named, devices, find_device, speed_of
from engine.memory.ladder import all_rungs, make_plan
from engine.memory.load import KV_FORMS, PLACES, PRECISIONS, Load, Room
from engine.memory.offload import Offload
from engine.memory.placement import Arrangement, Part, ready_bytes
from engine.memory.plan import Plan, Rung, Verdict, gib, plan_of, rung_words
from engine.memory.prediction import Prediction, predict
from engine.memory.timing import BlockTime, Speed
from engine.memory.weights import (
    SPEECH_LAYERS,
    quantised_parameters,
    speech_encoder_bytes,
    text_encoder_bytes,
    transformer_parameters,
    vae_parameters,
    weights_bytes,
)
from engine.memory.words import COSTS, PART_WORDS, RUNG_WORDS, Words

__all__ = [
    "ALIGNMENT_BYTES",
    "COSTS",
    "GIB",
    "HEADER_BYTES",
    "ITEM_BYTES",
    "KV_FORMS",
    "KV_FP8",
    "LATENT_CHANNELS",
    "PART_WORDS",
    "PLACES",
    "PRECISIONS",
    "RUNG_WORDS",
    "SPEECH_LAYERS",
    "USABLE_RATIO",
    "Arrangement",
    "BlockTime",
    "Device",
    "Load",
    "Offload",
    "Part",
    "Plan",
    "Prediction",
    "Room",
    "Rung",
    "Speed",
    "TensorSpec",
    "Verdict",
    "Words",
    "all_rungs",
    "context_bytes",
    "context_tensors",
    "decoder_memory",
    "device_named",
    "devices",
    "find_device",
    "gib",
    "make_plan",
    "plan_of",
    "predict",
    "quantised_parameters",
    "ready_bytes",
    "ring_rows",
    "ring_tensors",
    "rung_words",
    "sink_rows",
    "speech_encoder_bytes",
    "speed_of",
    "text_encoder_bytes",
    "transformer_parameters",
    "vae_parameters",
    "weights_bytes",
]
