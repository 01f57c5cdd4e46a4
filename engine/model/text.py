"""Prompt to text rows: cleaning, tokens, UMT5 encoder. Rows are cut to the text's true length, padded later."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from engine.errors import WeightsError
from engine.model.weights import assign, empty_weights

PAD, END = 0, 1  # token ids of the public tokenizer, kept by the byte tokenizer
_BYTE_OFFSET = 3  # ids 0, 1, 2 are padding, end and unknown

# Names of the public file -> names of the transformers class, inside one layer.
_LAYER_NAMES = {
    "norm1.weight": "layer.0.layer_norm.weight",
    "attn.q.weight": "layer.0.SelfAttention.q.weight",
    "attn.k.weight": "layer.0.SelfAttention.k.weight",
    "attn.v.weight": "layer.0.SelfAttention.v.weight",
    "attn.o.weight": "layer.0.SelfAttention.o.weight",
    "pos_embedding.embedding.weight": "layer.0.SelfAttention.relative_attention_bias.weight",
    "norm2.weight": "layer.1.layer_norm.weight",
    "ffn.gate.0.weight": "layer.1.DenseReluDense.wi_0.weight",
    "ffn.fc1.weight": "layer.1.DenseReluDense.wi_1.weight",
    "ffn.fc2.weight": "layer.1.DenseReluDense.wo.weight",
}


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """Shape of the text encoder, in the published class's names. `tokenizer`: "bytes", or a folder beside it.

    `longest_prompt`: tokens of a byte tokenizer that are read at most; None: as many as the network has rows for. A network
    looks at the empty rows behind a prompt as well, and one that has always seen some is lost without them.
    """

    vocab_size: int
    dim: int
    dim_attn: int
    dim_ffn: int
    num_heads: int
    encoder_layers: int
    num_buckets: int = 32
    max_distance: int = 128
    tokenizer: str = "bytes"
    longest_prompt: int | None = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TextConfig:
        """From plain data; unknown fields are ignored. Raises WeightsError naming a missing one."""
        try:
            return cls(**{name: data[name] for name in cls.__dataclass_fields__ if name in data})
        except TypeError as error:
            hint = "Bring the model.json that belongs to these weights."
            raise WeightsError(f"text encoder: {error}.", hint=hint, problem="bad_config") from error


def expected_shapes(config: TextConfig) -> dict[str, tuple[int, ...]]:
    """Tensors of the public file: name -> shape."""
    dim, inner, wide = config.dim, config.dim_attn, config.dim_ffn
    layer: dict[str, tuple[int, ...]] = {
        "norm1.weight": (dim,), "norm2.weight": (dim,), "pos_embedding.embedding.weight": (config.num_buckets, config.num_heads),
        "attn.q.weight": (inner, dim), "attn.k.weight": (inner, dim), "attn.v.weight": (inner, dim),
        "attn.o.weight": (dim, inner), "ffn.gate.0.weight": (wide, dim), "ffn.fc1.weight": (wide, dim),
        "ffn.fc2.weight": (dim, wide),
    }  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {"token_embedding.weight": (config.vocab_size, dim), "norm.weight": (dim,)}
    for index in range(config.encoder_layers):
        shapes |= {f"blocks.{index}.{name}": shape for name, shape in layer.items()}
    return shapes


class Tokenizer(Protocol):
    """Text to token ids, the end token included."""

    def ids(self, text: str, limit: int) -> list[int]:
        """At most `limit` ids."""
        ...


class ByteTokenizer:
    """One token per UTF-8 byte: for small models, so that no vocabulary file is needed."""

    def __init__(self, longest: int | None = None) -> None:
        self._longest = longest

    def ids(self, text: str, limit: int) -> list[int]:
        """At most `limit` ids, the last one the end token."""
        limit = min(limit, self._longest or limit)
        return [byte + _BYTE_OFFSET for byte in text.encode()[: limit - 1]] + [END]


class VocabularyTokenizer:
    """The public tokenizer, from its folder."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer  # heavy: only where a vocabulary is used

        if not folder.is_dir():
            what = f"the tokenizer folder {folder} is missing."
            raise WeightsError(what, hint="Copy it from the checkpoint.", problem="bad_tokenizer")
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        except Exception as error:  # the library raises whatever its parsers raise, bare exceptions among them
            hint = "Copy the folder from the checkpoint again."
            what = f"the tokenizer folder {folder} cannot be read: {error}."
            raise WeightsError(what, hint=hint, problem="bad_tokenizer") from error

    def ids(self, text: str, limit: int) -> list[int]:
        """At most `limit` ids, the last one the end token."""
        return list(self._tokenizer(text, truncation=True, max_length=limit, add_special_tokens=True)["input_ids"])


def load_tokenizer(config: TextConfig, model_dir: Path) -> Tokenizer:
    """The tokenizer that the configuration names."""
    if config.tokenizer == "bytes":
        return ByteTokenizer(config.longest_prompt)
    return VocabularyTokenizer(model_dir / config.tokenizer)


def clean(prompt: str) -> str:
    """Prompt as the encoder was trained to see it: mended Unicode, no HTML entities, single spaces."""
    import ftfy

    text = html.unescape(html.unescape(ftfy.fix_text(prompt)))
    return re.sub(r"\s+", " ", text).strip()


def build_text_encoder(config: TextConfig, tensors: dict[str, Tensor], name: str) -> nn.Module:
    """The transformers class with weights under the public file's names, without copying."""
    from transformers import UMT5Config, UMT5EncoderModel

    shape = UMT5Config(
        vocab_size=config.vocab_size, d_model=config.dim, d_kv=config.dim_attn // config.num_heads, d_ff=config.dim_ffn,
        num_heads=config.num_heads, num_layers=config.encoder_layers, layer_norm_epsilon=1e-6, dropout_rate=0.0,
        relative_attention_num_buckets=config.num_buckets, relative_attention_max_distance=config.max_distance,
        feed_forward_proj="gated-gelu", pad_token_id=PAD, eos_token_id=END,
    )  # fmt: skip
    with empty_weights():
        model = UMT5EncoderModel(shape)
    assign(model, {_library_name(key): value for key, value in tensors.items()} | _twin(tensors), name)
    return model


def encode_ids(model: nn.Module, ids: list[int], device: torch.device | str | None = None) -> Tensor:
    """Rows [len(ids), dim] of one text, without padding (padding would be masked and cut away).

    `device` is where the layers compute, if not where the weights lie.
    """
    device = device or next(model.parameters()).device
    tokens = torch.tensor([ids], device=device)
    return model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state[0]


def _library_name(key: str) -> str:
    if key == "token_embedding.weight":
        return "shared.weight"
    if key == "norm.weight":
        return "encoder.final_layer_norm.weight"
    parts = key.split(".", 2)
    if len(parts) == 3 and parts[0] == "blocks" and parts[2] in _LAYER_NAMES:
        return f"encoder.block.{parts[1]}.{_LAYER_NAMES[parts[2]]}"
    return key  # refused by name when the weights are assigned


def _twin(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The library spells the embedding twice."""
    return (
        {"encoder.embed_tokens.weight": tensors["token_embedding.weight"]}
        if "token_embedding.weight" in tensors
        else {}
    )
