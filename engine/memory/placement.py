"""Where every part lies under one arrangement, in bytes on the GPU and in host memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from engine.catalog import BLOCK_LATENTS, FPS, ModelShape
from engine.memory import weights, working
from engine.memory.adapters import fitted_bytes, scratch_bytes
from engine.memory.context import HEADER_BYTES, ITEM_BYTES, KV_FP8, context_tensors, ring_rows
from engine.memory.decoding import rearranged_bytes
from engine.memory.devices import CUDA_CONTEXT_BYTES, CUDA_STREAMS_BYTES, STANDBY_BYTES, VAULT_BYTES, Device
from engine.memory.load import Load
from engine.memory.offload import RESIDENT, Offload

RING_POOL_LAYERS = 4  # layer buffers through which streamed rings pass
WEIGHT_POOL_LAYERS = 2  # layer buffers through which streamed weights pass
TEXT_POOL_LAYERS = 2  # and those of a text encoder that lies in host memory; they stay after the first prompt
SPEECH_LAYERS = weights.SPEECH_LAYERS
CONDITION_LATENTS = 20  # reference and motion
SLACK, CUDA_CONTEXT, RECORDED = "allocator slack", "CUDA context", "recorded steps"
VAULT, STANDBYS = "vault", "standbys"  # processes beside the worker: what they take for themselves
NOT_ALLOCATED = (SLACK, RECORDED, CUDA_CONTEXT, VAULT, STANDBYS)  # by the worker's tensors


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """What is done to need less: one field per rung of the ladder."""

    kv: str
    is_parked: bool = False  # contexts that do not play lie in host memory
    is_lean: bool = False  # nothing kept for later on the GPU: see `_roles`, `_encoders`
    offload: Offload = RESIDENT


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
    moment = _worst(load.shape, load.width, load.height, precision, _kv(load.shape, how.kv), load.adapter_rank)
    unknown = 0 if load.is_wide else CUDA_CONTEXT_BYTES  # a model in float32 is for the CPU
    overhead = unknown if device is None else device.cuda_context_bytes
    if overhead and (how.offload.rings or how.offload.layers):
        overhead += CUDA_STREAMS_BYTES
    return (
        *_weights(load, how, precision),
        *_contexts(load, how),
        *_roles(load, how),
        *_encoders(load, how),
        Part("working memory", moment.total_bytes),
        Part(SLACK, working.slack_bytes(moment)),
        Part(RECORDED, _recorded(load, how, precision)),
        Part(CUDA_CONTEXT, overhead),
        *_neighbours(load, unknown if device is None else device.cuda_context_bytes),
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
    return how.offload.cold_weights * weights.cold_bytes(load.shape, _precision(load), load.adapter_rank)[1]


def _ring_bytes(load: Load, how: Arrangement) -> int:
    """One step's ring."""
    return _context(load.shape, load.width, load.height, load.steps, load.infer_frames, how.kv)["rings"] // load.steps


def _precision(load: Load) -> str:
    return "float32" if load.is_wide else load.precision


def _weights(load: Load, how: Arrangement, precision: str) -> Iterator[Part]:
    layer, count = weights.travelling_layer_bytes(load.shape, precision), how.offload.layers
    per_prompt, per_block = weights.cold_bytes(load.shape, precision, load.adapter_rank)
    away = count * layer + how.offload.cold_weights * per_block
    away += (how.offload.text_weights or how.offload.cold_weights) * per_prompt
    yield Part("transformer", weights.transformer_bytes(load.shape, precision, load.adapter_rank) - away, away)
    if count:
        yield Part("layers on their way", min(count, WEIGHT_POOL_LAYERS) * layer)
    vae = ITEM_BYTES[load.shape.dtype] * weights.vae_parameters(load.shape)
    yield Part("autoencoder", vae + rearranged_bytes(load.shape))


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
    """One role alone is played from its conditions. Several are all kept ready (`engine.model.ready`), the playing one
    too, for it comes back; the keys and values of the last prompt are kept beside them."""
    shape, item = load.shape, ITEM_BYTES[load.shape.dtype]
    rows = shape.text_len * item
    text = 2 * shape.num_layers * shape.dim * rows
    yield Part("text keys and values", text)
    speech = int(load.voice_s * FPS) * SPEECH_LAYERS * shape.audio_dim * item
    latents = working.latent_bytes(shape, load.width, load.height, CONDITION_LATENTS)
    one = rows * shape.text_dim + latents + speech
    if load.roles_ready > 1:
        one += ready_bytes(shape, load.width, load.height, how.kv)
    yield Part("role conditions", *_kept(load.roles_ready, one, how))
    if load.adapters and load.adapter_rank:
        gpu, host = _kept(load.adapters, fitted_bytes(shape, _precision(load), load.adapter_rank), how)
        tokens = ring_rows(load.width, load.height, 4 * BLOCK_LATENTS)
        yield Part("adapters", gpu + (0 if load.is_wide else scratch_bytes(tokens, load.adapter_rank)), host)


