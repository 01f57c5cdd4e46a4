"""Where every part lies under one arrangement, in bytes on the GPU and in host memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from engine.catalog import BLOCK_LATENTS, FPS, ModelShape
from engine.memory import weights, working
from engine.memory.context import HEADER_BYTES, ITEM_BYTES, TensorSpec, context_tensors
from engine.memory.devices import CUDA_CONTEXT_BYTES, Device
from engine.memory.load import Load
from engine.memory.offload import RESIDENT, Offload

RING_POOL_LAYERS = 4  # layer buffers through which streamed rings pass
WEIGHT_POOL_LAYERS = 2  # layer buffers through which streamed weights pass
SPEECH_LAYERS = weights.SPEECH_LAYERS
VALUE_ROWS = 64  # values in eight bits lie transposed, their rows padded to a multiple of this
CONDITION_LATENTS = 20  # reference and motion


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """What is done to need less: one field per rung of the ladder."""

    kv: str
    is_parked: bool = False  # contexts that do not play lie in host memory
    is_lean: bool = False  # nothing kept for later: see `_roles`, `_encoders`; the decoder in pieces of one latent
    offload: Offload = RESIDENT

    @property
    def chunk(self) -> int:
        """Latents that go through the decoder at once."""
        return 1 if self.is_lean else BLOCK_LATENTS


@dataclass(frozen=True)
class Part:
    """One line of a plan: bytes on one GPU and in host memory (pinned, where they travel in every step)."""

    name: str
    gpu_bytes: int
    host_bytes: int = 0

    @property
    def place(self) -> str:
        """`gpu`, `host`, both or `none`."""
        places = [name for name, size in (("gpu", self.gpu_bytes), ("host", self.host_bytes)) if size]
        return "+".join(places) or "none"


def place(load: Load, how: Arrangement, device: Device | None) -> tuple[Part, ...]:
    """Every part, largest families first. Their sum on the GPU is the predicted peak."""
    precision = _precision(load)
    moment = _worst(load.shape, load.width, load.height, precision, how.chunk)
    slack = int(working.ALLOCATOR_SLACK_RATIO * moment.total_bytes)
    unknown = 0 if load.is_wide else CUDA_CONTEXT_BYTES  # a model in float32 is for the CPU
    overhead = unknown if device is None else device.cuda_context_bytes
    return (
        *_weights(load, how, precision),
        *_contexts(load, how),
        *_roles(load, how),
        *_encoders(load, how),
        Part("working memory", moment.total_bytes),
        Part("allocator slack", slack),
        Part("CUDA context", overhead),
    )


def layer_bytes(load: Load) -> int:
    """What of one transformer layer travels."""
    return weights.travelling_layer_bytes(load.shape, _precision(load))


def link_bytes(load: Load, how: Arrangement) -> int:
    """What comes in during one denoise step: a step's ring and the streamed layers. The ring goes back the other way at
    the same time, so it costs nothing more."""
    return how.offload.rings * _ring_bytes(load, how) + how.offload.layers * layer_bytes(load)


def start_bytes(load: Load, how: Arrangement) -> int:
    """What must have come before a step can begin: the first layer's ring."""
    return how.offload.rings * _ring_bytes(load, how) // load.shape.num_layers


def block_bytes(load: Load, how: Arrangement) -> int:
    """What comes in once per block, before its first step: the weights of the audio's keys, values and norms."""
    return how.offload.cold_weights * weights.cold_bytes(load.shape, _precision(load))[1]


def _ring_bytes(load: Load, how: Arrangement) -> int:
    """One step's ring."""
    return _context(load.shape, load.width, load.height, load.steps, load.infer_frames, how.kv)["rings"] // load.steps


def _precision(load: Load) -> str:
    return "float32" if load.is_wide else load.precision


