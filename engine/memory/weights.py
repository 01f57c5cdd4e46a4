"""How many parameters a model has and how many bytes they take, exact."""

from __future__ import annotations

import itertools

from engine.catalog import ModelShape
from engine.memory.adapters import PER_BLOCK, PER_PROMPT, side_numbers
from engine.memory.context import ITEM_BYTES, LATENT_CHANNELS, VAE_RES_BLOCKS, VAE_TEMPORAL_UPSAMPLE

SPEECH_LAYERS = 25
_SCALE_BYTES = 4

# The two encoders of the public checkpoint in bfloat16 (UMT5-XXL, wav2vec2-large), by the shape they belong to.
_TEXT_ENCODER = {"live-avatar-14b": 5_680_910_336}
_TEXT_LAYER = {
    "live-avatar-14b": 192_948_224
}  # one of 24: attention 4 x 4096^2, feed-forward 3 x 4096 x 10240, norms, biases
_SPEECH_ENCODER = {"live-avatar-14b": 315_472_545}


def transformer_parameters(shape: ModelShape) -> int:
    """Parameters of the transformer."""
    dim, small = shape.dim, LATENT_CHANNELS * 4
    injector = _attention(dim) + _linear(dim, 2 * dim)
    embeddings = _linear(shape.text_dim, dim) + _linear(shape.freq_dim, dim) + 2 * _linear(dim, dim)
    embeddings += _linear(dim, 6 * dim) + 3 * dim
    patches = 2 * _linear(small, dim) + _linear(small, dim) + _linear(8 * small, dim) + _linear(64 * small, dim)
    head = 2 * dim + _linear(dim, small)
    injectors = len(shape.audio_inject_layers) * injector
    return (
        shape.num_layers * block_parameters(shape) + injectors + audio_parameters(shape) + embeddings + patches + head
    )


def block_parameters(shape: ModelShape) -> int:
    """Parameters of one of its layers."""
    dim = shape.dim
    return 6 * dim + 2 * _attention(dim) + 2 * dim + 2 * dim * shape.ffn_dim + shape.ffn_dim + dim