def _encoders(load: Load, how: Arrangement) -> Iterator[Part]:
    for name, where, size in (
        ("text encoder", load.text_encoder, weights.text_encoder_bytes(load.shape)),
        ("speech encoder", load.speech_encoder, weights.speech_encoder_bytes(load.shape)),
    ):
        is_on_gpu = where == "gpu" and not how.is_lean
        yield Part(name, size if is_on_gpu else 0, size if where != "none" and not is_on_gpu else 0)
        if name == "text encoder" and where != "none" and not is_on_gpu and not load.is_wide:
            yield Part("text encoder on its way", TEXT_POOL_LAYERS * weights.text_layer_bytes(load.shape))


def _neighbours(load: Load, context: int) -> Iterator[Part]:
    """The vault's own CUDA context; a standby's, and what it has made for itself: rearranged convolutions, the speech encoder,
    the places through which a text encoder travels. `context`: a worker's, in bytes."""
    if not load.has_vault:
        return
    yield Part(VAULT, VAULT_BYTES if context else 0)
    own = context + (STANDBY_BYTES if context else 0) + rearranged_bytes(load.shape)
    own += weights.speech_encoder_bytes(load.shape) if load.speech_encoder == "gpu" else 0
    if load.text_encoder == "host" and not load.is_wide:
        own += TEXT_POOL_LAYERS * weights.text_layer_bytes(load.shape)
    yield Part(STANDBYS, load.standbys * own)


def _recorded(load: Load, how: Arrangement, precision: str) -> int:
    """Steps are recorded where nothing travels in them: per context, before and after its sink is renewed."""
    if load.is_wide or how.offload.rings or how.offload.layers:
        return 0
    kv, steps = _kv(load.shape, how.kv), 2 * load.steps * load.contexts
    return working.recorded_bytes(load.shape, load.width, load.height, precision, kv, load.adapter_rank, steps)


def _kept(count: int, size: int, how: Arrangement) -> tuple[int, int]:
    """Bytes on the GPU and in host memory of `count` things of which one is in use."""
    return (size, (count - 1) * size) if how.is_lean else (count * size, 0)


@lru_cache(maxsize=256)
def _context(shape: ModelShape, width: int, height: int, steps: int, infer_frames: int, kv: str) -> dict[str, int]:
    """One context's bytes by family."""
    sizes = {"rings": 0, "sink": 0, "decoder memory": 0, "small state": HEADER_BYTES}
    families = {"ring": "rings", "sink": "sink", "decoder": "decoder memory"}
    for spec in context_tensors(shape, width, height, steps, infer_frames, _kv(shape, kv)):
        sizes[families.get(spec.name.partition(".")[0], "small state")] += spec.total_bytes
    return sizes


@lru_cache(maxsize=256)
def ready_bytes(shape: ModelShape, width: int, height: int, kv: str | None) -> int:
    """What a role made ready takes beside its conditions: keys and values of its text; of a context one copy of the sink,
    the scales of its values, the decoder's memory."""
    specs = context_tensors(shape, width, height, 1, kv=_kv(shape, kv))
    of_context = sum(spec.item_bytes for spec in specs if spec.name.startswith(("sink.", "v_scale", "decoder.")))
    return of_context + 2 * shape.num_layers * shape.dim * shape.text_len * ITEM_BYTES[shape.dtype]


def _kv(shape: ModelShape, kv: str | None) -> str | None:
    """The rings' form as the engine calls it."""
    return KV_FP8 if kv == KV_FP8 and shape.dtype != "float32" else None


@lru_cache(maxsize=256)
def _worst(
    shape: ModelShape, width: int, height: int, precision: str, kv: str | None, adapter_rank: int
) -> working.Moment:
    return working.worst_moment(shape, width, height, precision, kv, adapter_rank)