def _weights(load: Load, how: Arrangement, precision: str) -> Iterator[Part]:
    layer, count = weights.travelling_layer_bytes(load.shape, precision), how.offload.layers
    per_prompt, per_block = weights.cold_bytes(load.shape, precision)
    away = count * layer + how.offload.cold_weights * per_block
    away += (how.offload.text_weights or how.offload.cold_weights) * per_prompt
    yield Part("transformer", weights.transformer_bytes(load.shape, precision) - away, away)
    if count:
        yield Part("layers on their way", min(count, WEIGHT_POOL_LAYERS) * layer)
    vae = ITEM_BYTES[load.shape.dtype] * weights.vae_parameters(load.shape)
    yield Part("autoencoder", vae + working.rearranged_bytes(load.shape))


def _contexts(load: Load, how: Arrangement) -> Iterator[Part]:
    sizes = _context(load.shape, load.width, load.height, load.steps, load.infer_frames, how.kv)
    parked = load.contexts - 1 if how.is_parked else 0
    playing = load.contexts - parked
    for name, size in sizes.items():
        if name == "rings" and how.offload.rings:
            yield Part(name, 0, load.contexts * size)
            layer = size // load.steps // load.shape.num_layers
            yield Part("rings on their way", min(RING_POOL_LAYERS, load.shape.num_layers) * layer)
        else:
            yield Part(name, playing * size, parked * size)


def _roles(load: Load, how: Arrangement) -> Iterator[Part]:
    shape, item = load.shape, ITEM_BYTES[load.shape.dtype]
    rows = shape.text_len * item
    yield Part("text keys and values", 2 * shape.num_layers * shape.dim * rows)
    speech = int(load.voice_s * FPS) * SPEECH_LAYERS * shape.audio_dim * item
    latents = working.latent_bytes(shape, load.width, load.height, CONDITION_LATENTS)
    one = rows * shape.text_dim + latents + speech
    yield Part("role conditions", *_kept(load.roles_ready, one, how))
    if load.adapters and load.adapter_rank:
        yield Part("adapters", *_kept(load.adapters, weights.adapter_bytes(shape, load.adapter_rank), how))


def _encoders(load: Load, how: Arrangement) -> Iterator[Part]:
    for name, where, size in (
        ("text encoder", load.text_encoder, weights.text_encoder_bytes(load.shape)),
        ("speech encoder", load.speech_encoder, weights.speech_encoder_bytes(load.shape)),
    ):
        is_on_gpu = where == "gpu" and not how.is_lean
        yield Part(name, size if is_on_gpu else 0, size if where != "none" and not is_on_gpu else 0)


def _kept(count: int, size: int, how: Arrangement) -> tuple[int, int]:
    """Bytes on the GPU and in host memory of `count` things of which one is in use."""
    return (size, (count - 1) * size) if how.is_lean else (count * size, 0)


@lru_cache(maxsize=256)
def _context(shape: ModelShape, width: int, height: int, steps: int, infer_frames: int, kv: str) -> dict[str, int]:
    """One context's bytes by family."""
    sizes = {"rings": 0, "sink": 0, "decoder memory": 0, "small state": HEADER_BYTES}
    families = {"ring": "rings", "sink": "sink", "decoder": "decoder memory"}
    is_coded = kv == "fp8" and shape.dtype != "float32"
    for spec in context_tensors(shape, width, height, steps, infer_frames):
        size = _coded_bytes(spec) if is_coded else spec.total_bytes
        sizes[families.get(spec.name.partition(".")[0], "small state")] += size
    return sizes


def _coded_bytes(spec: TensorSpec) -> int:
    """In eight bits ring keys, ring values and sink values take a byte a number; rows of values are padded."""
    if not spec.name.startswith("ring.") and spec.name != "sink.v":
        return spec.total_bytes
    layers, rows, heads, width = spec.shape
    padded = rows if spec.name.endswith(".k") else -(-rows // VALUE_ROWS) * VALUE_ROWS
    return layers * padded * heads * width * (2 if spec.is_double else 1)


@lru_cache(maxsize=256)
def _worst(shape: ModelShape, width: int, height: int, precision: str, chunk: int) -> working.Moment:
    return working.worst_moment(shape, width, height, precision, chunk)
