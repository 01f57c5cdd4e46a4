"""A worker's engine when its model directory asks for random weights."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch

from engine.errors import WeightsError
from engine.memory.offload import RESIDENT
from engine.model.block_engine import BlockEngine
from engine.model.random_directory import RandomModel, RandomSpeech, RandomText
from engine.model.random_weights import DTYPES, random_engine
from engine.model.slab import Keep, NeedsContent, build_shared, everything, keep_here, travelling
from engine.worker.device import adapter_rank, weights_offload
from engine.worker.device_memory import SharedDevice


@dataclass(frozen=True)
class LoadedModel:
    """An engine, and what its memory is planned by: the precision of its files, its room for adapters."""

    engine: BlockEngine
    precision: str
    adapter_rank: int


def load_random(model: RandomModel, device: str, shared: SharedDevice | None) -> LoadedModel:
    """Weights as model.json says, in the vault's memory where there is one on the device. Raises WeightsError."""
    shape, is_fused = model.shape, model.shape.dtype != "float32"
    if is_fused and device == "cpu":
        raise WeightsError(f"{shape.name} with random weights needs a GPU.", hint="On a CPU use the shape pocket.")
    precision, rank = (model.precision, adapter_rank()) if is_fused else ("plain", 0)
    offload = weights_offload(shape, precision, rank, has_vault=shared is not None) if is_fused else RESIDENT
    dtype: torch.dtype = DTYPES[shape.dtype]

    def build(keep: Keep, needs: NeedsContent) -> BlockEngine:
        return random_engine(
            shape, device, precision, model.seed, offload=offload, adapter_rank=rank, keep=keep, needs=needs,
            text_encoder=lambda: RandomText(shape.text_dim, device, dtype),
            speech_encoder=lambda: RandomSpeech(shape.audio_dim, device, dtype), weights_sha256=model.sha256,
        )  # fmt: skip

    if shared is None:
        return LoadedModel(build(keep_here, everything), model.precision, rank)
    identity = [model.sha256, precision, rank, dataclasses.asdict(offload)]
    engine = build_shared(shared, identity, build, travelling(offload, shape.num_layers))
    return LoadedModel(engine, model.precision, rank)