def audio_parameters(shape: ModelShape) -> int:
    """Parameters of the audio projector."""
    dim = shape.dim
    audio = SPEECH_LAYERS + dim + _linear(dim, dim)
    audio += _linear(3 * shape.audio_dim, dim // 4 * shape.num_audio_token) + _linear(3 * shape.audio_dim, dim // 4)
    return audio + _linear(3 * (dim // 4), dim // 2) + _linear(3 * (dim // 2), dim)


def quantised_parameters(shape: ModelShape) -> int:
    """Of these, the weights that an eight-bit model stores in one byte: attention, feed-forward, adaptive norms."""
    dim, injections = shape.dim, len(shape.audio_inject_layers)
    return shape.num_layers * (8 * dim * dim + 2 * dim * shape.ffn_dim) + injections * 6 * dim * dim


def travelling_layer_bytes(shape: ModelShape, precision: str) -> int:
    """What of one layer travels where layers are streamed: the weights of the products that every step uses."""
    return _product_item(precision) * (6 * shape.dim * shape.dim + 2 * shape.dim * shape.ffn_dim)


def cold_bytes(shape: ModelShape, precision: str, adapter_rank: int = 0) -> tuple[int, int]:
    """Weights used once per prompt (text keys and values), and once per block (audio keys, values, adaptive norms), with
    side columns for adapters of `adapter_rank` in all."""
    item, square = _product_item(precision), shape.dim * shape.dim
    prompt = 2 * shape.num_layers * square + side_numbers(shape, adapter_rank, PER_PROMPT)
    block = 4 * len(shape.audio_inject_layers) * square + side_numbers(shape, adapter_rank, PER_BLOCK)
    return item * prompt, item * block


def transformer_bytes(shape: ModelShape, precision: str, adapter_rank: int = 0) -> int:
    """Bytes of the whole transformer, the scales of an eight-bit one and side columns for adapters included. `precision`:
    float32 (the plain network), bf16 or fp8 (the fused one, which keeps its modulations in float32)."""
    if precision == "float32":
        return ITEM_BYTES[precision] * transformer_parameters(shape)
    modulations = 2 * shape.num_layers * 6 * shape.dim
    total = (
        2 * transformer_parameters(shape) + modulations + _product_item(precision) * side_numbers(shape, adapter_rank)
    )
    if precision == "bf16":
        return total
    rows = shape.num_layers * (9 * shape.dim + shape.ffn_dim) + len(shape.audio_inject_layers) * 6 * shape.dim
    return total - quantised_parameters(shape) + _SCALE_BYTES * rows


def vae_parameters(shape: ModelShape) -> int:
    """Parameters of the video autoencoder."""
    base, mults, z = shape.vae_dim, shape.vae_dim_mult, LATENT_CHANNELS
    down = [base * mult for mult in (1, *mults)]
    top = down[-1]
    middle = 4 * _conv(top, top) + 4 * top + top + _linear(top, 3 * top) + _linear(top, top)
    total = 2 * middle + _conv(3, down[0]) + top + _conv(top, 2 * z) + _linear(2 * z, 2 * z) + _linear(z, z)
    temporal = VAE_TEMPORAL_UPSAMPLE[::-1]
    for level, (width, out) in enumerate(itertools.pairwise(down)):
        total += _residual(width, out) + (VAE_RES_BLOCKS - 1) * _residual(out, out)
        if level < len(temporal):
            total += _linear(9 * out, out) + (_linear(3 * out, out) if temporal[level] else 0)
    up = [base * mult for mult in (mults[-1], *mults[::-1])]
    total += _conv(z, up[0]) + up[-1] + _conv(up[-1], 3)
    for level, (width, out) in enumerate(itertools.pairwise(up)):
        total += _residual(width if level == 0 else width // 2, out) + VAE_RES_BLOCKS * _residual(out, out)
        if level < len(VAE_TEMPORAL_UPSAMPLE):
            total += _linear(9 * out, out // 2)
            total += _linear(3 * out, 2 * out) if VAE_TEMPORAL_UPSAMPLE[level] else 0
    return total


def weights_bytes(shape: ModelShape, precision: str) -> int:
    """Bytes of what stays resident: transformer and autoencoder. `precision`: float32, bfloat16 or fp8 (weights of the
    large linear layers in one byte, the rest and the autoencoder in bfloat16)."""
    if precision == "fp8":
        return 2 * (transformer_parameters(shape) + vae_parameters(shape)) - quantised_parameters(shape)
    return ITEM_BYTES[precision] * (transformer_parameters(shape) + vae_parameters(shape))


def text_encoder_bytes(shape: ModelShape) -> int:
    """The text encoder; 0 where the model's is too small to count."""
    return 2 * _TEXT_ENCODER.get(shape.name, 0)


def text_layer_bytes(shape: ModelShape) -> int:
    """One of the text encoder's layers; 0 where the model's is too small to count."""
    return 2 * _TEXT_LAYER.get(shape.name, 0)


def speech_encoder_bytes(shape: ModelShape) -> int:
    """The speech encoder; 0 where the model's is too small to count."""
    return 2 * _SPEECH_ENCODER.get(shape.name, 0)


def _product_item(precision: str) -> int:
    return 1 if precision == "fp8" else ITEM_BYTES[_dtype(precision)]


def _dtype(precision: str) -> str:
    return "bfloat16" if precision == "bf16" else precision


def _attention(dim: int) -> int:
    return 4 * (dim * dim + dim) + 2 * dim


def _linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def _conv(channels: int, out: int) -> int:
    return _linear(27 * channels, out)


def _residual(channels: int, out: int) -> int:
    shortcut = _linear(channels, out) if channels != out else 0
    return channels + _conv(channels, out) + out + _conv(out, out) + shortcut
